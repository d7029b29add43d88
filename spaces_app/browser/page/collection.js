// "Learn my hand": what was written here and what it means, kept in this browser alone, if one wants to.
// The file that can be saved is read by `inktex train finetune`.

/** @typedef {import("./ink.js").Point} Point */

const KEPT = "inktex.hand";

export class Collection {
  constructor() {
    /** @type {Storage | null} What the browser keeps; nothing in some frames, or where that is switched off. */
    this.storage = opened();
    /** Whether there was no room for what was last added. */
    this.isFull = false;
  }

  /** Whether what is copied is kept. */
  get isOn() {
    return this.kept !== null;
  }

  get kept() {
    return this.storage?.getItem(KEPT) ?? null;
  }

  /** Rows of JSON, a formula each. */
  get rows() {
    return (this.kept ?? "").split("\n").filter(Boolean);
  }

  /** How many there are, in words; nothing where none are kept. */
  get summary() {
    const count = this.rows.length;
    const full = this.isFull ? " There is no room for more." : "";
    return this.isOn ? `${count} ${count === 1 ? "formula" : "formulas"} kept.${full}` : "";
  }

  /** The file of all of them. */
  get text() {
    return this.rows.map((row) => `${row}\n`).join("");
  }

  /** @param {boolean} isOn false forgets everything */
  turn(isOn) {
    if (isOn) this.keep(this.text);
    else this.storage?.removeItem(KEPT);
  }

  /**
   * Keeps a formula; its last LaTeX counts.
   * @param {readonly (readonly Point[])[]} strokes
   * @param {string} latex
   */
  add(strokes, latex) {
    if (!this.isOn || !strokes.length || !latex) return;
    const rounded = strokes.map((stroke) => stroke.map((point) => point.map((one) => Math.round(10 * one) / 10)));
    const ink = JSON.stringify(rounded);
    const others = this.rows.filter((row) => !row.startsWith(`{"strokes":${ink},`));
    this.keep([...others, JSON.stringify({ strokes: rounded, latex })].join("\n"));
  }

  /** @param {string} text */
  keep(text) {
    try {
      this.storage?.setItem(KEPT, text);
      this.isFull = false;
    } catch {
      this.isFull = true;
    }
  }
}

function opened() {
  try {
    return localStorage;
  } catch {
    return null;
  }
}
