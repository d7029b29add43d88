import { STRUCTURAL_TOKENS } from "./vocabulary.js";

/**
 * Which tokens have ink of their own: no braces, and no brackets of a root's degree. The same as
 * `inked` of inktex.symbol_boxes.
 * @param {readonly string[]} tokens
 * @returns {boolean[]}
 */
export function hasInk(tokens) {
  const found = tokens.map((token) => !STRUCTURAL_TOKENS.has(token));
  tokens.forEach((token, index) => {
    if (token !== "\\sqrt" || tokens[index + 1] !== "[") return;
    let depth = 0;
    for (let end = index + 1; end < tokens.length; end++) {
      depth += Number(tokens[end] === "{") - Number(tokens[end] === "}");
      if (tokens[end] === "]" && depth === 0) {
        found[index + 1] = found[end] = false;
        break;
      }
    }
  });
  return found;
}
