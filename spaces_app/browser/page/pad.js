// The pad: pen, finger or mouse in, ink out. Pressure does not count.

import { Ink, passes } from "./ink.js";

/** @typedef {import("./ink.js").Point} Point */
/** @typedef {import("inktex").Box} Box */

const REACH = 9; // pixels around the eraser
const PEN = 3; // pixels
const EDGE = 24; // pixels around a picture
const ERASER_BUTTON = 5; // of Pointer Events: the other end of a pen

export class Pad {
  /**
   * @param {HTMLElement} element
   * @param {object} handlers
   * @param {() => void} handlers.began the pen is down
   * @param {() => void} handlers.changed the pen is up, or something else has changed the ink
   * @param {(point: Point | null) => void} handlers.hovered where the pointer is, in coordinates of the ink
   */
  constructor(element, { began, changed, hovered }) {
    this.ink = new Ink();
    this.began = began;
    this.changed = changed;
    this.hovered = hovered;
    this.isErasing = false;
    this.canvas = /** @type {HTMLCanvasElement} */ (element.querySelector("canvas"));
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    this.element = element;
    /** @type {number | null} The pointer that is down. */
    this.pointer = null;
    /** @type {Point[] | null} The stroke that it draws. */
    this.stroke = null;
    /** Whether it has erased something. */
    this.hasErased = false;
    /** Whether a pen was seen: touches are the palm's then. */
    this.hasPen = false;
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

  /** @param {PointerEvent} event */
  press(event) {
    if (event.pointerType === "pen" && !this.hasPen) {
      this.hasPen = true;
      this.drop(); // what the palm has begun
    }
    const isErasing = this.isErasing || event.button === ERASER_BUTTON;
    if (this.pointer !== null || (event.button !== 0 && event.button !== ERASER_BUTTON)) return;
    if (this.hasPen && event.pointerType === "touch") return;
    this.canvas.setPointerCapture(event.pointerId);
    this.pointer = event.pointerId;
    this.hasErased = false;
    this.stroke = isErasing ? null : [this.place(event)];
    this.hovered(null);
    if (isErasing) this.erase(this.place(event));
    else this.began();
    this.paint();
  }

  /** @param {PointerEvent} event */
  move(event) {
    if (this.pointer === null && event.pointerType !== "touch") this.hovered(this.place(event));
    if (event.pointerId !== this.pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const one of events.length ? events : [event]) {
      if (this.stroke) this.stroke.push(this.place(one));
      else this.erase(this.place(one));
    }
    this.paint();
  }

  /**
   * @param {PointerEvent} event
   * @param {boolean} isWhole whether the pointer was lifted, and not taken away
   */
  lift(event, isWhole) {
    if (event.pointerId !== this.pointer) return;
    const stroke = this.stroke;
    this.drop();
    if (stroke && isWhole) this.ink.add(stroke);
    if (stroke || this.hasErased) this.changed();
    this.paint();
  }

  drop() {
    this.pointer = null;
    this.stroke = null;
  }

  /** @param {Point} point */
  erase(point) {
    const { strokes } = this.ink.content;
    const kept = strokes.filter((stroke) => !passes(stroke, point, REACH));
    if (kept.length === strokes.length) return;
    if (this.hasErased) this.ink.content = { strokes: kept, picture: null };
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
    if (picture && !this.stroke) {
      const [across, down] = [(width - 2 * EDGE) / picture.width, (height - 2 * EDGE) / picture.height];
      const zoom = Math.min(across, down, 3);
      return { zoom, x: (width - zoom * picture.width) / 2, y: (height - zoom * picture.height) / 2 };
    }
    // Ink that was written on a larger pad (before a phone was turned) is shown smaller, not cut off.
    let [right, bottom] = [1, 1];
    for (const stroke of strokes) {
      for (const [x, y] of stroke) [right, bottom] = [Math.max(right, x + PEN), Math.max(bottom, y + PEN)];
    }
    return { zoom: Math.min(1, width / right, height / bottom), x: 0, y: 0 };
  }

  /**
   * Puts strokes into the middle of the pad.
   * @param {readonly Point[][]} strokes
   */
  put(strokes) {
    const points = strokes.flat();
    const [left, right] = [Math.min(...points.map(([x]) => x)), Math.max(...points.map(([x]) => x))];
    const [top, bottom] = [Math.min(...points.map(([, y]) => y)), Math.max(...points.map(([, y]) => y))];
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const zoom = Math.min((0.8 * width) / (right - left), (0.6 * height) / (bottom - top));
    const x = (width - zoom * (left + right)) / 2;
    const y = (height - zoom * (top + bottom)) / 2;
    this.ink.change({
      strokes: strokes.map((stroke) => stroke.map((one) => [one[0] * zoom + x, one[1] * zoom + y])),
    });
    this.changed();
    this.paint();
  }

  paint() {
    const { canvas, context } = this;
    const density = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((side) => Math.round(side * density));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const { zoom, x, y } = this.view();
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    context.setTransform(density * zoom, 0, 0, density * zoom, density * x, density * y);
    const { strokes, picture } = this.ink.content;
    if (picture && !this.stroke) context.drawImage(picture, 0, 0);
    context.strokeStyle = getComputedStyle(this.element).color;
    context.lineWidth = PEN;
    context.lineCap = context.lineJoin = "round";
    for (const stroke of this.stroke ? [...strokes, this.stroke] : strokes) {
      context.beginPath();
      context.moveTo(...stroke[0]);
      for (const point of stroke) context.lineTo(...point);
      context.stroke();
    }
  }
}
