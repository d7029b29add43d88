// Answers requests, one JSON object a line, with what the package computes in Node. Tests and
// measurements of the repository compare it with Python by this.
//
//   node answer.mjs FOLDER    # with inktex.onnx, inktex.json and ort-wasm-simd-threaded.wasm

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { compact, load } from "inktex";
import { drawStrokes } from "../reader/drawing.js";
import { reduced } from "../reader/normalization.js";
import { normalizePicture } from "../reader/picture.js";
import { hasInk } from "../reader/symbols.js";
import { FORMATS } from "../page/formats.js";
import { enclosed, scratched } from "../page/ink.js";
import * as vocabulary from "../reader/vocabulary.js";

const [folder] = process.argv.slice(2);
/** @type {import("../reader/index.d.ts").Reader | undefined} */
let loaded;

async function reader() {
  const file = (/** @type {string} */ name) => readFile(join(folder, name));
  loaded ??= await load({
    model: await file("inktex.onnx"),
    settings: await file("inktex.json"),
    wasm: await file("ort-wasm-simd-threaded.wasm"),
  });
  return loaded;
}

/** @param {{data: string, width: number, height: number}} picture pixels in base64 */
const pixels = ({ data, width, height }) => ({
  data: new Uint8Array(Buffer.from(data, "base64")),
  width,
  height,
});

/** @param {import("../reader/raster.js").Raster} picture */
const encoded = ({ data, width, height }) => ({ data: Buffer.from(data).toString("base64"), width, height });

/** @type {Record<string, (request: any) => unknown>} */
const actions = {
  compact: ({ tokens }) => compact(tokens),
  format: ({ latex, format }) => FORMATS[format](latex),
  inked: ({ tokens }) => hasInk(tokens),
  enclosed: ({ strokes, loop }) => enclosed(strokes, loop).map((stroke) => strokes.indexOf(stroke)),
  /** Of each stroke which of those before it scratches out. */
  scratched: ({ strokes }) =>
    strokes.map((/** @type {any} */ stroke, /** @type {number} */ index) =>
      scratched(stroke, strokes.slice(0, index)).map((one) => strokes.indexOf(one)),
    ),
  vocabulary: () =>
    Object.fromEntries(
      Object.entries(vocabulary).map(([name, value]) => [
        name,
        value instanceof Map ? Object.fromEntries(value) : value instanceof Set ? [...value] : value,
      ]),
    ),
  draw({ strokes, settings }) {
    const drawing = drawStrokes(strokes, settings.symbol_height, settings.stroke_width);
    const { picture, toSource } = reduced(drawing.picture, settings, drawing);
    return { drawn: encoded(drawing.picture), picture: encoded(picture), box: toSource([0, 0, 1, 1]) };
  },
  normalize({ picture, settings }) {
    const found = normalizePicture(pixels(picture), settings);
    return { picture: encoded(found.picture), box: found.toSource([0, 0, 1, 1]) };
  },
  async strokes({ strokes, alphabet, locked }) {
    return (await reader()).readStrokes(strokes, { alphabet, locked });
  },
  async picture({ picture, alphabet, locked }) {
    return (await reader()).readPicture(pixels(picture), { alphabet, locked });
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  const start = performance.now();
  try {
    const value = await actions[request.action](request);
    console.log(JSON.stringify({ value, ms: performance.now() - start }));
  } catch (error) {
    const { name, message, score } = /** @type {any} */ (error);
    console.log(JSON.stringify({ error: { name, message, score } }));
  }
}
