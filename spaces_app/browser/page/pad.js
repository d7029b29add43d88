// The pad: pen, finger or mouse in, ink out. Pressure does not count. The Space that reads on a
// server has the same pad.

import { Ink, enclosed, extent, passes, scratched } from "./ink.js";

/** @typedef {import("./ink.js").Point} Point */
/** @typedef {"pen" | "eraser" | "lasso"} Tool */
/** @typedef {{left: number, top: number, right: number, bottom: number}} Frame */

const REACH = 9; // pixels around eraser and lasso
const PEN = 3; // pixels
const EDGE = 24; // pixels around a picture
const AROUND = 8; // pixels around what is selected
const STEP = 8; // pixels that a key moves it
const ASIDE = 0.1; // of the height of what was found in a picture: left around it
/** @type {Record<string, Point>} */
const WAYS = { arrowleft: [-1, 0], arrowright: [1, 0], arrowup: [0, -1], arrowdown: [0, 1] };
const ERASER_BUTTON = 5; // of Pointer Events: the other end of a pen

export class Pad {
  /**
   * @param {HTMLElement} element
   * @param {object} handlers
   * @param {() => void} handlers.began the pen is down
   * @param {() => void} handlers.changed the ink has changed
   * @param {(point: Point | null) => void} handlers.hovered where the pointer is, in coordinates of the ink
   * @param {() => void} handlers.selected other strokes are selected, or none any more
   */
  constructor(element, { began, changed, hovered, selected }) {
    this.ink = new Ink();
    this.began = began;
    this.changed = changed;
    this.hovered = hovered;
    this.selected = selected;
    /** @type {Tool} */
    this.tool = "pen";
    this.canvas = /** @type {HTMLCanvasElement} */ (element.querySelector("canvas"));
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    this.element = element;
    /** @type {number | null} The pointer that is down. */
    this.pointer = null;
    /** @type {Point[] | null} The stroke or the loop that it draws. */
    this.stroke = null;
    /** @type {Point | null} Where it took hold of what is selected. */
    this.held = null;
    /** Whether it has erased something. */
    this.hasErased = false;
    /** Whether a pen was seen: touches are the palm's then. */
    this.hasPen = false;
    /** @type {readonly Point[][]} */
    this.chosen = [];
    /** @type {Frame | null} What was selected of the picture, in its pixels. */
    this.frame = null;
    /** @type {WeakMap<ImageBitmap, Frame>} What was read in a picture. */
    this.read = new WeakMap();
    this.listen();
    new ResizeObserver(() => this.paint()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.paint());
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.lift(event, true));
    canvas.addEventListener("pointercancel", (event) => this.lift(event, false));
    canvas.addEventListener("pointerleave", () => this.hovered(null));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  /** The selected strokes that are still there. */
  get selection() {
    return this.chosen.filter((stroke) => this.ink.content.strokes.includes(stroke));
  }

  /**
   * @param {readonly Point[][]} strokes
   * @param {Frame | null} [frame] of the picture
   */
  select(strokes, frame = null) {
    this.chosen = strokes;
    this.frame = frame;
    this.selected();
    this.paint();
  }

  /**
   * Takes up a tool. The lasso begins with what was read in the picture.
   * @param {Tool} tool
   */
  choose(tool) {
    this.tool = tool;
    const { picture } = this.ink.content;
    if (picture && tool === "lasso") this.select([], this.read.get(picture));
  }

  /**
   * Where the symbols are that were read in the picture.
   * @param {readonly (readonly [number, number, number, number])[]} boxes left, top, right, bottom; in its pixels
   */
  found(boxes) {
    const { picture } = this.ink.content;
    if (!picture || !boxes.length) return;
    const corners = boxes.flatMap(([x0, y0, x1, y1]) => /** @type {Point[]} */ ([[x0, y0], [x1, y1]]));
    const { left, top, right, bottom } = extent([corners]);
    const aside = ASIDE * (bottom - top);
    this.read.set(picture, within(picture, { left: left - aside, top: top - aside, right: right + aside, bottom: bottom + aside }));
  }

  deleteSelection() {
    this.ink.replace(this.selection);
    this.select([]);
    this.changed();
  }

  /**
   * Moves what is selected, in pixels.
   * @param {number} across
   * @param {number} down
   */
  moveSelection(across, down) {
    const moved = this.selection.map((stroke) => shifted(stroke, [across, down]));
    this.ink.replace(this.selection, moved);
    this.select(moved);
    this.changed();
  }

  /**
   * What a key does with what is selected; null if nothing is, or it does nothing.
   * @param {string} key in lower case
   * @returns {(() => void) | null}
   */
  keyAction(key) {
    if (!this.selection.length) return null;
    if (key === "escape") return () => this.select([]);
    if (key === "delete" || key === "backspace") return () => this.deleteSelection();
    const way = WAYS[key];
    return way ? () => this.moveSelection(STEP * way[0], STEP * way[1]) : null;
  }

  /** Leaves out what is outside of the frame. */
  async crop() {
    const { picture } = this.ink.content;
    if (!picture || !this.frame) return;
    const { left, top, right, bottom } = this.frame;
    this.exchange(await createImageBitmap(picture, left, top, right - left, bottom - top));
  }

  /** Turns the picture by a right angle, clockwise. */
  async turn() {
    const { picture } = this.ink.content;
    if (!picture) return;
    const canvas = new OffscreenCanvas(picture.height, picture.width);
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.translate(picture.height, 0);
    context.rotate(Math.PI / 2);
    context.drawImage(picture, 0, 0);
    this.exchange(await createImageBitmap(canvas));
  }

  /** @param {ImageBitmap} picture instead of the one that is there */
  exchange(picture) {
    this.ink.change({ picture });
    this.select([]);
    this.changed();
  }

  /** Whether there is a picture, and no ink is written in its place. */
  get isPictureShown() {
    return this.ink.content.picture !== null && (!this.stroke || this.tool === "lasso");
  }

  /** @param {PointerEvent} event */
  press(event) {
    if (event.pointerType === "pen" && !this.hasPen) {
      this.hasPen = true;
      this.drop(); // what the palm has begun
    }
    const isErasing = this.tool === "eraser" || event.button === ERASER_BUTTON;
    if (this.pointer !== null || (event.button !== 0 && event.button !== ERASER_BUTTON)) return;
    if (this.hasPen && event.pointerType === "touch") return;
    event.preventDefault(); // no text is selected
    this.element.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    this.pointer = event.pointerId;
    this.hasErased = false;
    this.hovered(null);
    const place = this.place(event);
    const isLasso = this.tool === "lasso" && !isErasing;
    if (isLasso && this.holds(place)) this.held = place;
    else if (!isErasing) this.stroke = [place];
    if (isErasing) this.erase(place);
    else if (!isLasso) this.began();
    if (!isLasso && (this.chosen.length || this.frame)) this.select([]);
    this.paint();
  }

  /** @param {PointerEvent} event */
  move(event) {
    if (this.pointer === null && event.pointerType !== "touch") this.hovered(this.place(event));
    if (event.pointerId !== this.pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const one of events.length ? events : [event]) {
      if (this.stroke) this.stroke.push(this.place(one));
      else if (!this.held) this.erase(this.place(one));
    }
    this.paint(this.held && this.place(event));
  }

  /**
   * @param {PointerEvent} event
   * @param {boolean} isWhole whether the pointer was lifted, and not taken away
   */
  lift(event, isWhole) {
    if (event.pointerId !== this.pointer) return;
    const { stroke, held } = this;
    this.drop();
    if (held && isWhole) this.put(held, this.place(event));
    else if (stroke && this.tool === "lasso" && isWhole) this.catch(stroke);
    else if (stroke && this.tool !== "lasso") this.write(stroke, isWhole);
    else if (this.hasErased) this.changed();
    this.paint();
  }

  /**
   * @param {Point[]} stroke
   * @param {boolean} isWhole
   */
  write(stroke, isWhole) {
    const { ink } = this;
    const gone = isWhole ? scratched(stroke, ink.content.strokes) : [];
    if (isWhole) ink.add(stroke);
    // A step of its own, so that undoing brings back what was scratched out, and keeps the stroke.
    if (gone.length) ink.replace([...gone, stroke]);
    this.changed();
  }

  /**
   * What is selected goes from one place to another.
   * @param {Point} from
   * @param {Point} to
   */
  put([x0, y0], [x1, y1]) {
    if (x0 !== x1 || y0 !== y1) this.moveSelection(x1 - x0, y1 - y0);
  }

  /**
   * Selects the strokes in a loop, or the one that it touches where it is hardly more than a point; of
   * a picture the box around the loop.
   * @param {Point[]} loop
   */
  catch(loop) {
    const { strokes, picture } = this.ink.content;
    const { left, top, right, bottom } = extent([loop]);
    const isPoint = Math.max(right - left, bottom - top) <= REACH;
    if (!picture) {
      const touched = strokes.filter((stroke) => passes(stroke, loop[0], REACH)).slice(-1);
      this.select(isPoint ? touched : enclosed(strokes, loop));
      return;
    }
    const frame = within(picture, { left, top, right, bottom });
    const isFrame = !isPoint && frame.left < frame.right && frame.top < frame.bottom;
    this.select([], isFrame ? frame : null);
  }

  /**
   * Whether a point is on what is selected.
   * @param {Point} point
   */
  holds([x, y]) {
    const { left, top, right, bottom } = extent(this.selection);
    return left - AROUND < x && x < right + AROUND && top - AROUND < y && y < bottom + AROUND;
  }

  drop() {
    this.pointer = null;
    this.stroke = null;
    this.held = null;
  }

  /** @param {Point} point */
  erase(point) {
    const { strokes } = this.ink.content;
    const kept = strokes.filter((stroke) => !passes(stroke, point, REACH));
    if (kept.length === strokes.length) return;
    if (this.hasErased) this.ink.content = { ...this.ink.content, strokes: kept };
    else this.ink.change({ strokes: kept }); // one movement is one step of undo
    this.hasErased = true;
    this.began();
  }

  /**
   * @param {MouseEvent} event
   * @returns {Point}
   */
  place(event) {
    const corner = this.canvas.getBoundingClientRect();
    const { zoom, x, y } = this.view();
    return [(event.clientX - corner.left - x) / zoom, (event.clientY - corner.top - y) / zoom];
  }

  /** How ink lies on the pad: pixels for each of its units, and where its origin is. */
  view() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const { picture, strokes } = this.ink.content;
    if (picture && this.isPictureShown) {
      const [across, down] = [(width - 2 * EDGE) / picture.width, (height - 2 * EDGE) / picture.height];
      const zoom = Math.min(across, down, 3);
      return { zoom, x: (width - zoom * picture.width) / 2, y: (height - zoom * picture.height) / 2 };
    }
    // Ink that was written on a larger pad (before a phone was turned) is shown smaller, not cut off.
    const { right, bottom } = extent([...strokes, [[1, 1]]]);
    return { zoom: Math.min(1, width / (right + PEN), height / (bottom + PEN)), x: 0, y: 0 };
  }

  /**
   * Strokes of any size as they fill the middle of the pad.
   * @param {readonly Point[][]} strokes
   * @returns {Point[][]}
   */
  fitted(strokes) {
    const { left, top, right, bottom } = extent(strokes);
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const zoom = Math.min((0.8 * width) / (right - left || 1), (0.6 * height) / (bottom - top || 1));
    const x = (width - zoom * (left + right)) / 2;
    const y = (height - zoom * (top + bottom)) / 2;
    return strokes.map((stroke) => stroke.map((one) => [one[0] * zoom + x, one[1] * zoom + y]));
  }

  /** @param {Point | null} [dragged] where the pointer is that moves what is selected */
  paint(dragged = null) {
    const { canvas, context } = this;
    const density = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((side) => Math.round(side * density));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const { zoom, x, y } = this.view();
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    context.setTransform(density * zoom, 0, 0, density * zoom, density * x, density * y);
    const { strokes, picture } = this.ink.content;
    if (picture && this.isPictureShown) {
      context.fillStyle = "white"; // of what is transparent
      context.fillRect(0, 0, picture.width, picture.height);
      context.drawImage(picture, 0, 0);
    }
    const style = getComputedStyle(this.element);
    const [ink, accent] = [style.color, style.getPropertyValue("--accent")];
    const chosen = new Set(this.selection);
    const isLoop = this.tool === "lasso";
    for (const stroke of strokes) if (!chosen.has(stroke)) this.line(stroke, ink);
    const way = /** @type {Point} */ (
      this.held && dragged ? [dragged[0] - this.held[0], dragged[1] - this.held[1]] : [0, 0]
    );
    const moved = [...chosen].map((stroke) => shifted(stroke, way));
    for (const stroke of moved) this.line(stroke, accent);
    if (moved.length) {
      const { left, top, right, bottom } = extent(moved);
      const frame = { left: left - AROUND, top: top - AROUND, right: right + AROUND, bottom: bottom + AROUND };
      this.box(frame, accent, zoom);
    }
    if (this.frame) this.box(this.frame, accent, zoom);
    if (this.stroke && isLoop && picture) this.box(extent([this.stroke]), accent, zoom);
    else if (this.stroke && isLoop) this.line(this.stroke, accent, zoom);
    else if (this.stroke) this.line(this.stroke, ink);
  }

  /**
   * @param {Frame} frame
   * @param {string} colour
   * @param {number} zoom
   */
  box({ left, top, right, bottom }, colour, zoom) {
    this.line([[left, top], [right, top], [right, bottom], [left, bottom], [left, top]], colour, zoom);
  }

  /**
   * @param {readonly (readonly number[])[]} points
   * @param {string} colour
   * @param {number} [guideZoom] of the view, for a line that is no ink: it is as wide at every zoom
   */
  line(points, colour, guideZoom) {
    const { context } = this;
    context.strokeStyle = colour;
    context.lineWidth = guideZoom ? 1.5 / guideZoom : PEN;
    context.lineCap = context.lineJoin = "round";
    context.setLineDash(guideZoom ? [6 / guideZoom, 5 / guideZoom] : []);
    context.beginPath();
    context.moveTo(points[0][0], points[0][1]);
    for (const [x, y] of points) context.lineTo(x, y);
    context.stroke();
  }
}

/**
 * @param {readonly Point[]} stroke
 * @param {Point} way
 * @returns {Point[]}
 */
const shifted = (stroke, [across, down]) => stroke.map(([x, y]) => [x + across, y + down]);

/**
 * The part of a frame that is in a picture, as whole pixels.
 * @param {ImageBitmap} picture
 * @param {Frame} frame
 * @returns {Frame}
 */
const within = ({ width, height }, { left, top, right, bottom }) => ({
  left: Math.max(Math.floor(left), 0),
  top: Math.max(Math.floor(top), 0),
  right: Math.min(Math.ceil(right), width),
  bottom: Math.min(Math.ceil(bottom), height),
});
