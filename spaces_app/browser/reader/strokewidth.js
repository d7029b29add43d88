/** @typedef {import("./raster.js").Raster} Raster */

const THINNEST = 0.1; // share of the ink whose runs are near the pen's width even where strokes merge
const WIDE = 4.5; // pixels from which on the strokes may have merged

/**
 * Width of the strokes in pixels: a quantile of the shorter of the two runs through each pixel, as
 * stroke_width_inktex.py measures it.
 * @param {Raster} strokes
 */
export function strokeWidth(strokes) {
  const { data, width, height } = strokes;
  const shorter = runs(data, width, height, width, 1);
  const down = runs(data, height, width, 1, width);
  const widths = [];
  for (let at = 0; at < data.length; at++) {
    if (data[at]) widths.push(Math.min(shorter[at], down[at]));
  }
  widths.sort((one, other) => one - other);
  const median = widths[Math.floor(0.5 * (widths.length - 1))] ?? 0;
  return median > WIDE ? widths[Math.floor(THINNEST * (widths.length - 1))] : median;
}

/**
 * Length of the run that each pixel of ink is in, along lines of pixels.
 * @param {Uint8Array} data
 * @param {number} length of a line
 * @param {number} count of lines
 * @param {number} nextLine distance from line to line
 * @param {number} next distance from pixel to pixel
 */
function runs(data, length, count, nextLine, next) {
  const found = new Uint32Array(data.length);
  for (let line = 0; line < count; line++) {
    for (let place = 0; place < length; ) {
      let end = place;
      while (end < length && data[line * nextLine + end * next]) end++;
      for (let one = place; one < end; one++) found[line * nextLine + one * next] = end - place;
      place = end + 1;
    }
  }
  return found;
}
