// Pictures that are chosen, pasted or dropped.

/**
 * @param {HTMLElement} pad
 * @param {HTMLInputElement} chooser
 * @param {(picture: ImageBitmap) => void} given
 * @param {(message: string) => void} refused
 */
export function acceptPictures(pad, chooser, given, refused) {
  const take = async (/** @type {Blob | null | undefined} */ file) => {
    if (!file) return;
    try {
      given(await createImageBitmap(file));
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
