/** @typedef {import("./index.d.ts").Pixels} Pixels */

/**
 * Red, green, blue and opacity of whatever is a picture.
 * @param {import("./index.d.ts").Picture} source
 * @returns {Promise<Pixels>}
 */
export async function pixelsOf(source) {
  if (source && "data" in source) return checked(source);
  if (typeof OffscreenCanvas === "undefined" && typeof document === "undefined") {
    throw new TypeError("Pictures are decoded by browsers alone: here give { data, width, height }.");
  }
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

/** @param {Pixels} pixels */
function checked(pixels) {
  const { data, width, height } = pixels;
  const isSized = width > 0 && height > 0 && data?.length === 4 * width * height;
  if (isSized) return pixels;
  throw new TypeError(
    `A picture of ${width} by ${height} pixels has four numbers for each: red, green, blue and opacity.`,
  );
}

/** @param {Blob} file */
async function decoded(file) {
  try {
    return await createImageBitmap(file);
  } catch {
    throw new TypeError("This is not a picture that can be shown here.");
  }
}
