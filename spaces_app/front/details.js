// The picture with a box around each symbol, each tied to its token. All text is set as text.

const SVG = "http://www.w3.org/2000/svg";
const root = element.querySelector(".details");
const list = element.querySelector(".tokens");
const image = element.querySelector(".marked img");
const seen = element.querySelector(".seen");
const notes = element.querySelector(".notes");
const overlay = element.querySelector("svg");
const legend = element.querySelector(".legend");

// Tokens that only hold others together are shown where they are in doubt.
const isGlue = (token) => ["{", "}", "\\limits"].includes(token.text);

// A mark outside the alphabet is not doubted: that it is none is what was read.
function dress(node, token) {
  node.classList.toggle("unknown", token.unknown);
  node.classList.toggle("doubtful", token.doubtful && !token.unknown);
}

const name = (token) => token.unknown ? "Unknown mark" : token.text;

function mark(index, isOn) {
  for (const one of element.querySelectorAll(`[data-index="${index}"]`)) {
    one.classList.toggle("marked-now", isOn);
  }
}

function tie(node, index) {
  node.dataset.index = index;
  for (const on of ["pointerenter", "focus"]) node.addEventListener(on, () => mark(index, true));
  for (const off of ["pointerleave", "blur"]) node.addEventListener(off, () => mark(index, false));
}

function show() {
  const value = props.value;
  root.hidden = !value;
  list.replaceChildren();
  overlay.replaceChildren();
  if (!value) {
    image.removeAttribute("src");
    seen.removeAttribute("src");
    notes.replaceChildren();
    return;
  }
  if (value.picture) { // an alternative is of the picture that is here already
    image.src = value.picture;
    seen.src = value.seen;
    notes.replaceChildren(...value.notes.map((note) => {
      const item = document.createElement("li");
      item.textContent = note;
      return item;
    }));
  }
  legend.hidden = !value.tokens.some((token) => token.unknown);
  overlay.setAttribute("viewBox", `0 0 ${value.width} ${value.height}`);
  value.tokens.forEach((token, index) => {
    if (!isGlue(token) || token.doubtful) {
      const item = document.createElement("span");
      item.setAttribute("role", "listitem");
      const chip = document.createElement("button");
      chip.type = "button";
      chip.textContent = token.text;
      chip.title = `${Math.round(100 * token.score)} % sure`;
      chip.setAttribute("aria-label", `${name(token)}, ${chip.title}`);
      dress(chip, token);
      tie(chip, index);
      item.append(chip);
      list.append(item);
    }
    if (token.box) {
      const [left, top, right, bottom] = token.box;
      const box = document.createElementNS(SVG, "rect");
      box.setAttribute("x", left);
      box.setAttribute("y", top);
      box.setAttribute("width", right - left);
      box.setAttribute("height", bottom - top);
      dress(box, token);
      const title = document.createElementNS(SVG, "title");
      title.textContent = `${name(token)} (${Math.round(100 * token.score)} %)`;
      box.append(title);
      tie(box, index);
      overlay.append(box);
    }
  });
}

watch("value", show);
show();
