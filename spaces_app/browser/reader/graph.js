// ONNX Runtime Web cannot set an input that has a default, as `allowed` of the one-file graph has. So
// the default is taken out of the file's bytes, which are in the wire format of protocol buffers.

const GRAPH = 7; // number of the field in ModelProto
const INITIALIZER = 5; // in GraphProto
const NAME = 8; // in TensorProto
const BYTES = 2; // wire type of what has a length

/**
 * The graph with an input that has no default any more; the same bytes if it had none.
 * @param {Uint8Array} model
 * @param {string} input
 * @returns {Uint8Array}
 */
export function withoutDefault(model, input) {
  const wanted = new TextEncoder().encode(input);
  const graph = fields(model, 0, model.length).find(({ number }) => number === GRAPH);
  const value =
    graph &&
    fields(model, graph.from, graph.to).find(
      ({ number, from, to }) =>
        number === INITIALIZER &&
        fields(model, from, to).some((one) => one.number === NAME && holds(model, one, wanted)),
    );
  if (!graph || !value) return model;
  const length = varint(graph.to - graph.from - (value.to - value.start));
  const parts = [
    model.subarray(0, graph.start),
    Uint8Array.of(8 * GRAPH + BYTES, ...length),
    model.subarray(graph.from, value.start),
    model.subarray(value.to, graph.to),
    model.subarray(graph.to),
  ];
  const found = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    found.set(part, at);
    at += part.length;
  }
  return found;
}

/**
 * The fields of a message: their numbers, where they start, and where their content lies.
 * @param {Uint8Array} bytes
 * @param {number} at
 * @param {number} end
 */
function fields(bytes, at, end) {
  const found = [];
  const read = () => {
    let [value, factor] = [0, 1];
    for (; ; factor *= 128) {
      const byte = bytes[at++];
      value += (byte % 128) * factor; // shifts would end at 32 bits
      if (byte < 128) return value;
    }
  };
  while (at < end) {
    const start = at;
    const tag = read();
    const kind = tag % 8;
    if (kind === 0) read();
    const length = kind === BYTES ? read() : kind === 1 ? 8 : kind === 5 ? 4 : 0;
    found.push({ number: Math.floor(tag / 8), start, from: at, to: at + length });
    at += length;
  }
  return found;
}

/**
 * @param {Uint8Array} bytes
 * @param {{from: number, to: number}} field
 * @param {Uint8Array} wanted
 */
function holds(bytes, { from, to }, wanted) {
  return to - from === wanted.length && wanted.every((byte, index) => bytes[from + index] === byte);
}

/** @param {number} value */
function varint(value) {
  const found = [];
  for (; value > 127; value = Math.floor(value / 128)) found.push((value % 128) + 128);
  return [...found, value];
}
