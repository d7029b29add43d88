// Width of strokes, as stroke_width_inktex.py measures it: by the shorter of the two runs through a pixel.

/** @typedef {import("./raster.js").Raster} Raster */

const THINNEST = 0.1; // share of the ink whose runs are near the pen's width even where strokes merge
const WIDE = 4.5; // pixels from which on the strokes may have merged
const FAINTEST = 25; // level of ink; what is fainter is the edge of what was resized

/**
 * Width of the strokes in whole pixels.
 * @param {Raster} strokes of two levels
 */
export function strokeWidth(strokes) {
  const widths = shorterRuns(strokes, 0).map((sum) => sum / 255);
  const median = quantile(widths, 0.5);
  return median > WIDE ? quantile(widths, THINNEST) : median;
}

/**
 * Width of the pen to a fraction of a pixel, for ink that was resized: the levels of a run add up to
 * it, wherever its edges lie between the pixels.
 * @param {Raster} levels
 */
export function penWidth(levels) {
  return quantile(shorterRuns(levels, FAINTEST), THINNEST) / 255;
}

/**
 * Of each pixel of ink the smaller sum of levels of the two runs that it is in, sorted.
 * @param {Raster} levels
 * @param {number} faintest level that a run ends at
 */
function shorterRuns({ data, width, height }, faintest) {
  const across = sums(data, faintest, width, height, width, 1);
  const down = sums(data, faintest, height, width, 1, width);
  const found = [];
  for (let at = 0; at < data.length; at++) {
    if (data[at] > 127) found.push(Math.min(across[at], down[at]));
  }
  return found.sort((one, other) => one - other);
}

/**
 * Sum of the levels of the run that each pixel is in, along lines of pixels.
 * @param {Uint8Array} data
 * @param {number} faintest
 * @param {number} length of a line
 * @param {number} count of lines
 * @param {number} nextLine distance from line to line
 * @param {number} next distance from pixel to pixel
 */
function sums(data, faintest, length, count, nextLine, next) {
  const found = new Uint32Array(data.length);
  for (let line = 0; line < count; line++) {
    for (let place = 0; place < length; ) {
      let [end, sum] = [place, 0];
      for (; end < length && data[line * nextLine + end * next] > faintest; end++) {
        sum += data[line * nextLine + end * next];
      }
      for (let one = place; one < end; one++) found[line * nextLine + one * next] = sum;
      place = end + 1;
    }
  }
  return found;
}

/**
 * @param {readonly number[]} sorted
 * @param {number} share
 */
const quantile = (sorted, share) => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
