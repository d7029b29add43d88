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

// What tex2typst writes that Typst does not take, or no longer.
const WITHOUT_TYPST = /\\not(?![a-z])|\\x(?:left|right)arrow/;

/** @param {string} latex */
function typst(latex) {
  if (WITHOUT_TYPST.test(latex)) throw new RangeError("There is no Typst for this formula.");
  return tex2typst(latex)
    .replaceAll(/(\S+) limits(?=[_^])/g, "limits($1)")
    .replaceAll(/\b(times|dot|minus)\.circle\b/g, "$1.o")
    .replaceAll(/\balef\b/g, "aleph");
}

/** @type {Record<string, (latex: string) => string>} */
export const FORMATS = {
  latex: (latex) => latex,
  mathml(latex) {
    const markup = katex.renderToString(latex, { ...OPTIONS, output: "mathml" });
    return /<math.*<\/math>/s.exec(markup)?.[0] ?? "";
  },
  typst,
};
