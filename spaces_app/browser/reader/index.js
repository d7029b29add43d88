// Reads handwritten mathematics: pen strokes or pictures in, LaTeX out. See README.md.

export { compact } from "./compact.js";
export { NoFormulaError } from "./errors.js";
export { load, Reader } from "./reader.js";
