// Shortcuts. Single letters work on the pad alone, where nobody types.

/** @type {Record<string, string>} */
const ON_PAD = { p: "pen", e: "eraser", o: "open", delete: "clear", backspace: "clear" };

/**
 * @param {HTMLElement} pad
 * @param {(name: string) => void} act
 * @param {() => string} latex what is copied where no text is selected
 */
export function listenToKeys(pad, act, latex) {
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
    const key = event.key.toLowerCase();
    const name = key === "y" || (key === "z" && event.shiftKey) ? "redo" : key === "z" ? "undo" : null;
    if (!name) return;
    event.preventDefault();
    act(name);
  });
  pad.addEventListener("keydown", (event) => {
    const name = ON_PAD[event.key.toLowerCase()];
    if (!name || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act(name);
  });
  document.addEventListener("copy", (event) => {
    const isField = document.activeElement instanceof HTMLTextAreaElement;
    if (isField || String(getSelection()) || !latex()) return;
    event.preventDefault();
    event.clipboardData?.setData("text/plain", latex());
  });
}
