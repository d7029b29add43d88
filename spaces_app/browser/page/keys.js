// Shortcuts. Single letters work on the pad alone, where nobody types.

/** @type {Record<string, string>} */
const ON_PAD = { p: "pen", e: "eraser", l: "lasso", o: "open", delete: "clear", backspace: "clear" };

/**
 * Whether keys write there, and Ctrl+Z undoes what they wrote.
 * @param {EventTarget | null} target
 */
const isTyping = (target) => target instanceof HTMLTextAreaElement;

/**
 * @param {HTMLElement} pad
 * @param {(name: string) => void} act
 * @param {object} selecting what the keyboard does with strokes
 * @param {() => void} selecting.all
 * @param {(key: string) => (() => void) | null} selecting.keyAction with those that are selected
 * @param {() => string} latex what is copied where no text is selected
 */
export function listenToKeys(pad, act, selecting, latex) {
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || isTyping(event.target)) return;
    const key = event.key.toLowerCase();
    const name = key === "y" || (key === "z" && event.shiftKey) ? "redo" : key === "z" ? "undo" : null;
    if (!name) return;
    event.preventDefault();
    act(name);
  });
  pad.addEventListener("keydown", (event) => {
    const key = event.key.toLowerCase();
    const isCommand = event.ctrlKey || event.metaKey;
    const done =
      event.target !== pad || event.altKey ? null
      : isCommand ? (key === "a" ? selecting.all : null)
      : selecting.keyAction(key) ?? onPad(key, act);
    if (!done) return;
    event.preventDefault();
    done();
  });
  document.addEventListener("copy", (event) => {
    if (isTyping(document.activeElement) || String(getSelection()) || !latex()) return;
    event.preventDefault();
    event.clipboardData?.setData("text/plain", latex());
  });
}

/**
 * @param {string} key
 * @param {(name: string) => void} act
 */
function onPad(key, act) {
  const name = ON_PAD[key];
  return name ? () => act(name) : null;
}
