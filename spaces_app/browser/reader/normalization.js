// The model's picture, of ink at the published size.

import { cropped, padded } from "./raster.js";
import { resized } from "./resampling.js";

/** @typedef {import("./raster.js").Raster} Raster */
/** @typedef {import("./index.d.ts").Box} Box */
/** @typedef {import("./index.d.ts").ImageSettings} ImageSettings */

/**
 * What the model reads, and where its pixels lie in what was given.
 * @typedef {object} Normalized
 * @property {Raster} picture ink 255 on paper 0
 * @property {(box: Box) => Box} toSource a box of the picture in the coordinates of what was given
 */

/**
 * Gives ink the model's margins and reduces it to the model's resolution, as `from_published` does.
 * @param {Raster} ink with some ink in it
 * @param {ImageSettings} settings
 * @param {object} source
 * @param {number} source.scale pixels of the ink for each unit of what was given
 * @param {readonly number[]} source.origin x and y of its left upper corner, in units of what was given
 * @param {number} [source.reduction] to pixels of the published size
 * @returns {Normalized}
 */
export function reduced(ink, settings, { scale, origin, reduction = 1 }) {
  const found = cropped(ink);
  if (!found) throw new RangeError("There is no ink in the picture.");
  const before = Math.round(settings.margin_before / reduction);
  const after = Math.round(settings.margin_after / reduction);
  const full = padded(found.picture, before, after);
  let factor = reduction * settings.resolution;
  const excess = Math.max(
    (full.height * factor) / settings.max_height,
    (full.width * factor) / settings.max_width,
  );
  if (excess > 1) factor /= excess;
  const picture = resized(
    full,
    Math.min(Math.ceil(full.width * factor), settings.max_width),
    Math.min(Math.ceil(full.height * factor), settings.max_height),
  );
  const across = (picture.width / full.width) * scale;
  const down = (picture.height / full.height) * scale;
  const x = origin[0] + (found.left - before) / scale;
  const y = origin[1] + (found.top - before) / scale;
  return {
    picture,
    toSource: ([left, top, right, bottom]) => [
      left / across + x,
      top / down + y,
      right / across + x,
      bottom / down + y,
    ],
  };
}

/**
 * Pixels and mask of a batch of one, sides multiples of `multiple`, as `stack_pictures` makes them.
 * @param {Raster} picture
 * @param {number} multiple
 */
export function stacked(picture, multiple) {
  const [width, height] = [picture.width, picture.height].map(
    (side) => Math.ceil(side / multiple) * multiple,
  );
  const pixels = new Float32Array(width * height);
  const mask = new Float32Array(width * height);
  for (let y = 0, at = 0; y < picture.height; y++) {
    for (let x = 0; x < picture.width; x++, at++) {
      pixels[y * width + x] = picture.data[at] / 255;
      mask[y * width + x] = 1;
    }
  }
  return { pixels, mask, width, height };
}
