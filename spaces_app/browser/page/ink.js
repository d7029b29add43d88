// What is on the pad: strokes or a picture, and what was there before.

/** @typedef {[number, number]} Point */
/**
 * @typedef {object} Content
 * @property {readonly Point[][]} strokes
 * @property {ImageBitmap | null} picture
 * @property {Readonly<Record<number, string>>} locked tokens that were chosen, by their indices
 */

/** @type {Content} */
const NOTHING = { strokes: [], picture: null, locked: {} };

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

  /**
   * New ink, in which nothing was chosen yet.
   * @param {Partial<Content>} content
   */
  change(content) {
    this.past.push(this.content);
    this.future = [];
    this.content = { ...NOTHING, ...content };
  }

  /** @param {Point[]} stroke */
  add(stroke) {
    this.change({ strokes: [...this.content.strokes, stroke] });
  }

  /**
   * Strokes instead of others.
   * @param {readonly Point[][]} gone
   * @param {readonly Point[][]} [come] in the places of those that are gone, or fewer
   */
  replace(gone, come = []) {
    const strokes = this.content.strokes.flatMap((stroke) => {
      const place = gone.indexOf(stroke);
      return place < 0 ? [stroke] : come.slice(place, place + 1);
    });
    this.change({ strokes });
  }

  /**
   * Another token where the reading of this ink has one. What was chosen behind it was chosen in
   * another context, and is read anew.
   * @param {import("inktex").Candidate} candidate
   */
  lock({ index, token }) {
    const before = Object.entries(this.content.locked).filter(([place]) => Number(place) < index);
    this.change({ ...this.content, locked: { ...Object.fromEntries(before), [index]: token } });
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
 * The strokes of which most lies within a loop.
 * @param {readonly Point[][]} strokes
 * @param {readonly Point[]} loop is closed by a line from its end to its start
 */
export function enclosed(strokes, loop) {
  return strokes.filter((stroke) => {
    const inside = stroke.filter((point) => isWithin(point, loop)).length;
    return 2 * inside > stroke.length;
  });
}

/**
 * Whether a point lies within a loop: a ray from it crosses the line an odd number of times.
 * @param {Point} point
 * @param {readonly Point[]} loop
 */
function isWithin([x, y], loop) {
  let isInside = false;
  loop.forEach(([x1, y1], index) => {
    const [x0, y0] = loop[(index || loop.length) - 1];
    if (y0 > y !== y1 > y && x < x0 + ((y - y0) / (y1 - y0)) * (x1 - x0)) isInside = !isInside;
  });
  return isInside;
}

/**
 * The strokes that another one scratches out: it goes to and fro over most of each.
 *
 * How often it has to turn was chosen on CROHME's ink, of which scripts/benchmark_browser.py counts
 * what would be taken for it.
 * @param {readonly Point[]} stroke
 * @param {readonly Point[][]} strokes that were there before
 */
export function scratched(stroke, strokes) {
  if (turns(stroke) < SCRATCH_TURNS) return [];
  const { left, top, right, bottom } = extent([stroke]);
  return enclosed(strokes, [[left, top], [right, top], [right, bottom], [left, bottom]]);
}

const SCRATCH_TURNS = 4;

/**
 * How often a stroke turns back along the direction in which it goes most, each time by half of its
 * extent there at least.
 * @param {readonly Point[]} stroke
 */
function turns(stroke) {
  const along = projected(stroke);
  const least = (Math.max(...along) - Math.min(...along)) / 2;
  let [count, direction, furthest] = [0, 0, along[0]];
  for (const place of along) {
    const way = place - furthest;
    if (direction === 0 ? Math.abs(way) >= least && way !== 0 : way * direction <= -least && least > 0) {
      count += direction === 0 ? 0 : 1;
      direction = Math.sign(way);
      furthest = place;
    } else if (way * direction > 0) furthest = place;
  }
  return count;
}

/**
 * Places of points along the direction in which a stroke goes most: the first principal axis of its
 * steps, forth and back.
 * @param {readonly Point[]} points
 */
function projected(points) {
  let [along, across] = [0, 0];
  for (let index = 1; index < points.length; index++) {
    const [x, y] = [0, 1].map((axis) => points[index][axis] - points[index - 1][axis]);
    const length = Math.hypot(x, y) || 1; // what counts is the way, not how far apart points are
    along += (x * x - y * y) / length;
    across += (2 * x * y) / length;
  }
  const angle = Math.atan2(across, along) / 2;
  return points.map(([x, y]) => x * Math.cos(angle) + y * Math.sin(angle));
}

/**
 * The box around strokes.
 * @param {readonly (readonly Point[])[]} strokes
 */
export function extent(strokes) {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of strokes.flat()) {
    [left, right] = [Math.min(left, x), Math.max(right, x)];
    [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
  }
  return { left, top, right, bottom };
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
