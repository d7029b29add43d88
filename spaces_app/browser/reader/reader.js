// The model: loaded once, then asked with strokes or pictures.

import { compact } from "./compact.js";
import { drawStrokes } from "./drawing.js";
import { NoFormulaError } from "./errors.js";
import { reduced, stacked } from "./normalization.js";
import { normalizePicture } from "./picture.js";
import { pixelsOf } from "./pixels.js";
import { hasInk } from "./symbols.js";
import { NOTHING_TOKEN } from "./vocabulary.js";

/** @typedef {import("./index.d.ts").ModelSettings} ModelSettings */
/** @typedef {import("./index.d.ts").Reading} Reading */
/** @typedef {import("./index.d.ts").Candidate} Candidate */
/** @typedef {import("./index.d.ts").ReadOptions} ReadOptions */
/** @typedef {import("./index.d.ts").LoadOptions} LoadOptions */
/** @typedef {import("./index.d.ts").Stroke} Stroke */
/** @typedef {import("./normalization.js").Normalized} Normalized */

const OUTPUTS = ["tokens", "log_probabilities", "boxes", "candidates", "candidate_log_probabilities"];

/**
 * Loads a model.
 * @param {LoadOptions} options
 * @returns {Promise<Reader>}
 */
export async function load({ model, settings, wasm, ort }) {
  /** @type {any} */
  const runtime = ort ?? (await import("onnxruntime-web/wasm"));
  if (runtime.env?.wasm) {
    runtime.env.wasm.numThreads = 1; // more need a cross-origin isolated page, and a token is short
    if (wasm instanceof ArrayBuffer || ArrayBuffer.isView(wasm)) runtime.env.wasm.wasmBinary = wasm;
    else if (wasm !== undefined) runtime.env.wasm.wasmPaths = { wasm: String(wasm) };
  }
  const [bytes, found] = await Promise.all([bytesOf(model), settingsOf(settings)]);
  const session = await runtime.InferenceSession.create(bytes, {
    executionProviders: [ort ? "cpu" : "wasm"],
    logSeverityLevel: 3, // what it says of unused constants helps nobody
  });
  return new Reader(runtime, session, found);
}

/** @param {LoadOptions["model"]} source */
async function bytesOf(source) {
  if (source instanceof Uint8Array) return source;
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  return new Uint8Array(await (await fetched(source)).arrayBuffer());
}

/**
 * @param {LoadOptions["settings"]} source
 * @returns {Promise<ModelSettings>}
 */
async function settingsOf(source) {
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) {
    return JSON.parse(new TextDecoder().decode(source));
  }
  if (typeof source === "object" && !(source instanceof URL)) return source;
  return (await fetched(source)).json();
}

/** @param {string | URL} address */
async function fetched(address) {
  const answer = await fetch(address).catch((error) => {
    throw new Error(`${address} cannot be loaded (${error.message}). In Node give the content of the file.`);
  });
  if (!answer.ok) throw new Error(`${address} cannot be loaded: ${answer.status}.`);
  return answer;
}

/** Reads with a model that was loaded; `load` makes one. */
export class Reader {
  /**
   * @param {any} runtime ONNX Runtime
   * @param {any} session of the model
   * @param {ModelSettings} settings
   */
  constructor(runtime, session, settings) {
    this.runtime = runtime;
    this.session = session;
    this.settings = settings;
    this.ids = new Map(Object.entries(settings.words).map(([id, word]) => [word, Number(id)]));
  }

  /**
   * Reads pen strokes.
   * @param {readonly Stroke[]} strokes
   * @param {ReadOptions} [options]
   * @returns {Promise<Reading>}
   */
  async readStrokes(strokes, options) {
    return this.read(this.drawn(strokes), options ?? {});
  }

  /**
   * Reads a picture of ink on plain paper.
   * @param {import("./index.d.ts").Picture} picture
   * @param {ReadOptions} [options]
   * @returns {Promise<Reading>}
   */
  async readPicture(picture, options) {
    return this.read(normalizePicture(await pixelsOf(picture), this.settings.image_processor), options ?? {});
  }

  /**
   * The model's picture of strokes.
   * @param {readonly Stroke[]} strokes
   */
  drawn(strokes) {
    const settings = this.settings.image_processor;
    const drawing = drawStrokes(strokes, settings.symbol_height, settings.stroke_width);
    return reduced(drawing.picture, settings, drawing);
  }

  /** Frees the model's memory. */
  async close() {
    await this.session.release();
  }

  /**
   * @param {Normalized} normalized
   * @param {ReadOptions} options
   * @returns {Promise<Reading>}
   */
  async read({ picture, toSource }, { alphabet = "all", locked = {} }) {
    const { Tensor } = this.runtime;
    const { pixels, mask, width, height } = stacked(picture, this.settings.multiple);
    const forbidden = this.forbidden(alphabet);
    const pairs = this.pairs(locked);
    const feeds = {
      pixel_values: new Tensor("float32", pixels, [1, 1, height, width]),
      pixel_mask: new Tensor("float32", mask, [1, height, width]),
      forbidden: new Tensor("int64", BigInt64Array.from(forbidden, BigInt), [forbidden.length]),
      locked: new Tensor("int64", BigInt64Array.from(pairs.flat(), BigInt), [pairs.length, 2]),
    };
    const outputs = await this.session.run(feeds, OUTPUTS);
    const ids = Array.from(outputs.tokens.data, Number);
    /** @type {number[]} */
    const logs = Array.from(outputs.log_probabilities.data);
    const length = ids.includes(this.settings.end) ? ids.indexOf(this.settings.end) : ids.length;
    // What is locked is given: it is not for the model to doubt.
    const free = logs.slice(0, length + 1).filter((_, place) => !(place in locked));
    const score = Math.exp(free.reduce((sum, one) => sum + one, 0));
    const places = ids.slice(0, length).flatMap((id, place) => (id in this.settings.words ? [place] : []));
    const tokens = places.map((place) => this.settings.words[ids[place]]);
    if (tokens.length === 1 && tokens[0] === NOTHING_TOKEN) {
      const percent = Math.round(100 * score);
      throw new NoFormulaError(`No formula found: the ink is something else, to ${percent} %.`, score);
    }
    for (const [place, id] of pairs) {
      if (ids[place] === id) continue;
      const token = this.settings.words[id];
      throw new RangeError(
        `locked: ${token} cannot stand at place ${place} of the reading, behind the tokens before it.`,
      );
    }
    const tokenScores = places.map((place) => Math.exp(logs[place]));
    const inked = hasInk(tokens);
    const symbols = tokens.flatMap((token, index) => {
      if (!inked[index]) return [];
      const at = 4 * places[index];
      const box = /** @type {import("./index.d.ts").Box} */ (Array.from(outputs.boxes.data.slice(at, at + 4)));
      const score = tokenScores[index];
      const isDoubtful = score < this.settings.doubt_threshold && !(index in locked);
      return [{ index, token, score, isDoubtful, box: box[2] > 0 ? toSource(box) : null }];
    });
    const candidates = this.candidates(outputs, places, tokens, inked);
    return { latex: compact(tokens), tokens, score, tokenScores, symbols, candidates };
  }

  /**
   * For each token with ink what else may stand there; as `Reading.candidates` of the Python package.
   * @param {Record<string, any>} outputs of the model
   * @param {readonly number[]} places of the tokens in the outputs
   * @param {readonly string[]} tokens
   * @param {readonly boolean[]} inked
   * @returns {Candidate[][]}
   */
  candidates({ candidates, candidate_log_probabilities: logs }, places, tokens, inked) {
    const count = candidates.dims[2];
    /** @type {Candidate[]} */
    let before = [];
    return tokens.map((token, index) => {
      for (let at = count * places[index]; at < count * (places[index] + 1); at++) {
        const other = this.settings.words[Number(candidates.data[at])] ?? token;
        const score = Math.exp(logs.data[at]);
        if (other !== token && score > 0) before.push({ index, token: other, score });
      }
      if (!inked[index]) return [];
      const found = before.sort((one, another) => another.score - one.score).slice(0, count - 1);
      before = [];
      return found;
    });
  }

  /**
   * Ids of the tokens that an alphabet does not have.
   * @param {NonNullable<ReadOptions["alphabet"]>} alphabet
   */
  forbidden(alphabet) {
    if (alphabet === "all") return [];
    const { vocabulary, alphabets, always } = this.settings;
    const named = typeof alphabet === "string" ? alphabets[alphabet] : alphabet.map((one) => this.id(one));
    if (!named) {
      const names = Object.keys(alphabets).join(", ");
      throw new RangeError(`There is no alphabet ${alphabet}: give all, ${names}, or tokens.`);
    }
    if (!named.length) throw new RangeError("The alphabet is empty: name the tokens that may be written.");
    const may = new Set([...named, ...always]);
    return Array.from({ length: vocabulary }, (_, id) => id).filter((id) => !may.has(id));
  }

  /**
   * Places and ids of locked tokens.
   * @param {NonNullable<ReadOptions["locked"]>} locked
   */
  pairs(locked) {
    return Object.entries(locked).map(([index, token]) => {
      const place = Number(index);
      if (!Number.isInteger(place) || place < 0 || place >= this.settings.most) {
        throw new RangeError(`There is no token ${index}: locked takes indices of tokens from 0 on.`);
      }
      return [place, this.id(token)];
    });
  }

  /** @param {string} token */
  id(token) {
    const id = this.ids.get(token);
    if (id === undefined) throw new RangeError(`The model does not know the token ${token}.`);
    return id;
  }
}
