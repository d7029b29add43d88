// Resizing as Pillow's BILINEAR does it, with its rounding: the model was trained on such pictures.

import { blank } from "./raster.js";

/** @typedef {import("./raster.js").Raster} Raster */

const PRECISION = 22; // bits of a weight behind the point

/**
 * A picture of another size. Where it becomes smaller, each pixel is the mean of all that fall into
 * it, so that thin lines survive.
 * @param {Raster} picture
 * @param {number} width
 * @param {number} height
 * @returns {Raster}
 */
export function resized(picture, width, height) {
  let found = picture;
  if (width !== picture.width) found = acrossTo(found, width);
  if (height !== picture.height) found = transposed(acrossTo(transposed(found), height));
  return found;
}

/**
 * @param {Raster} picture
 * @param {number} width
 */
function acrossTo(picture, width) {
  const found = blank(width, picture.height);
  const windows = weights(picture.width, width);
  for (let y = 0, at = 0; y < picture.height; y++) {
    const row = y * picture.width;
    for (let x = 0; x < width; x++, at++) {
      const { first, shares } = windows[x];
      let sum = 1 << (PRECISION - 1);
      for (let i = 0; i < shares.length; i++) sum += picture.data[row + first + i] * shares[i];
      found.data[at] = Math.min(sum >> PRECISION, 255);
    }
  }
  return found;
}

/**
 * For each pixel of the new side the old ones that it is made of, and their shares.
 * @param {number} from
 * @param {number} to
 */
function weights(from, to) {
  const scale = from / to;
  const support = Math.max(scale, 1);
  return Array.from({ length: to }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - support + 0.5), 0);
    const end = Math.min(Math.trunc(centre + support + 0.5), from);
    const raw = Array.from({ length: end - first }, (_, i) =>
      Math.max(1 - Math.abs((i + first - centre + 0.5) / support), 0),
    );
    const sum = raw.reduce((total, one) => total + one, 0);
    return { first, shares: raw.map((one) => Math.trunc(0.5 + (one / sum) * 2 ** PRECISION)) };
  });
}

/** @param {Raster} picture */
function transposed({ data, width, height }) {
  const found = blank(height, width);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) found.data[x * height + y] = data[at];
  }
  return found;
}
