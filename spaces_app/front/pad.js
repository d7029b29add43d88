// The pad of this page, around the one that the page in the browser has: `props.value` out, examples
// in. Gradio gives element, props, trigger, watch.

const WAIT = 120; // ms after the pen lifts; the answer then takes about as long again
const MAX_BYTES = 10 * 2 ** 20;

const find = (selector) => element.querySelector(selector);
const surface = find(".surface");
const live = find(".live");
const video = find("video");
const chooser = find("input[type=file]");

let pad = null; // once it is loaded
let inkml = null;
let hand = null;
const addresses = new WeakMap(); // of pictures, as they were given
const pages = new WeakMap(); // of pictures that are one of several: file, page, count
let isAlone = false; // whether what is selected is read without the rest
let timer = null;
let camera = null;

function notice(text) {
  find(".notice").textContent = text;
}

// What stands beside the pad, by the reader or by hand.
const latex = () => document.querySelector("#latex textarea")?.value ?? "";

const round = (number) => Math.round(number * 10) / 10;

function send(wait) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const { strokes, picture } = pad.ink.content;
    const traces = (isAlone ? pad.selection : strokes).map((stroke) =>
      stroke.map(([x, y]) => [round(x), round(y)]),
    );
    if (picture && !addresses.has(picture)) {
      encode(picture).then(() => send(0));
      return;
    }
    props.value = picture ? { picture: addresses.get(picture) } : traces.length ? { traces } : null;
    trigger("input");
  }, wait);
}

// What was made of a picture here, as the server can be given it.
async function encode(picture) {
  const copy = new OffscreenCanvas(picture.width, picture.height);
  copy.getContext("2d").drawImage(picture, 0, 0);
  addresses.set(picture, await address(await copy.convertToBlob()));
}

function address(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error("This file cannot be opened."));
    reader.readAsDataURL(blob);
  });
}

// Some pictures only the server can open; of several pages one at a time.
async function opened(blob, page) {
  const answer = await fetch(new URL(`picture?page=${page}`, document.baseURI), { method: "POST", body: blob });
  if (!answer.ok) throw new Error((await answer.json()).error);
  const picture = await createImageBitmap(await answer.blob());
  const count = Number(answer.headers.get("X-Pages"));
  if (count > 1) pages.set(picture, { blob, page, count });
  return picture;
}

async function givePicture(blob, page = 1) {
  const picture = await createImageBitmap(blob).catch(() => opened(blob, page));
  if (!pages.has(picture)) addresses.set(picture, await address(blob));
  pad.ink.change({ picture });
}

function turnPage(by) {
  const { blob, page } = pages.get(pad.ink.content.picture);
  givePicture(blob, page + by).then(() => changed(0), (error) => notice(error.message));
}

function show() {
  const tools = (name) => find(`[data-tool=${name}]`);
  const { strokes, picture } = pad.ink.content;
  if (pad.ink.isEmpty || (picture && pad.tool === "eraser")) pad.tool = "pen";
  tools("undo").disabled = !pad.ink.past.length;
  tools("redo").disabled = !pad.ink.future.length;
  tools("clear").disabled = pad.ink.isEmpty;
  tools("save").disabled = !strokes.length;
  for (const name of ["eraser", "lasso"]) {
    tools(name).disabled = !strokes.length && !(picture && name === "lasso");
    tools(name).setAttribute("aria-pressed", String(pad.tool === name));
  }
  tools("alone").setAttribute("aria-pressed", String(isAlone));
  find(".selection").hidden = !pad.selection.length;
  surface.dataset.mode = pad.tool;
  find(".hint").hidden = !pad.ink.isEmpty || pad.stroke !== null;
  find(".picture").hidden = picture === null;
  tools("crop").hidden = pad.frame === null;
  const sheet = picture && pages.get(picture);
  find(".pages").hidden = !sheet;
  if (sheet) {
    find(".pages span").textContent = `Page ${sheet.page} of ${sheet.count}`;
    tools("page-before").disabled = sheet.page === 1;
    tools("page-after").disabled = sheet.page === sheet.count;
  }
}

// What was changed by other means than the pen.
function changed(wait) {
  notice("");
  pad.select([]);
  show();
  send(wait);
}

function selected() {
  if (isAlone) {
    isAlone = pad.selection.length > 0;
    send(WAIT);
  }
  show();
}

function step(isBack) {
  const before = pad.ink.content;
  if (isBack) pad.ink.undo();
  else pad.ink.redo();
  if (pad.ink.content !== before) changed(WAIT);
}

function clear() {
  if (pad.ink.isEmpty) return;
  pad.ink.change({});
  changed(0);
}

function take(file) {
  if (!file) return;
  if (file.size > MAX_BYTES) {
    const size = Math.round(file.size / 2 ** 20);
    notice(`This file has ${size} MB; at most ${MAX_BYTES / 2 ** 20} MB can be read. Make the picture smaller.`);
    return;
  }
  if (inkml.isInkml(file)) {
    file.text().then(inkml.readInkml).then(
      (strokes) => {
        pad.ink.change({ strokes: pad.fitted(strokes) });
        changed(0);
      },
      (error) => notice(error.message),
    );
    return;
  }
  givePicture(file).then(() => changed(0), (error) => notice(error.message));
}

function choose(tool) {
  pad.select([]);
  pad.choose(pad.tool === tool ? "pen" : tool);
  show();
}

async function openCamera() {
  const isPhone = window.matchMedia("(pointer: coarse)").matches;
  if (isPhone || !navigator.mediaDevices?.getUserMedia) {
    chooser.setAttribute("capture", "environment"); // the phone's own camera takes better pictures
    chooser.click();
    return;
  }
  try {
    camera = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: "environment", width: { ideal: 1920 } },
    });
  } catch {
    notice("There is no camera, or this page may not use it. Upload or paste a picture instead.");
    return;
  }
  video.srcObject = camera;
  live.hidden = false;
  find("[data-tool=shoot]").focus();
}

function closeCamera() {
  camera?.getTracks().forEach((track) => track.stop());
  camera = null;
  live.hidden = true;
}

function shoot() {
  const still = document.createElement("canvas");
  still.width = video.videoWidth;
  still.height = video.videoHeight;
  still.getContext("2d").drawImage(video, 0, 0);
  closeCamera();
  still.toBlob(take, "image/jpeg", 0.92);
}

const actions = {
  undo: () => step(true),
  redo: () => step(false),
  clear,
  save: () => inkml.save("formula.inkml", inkml.writeInkml(pad.ink.content.strokes, latex())),
  eraser: () => choose("eraser"),
  lasso: () => choose("lasso"),
  alone: () => {
    isAlone = !isAlone;
    send(0);
    show();
  },
  delete: () => pad.deleteSelection(),
  hand: () => inkml.save("my-hand.jsonl", hand.text, "application/jsonl"),
  crop: () => pad.crop(),
  turn: () => pad.turn(),
  "page-before": () => turnPage(-1),
  "page-after": () => turnPage(1),
  upload: () => {
    chooser.removeAttribute("capture");
    chooser.click();
  },
  camera: openCamera,
  shoot,
  stop: closeCamera,
};

const isTyping = (target) => target.closest?.("input, textarea, [contenteditable]") !== null;

function showHand() {
  find(".hand input").checked = hand.isOn;
  find(".hand .count").textContent = hand.summary;
  find("[data-tool=hand]").hidden = !hand.rows.length;
}

function start([{ Pad }, loaded, { Collection }]) {
  inkml = loaded;
  hand = new Collection();
  pad = new Pad(surface, {
    began() {
      clearTimeout(timer);
      notice("");
      show();
    },
    changed() {
      show();
      send(WAIT);
    },
    hovered() {},
    selected,
  });
  element.addEventListener("click", (event) => {
    const tool = event.target.closest("[data-tool]");
    if (tool) actions[tool.dataset.tool]();
  });
  chooser.addEventListener("change", () => {
    take(chooser.files[0]);
    chooser.value = ""; // so that the same file can be chosen again
  });
  surface.addEventListener("dragover", (event) => event.preventDefault());
  surface.addEventListener("drop", (event) => {
    event.preventDefault();
    take(event.dataTransfer.files[0]);
  });
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    const file = files.find((one) => one.type.startsWith("image/"));
    if (file) take(file);
  });
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || isTyping(event.target)) return;
    const key = event.key.toLowerCase();
    if (key === "z" && !event.shiftKey) step(true);
    else if (key === "y" || (key === "z" && event.shiftKey)) step(false);
    else if (key === "a" && event.target === surface) {
      pad.tool = "lasso";
      pad.select(pad.ink.content.strokes);
    } else return;
    event.preventDefault();
  });
  surface.addEventListener("keydown", (event) => {
    const done = event.target === surface ? pad.keyAction(event.key.toLowerCase()) : null;
    if (!done) return;
    event.preventDefault();
    done();
  });
  const themes = { attributes: true, attributeFilter: ["class"] };
  new MutationObserver(() => pad.paint()).observe(document.body, themes);
  find(".hand input").addEventListener("change", (event) => {
    hand.turn(event.target.checked);
    showHand();
  });
  document.addEventListener("click", (event) => {
    if (isAlone || !event.target.closest?.("#latex button")) return; // the one that copies
    hand.add(props.value?.traces ?? [], latex());
    showHand();
  });
  showHand();
  find(".hand").hidden = !hand.storage;
  document.addEventListener("inktex-read", ({ detail }) => {
    const { picture } = pad.ink.content;
    if (!picture) return;
    const zoom = picture.width / detail.width; // large pictures are read smaller
    pad.found(detail.tokens.flatMap(({ box }) => (box ? [box.map((side) => side * zoom)] : [])));
  });
  // An example was chosen.
  watch("value", () => {
    if (!props.value?.example) return;
    const { traces, picture } = props.value;
    clearTimeout(timer);
    if (traces) pad.ink.change({ strokes: pad.fitted(traces) });
    const given = picture && fetch(picture).then((answer) => answer.blob()).then((blob) => givePicture(blob));
    Promise.resolve(given).then(() => {
      pad.select([]);
      show();
    });
  });
  show();
  element.dataset.ready = "true";
}

const load = (name) => import(new URL(`pad/${name}.js`, document.baseURI));
Promise.all([load("pad"), load("inkml"), load("collection")]).then(start, () =>
  notice("The drawing pad could not be loaded. Load the page anew."),
);
