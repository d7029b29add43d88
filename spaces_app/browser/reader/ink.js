// Ink separated from paper by one threshold for the whole picture.

import { NoFormulaError } from "./errors.js";

/** @typedef {import("./raster.js").Raster} Raster */
/** @typedef {import("./index.d.ts").Pixels} Pixels */

const LEAST_CONTRAST = 10; // of 255; less is a blank sheet
const LEAST_SIDE = 4; // pixels; in less, one symbol cannot be told from another

/**
 * The ink in a picture, by its contrast with the paper: 255 where it is full, 0 on paper.
 *
 * Otsu's threshold (1979) parts the levels into two classes; the paper is the one along the border.
 * @param {Pixels} pixels
 * @returns {Raster}
 */
export function inkOf(pixels) {
  const { width, height } = pixels;
  if (Math.min(width, height) < LEAST_SIDE) {
    throw new TypeError(`The picture has ${width}x${height} pixels: nothing can be read in it.`);
  }
  const grey = greyLevels(pixels);
  const threshold = otsu(grey);
  let [dark, light, border] = [0, 0, 0];
  for (const level of grey) level > threshold ? light++ : dark++;
  const count = (/** @type {number} */ at) => (border += grey[at] > threshold ? 1 : -1);
  for (let x = 0; x < width; x++) count(x), count((height - 1) * width + x);
  for (let y = 0; y < height; y++) count(y * width), count(y * width + width - 1);
  if (!dark || !light) throw new NoFormulaError("The picture is blank: there is no ink in it.");
  const isLightPaper = border === 0 ? light >= dark : border > 0;
  const paper = median(grey, (level) => level > threshold === isLightPaper);
  // Lines of a pixel or two reach their full contrast in a few pixels alone.
  const ink = quantile(grey, (level) => level > threshold !== isLightPaper, isLightPaper ? 0.25 : 0.75);
  if (Math.abs(paper - ink) < LEAST_CONTRAST) {
    throw new NoFormulaError("The picture is blank: there is no ink in it.");
  }
  const data = new Uint8Array(grey.length);
  for (let at = 0; at < grey.length; at++) {
    data[at] = Math.min(Math.max(Math.round((255 * (paper - grey[at])) / (paper - ink)), 0), 255);
  }
  return { data, width, height };
}

/**
 * Brightness of each pixel; what is transparent is paper on which the ink can be seen.
 * @param {Pixels} pixels
 */
function greyLevels({ data, width, height }) {
  const grey = new Uint8Array(width * height);
  let [sum, weight] = [0, 0];
  for (let at = 0; at < grey.length; at++) {
    const [red, green, blue, alpha] = [data[4 * at], data[4 * at + 1], data[4 * at + 2], data[4 * at + 3]];
    grey[at] = Math.round(0.299 * red + 0.587 * green + 0.114 * blue); // ITU-R BT.601
    sum += grey[at] * alpha;
    weight += alpha;
  }
  if (!weight) throw new NoFormulaError("The picture is blank: all of it is transparent.");
  const isOpaque = weight > 0.5 * 255 * grey.length;
  const paper = isOpaque || sum / weight <= 153 ? 255 : 0; // light ink alone is on dark paper
  for (let at = 0; at < grey.length; at++) {
    const alpha = data[4 * at + 3];
    if (alpha < 255) grey[at] = Math.round(paper + ((grey[at] - paper) * alpha) / 255);
  }
  return grey;
}

/** @param {Uint8Array} grey */
function otsu(grey) {
  const counts = histogram(grey, () => true);
  const total = counts.reduce((sum, count, level) => sum + count * level, 0);
  let [best, found, below, sum] = [-1, 0, 0, 0];
  for (let level = 0; level < 255; level++) {
    below += counts[level];
    sum += counts[level] * level;
    const above = grey.length - below;
    if (!below || !above) continue;
    const between = below * above * (sum / below - (total - sum) / above) ** 2;
    if (between > best) [best, found] = [between, level];
  }
  return found;
}

/**
 * @param {Uint8Array} grey
 * @param {(level: number) => boolean} counts
 */
function histogram(grey, counts) {
  const found = new Array(256).fill(0);
  for (const level of grey) found[level]++;
  return found.map((count, level) => (counts(level) ? count : 0));
}

/**
 * @param {Uint8Array} grey
 * @param {(level: number) => boolean} counts
 * @param {number} share
 */
function quantile(grey, counts, share) {
  const found = histogram(grey, counts);
  let left = share * found.reduce((sum, count) => sum + count, 0);
  return found.findIndex((count) => count > 0 && (left -= count) <= 0);
}

/**
 * @param {Uint8Array} grey
 * @param {(level: number) => boolean} counts
 */
function median(grey, counts) {
  return quantile(grey, counts, 0.5);
}
