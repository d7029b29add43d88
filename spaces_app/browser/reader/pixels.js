/** @typedef {import("./index.d.ts").Pixels} Pixels */

/**
 * Red, green, blue and opacity of whatever is a picture.
 * @param {import("./index.d.ts").Picture} source
 * @returns {Promise<Pixels>}
 */
export async function pixelsOf(source) {
  if ("data" in source) return source;
  const drawable = source instanceof Blob ? await decoded(source) : source;
  const [width, height] =
    "naturalWidth" in drawable
      ? [drawable.naturalWidth, drawable.naturalHeight]
      : [drawable.width, drawable.height];
  if (!width || !height) throw new TypeError("The picture is empty: it has no pixels.");
  const canvas =
    typeof OffscreenCanvas === "undefined"
      ? Object.assign(document.createElement("canvas"), { width, height })
      : new OffscreenCanvas(width, height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (
    canvas.getContext("2d", { willReadFrequently: true })
  );
  context.drawImage(drawable, 0, 0);
  return context.getImageData(0, 0, width, height);
}

/** @param {Blob} file */
async function decoded(file) {
  try {
    return await createImageBitmap(file);
  } catch {
    throw new TypeError("This is not a picture that can be shown here.");
  }
}
