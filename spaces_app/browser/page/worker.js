// Reads beside the page, so that this never waits. Of several requests the newest one counts.

import { load } from "inktex";

/** @typedef {import("./reader-client.js").Request} Request */

/** @type {Promise<import("inktex").Reader>} */
const loading = load({
  model: new URL("inktex.onnx", location.href),
  settings: new URL("inktex.json", location.href),
  wasm: new URL("ort-wasm-simd-threaded.wasm", location.href),
});
/** @type {Request | null} */
let newest = null;
let isReading = false;

loading.then(
  () => postMessage({ ready: true }),
  (error) => postMessage({ failed: error.message }),
);

addEventListener("message", ({ data }) => {
  newest = data;
  if (!isReading) void readAll();
});

async function readAll() {
  isReading = true;
  const reader = await loading;
  while (newest) {
    const { id, strokes, picture, alphabet, locked } = newest;
    newest = null;
    try {
      const reading = picture
        ? await reader.readPicture(picture, { alphabet, locked })
        : await reader.readStrokes(strokes ?? [], { alphabet, locked });
      postMessage({ id, reading });
    } catch (error) {
      postMessage({ id, error: error instanceof Error ? error.message : String(error) });
    }
    await new Promise((resolve) => setTimeout(resolve)); // lets in what was asked for meanwhile
  }
  isReading = false;
}
