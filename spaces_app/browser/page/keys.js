// Shortcuts. Single letters work on the pad alone, where nobody types.

/** @type {Record<string, string>} */
const ON_PAD = { p: "pen", e: "eraser", l: "lasso", o: "open", delete: "clear", backspace: "clear" };
/** @type {Record<string, [number, number]>} */
const WAYS = { arrowleft: [-1, 0], arrowright: [1, 0], arrowup: [0, -1], arrowdown: [0, 1] };
const STEP = 8; // pixels that a key moves what is selected

/**
 * What the keyboard does with strokes.
 * @typedef {object} Selecting
 * @property {() => boolean} has whether some are selected
 * @property {() => void} all
 * @property {() => void} none
 * @property {() => void} remove
 * @property {(across: number, down: number) => void} move
 */

/**
 * @param {HTMLElement} pad
 * @param {(name: string) => void} act
 * @param {Selecting} selecting
 * @param {() => string} latex what is copied where no text is selected
 */
export function listenToKeys(pad, act, selecting, latex) {
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
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
      : selecting.has() ? onSelection(key, selecting) ?? onPad(key, act)
      : onPad(key, act);
    if (!done) return;
    event.preventDefault();
    done();
  });
  document.addEventListener("copy", (event) => {
    const isField = document.activeElement instanceof HTMLTextAreaElement;
    if (isField || String(getSelection()) || !latex()) return;
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

/**
 * @param {string} key
 * @param {Selecting} selecting
 */
function onSelection(key, selecting) {
  if (key === "escape") return selecting.none;
  if (key === "delete" || key === "backspace") return selecting.remove;
  const way = WAYS[key];
  return way ? () => selecting.move(STEP * way[0], STEP * way[1]) : null;
}
