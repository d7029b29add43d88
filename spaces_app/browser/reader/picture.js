// A picture of ink on plain paper brought to the published size. Photos with shadows are not for this:
// the Python package has what they need.

import { components } from "./components.js";
import { NoFormulaError } from "./errors.js";
import { inkOf } from "./ink.js";
import { reduced } from "./normalization.js";
import { dilated, padded } from "./raster.js";
import { resized } from "./resampling.js";
import { penWidth, strokeWidth } from "./strokewidth.js";
import { thinned } from "./thinning.js";

/** @typedef {import("./raster.js").Raster} Raster */
/** @typedef {import("./components.js").Component} Component */
/** @typedef {import("./index.d.ts").ImageSettings} ImageSettings */

const MOST = 2_000_000; // pixels that are looked at; larger pictures are reduced first
const LARGEST = 8_000_000; // pixels up to which small ink is enlarged
const FRINGE = 2; // pixels around the ink that show where its edge lies
const HALF = 127; // level above which a pixel is ink
const QUARTER = 63; // the same for lines of a pixel, which break where they lie between two pixels
const OTHER_PEN = 1.2; // factor on the stroke width from which on the ink was resized, or another pen's
const LABEL_EXCESS = 0.08; // logarithm: connected symbols are so much taller than single strokes
const MOST_OFF = 0.3; // logarithm: so near have the pen and the height of the symbols to agree
const SPECK = 0.5; // of a stroke's width squared; what is smaller is dirt

/**
 * The model's picture of a picture.
 * @param {import("./index.d.ts").Pixels} pixels
 * @param {ImageSettings} settings
 * @returns {import("./normalization.js").Normalized}
 */
export function normalizePicture(pixels, settings) {
  const whole = inkOf(pixels);
  const excess = Math.max(Math.sqrt((whole.width * whole.height) / MOST), 1);
  const [width, height] = [whole.width, whole.height].map((side) => Math.max(Math.round(side / excess), 1));
  const zoom = width / whole.width;
  const { ink, left, top, parts, pen, least } = measured(resized(whole, width, height));
  const scale = scaleTo(symbolHeight(parts, pen, ink), pen, ink, settings);
  const enlarged = Math.max(1, Math.min(scale, Math.sqrt(LARGEST / ink.data.length)));
  const drawn = binary(
    enlarged > 1
      ? resized(ink, Math.round(ink.width * enlarged), Math.round(ink.height * enlarged))
      : ink,
    least,
  );
  const [narrowest, widest] = settings.stroke_range;
  const isRedrawn = !(narrowest <= pen * scale && pen * scale <= widest);
  const target = Math.max(Math.round((settings.stroke_width * enlarged) / scale), 1);
  // Room for a stroke that becomes wider than it was.
  const strokes = isRedrawn ? dilated(padded(thinned(drawn), target, target), target) : drawn;
  const room = isRedrawn ? target : 0;
  return reduced(strokes, settings, {
    scale: zoom * enlarged,
    origin: [(left - room / enlarged) / zoom, (top - room / enlarged) / zoom],
    reduction: scale / enlarged,
  });
}

/**
 * Ink without specks, cropped but for its fringe, and its measures.
 * @param {Raster} levels
 */
function measured(levels) {
  const isThin = strokeWidth(binary(levels, HALF)) < 2;
  const least = isThin ? QUARTER : HALF;
  const strokes = binary(levels, least);
  const pen = strokeWidth(strokes);
  const parts = components(strokes);
  const specks = parts.filter(({ size }) => size < SPECK * pen * pen);
  const kept = parts.filter(({ size }) => size >= SPECK * pen * pen);
  if (!kept.length) throw new NoFormulaError("No formula found: there is no ink in the picture.");
  const clean = { ...levels, data: levels.data.slice() };
  for (const { pixels } of specks) for (const at of pixels) clean.data[at] = 0;
  const left = Math.min(...kept.map((one) => one.left));
  const top = Math.min(...kept.map((one) => one.top));
  const right = Math.max(...kept.map((one) => one.right));
  const bottom = Math.max(...kept.map((one) => one.bottom));
  const around = padded(clean, FRINGE, FRINGE);
  const ink = part(around, left, top, right + 2 * FRINGE, bottom + 2 * FRINGE);
  return { ink, left: left - FRINGE, top: top - FRINGE, parts: kept, pen, least };
}

/**
 * Mean height of the parts at least a tenth as tall as the tallest one, as `symbol_height` of
 * measurement_inktex.py measures it.
 * @param {readonly Component[]} parts
 * @param {number} pen
 * @param {Raster} ink
 */
function symbolHeight(parts, pen, ink) {
  const heights = parts.map(({ top, bottom }) => bottom - top - pen);
  const tallest = Math.max(...heights);
  // Dots and level lines alone: their extent decides.
  if (tallest < pen) return Math.max(ink.width - 2 * FRINGE - pen, ink.height - 2 * FRINGE, 1);
  const tall = heights.filter((height) => height >= 0.1 * tallest);
  return tall.reduce((sum, height) => sum + height, 0) / tall.length;
}

/**
 * The factor to the published size, as `_plan_scale` decides it: 1 for ink that is near it; by the pen
 * where the drawing was resized; else by the height of the symbols.
 * @param {number} height
 * @param {number} pen
 * @param {Raster} ink
 * @param {ImageSettings} settings
 */
function scaleTo(height, pen, ink, settings) {
  const { symbol_height: published, stroke_width: width, height_tolerance: tolerance } = settings;
  const [narrowest, widest] = settings.stroke_range;
  const scale = published / height;
  const isNear = 1 / tolerance <= scale && scale <= tolerance;
  if (isNear && width <= pen && pen <= widest) return 1;
  const byPen = width / penWidth(ink);
  const isOther = Math.max(byPen, 1 / byPen) > OTHER_PEN;
  if (isOther && Math.abs(Math.log(byPen / scale) - LABEL_EXCESS) < MOST_OFF) return byPen;
  return isNear && narrowest <= pen ? 1 : scale;
}

/**
 * Ink of two levels.
 * @param {Raster} levels
 * @param {number} least
 * @returns {Raster}
 */
function binary(levels, least) {
  return { ...levels, data: levels.data.map((level) => (level > least ? 255 : 0)) };
}

/**
 * @param {Raster} picture
 * @param {number} left
 * @param {number} top
 * @param {number} right
 * @param {number} bottom
 * @returns {Raster}
 */
function part(picture, left, top, right, bottom) {
  const [width, height] = [right - left, bottom - top];
  const data = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const start = (y + top) * picture.width + left;
    data.set(picture.data.subarray(start, start + width), y * width);
  }
  return { data, width, height };
}
