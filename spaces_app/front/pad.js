// The pad: strokes or a picture in, `props.value` out. Gradio gives element, props, trigger, watch.

const WAIT = 120; // ms after the pen lifts; the answer then takes about as long again
const REACH = 8; // px around the eraser
const MAX_BYTES = 10 * 2 ** 20;

const find = (selector) => element.querySelector(selector);
const canvas = find("canvas");
const surface = find(".surface");
const photo = find(".photo");
const live = find(".live");
const video = find("video");
const chooser = find("input[type=file]");
const context = canvas.getContext("2d");

let strokes = []; // each a list of [x, y] in pixels of the pad
let picture = null; // a data: URL
let past = [];
let future = [];
let current = null; // the stroke being drawn, or "erase"
let isErasing = false;
let hasPen = false; // a pen was seen: touches are the palm's
let timer = null;
let camera = null;

function notice(text) {
  find(".notice").textContent = text;
}

function remember() {
  past.push({ strokes, picture });
  future = [];
}

function send(wait) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const traces = strokes.map((stroke) => stroke.map(([x, y]) => [round(x), round(y)]));
    props.value = picture ? { picture } : traces.length ? { traces } : null;
    trigger("input");
  }, wait);
}

const round = (number) => Math.round(number * 10) / 10;

function show() {
  const tools = (name) => find(`[data-tool=${name}]`);
  tools("undo").disabled = !past.length;
  tools("redo").disabled = !future.length;
  tools("clear").disabled = !strokes.length && !picture;
  tools("erase").disabled = !strokes.length;
  if (!strokes.length) isErasing = false;
  tools("erase").setAttribute("aria-pressed", String(isErasing));
  surface.classList.toggle("erasing", isErasing);
  find(".hint").hidden = strokes.length > 0 || picture !== null || current !== null;
  photo.hidden = picture === null;
  canvas.hidden = picture !== null;
  if (picture !== null && photo.src !== picture) photo.src = picture;
  if (picture === null) photo.removeAttribute("src");
  paint();
}

// Ink that was written on a wider pad (before a phone was turned) is shown smaller, not cut off.
function zoom() {
  let right = 1;
  let bottom = 1;
  for (const stroke of strokes) {
    for (const [x, y] of stroke) {
      right = Math.max(right, x + 4);
      bottom = Math.max(bottom, y + 4);
    }
  }
  return Math.min(1, canvas.clientWidth / right, canvas.clientHeight / bottom);
}

function paint() {
  const density = window.devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * density);
  const height = Math.round(canvas.clientHeight * density);
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const scale = density * zoom();
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width / scale, height / scale);
  context.strokeStyle = context.fillStyle = getComputedStyle(surface).color;
  context.lineWidth = 3;
  context.lineCap = context.lineJoin = "round";
  for (const stroke of Array.isArray(current) ? [...strokes, current] : strokes) {
    context.beginPath();
    context.moveTo(stroke[0][0], stroke[0][1]);
    for (const [x, y] of stroke) context.lineTo(x, y);
    context.stroke();
  }
}

function place(event) {
  const corner = canvas.getBoundingClientRect();
  const scale = zoom();
  return [(event.clientX - corner.left) / scale, (event.clientY - corner.top) / scale];
}

function distance([x, y], [x0, y0], [x1, y1]) {
  const length = (x1 - x0) ** 2 + (y1 - y0) ** 2;
  const share = length ? ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length : 0;
  const t = Math.min(1, Math.max(0, share));
  return Math.hypot(x - x0 - t * (x1 - x0), y - y0 - t * (y1 - y0));
}

function erase(point) {
  const isHit = (stroke) =>
    stroke.some((end, i) => distance(point, stroke[Math.max(0, i - 1)], end) < REACH);
  const kept = strokes.filter((stroke) => !isHit(stroke));
  if (kept.length === strokes.length) return;
  if (current === "erase") {
    remember();
    current = "erased"; // one step of undo for one movement
  }
  strokes = kept;
}

canvas.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || current !== null) return;
  hasPen ||= event.pointerType === "pen";
  if (hasPen && event.pointerType === "touch") return;
  event.preventDefault();
  clearTimeout(timer);
  notice("");
  canvas.setPointerCapture(event.pointerId);
  if (isErasing) {
    current = "erase";
    erase(place(event));
  } else {
    current = [place(event)];
  }
  show();
});

canvas.addEventListener("pointermove", (event) => {
  if (current === null || !canvas.hasPointerCapture(event.pointerId)) return;
  const events = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
  for (const one of events.length ? events : [event]) {
    if (Array.isArray(current)) current.push(place(one));
    else erase(place(one));
  }
  paint();
});

function lift(event) {
  if (current === null || !canvas.hasPointerCapture(event.pointerId)) return;
  const done = current;
  current = null;
  if (Array.isArray(done)) {
    remember();
    strokes = [...strokes, done];
  }
  show();
  if (done !== "erase") send(WAIT); // an eraser that touched nothing changed nothing
}
canvas.addEventListener("pointerup", lift);
canvas.addEventListener("pointercancel", lift);

function step(from, to) {
  if (!from.length) return;
  to.push({ strokes, picture });
  ({ strokes, picture } = from.pop());
  show();
  send(WAIT);
}

function clear() {
  if (!strokes.length && !picture) return;
  remember();
  strokes = [];
  picture = null;
  notice("");
  show();
  send(0);
}

function take(file) {
  if (!file) return;
  if (file.size > MAX_BYTES) {
    const size = Math.round(file.size / 2 ** 20);
    notice(`This file has ${size} MB; at most ${MAX_BYTES / 2 ** 20} MB can be read. Make the picture smaller.`);
    return;
  }
  const reader = new FileReader();
  reader.onerror = () => notice("This file cannot be opened.");
  reader.onload = () => {
    notice("");
    remember();
    strokes = [];
    picture = reader.result;
    show();
    send(0);
  };
  reader.readAsDataURL(file);
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
  undo: () => step(past, future),
  redo: () => step(future, past),
  clear,
  erase: () => {
    isErasing = !isErasing;
    show();
  },
  upload: () => {
    chooser.removeAttribute("capture");
    chooser.click();
  },
  camera: openCamera,
  shoot,
  stop: closeCamera,
};
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

const isTyping = (target) => target.closest?.("input, textarea, [contenteditable]") !== null;

document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  const file = files.find((one) => one.type.startsWith("image/"));
  if (file) take(file);
});
document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || isTyping(event.target)) return;
  const key = event.key.toLowerCase();
  if (key === "z" && !event.shiftKey) actions.undo();
  else if (key === "y" || (key === "z" && event.shiftKey)) actions.redo();
  else return;
  event.preventDefault();
});

photo.addEventListener("error", () => {
  if (picture) photo.hidden = true; // the server says what is wrong with it
});
new ResizeObserver(paint).observe(canvas);
new MutationObserver(paint).observe(document.body, { attributes: true, attributeFilter: ["class"] });

// An example was chosen.
watch("value", () => {
  const value = props.value;
  const held = picture ? { picture } : strokes.length ? { traces: strokes } : null;
  if (!value?.example || JSON.stringify(value) === JSON.stringify(held)) return;
  remember();
  strokes = value.traces ? fit(value.traces) : [];
  picture = value.picture ?? null;
  show();
});

// Ink in whatever unit, into the middle of the pad.
function fit(traces) {
  const xs = traces.flat().map(([x]) => x);
  const ys = traces.flat().map(([, y]) => y);
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  const [width, height] = [Math.max(...xs) - left, Math.max(...ys) - top];
  const scale = Math.min((canvas.clientWidth * 0.8) / width, (canvas.clientHeight * 0.6) / height, 2.5);
  const across = (canvas.clientWidth - width * scale) / 2;
  const down = (canvas.clientHeight - height * scale) / 2;
  return traces.map((trace) =>
    trace.map(([x, y]) => [(x - left) * scale + across, (y - top) * scale + down]),
  );
}

show();
element.dataset.ready = "true";
