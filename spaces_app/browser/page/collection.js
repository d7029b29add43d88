// "Learn my hand": what was written here and what it means, kept in this browser alone, if one wants to.
// The file that can be saved is read by `inktex train finetune`.

/** @typedef {import("./ink.js").Point} Point */

const KEPT = "inktex.hand";

export class Collection {
  /** @param {Storage} storage */
  constructor(storage) {
    this.storage = storage;
  }

  /** Whether what is copied is kept. */
  get isOn() {
    return this.storage.getItem(KEPT) !== null;
  }

  /** Rows of JSON, a formula each. */
  get rows() {
    return (this.storage.getItem(KEPT) ?? "").split("\n").filter(Boolean);
  }

  /** How many there are, in words; nothing where none are kept. */
  get summary() {
    const count = this.rows.length;
    return this.isOn ? `${count} ${count === 1 ? "formula" : "formulas"} kept.` : "";
  }

  /** The file of all of them. */
  get text() {
    return this.rows.map((row) => `${row}\n`).join("");
  }

  /** @param {boolean} isOn false forgets everything */
  turn(isOn) {
    if (isOn) this.storage.setItem(KEPT, this.text);
    else this.storage.removeItem(KEPT);
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
    this.storage.setItem(KEPT, [...others, JSON.stringify({ strokes: rounded, latex })].join("\n"));
  }
}
