// A reading in the formats that can be copied.

import katex from "katex";
import { tex2typst } from "tex2typst";

const OPTIONS = { displayMode: true };

/**
 * Shows a formula.
 * @param {string} latex
 * @param {HTMLElement} element
 * @returns {string} why it cannot be shown, else nothing
 */
export function render(latex, element) {
  try {
    katex.render(latex, element, OPTIONS);
  } catch (error) {
    return `This LaTeX cannot be shown. ${/** @type {Error} */ (error).message}`;
  }
  return "";
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
