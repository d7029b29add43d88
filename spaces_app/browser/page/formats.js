// A reading in the formats that can be copied.

import katex from "katex";
import { tex2typst } from "tex2typst";

const OPTIONS = { displayMode: true, throwOnError: false };

/**
 * Shows a formula.
 * @param {string} latex
 * @param {HTMLElement} element
 */
export function render(latex, element) {
  katex.render(latex, element, OPTIONS);
}

/** @type {Record<string, (latex: string) => string>} */
export const FORMATS = {
  latex: (latex) => latex,
  mathml(latex) {
    const markup = katex.renderToString(latex, { ...OPTIONS, output: "mathml" });
    return /<math.*<\/math>/s.exec(markup)?.[0] ?? "";
  },
  typst: (latex) => tex2typst(latex),
};
