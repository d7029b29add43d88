// Matrices in the environment that their brackets and lines ask for, and words with their spaces.

import {
  CELL_END,
  LINE_END,
  MATRIX_BEGIN,
  MATRIX_END,
  OPTIONAL_ARGUMENT_TOKENS,
  WORDS,
} from "./vocabulary.js";

/** @type {Readonly<Record<string, string>>} Brackets directly round a matrix, and what draws them. */
const ENVIRONMENTS = { "( )": "pmatrix", "[ ]": "bmatrix", "\\{ \\}": "Bmatrix", "| |": "vmatrix" };

/**
 * The tokens with each matrix in its environment, the brackets that this draws left out. Words are put
 * together and get the spaces round them that handwriting has.
 * @param {readonly string[]} tokens
 * @returns {string[]}
 */
export function withEnvironments(tokens) {
  const found = [...tokens];
  /** @type {number[]} */
  const begun = [];
  tokens.forEach((token, start) => {
    if (token !== "\\text") return;
    const stop = Math.max(tokens.indexOf("}", start), start);
    const word = WORDS.get(tokens.slice(start + 2, stop).join(""));
    found[start] = ""; // TeX takes no mathematics in there
    if (word !== undefined && tokens[start + 1] === "{") {
      found.fill("", start, stop + 1);
      found[start] = `\\text{ ${word} }`;
    }
  });
  tokens.forEach((token, end) => {
    if (token === MATRIX_BEGIN) begun.push(end);
    if (token !== MATRIX_END || !begun.length) return;
    const begin = /** @type {number} */ (begun.pop());
    const before = tokens[begin - 1] ?? "";
    const after = tokens[end + 1] ?? "";
    const isDegree = OPTIONAL_ARGUMENT_TOKENS.has(tokens[Math.max(begin - 2, 0)]);
    let name = ENVIRONMENTS[`${before} ${after}`];
    if (name !== undefined && !isDegree) {
      found[begin - 1] = found[end + 1] = "";
    } else if (before === "\\{" && !isDegree) {
      name = "cases";
      found[begin - 1] = "";
    } else if (hasCells(tokens, begin)) {
      return;
    } else {
      name = "aligned";
    }
    found[begin] = `\\begin{${name}}`;
    found[end] = `\\end{${name}}`;
  });
  return found.filter(Boolean);
}

/**
 * Whether a line of the matrix at `begin` has several cells, or its braces do not balance.
 * @param {readonly string[]} tokens
 * @param {number} begin
 */
function hasCells(tokens, begin) {
  let depth = 0;
  for (const token of tokens.slice(begin + 1)) {
    if (!depth && token === MATRIX_END) return false;
    if (!depth && token === CELL_END) return true;
    if (!depth && token === LINE_END) continue;
    depth += Number(token === "{" || token === MATRIX_BEGIN);
    depth -= Number(token === "}" || token === MATRIX_END);
  }
  return true;
}
