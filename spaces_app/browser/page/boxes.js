// Boxes over the ink: of doubtful symbols always, of the others where they are pointed at.

/** @typedef {import("inktex").ReadSymbol} ReadSymbol */

const SVG = "http://www.w3.org/2000/svg";

export class Boxes {
  /**
   * @param {SVGElement} element
   * @param {(index: number | null) => void} pointed which symbol is pointed at
   */
  constructor(element, pointed) {
    this.element = element;
    this.pointed = pointed;
    /** @type {readonly ReadSymbol[]} */
    this.symbols = [];
  }

  /** @param {readonly ReadSymbol[]} symbols */
  show(symbols) {
    this.symbols = symbols;
    this.element.replaceChildren(
      ...symbols.flatMap(({ box, index, isDoubtful }) => {
        if (!box) return [];
        const [left, top, right, bottom] = box;
        const rectangle = document.createElementNS(SVG, "rect");
        const places = { x: left, y: top, width: right - left, height: bottom - top };
        for (const [name, value] of Object.entries(places)) rectangle.setAttribute(name, String(value));
        rectangle.dataset.index = String(index);
        rectangle.classList.toggle("doubtful", isDoubtful);
        return [rectangle];
      }),
    );
  }

  /**
   * Lays the boxes where the ink is.
   * @param {{zoom: number, x: number, y: number}} view of the pad
   */
  lay({ zoom, x, y }) {
    const { width, height } = this.element.getBoundingClientRect();
    if (!width || !height) return;
    this.element.setAttribute("viewBox", `${-x / zoom} ${-y / zoom} ${width / zoom} ${height / zoom}`);
  }

  /** @param {import("./ink.js").Point | null} point */
  point(point) {
    const hit = point && this.symbols.filter(({ box }) => box && holds(box, point));
    // Of boxes that lie in one another, a root's and its content's, the smaller one is meant.
    const smallest = hit?.sort((one, other) => size(one.box) - size(other.box))[0];
    this.mark(smallest ? smallest.index : null);
  }

  /** @param {number | null} index */
  mark(index) {
    for (const one of this.element.children) {
      one.classList.toggle("marked", Number(/** @type {SVGElement} */ (one).dataset.index) === index);
    }
    this.pointed(index);
  }
}

/**
 * @param {import("inktex").Box} box
 * @param {import("./ink.js").Point} point
 */
const holds = ([left, top, right, bottom], [x, y]) => left <= x && x <= right && top <= y && y <= bottom;

/** @param {import("inktex").Box | null} box */
const size = (box) => (box ? (box[2] - box[0]) * (box[3] - box[1]) : 0);
