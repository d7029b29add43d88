// Files that are chosen, pasted or dropped: pictures, and ink in InkML.

import { isInkml, readInkml } from "./inkml.js";

const MAX_SIDE = 2048; // pixels

/**
 * @param {HTMLElement} pad
 * @param {HTMLInputElement} chooser
 * @param {object} handlers
 * @param {(picture: ImageBitmap) => void} handlers.picture
 * @param {(strokes: import("./ink.js").Point[][]) => void} handlers.ink
 * @param {(message: string) => void} handlers.refused
 */
export function acceptFiles(pad, chooser, { picture, ink, refused }) {
  const take = async (/** @type {File | null | undefined} */ file) => {
    if (!file) return;
    if (isInkml(file)) {
      try {
        ink(readInkml(await file.text()));
      } catch (error) {
        refused(/** @type {Error} */ (error).message);
      }
      return;
    }
    try {
      picture(await smaller(await createImageBitmap(file)));
    } catch {
      refused("This is not a picture that can be shown here.");
    }
  };
  chooser.addEventListener("change", () => {
    void take(chooser.files?.[0]);
    chooser.value = ""; // so that the same one can be chosen again
  });
  document.addEventListener("paste", (event) => {
    const file = event.clipboardData?.files[0];
    if (file) event.preventDefault();
    void take(file);
  });
  for (const kind of ["dragover", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault(); // else the browser leaves the page for the picture
      pad.classList.toggle("aimed", kind === "dragover");
    });
  }
  document.addEventListener("dragleave", () => pad.classList.remove("aimed"));
  document.addEventListener("drop", (event) => void take(event.dataTransfer?.files[0]));
}

/**
 * A picture with at most `MAX_SIDE` pixels a side; symbols of photos have hundreds.
 * @param {ImageBitmap} picture
 */
async function smaller(picture) {
  const ratio = MAX_SIDE / Math.max(picture.width, picture.height);
  if (ratio >= 1) return picture;
  const [resizeWidth, resizeHeight] = [picture.width, picture.height].map((side) => Math.max(1, Math.round(ratio * side)));
  return createImageBitmap(picture, { resizeWidth, resizeHeight, resizeQuality: "high" });
}
