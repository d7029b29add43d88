// Pictures of one channel: ink 255 on paper 0.

/** @typedef {{data: Uint8Array, width: number, height: number}} Raster */

/**
 * An empty picture.
 * @param {number} width
 * @param {number} height
 * @returns {Raster}
 */
export function blank(width, height) {
  return { data: new Uint8Array(width * height), width, height };
}

/**
 * The picture cropped to its ink, and where that lay.
 * @param {Raster} picture
 * @returns {{picture: Raster, left: number, top: number} | null} null without ink
 */
export function cropped({ data, width, height }) {
  let [left, top, right, bottom] = [width, height, -1, -1];
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      if (!data[at]) continue;
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < top) top = y;
      bottom = y;
    }
  }
  if (bottom < 0) return null;
  const picture = blank(right - left + 1, bottom - top + 1);
  for (let y = 0; y < picture.height; y++) {
    const start = (y + top) * width + left;
    picture.data.set(data.subarray(start, start + picture.width), y * picture.width);
  }
  return { picture, left, top };
}

/**
 * The picture with paper around it.
 * @param {Raster} picture
 * @param {number} before pixels on the left and above
 * @param {number} after pixels on the right and below
 */
export function padded(picture, before, after) {
  const larger = blank(picture.width + before + after, picture.height + before + after);
  for (let y = 0; y < picture.height; y++) {
    const row = picture.data.subarray(y * picture.width, (y + 1) * picture.width);
    larger.data.set(row, (y + before) * larger.width + before);
  }
  return larger;
}

/**
 * Ink made wider by a square of `side` pixels, as `dilate` of inktex.ink.render does.
 * @param {Raster} picture
 * @param {number} side
 */
export function dilated(picture, side) {
  const [first, last] = [-((side - 1) >> 1), side >> 1];
  const { width, height } = picture;
  const across = blank(width, height);
  const both = blank(width, height);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      if (!picture.data[at]) continue;
      const [from, to] = [Math.max(x + first, 0), Math.min(x + last, width - 1)];
      across.data.fill(picture.data[at], at - x + from, at - x + to + 1);
    }
  }
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      if (!across.data[at]) continue;
      for (let other = Math.max(y + first, 0); other <= Math.min(y + last, height - 1); other++) {
        both.data[other * width + x] = across.data[at];
      }
    }
  }
  return both;
}
