/** Points [x, y] of a pen from down to up, y downwards, in any unit. */
export type Stroke = readonly (readonly [number, number])[];

/** Left, top, right and bottom. */
export type Box = [number, number, number, number];

/** What `ImageData` has: red, green, blue and opacity of each pixel, 0 to 255. */
export interface Pixels {
  readonly data: Uint8ClampedArray | Uint8Array;
  readonly width: number;
  readonly height: number;
}

export type Picture =
  | Pixels
  | Blob
  | HTMLImageElement
  | HTMLCanvasElement
  | OffscreenCanvas
  | ImageBitmap;

/** How the model's pictures are made. */
export interface ImageSettings {
  readonly resolution: number;
  readonly symbol_height: number;
  readonly stroke_width: number;
  readonly margin_before: number;
  readonly margin_after: number;
  readonly height_tolerance: number;
  readonly stroke_range: readonly number[];
  readonly max_height: number;
  readonly max_width: number;
}

/** The content of `inktex.json`, which `inktex export --single` writes beside `inktex.onnx`. */
export interface ModelSettings {
  readonly words: Readonly<Record<string, string>>;
  readonly vocabulary: number;
  readonly end: number;
  readonly most: number;
  readonly doubt_threshold: number;
  readonly multiple: number;
  readonly always: readonly number[];
  readonly alphabets: Readonly<Record<string, readonly number[]>>;
  readonly image_processor: ImageSettings;
}

export interface LoadOptions {
  /** Address or content of `inktex.onnx`. */
  model: string | URL | Uint8Array | ArrayBuffer;
  /** Address or content of `inktex.json`. */
  settings: string | URL | ModelSettings | Uint8Array | ArrayBuffer;
  /** Address or content of `ort-wasm-simd-threaded.wasm`, if it does not lie beside the script. */
  wasm?: string | URL | Uint8Array | ArrayBuffer;
  /** Another ONNX Runtime, such as `onnxruntime-node`, to be used instead of `onnxruntime-web`. */
  ort?: unknown;
}

export interface ReadOptions {
  /** Which symbols may be read: `all`, a name in the settings (`crohme`, `school`), or tokens. */
  alphabet?: string | readonly string[];
  /**
   * Tokens that the reading has to have, by their indices, as candidates that a user chose:
   * `{ [one.index]: one.token }`. What comes before the first one is read as it was, the rest anew.
   */
  locked?: Readonly<Record<number, string>>;
}

export interface ReadSymbol {
  /** Of its token in `tokens`. */
  index: number;
  token: string;
  /** Its probability, given the tokens before it. */
  score: number;
  /** Whether it is worth a look: less probable than the model's threshold of doubt. */
  isDoubtful: boolean;
  /** Of its ink, in the coordinates of what was given; null where no ink was found. */
  box: Box | null;
}

export interface Reading {
  /** Compact LaTeX that compiles. */
  latex: string;
  /** Canonical tokens. */
  tokens: string[];
  /** Probability that the model gives to exactly these tokens, given those that are locked. */
  score: number;
  /** Of each token its probability, given the tokens before it. */
  tokenScores: number[];
  /** The tokens that have ink, in reading order. */
  symbols: ReadSymbol[];
  /**
   * For each token with ink what else may stand there, the most probable first: other tokens in its
   * place, and such that begin or end a structure right before it, as `^` does, in theirs.
   */
  candidates: Candidate[][];
}

export interface Candidate {
  /** The place that it takes in `tokens`. */
  index: number;
  token: string;
  /** Its probability there. */
  score: number;
}

/** There is no formula in what was given. */
export class NoFormulaError extends Error {
  /** How sure the model is of it; null where it was not asked. */
  score: number | null;
}

/** Reads with a model that was loaded. */
export class Reader {
  private constructor();
  readonly settings: ModelSettings;
  /** Throws a RangeError for what are no strokes, a NoFormulaError where there is no formula. */
  readStrokes(strokes: readonly Stroke[], options?: ReadOptions): Promise<Reading>;
  /** Throws a TypeError for what is no picture, a NoFormulaError where there is no formula. */
  readPicture(picture: Picture, options?: ReadOptions): Promise<Reading>;
  /** Frees the model's memory. */
  close(): Promise<void>;
}

/** Loads a model. */
export function load(options: LoadOptions): Promise<Reader>;

/** Canonical tokens as compact LaTeX. */
export function compact(tokens: readonly string[]): string;
