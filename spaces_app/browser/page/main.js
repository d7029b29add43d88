// The page: what happens when.

import { Answer } from "./answer.js";
import { Boxes } from "./boxes.js";
import { showExamples } from "./examples.js";
import { listenToKeys } from "./keys.js";
import { keepFiles, keepTheRest } from "./offline.js";
import { Pad } from "./pad.js";
import { acceptPictures } from "./pictures.js";
import { ReaderClient } from "./reader-client.js";

const find = (/** @type {string} */ selector) => /** @type {any} */ (document.querySelector(selector));
const tool = (/** @type {string} */ name) => /** @type {HTMLButtonElement} */ (find(`[data-tool=${name}]`));

/** @type {HTMLInputElement} */
const chooser = find("input[type=file]");
/** @type {HTMLSelectElement} */
const alphabet = find("#alphabet");

function say(/** @type {string} */ text, /** @type {string} */ kind) {
  find("#state .text").textContent = text;
  find("#state").className = kind;
}

const answer = new Answer(
  find("#reading"),
  (text) => (find("#announcer").textContent = text),
  (index) => boxes.mark(index),
);
const boxes = new Boxes(find(".boxes"), (index) => answer.mark(index));
const pad = new Pad(find("#pad"), {
  began() {
    client.cancel();
    answer.fade();
    boxes.show([]);
    show();
  },
  changed: read,
  hovered: (point) => boxes.point(point),
});
const client = new ReaderClient(keepFiles(), {
  ready() {
    say("Ready", "ready");
    keepTheRest(() => say("Ready, offline too", "ready"));
  },
  failed: (message) => say(`The model cannot be loaded: ${message}`, "failed"),
  read(reading) {
    answer.show(reading);
    boxes.lay(pad.view());
    boxes.show(reading.symbols);
  },
  refused: (message) => answer.clear(message),
});

function read() {
  show();
  boxes.show([]);
  client.cancel();
  if (pad.ink.isEmpty) {
    answer.clear();
    return;
  }
  answer.fade();
  const { strokes, picture } = pad.ink.content;
  client.ask({
    alphabet: alphabet.value,
    ...(picture ? { picture } : { strokes: strokes.map((stroke) => [...stroke]) }),
  });
}

/** Brings buttons and hint to the state of the pad. */
function show() {
  tool("undo").disabled = !pad.ink.past.length;
  tool("redo").disabled = !pad.ink.future.length;
  tool("clear").disabled = pad.ink.isEmpty;
  tool("pen").setAttribute("aria-pressed", String(!pad.isErasing));
  tool("eraser").setAttribute("aria-pressed", String(pad.isErasing));
  find("#pad").classList.toggle("erasing", pad.isErasing);
  find("#hint").hidden = !pad.ink.isEmpty || pad.stroke !== null;
}

/** @type {Record<string, () => void>} */
const ACTIONS = {
  pen: () => (pad.isErasing = false),
  eraser: () => (pad.isErasing = true),
  open: () => chooser.click(),
  undo: () => pad.ink.undo(),
  redo: () => pad.ink.redo(),
  clear: () => pad.ink.change({}),
};

function act(/** @type {string} */ name) {
  if (tool(name).disabled) return;
  const before = pad.ink.content;
  ACTIONS[name]();
  show();
  if (pad.ink.content === before) return;
  pad.paint();
  read();
}

for (const name of Object.keys(ACTIONS)) tool(name).addEventListener("click", () => act(name));
listenToKeys(find("#pad"), act, () => answer.latex);
alphabet.addEventListener("change", read);
new ResizeObserver(() => boxes.lay(pad.view())).observe(find("#pad"));
acceptPictures(
  find("#pad"),
  chooser,
  (picture) => {
    pad.ink.change({ picture });
    pad.paint();
    read();
  },
  (message) => answer.clear(message),
);
void showExamples(find("#examples"), (strokes) => pad.put(strokes));
show();
