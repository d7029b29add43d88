// Ink as InkML, the W3C's format, with the formula as CROHME's files have it.

/** @typedef {import("./ink.js").Point} Point */

const NAMESPACE = "http://www.w3.org/2003/InkML";

/**
 * The strokes of a file.
 * @param {string} text
 * @returns {Point[][]}
 */
export function readInkml(text) {
  const root = new DOMParser().parseFromString(text, "application/xml");
  const all = (/** @type {string} */ name) => [...root.getElementsByTagNameNS("*", name)];
  if (all("parsererror").length || root.documentElement.localName !== "ink") {
    throw new Error("This file is not InkML.");
  }
  const format = all("traceFormat")[0];
  const channels = format ? [...format.getElementsByTagNameNS("*", "channel")] : [];
  const names = channels.map((channel) => channel.getAttribute("name")?.toUpperCase());
  const columns = names.length ? [names.indexOf("X"), names.indexOf("Y")] : [0, 1];
  const strokes = all("trace").map((trace) => points(trace.textContent ?? "", columns));
  const found = strokes.filter((stroke) => stroke.length);
  if (!found.length) throw new Error("There is no ink in this file.");
  return found;
}

/**
 * @param {string} text `x y, x y, ...`, perhaps with more channels
 * @param {readonly number[]} columns of x and y
 * @returns {Point[]}
 */
function points(text, columns) {
  return text
    .split(",")
    .map((point) => point.trim().split(/\s+/))
    .filter(([first]) => first)
    .map((values) => {
      const [x, y] = columns.map((column) => Number(values[column]));
      // NaN as well: a missing channel, or differences instead of values, which inktex does not read.
      if (!Number.isFinite(x) || !Number.isFinite(y)) throw new Error("The points of this InkML cannot be read.");
      return [x, y];
    });
}

/**
 * A file of strokes and of what they mean.
 * @param {readonly (readonly Point[])[]} strokes
 * @param {string} latex
 */
export function writeInkml(strokes, latex) {
  const file = document.implementation.createDocument(NAMESPACE, "ink");
  const add = (/** @type {string} */ name, /** @type {[string, string]} */ [key, value], /** @type {string} */ text) => {
    const element = file.createElementNS(NAMESPACE, name);
    element.setAttribute(key, value);
    element.textContent = text;
    file.documentElement.append("\n", element);
  };
  if (latex) add("annotation", ["type", "truth"], `$${latex}$`);
  strokes.forEach((stroke, index) => {
    const written = stroke.map(([x, y]) => `${x.toFixed(2)} ${y.toFixed(2)}`).join(", ");
    add("trace", ["id", String(index)], written);
  });
  file.documentElement.append("\n");
  return `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(file)}\n`;
}

/**
 * Gives the user a file to keep.
 * @param {string} name
 * @param {string} text
 * @param {string} [type]
 */
export function save(name, text, type = "application/inkml+xml") {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** @param {File} file */
export const isInkml = (file) => /\.(ink|inkml|xml)$/i.test(file.name);
