// The picture with a box around each symbol, each tied to its token. All text is set as text.

const SVG = "http://www.w3.org/2000/svg";
const root = element.querySelector(".details");
const list = element.querySelector(".tokens");
const image = element.querySelector(".marked img");
const seen = element.querySelector(".seen");
const notes = element.querySelector(".notes");
const overlay = element.querySelector("svg");
const legend = element.querySelector(".legend");
const choices = element.querySelector(".choices");
const undo = element.querySelector(".undo");
let chosen = null; // index of the symbol whose candidates are shown
let refocus = null; // index of the symbol to go back to when the new reading is here
let effects = null; // candidates that are no symbols, in words; once they are needed

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

function close() {
  choices.hidden = true;
  choices.replaceChildren();
  for (const one of element.querySelectorAll("[aria-expanded]")) one.setAttribute("aria-expanded", "false");
  chosen = null;
}

async function open(index) {
  const wasOpen = chosen === index;
  close();
  const token = props.value.tokens[index];
  if (wasOpen || !token.candidates.length) return;
  chosen = index;
  effects ??= (await import(new URL("pad/effects.js", document.baseURI))).EFFECTS;
  if (chosen !== index) return;
  const label = `Instead of ${name(token)}`;
  choices.setAttribute("aria-label", label);
  const heading = document.createElement("span");
  heading.textContent = `${label}:`;
  choices.append(heading, ...token.candidates.map((one) => {
    const button = document.createElement("button");
    button.type = "button";
    const words = effects[one.token] ?? one.text;
    const percent = Math.round(100 * one.score);
    button.textContent = words;
    // Less than 1 % says nothing, and is what most have.
    if (percent) button.append(Object.assign(document.createElement("small"), { textContent: ` ${percent} %` }));
    button.addEventListener("click", () => {
      refocus = index;
      trigger("select", { index: one.index, token: one.token });
    });
    return button;
  }));
  choices.hidden = false;
  element.querySelector(`.tokens [data-index="${index}"]`)?.setAttribute("aria-expanded", "true");
  choices.querySelector("button").focus();
}

choices.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const index = chosen;
  close();
  element.querySelector(`.tokens [data-index="${index}"]`)?.focus();
});
undo.addEventListener("click", () => trigger("select", { index: -1, token: "" }));

function show() {
  const value = props.value;
  close();
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
      chip.classList.toggle("locked", token.locked);
      if (token.candidates.length) {
        chip.setAttribute("aria-expanded", "false");
        chip.addEventListener("click", () => open(index));
      }
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
      box.addEventListener("click", () => open(index));
      overlay.append(box);
    }
  });
  undo.hidden = !value.tokens.some((token) => token.locked);
  element.querySelector(".hint").hidden = !value.tokens.some((token) => token.candidates.length);
  if (refocus !== null) element.querySelector(`.tokens [data-index="${refocus}"]`)?.focus();
  refocus = null;
  document.dispatchEvent(new CustomEvent("inktex-read", { detail: value })); // for the pad
}

watch("value", show);
show();
