import { padded } from "./raster.js";

/** @typedef {import("./raster.js").Raster} Raster */

/**
 * Strokes thinned to lines of one pixel (Zhang and Suen 1984).
 * @param {Raster} strokes
 * @returns {Raster}
 */
export function thinned(strokes) {
  const { data, width } = padded(strokes, 1, 1);
  // The neighbours clockwise from above.
  const around = [-width, 1 - width, 1, width + 1, width, width - 1, -1, -width - 1];
  const values = new Uint8Array(9);
  let ink = indices(data);
  for (let isOdd = false, quiet = 0; quiet < 2; isOdd = !isOdd) {
    const gone = ink.filter((at) => {
      for (let i = 0; i < 8; i++) values[i] = data[at + around[i]] ? 1 : 0;
      values[8] = values[0];
      let [count, changes] = [0, 0];
      for (let i = 0; i < 8; i++) {
        count += values[i];
        changes += values[i] < values[i + 1] ? 1 : 0;
      }
      if (count < 2 || count > 6 || changes !== 1) return false;
      const [up, , right, , down, , left] = values;
      return isOdd
        ? !(up && right && left) && !(up && down && left)
        : !(up && right && down) && !(right && down && left);
    });
    for (const at of gone) data[at] = 0;
    ink = ink.filter((at) => data[at]);
    quiet = gone.length ? 0 : quiet + 1;
  }
  const found = { data: new Uint8Array(strokes.data.length), width: strokes.width, height: strokes.height };
  for (let y = 0; y < found.height; y++) {
    const start = (y + 1) * width + 1;
    found.data.set(data.subarray(start, start + found.width), y * found.width);
  }
  return found;
}

/** @param {Uint8Array} data */
function indices(data) {
  const found = [];
  for (let at = 0; at < data.length; at++) if (data[at]) found.push(at);
  return found;
}
