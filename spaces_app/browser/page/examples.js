// Formulas that are written already, for a first look and for those who cannot draw.

/** @typedef {{name: string, strokes: [number, number][][]}} Example */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Makes a button of each example.
 * @param {HTMLElement} element
 * @param {(strokes: [number, number][][]) => void} chosen
 */
export async function showExamples(element, chosen) {
  /** @type {Example[]} */
  const examples = await (await fetch("examples.json")).json();
  element.replaceChildren(
    ...examples.map(({ name, strokes }) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "example";
      button.setAttribute("aria-label", `Example: ${name}`);
      button.append(drawn(strokes));
      button.addEventListener("click", () => chosen(strokes));
      return button;
    }),
  );
}

/** @param {Example["strokes"]} strokes */
function drawn(strokes) {
  const [xs, ys] = [0, 1].map((axis) => strokes.flat().map((point) => point[axis]));
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  const [width, height] = [Math.max(...xs) - left, Math.max(...ys) - top];
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("viewBox", `${left - 3} ${top - 3} ${width + 6} ${height + 6}`);
  picture.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", strokes.map((stroke) => `M${stroke.map((point) => point.join(" ")).join("L")}`).join(""));
  picture.append(path);
  return picture;
}
