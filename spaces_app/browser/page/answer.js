// The reading as the page shows it.

import { EFFECTS } from "./effects.js";
import { FORMATS, render } from "./formats.js";

const SHOWN_MS = 1500; // that a button says what it has done

const percent = (/** @type {number} */ share) => `${Math.round(100 * share)} %`;

export class Answer {
  /**
   * @param {HTMLElement} element
   * @param {object} handlers
   * @param {(text: string) => void} handlers.announce
   * @param {(index: number | null) => void} handlers.pointed
   * @param {(candidate: import("inktex").Candidate) => void} handlers.chosen another token was chosen
   * @param {() => void} handlers.copied
   */
  constructor(element, { announce, pointed, chosen, copied }) {
    const find = (/** @type {string} */ selector) => /** @type {any} */ (element.querySelector(selector));
    this.element = element;
    this.announce = announce;
    this.pointed = pointed;
    this.chosen = chosen;
    this.copied = copied;
    /** @type {number | null} The symbol whose candidates are shown. */
    this.opened = null;
    /** @type {number | null} The symbol that gets the focus back when the new reading is here. */
    this.returnTo = null;
    /** @type {readonly import("inktex").Candidate[][]} */
    this.candidates = [];
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
    /** @type {HTMLElement} */
    this.choices = find("#choices");
    this.choices.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      this.focus(this.opened);
      this.close();
    });
    /** @type {HTMLButtonElement[]} */
    this.buttons = [...element.querySelectorAll("button")];
    this.labels = new Map(this.buttons.map((button) => [button, button.textContent]));
    /** @type {Map<HTMLButtonElement, ReturnType<typeof setTimeout>>} Of those that say what they have done. */
    this.timers = new Map();
    for (const button of this.buttons) {
      button.addEventListener("click", () => void this.copy(button.dataset.copy ?? "", button));
    }
    this.text.addEventListener("input", () => this.edit());
    this.clear();
  }

  /** The LaTeX was changed by hand; the symbols stay tied to their ink. */
  edit() {
    this.latex = this.text.value.trim();
    for (const button of this.buttons) button.disabled = !this.latex;
    const fault = this.latex ? render(this.latex, this.formula) : "";
    if (!this.latex || fault) this.formula.textContent = "";
    this.verdict.textContent = fault || (this.latex ? "Changed by hand" : "");
  }

  /**
   * @param {import("inktex").Reading} reading
   * @param {Readonly<Record<number, string>> | null} locked what was chosen in it; null if it is a part
   *   of what is written, in which nothing can be chosen
   */
  show({ latex, score, symbols, candidates }, locked) {
    this.candidates = locked ? candidates : [];
    const verdict = `${percent(score)} sure${locked ? "" : ", of what is selected"}`;
    this.set(latex, verdict, symbols, locked ?? {});
    render(latex, this.formula);
    this.announce(`${latex}, ${verdict}`);
    this.focus(this.returnTo);
    this.returnTo = null;
  }

  /** @param {string} [message] why there is none */
  clear(message = "") {
    this.set("", message, []);
    this.formula.textContent = message ? "" : "The formula appears here while you write.";
    if (message) this.announce(message);
  }

  get isOld() {
    return this.element.classList.contains("old");
  }

  /** The reading is of ink that has changed since. */
  fade() {
    this.returnTo = null;
    this.element.classList.add("old");
  }

  /**
   * @param {string} latex
   * @param {string} verdict
   * @param {readonly import("inktex").ReadSymbol[]} symbols
   * @param {Readonly<Record<number, string>>} [locked]
   */
  set(latex, verdict, symbols, locked = {}) {
    this.latex = latex;
    this.close();
    this.element.classList.remove("old");
    this.formula.classList.toggle("empty", !latex);
    this.verdict.textContent = verdict;
    this.text.value = latex;
    for (const button of this.buttons) button.disabled = !latex;
    this.title.hidden = !symbols.length;
    const isOpen = this.candidates.length > 0;
    this.title.textContent = isOpen ? "Symbols: choose one to put another in its place" : "Symbols";
    this.symbols.replaceChildren(...symbols.map((symbol) => this.chip(symbol, symbol.index in locked)));
  }

  /**
   * @param {import("inktex").ReadSymbol} symbol
   * @param {boolean} isChosen
   */
  chip({ token, score, index, isDoubtful }, isChosen) {
    const item = document.createElement("li");
    const chip = document.createElement("button");
    chip.type = "button";
    chip.dataset.index = String(index);
    chip.textContent = token;
    chip.classList.toggle("doubtful", isDoubtful);
    chip.classList.toggle("chosen", isChosen);
    if (isDoubtful) chip.append(Object.assign(document.createElement("small"), { textContent: percent(score) }));
    chip.title = isChosen ? "chosen" : `${percent(score)} sure`;
    chip.setAttribute("aria-label", `${token}, ${chip.title}`);
    if (this.candidates[index]?.length) {
      chip.setAttribute("aria-expanded", "false");
      chip.addEventListener("click", () => this.open(index, token));
    }
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
   * Shows what else may stand in the place of a symbol, or closes it where it is shown.
   * @param {number} index
   * @param {string} token
   */
  open(index, token) {
    const wasOpen = this.opened === index;
    this.close();
    if (wasOpen) return;
    this.opened = index;
    this.chipOf(index)?.setAttribute("aria-expanded", "true");
    this.choices.setAttribute("aria-label", `Instead of ${token}`);
    this.choices.append(
      Object.assign(document.createElement("span"), { textContent: `Instead of ${token}:` }),
      ...this.candidates[index].map((candidate) => this.choice(candidate, index)),
    );
    this.choices.hidden = false;
    this.choices.querySelector("button")?.focus();
  }

  /**
   * @param {import("inktex").Candidate} candidate
   * @param {number} index of the symbol
   */
  choice(candidate, index) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = EFFECTS[candidate.token] ?? candidate.token;
    // Less than 1 % says nothing, and is what most have.
    if (candidate.score >= 0.005) {
      button.append(Object.assign(document.createElement("small"), { textContent: percent(candidate.score) }));
    }
    button.addEventListener("click", () => {
      this.chosen(candidate);
      this.returnTo = index;
    });
    return button;
  }

  close() {
    this.choices.hidden = true;
    this.choices.replaceChildren();
    this.chipOf(this.opened)?.setAttribute("aria-expanded", "false");
    this.opened = null;
  }

  /** @param {number | null} index */
  focus(index) {
    this.chipOf(index)?.focus();
  }

  /**
   * @param {number | null} index
   * @returns {HTMLElement | null}
   */
  chipOf(index) {
    return index === null ? null : this.symbols.querySelector(`[data-index="${index}"]`);
  }

  /**
   * @param {string} format
   * @param {HTMLButtonElement} button
   */
  async copy(format, button) {
    let said = "Copied";
    try {
      await write(FORMATS[format](this.latex));
      this.copied();
    } catch {
      said = "Not copied";
    }
    this.announce(`${said}: ${format}`);
    button.textContent = said;
    clearTimeout(this.timers.get(button));
    this.timers.set(button, setTimeout(() => (button.textContent = this.labels.get(button) ?? ""), SHOWN_MS));
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
