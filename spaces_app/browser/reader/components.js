/** @typedef {import("./raster.js").Raster} Raster */

/**
 * Connected ink, and the box around it; `right` and `bottom` are behind its last pixels.
 * @typedef {{pixels: number[], size: number, left: number, top: number, right: number, bottom: number}} Component
 */

/**
 * The parts of ink that hang together; pixels that touch at a corner do.
 * @param {Raster} strokes
 * @returns {Component[]}
 */
export function components({ data, width, height }) {
  const seen = new Uint8Array(data.length);
  /** @type {Component[]} */
  const found = [];
  for (let start = 0; start < data.length; start++) {
    if (!data[start] || seen[start]) continue;
    const pixels = [start];
    seen[start] = 1;
    let [left, top, right, bottom] = [width, height, 0, 0];
    for (let next = 0; next < pixels.length; next++) {
      const [x, y] = [pixels[next] % width, Math.floor(pixels[next] / width)];
      left = Math.min(left, x);
      right = Math.max(right, x + 1);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y + 1);
      for (let row = Math.max(y - 1, 0); row <= Math.min(y + 1, height - 1); row++) {
        for (let column = Math.max(x - 1, 0); column <= Math.min(x + 1, width - 1); column++) {
          const at = row * width + column;
          if (!data[at] || seen[at]) continue;
          seen[at] = 1;
          pixels.push(at);
        }
      }
    }
    found.push({ pixels, size: pixels.length, left, top, right, bottom });
  }
  return found;
}
