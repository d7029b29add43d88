// Pen strokes drawn by the published CROHME protocol, to the pixel as inktex.ink.render draws them.

import { blank, dilated } from "./raster.js";

/** @typedef {import("./raster.js").Raster} Raster */
/** @typedef {import("./index.d.ts").Stroke} Stroke */

const MEAN_TRACE_HEIGHT = 28; // pixels; of the strokes more than a tenth as tall as the tallest
const PEN = 3; // pixels
const MARGIN_BEFORE = 12; // pixels on the left and above
const MARGIN_AFTER = 11; // pixels on the right and below
const MAX_SIDE = 8192; // pixels; a longer side comes of stray strokes
const EXACT = 2 ** 22; // largest coordinate that single precision keeps to a fraction of a pixel

/**
 * What a drawing shows, and where its pixels lie in the coordinates of the strokes.
 * @typedef {object} Drawing
 * @property {Raster} picture
 * @property {number} scale pixels for each unit of the strokes
 * @property {[number, number]} origin x and y of the left upper corner, in units of the strokes
 */

/**
 * Draws strokes.
 * @param {readonly Stroke[]} strokes each a list of points [x, y], y downwards, in any unit
 * @param {number} symbolHeight mean height of strokes, in pixels
 * @param {number} pen width of the strokes, in pixels
 * @returns {Drawing}
 */
export function drawStrokes(strokes, symbolHeight = MEAN_TRACE_HEIGHT, pen = PEN) {
  if (!Array.isArray(strokes) || !strokes.every(isStroke)) {
    throw new RangeError("The ink must be a list of strokes, each a list of points [x, y] of two numbers.");
  }
  const traces = strokes.map(singles).filter((trace) => trace.length > 0);
  if (!traces.length) throw new RangeError("The ink has no points: there is nothing to draw.");
  // As Python has it: the published scale first, then the factor.
  const scale = publishedScale(traces) * (symbolHeight / MEAN_TRACE_HEIGHT);
  const { pixels, least, offset } = placed(traces, scale);
  const [width, height] = [0, 1].map((axis) => greatest(pixels, axis) + PEN + MARGIN_BEFORE + MARGIN_AFTER);
  const shift = MARGIN_BEFORE + (PEN >> 1);
  const canvas = blank(width, height);
  for (const trace of pixels) drawLine(canvas, trace, shift);
  return {
    picture: dilated(canvas, pen),
    scale,
    origin: [offset[0] + (least[0] - shift) / scale, offset[1] + (least[1] - shift) / scale],
  };
}

/** @param {unknown} stroke */
const isStroke = (stroke) =>
  Array.isArray(stroke) &&
  stroke.every((point) => point?.length >= 2 && typeof point[0] === "number" && typeof point[1] === "number");

/**
 * Coordinates in single precision, one after the other, as inktex keeps ink.
 * @param {Stroke} stroke
 */
function singles(stroke) {
  const found = new Float32Array(2 * stroke.length);
  stroke.forEach(([x, y], index) => found.set([x, y], 2 * index));
  if (!found.every(Number.isFinite)) {
    throw new RangeError("The ink has coordinates that are not finite numbers.");
  }
  return found;
}

/**
 * Pixels for each unit of the strokes.
 * @param {readonly Float32Array[]} traces
 */
function publishedScale(traces) {
  const heights = traces.map((trace) => Math.fround(greatest([trace], 1) - smallest([trace], 1)));
  const tallest = Math.max(...heights);
  if (tallest <= 0) {
    // Dots and level lines alone: the width decides.
    const width = Math.fround(greatest(traces, 0) - smallest(traces, 0));
    return width > 0 ? MEAN_TRACE_HEIGHT / width : 1;
  }
  const tall = heights.filter((height) => height * 10 > tallest);
  let mean = tall.reduce((sum, height) => sum + height, 0) / tall.length;
  if (traces.every((trace) => trace.every(Number.isInteger))) mean = Math.floor(mean);
  return MEAN_TRACE_HEIGHT / mean;
}

/**
 * Strokes in whole pixels from 0 on.
 * @param {readonly Float32Array[]} traces
 * @param {number} scale
 */
function placed(traces, scale) {
  const corner = [smallest(traces, 0), smallest(traces, 1)];
  for (const axis of [0, 1]) {
    const extent = (greatest(traces, axis) - corner[axis]) * scale;
    if (!(extent + PEN + MARGIN_BEFORE + MARGIN_AFTER <= MAX_SIDE)) {
      throw new RangeError(
        `The picture of this ink would be ${Math.round(extent)} pixels long; the limit is ` +
          `${MAX_SIDE}. Its strokes differ too much in size: is a stray one among them?`,
      );
    }
  }
  let largest = 0;
  for (const trace of traces) for (const one of trace) largest = Math.max(largest, Math.abs(one));
  const isFar = Math.max(largest * scale, scale) > EXACT;
  const single = Math.fround(scale);
  const pixels = traces.map((trace) =>
    isFar
      ? Float64Array.from(trace, (one, index) => Math.trunc((one - corner[index % 2]) * scale))
      : Float64Array.from(trace, (one) => Math.trunc(Math.fround(one * single))),
  );
  const least = [smallest(pixels, 0), smallest(pixels, 1)];
  for (const trace of pixels) {
    for (let index = 0; index < trace.length; index++) trace[index] -= least[index % 2];
  }
  return { pixels, least, offset: isFar ? corner : [0, 0] };
}

/**
 * A line one pixel wide through the points of a stroke, as Pillow draws it (Bresenham).
 * @param {Raster} canvas
 * @param {Float64Array} trace
 * @param {number} shift pixels, of all coordinates
 */
function drawLine(canvas, trace, shift) {
  const point = (/** @type {number} */ x, /** @type {number} */ y) => {
    canvas.data[(y + shift) * canvas.width + x + shift] = 255;
  };
  for (let at = 0; at + 3 < trace.length; at += 2) {
    let [x, y] = [trace[at], trace[at + 1]];
    const [dx, dy] = [Math.abs(trace[at + 2] - x), Math.abs(trace[at + 3] - y)];
    const [right, down] = [Math.sign(trace[at + 2] - x), Math.sign(trace[at + 3] - y)];
    const isFlat = dx > dy;
    const [long, short] = isFlat ? [dx, dy] : [dy, dx];
    let error = 2 * short - long;
    for (let step = 0; step < long; step++) {
      point(x, y);
      const turns = short > 0 && error >= 0;
      if (turns) error -= 2 * long;
      error += 2 * short;
      if (isFlat || turns) x += right;
      if (!isFlat || turns) y += down;
    }
  }
  point(trace[trace.length - 2], trace[trace.length - 1]);
}

/**
 * @param {readonly (Float32Array | Float64Array)[]} traces
 * @param {number} axis
 */
function smallest(traces, axis) {
  let found = Infinity;
  for (const trace of traces) {
    for (let at = axis; at < trace.length; at += 2) found = Math.min(found, trace[at]);
  }
  return found;
}

/**
 * @param {readonly (Float32Array | Float64Array)[]} traces
 * @param {number} axis
 */
function greatest(traces, axis) {
  let found = -Infinity;
  for (const trace of traces) {
    for (let at = axis; at < trace.length; at += 2) found = Math.max(found, trace[at]);
  }
  return found;
}
