// The page: what happens when.

import { Answer } from "./answer.js";
import { Boxes } from "./boxes.js";
import { Collection } from "./collection.js";
import { showExamples } from "./examples.js";
import { listenToKeys } from "./keys.js";
import { keepFiles, keepTheRest } from "./offline.js";
import { Pad } from "./pad.js";
import { save, writeInkml } from "./inkml.js";
import { acceptFiles } from "./pictures.js";
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
  {
    announce: (text) => (find("#announcer").textContent = text),
    pointed: (index) => boxes.mark(index),
    chosen(candidate) {
      pad.ink.lock(candidate);
      read();
    },
    copied() {
      if (!isAlone && !answer.isOld) hand.add(pad.ink.content.strokes, answer.latex);
      showHand();
    },
  },
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
  selected() {
    if (isAlone) read();
    else show();
  },
});
const hand = new Collection();
let isAlone = false; // whether what is selected is read without the rest
const client = new ReaderClient(keepFiles(), {
  ready() {
    say("Ready", "ready");
    keepTheRest(() => say("Ready, offline too", "ready"));
  },
  failed: (message) => say(`The model cannot be loaded: ${message}`, "failed"),
  read(reading) {
    answer.show(reading, isAlone ? null : pad.ink.content.locked);
    boxes.lay(pad.view());
    boxes.show(reading.symbols);
    pad.found(reading.symbols.flatMap(({ box }) => (box ? [box] : [])));
  },
  refused: (message) => answer.clear(message),
});

function read() {
  isAlone &&= pad.selection.length > 0;
  show();
  boxes.show([]);
  client.cancel();
  if (pad.ink.isEmpty) {
    answer.clear();
    return;
  }
  answer.fade();
  const { strokes, picture, locked } = pad.ink.content;
  const asked = isAlone ? pad.selection : strokes;
  client.ask({
    alphabet: alphabet.value,
    locked: isAlone ? {} : locked,
    ...(picture ? { picture } : { strokes: asked.map((stroke) => [...stroke]) }),
  });
}

/** Brings buttons and hint to the state of the pad. */
function show() {
  tool("undo").disabled = !pad.ink.past.length;
  tool("redo").disabled = !pad.ink.future.length;
  tool("clear").disabled = pad.ink.isEmpty;
  tool("save").disabled = !pad.ink.content.strokes.length;
  for (const name of ["pen", "eraser", "lasso"]) tool(name).setAttribute("aria-pressed", String(pad.tool === name));
  tool("alone").setAttribute("aria-pressed", String(isAlone));
  find("#selection").hidden = !pad.selection.length;
  find("#picture").hidden = !pad.ink.content.picture;
  tool("crop").hidden = !pad.frame;
  find("#pad").dataset.mode = pad.tool;
  find("#hint").hidden = !pad.ink.isEmpty || pad.stroke !== null;
}

/** @type {Record<string, () => void>} */
const ACTIONS = {
  pen: () => (pad.tool = "pen"),
  eraser: () => (pad.tool = "eraser"),
  lasso: () => pad.choose("lasso"),
  open: () => chooser.click(),
  undo: () => pad.ink.undo(),
  redo: () => pad.ink.redo(),
  clear: () => pad.ink.change({}),
  save: () => save("formula.inkml", writeInkml(pad.ink.content.strokes, answer.latex)),
};

function act(/** @type {string} */ name) {
  if (tool(name).disabled) return;
  const before = pad.ink.content;
  ACTIONS[name]();
  if (pad.tool !== "lasso" || pad.ink.content !== before) pad.select([]);
  else show();
  if (pad.ink.content === before) return;
  read();
}

const selecting = {
  all() {
    act("lasso");
    pad.select(pad.ink.content.strokes);
  },
  keyAction: (/** @type {string} */ key) => pad.keyAction(key),
};

for (const name of Object.keys(ACTIONS)) tool(name).addEventListener("click", () => act(name));
tool("delete").addEventListener("click", () => pad.deleteSelection());
tool("crop").addEventListener("click", () => void pad.crop());
tool("turn").addEventListener("click", () => void pad.turn());
tool("alone").addEventListener("click", () => {
  isAlone = !isAlone;
  read();
});
listenToKeys(find("#pad"), act, selecting, () => answer.latex);
alphabet.addEventListener("change", read);
new ResizeObserver(() => boxes.lay(pad.view())).observe(find("#pad"));

function showHand() {
  find("#hand").checked = hand.isOn;
  find("#hand-count").textContent = hand.summary;
  tool("hand").hidden = !hand.rows.length;
}
find("#hand").addEventListener("change", () => {
  hand.turn(find("#hand").checked);
  showHand();
});
tool("hand").addEventListener("click", () => save("my-hand.jsonl", hand.text, "application/jsonl"));
showHand();
find("#hand").closest("details").hidden = !hand.storage;

/** @param {Partial<import("./ink.js").Content>} content */
function give(content) {
  pad.ink.change(content);
  pad.select([]);
  read();
}
const giveInk = (/** @type {import("./ink.js").Point[][]} */ strokes) => give({ strokes: pad.fitted(strokes) });
acceptFiles(find("#pad"), chooser, {
  picture: (picture) => give({ picture }),
  ink: giveInk,
  refused: (message) => answer.clear(message),
});
void showExamples(find("#examples"), giveInk);
show();
