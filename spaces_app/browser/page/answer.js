// The reading as the page shows it.

import { DOUBTFUL } from "./boxes.js";
import { FORMATS, render } from "./formats.js";

const SHOWN_MS = 1500; // that a button says what it has done

const percent = (/** @type {number} */ share) => `${Math.round(100 * share)} %`;

export class Answer {
  /**
   * @param {HTMLElement} element
   * @param {(text: string) => void} announce
   * @param {(index: number | null) => void} pointed
   */
  constructor(element, announce, pointed) {
    const find = (/** @type {string} */ selector) => /** @type {any} */ (element.querySelector(selector));
    this.element = element;
    this.announce = announce;
    this.pointed = pointed;
    this.latex = "";
    /** @type {HTMLElement} */
    this.formula = find("#formula");
    /** @type {HTMLElement} */
    this.verdict = find("#verdict");
    /** @type {HTMLTextAreaElement} */
    this.text = find("#latex");
    /** @type {HTMLElement} */
    this.symbols = find("#symbols");
    /** @type {HTMLElement} */
    this.title = find("#symbols-title");
    /** @type {HTMLButtonElement[]} */
    this.buttons = [...element.querySelectorAll("button")];
    for (const button of this.buttons) {
      button.addEventListener("click", () => void this.copy(button.dataset.copy ?? "", button));
    }
    this.clear();
  }

  /** @param {import("inktex").Reading} reading */
  show({ latex, score, symbols }) {
    this.set(latex, `${percent(score)} sure`, symbols);
    render(latex, this.formula);
    this.announce(`${latex}, ${percent(score)} sure`);
  }

  /** @param {string} [message] why there is none */
  clear(message = "") {
    this.set("", message, []);
    this.formula.textContent = message ? "" : "The formula appears here while you write.";
    if (message) this.announce(message);
  }

  /** The reading is of ink that has changed since. */
  fade() {
    this.element.classList.add("old");
  }

  /**
   * @param {string} latex
   * @param {string} verdict
   * @param {readonly import("inktex").ReadSymbol[]} symbols
   */
  set(latex, verdict, symbols) {
    this.latex = latex;
    this.element.classList.remove("old");
    this.formula.classList.toggle("empty", !latex);
    this.verdict.textContent = verdict;
    this.text.value = latex;
    for (const button of this.buttons) button.disabled = !latex;
    this.title.hidden = !symbols.length;
    this.symbols.replaceChildren(...symbols.map((symbol) => this.chip(symbol)));
  }

  /** @param {import("inktex").ReadSymbol} symbol */
  chip({ token, score, index }) {
    const item = document.createElement("li");
    const chip = document.createElement("button");
    chip.type = "button";
    chip.dataset.index = String(index);
    chip.textContent = token;
    const isDoubtful = score < DOUBTFUL;
    chip.classList.toggle("doubtful", isDoubtful);
    if (isDoubtful) chip.append(Object.assign(document.createElement("small"), { textContent: percent(score) }));
    chip.setAttribute("aria-label", `${token}, ${percent(score)} sure`);
    chip.title = `${percent(score)} sure`;
    for (const on of ["pointerenter", "focus"]) chip.addEventListener(on, () => this.pointed(index));
    for (const off of ["pointerleave", "blur"]) chip.addEventListener(off, () => this.pointed(null));
    item.append(chip);
    return item;
  }

  /** @param {number | null} index */
  mark(index) {
    for (const chip of this.symbols.querySelectorAll("button")) {
      chip.classList.toggle("marked", Number(chip.dataset.index) === index);
    }
  }

  /**
   * @param {string} format
   * @param {HTMLButtonElement} button
   */
  async copy(format, button) {
    const label = button.textContent;
    let said = "Copied";
    try {
      await write(FORMATS[format](this.latex));
    } catch {
      said = "Not copied";
    }
    this.announce(`${said}: ${format}`);
    button.textContent = said;
    setTimeout(() => (button.textContent = label), SHOWN_MS);
  }
}

/** @param {string} text */
async function write(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Framed pages may lack the permission, but not the older way.
    const field = Object.assign(document.createElement("textarea"), { value: text });
    document.body.append(field);
    field.select();
    const isDone = document.execCommand("copy");
    field.remove();
    if (!isDone) throw new Error("The clipboard is closed.");
  }
}
