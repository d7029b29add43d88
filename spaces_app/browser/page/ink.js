// What is on the pad: strokes or a picture, and what was there before.

/** @typedef {[number, number]} Point */
/** @typedef {{strokes: readonly Point[][], picture: ImageBitmap | null}} Content */

/** @type {Content} */
const NOTHING = { strokes: [], picture: null };

export class Ink {
  constructor() {
    /** @type {Content} */
    this.content = NOTHING;
    /** @type {Content[]} */
    this.past = [];
    /** @type {Content[]} */
    this.future = [];
  }

  get isEmpty() {
    return !this.content.strokes.length && !this.content.picture;
  }

  /** @param {Partial<Content>} content */
  change(content) {
    this.past.push(this.content);
    this.future = [];
    this.content = { ...NOTHING, ...content };
  }

  /** @param {Point[]} stroke */
  add(stroke) {
    this.change({ strokes: [...this.content.strokes, stroke] });
  }

  undo() {
    const before = this.past.pop();
    if (!before) return;
    this.future.push(this.content);
    this.content = before;
  }

  redo() {
    const after = this.future.pop();
    if (!after) return;
    this.past.push(this.content);
    this.content = after;
  }
}

/**
 * Whether a stroke passes a point.
 * @param {readonly Point[]} stroke
 * @param {Point} point
 * @param {number} reach
 */
export function passes(stroke, point, reach) {
  return stroke.some((end, index) => distance(point, stroke[Math.max(index - 1, 0)], end) < reach);
}

/**
 * Distance of a point from a line between two others.
 * @param {Point} point
 * @param {Point} from
 * @param {Point} to
 */
function distance([x, y], [x0, y0], [x1, y1]) {
  const length = (x1 - x0) ** 2 + (y1 - y0) ** 2;
  const share = length ? ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length : 0;
  const place = Math.min(1, Math.max(0, share));
  return Math.hypot(x - x0 - place * (x1 - x0), y - y0 - place * (y1 - y0));
}
