"use strict";
// The state is in the address; everything on the page follows from it and from the answers of the
// server. A click makes a new state; `follow` asks what is not known yet.

const $ = (id) => document.getElementById(id);

/** An element. Text is never markup. */
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

// ---- Numbers in words ------------------------------------------------------------------------

const signed = (value, digits = 2) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(digits);
/** With three digits that count. */
function short(value) {
  if (value === 0) return "0";
  const decimals = Math.min(6, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value)))));
  return signed(value, decimals);
}
const percent = (p) => `${(100 * p).toFixed(p > 0.0995 ? 1 : 2)} %`;
const points = (p) => `${signed(100 * p, 1)}`;
const plural = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;

// ---- State -----------------------------------------------------------------------------------

// A region is a word: s12 is a segment, p40.22.3 a spot (x, y, radius), m0.3.d.3 runs of pixels.
const EMPTY = {
  picture: "", class: "", against: "", by: "", edits: [], focus: "", with: "contrasts",
  away: [], shown: "ring", kept: [], layer: "partners", rows: 0,
};
let state = { ...EMPTY };
const past = [], future = [];

function written(s) {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(s)) {
    const text = Array.isArray(value) ? value.join("~") : String(value);
    const usual = Array.isArray(EMPTY[name]) ? "" : String(EMPTY[name]);
    if (text !== usual) parts.set(name, text);
  }
  return parts.toString();
}

function read(hash) {
  const parts = new URLSearchParams(hash.replace(/^#/, ""));
  const s = { ...EMPTY };
  for (const name of Object.keys(EMPTY)) {
    const text = parts.get(name);
    if (text === null) continue;
    if (Array.isArray(EMPTY[name])) s[name] = text.split("~").filter(isRegion);
    else if (typeof EMPTY[name] === "number") s[name] = Math.max(0, Math.min(4096, Number(text) || 0));
    else s[name] = text;
  }
  if (s.focus && !isRegion(s.focus)) s.focus = "";
  return s;
}

const isRegion = (word) => /^(s\d+|p\d+\.\d+\.\d+|m[0-9a-z.]+)$/.test(word);

/** Goes on to a state that differs in `changes`. */
function go(changes) {
  const next = { ...state, ...changes };
  if (written(next) === written(state)) return;
  past.push(state);
  if (past.length > 200) past.shift();
  future.length = 0;
  show(next);
}

function show(next) {
  state = next;
  address();
  follow();
}

// Browsers allow some two hundred changes of the address in half a minute.
let addressTimer = 0;
function address() {
  clearTimeout(addressTimer);
  addressTimer = setTimeout(() => history.replaceState(null, "", "#" + written(state)), 120);
}

function undo() {
  if (past.length === 0) return;
  future.push(state);
  show(past.pop());
}

function redo() {
  if (future.length === 0) return;
  past.push(state);
  show(future.pop());
}

// ---- The server ------------------------------------------------------------------------------

const WINDOW = [...crypto.getRandomValues(new Uint32Array(2))].map((n) => n.toString(36)).join("");
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

let questions = 0;
/** An answer, line by line: what precedes it goes to `heard`. Busy servers are asked again. */
async function ask(question, signal, heard) {
  const number = ++questions;
  for (let attempt = 0; ; attempt++) {
    const response = await fetch("api/ask", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ window: WINDOW, number, picture: state.picture, target: target(), ask: question }),
      signal,
    });
    if (response.status === 503 && attempt < 20) {
      heard({ busy: true });
      await wait(400 + 300 * attempt);
      if (signal.aborted) throw new DOMException("given up", "AbortError");
      continue;
    }
    if (!response.ok) {
      const told = await response.json().catch(() => ({ error: `status ${response.status}` }));
      throw new Refused(told.error, response.status);
    }
    const reader = response.body.getReader(), decoder = new TextDecoder();
    for (let text = ""; ; ) {
      const { done, value } = await reader.read();
      text += decoder.decode(value ?? new Uint8Array(), { stream: !done });
      const lines = text.split("\n");
      text = lines.pop();
      for (const line of lines) {
        const told = JSON.parse(line);
        if (told.error) throw new Refused(told.error, told.status);
        if ("answer" in told) return told.answer;
        heard(told);
      }
      if (done) throw new Refused("the server broke off; is it still running?", 0);
    }
  }
}

function target() {
  if (state.class === "") return null;
  return { class: Number(state.class), against: state.against === "" ? null : Number(state.against) };
}

const asked = () => ({ by: state.by, edits: state.edits.map(runsOf) });

/** After so many milliseconds without a word it is said that the network was asked. */
const PATIENCE = 200;

/** Something that follows from the state: asked for when its key changes, gone when it has none. */
class Follows {
  /** What `stays` is shown until there is something new. */
  constructor(key, question, take, stays = false) {
    Object.assign(this, { key, question, take, stays, now: null, value: null, waiting: null, told: null, heard: false });
  }

  follow() {
    const key = this.key();
    if (key === this.now) return;
    this.waiting?.abort();
    this.waiting = null;
    this.now = key;
    this.told = null;
    this.heard = false;
    if (key === null || !this.stays) {
      this.value = null;
      this.take(null);
    }
    showProgress();
    if (key === null) return;
    const abort = (this.waiting = new AbortController());
    const begun = performance.now();
    const heard = (told) => {
      if (this.now !== key) return;
      if (told.partial) this.take(told.partial, begun, true);
      else {
        this.told = told;
        showProgress();
      }
    };
    setTimeout(() => { if (this.waiting === abort && !this.told) heard({ asked: true }); }, PATIENCE);
    ask(this.question(), abort.signal, heard).then(
      (value) => {
        if (this.waiting !== abort) return;
        this.waiting = null;
        this.value = value;
        complain(null);
        this.take(value, begun);
        showProgress();
      },
      (error) => {
        if (this.waiting !== abort) return;
        this.waiting = null;
        showProgress();
        if (error.name !== "AbortError") complain(error.message);
      },
    );
  }
}

function complain(message) {
  $("error").hidden = message === null;
  $("error").textContent = message ?? "";
}

function showProgress() {
  const working = Object.values(knowing).filter((one) => one.waiting && one.told);
  $("progress").hidden = working.length === 0;
  const told = (working.find((one) => one.told.stage) ?? working[0])?.told;
  if (!told) return;
  const bar = $("progress-bar");
  if (!told.stage) {
    bar.removeAttribute("value");
    $("progress-text").textContent = told.busy ? "the server is busy; trying again" : "asking the network";
    return;
  }
  bar.value = told.total ? told.done / told.total : 0;
  const left = told.seconds_left > 1.5 ? `, ${Math.ceil(told.seconds_left)} s left` : "";
  $("progress-text").textContent = `${told.stage}: ${told.done} of ${told.total}${left}`;
}

/** f32 or u32 from base64. */
function decoded(text, Kind) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Kind(bytes.buffer);
}

// ---- Regions ---------------------------------------------------------------------------------

const picture = { width: 0, height: 0, rgb: null, filled: null };
let labels = null;

const masks = new Map();
/** Which pixels a region has: 1 or 0 each. */
function maskOf(word) {
  const key = word[0] === "s" ? `${word} ${state.by} ${state.edits}` : word;
  let mask = masks.get(key);
  if (mask) return mask;
  const { width, height } = picture;
  mask = new Uint8Array(width * height);
  if (word[0] === "s") {
    if (!labels) return mask;
    const segment = Number(word.slice(1));
    for (let i = 0; i < mask.length; i++) mask[i] = labels[i] === segment ? 1 : 0;
  } else if (word[0] === "p") {
    const [x, y, r] = word.slice(1).split(".").map(Number);
    dab(mask, x, y, r);
  } else {
    let at = 0;
    word.slice(1).split(".").forEach((run, i) => {
      const length = parseInt(run, 36) || 0;
      if (i % 2 === 1) mask.fill(1, at, at + length);
      at += length;
    });
  }
  if (masks.size > 300) masks.clear();
  masks.set(key, mask);
  return mask;
}

function dab(mask, x, y, r) {
  const { width, height } = picture;
  for (let j = Math.max(0, y - r); j <= Math.min(height - 1, y + r); j++)
    for (let i = Math.max(0, x - r); i <= Math.min(width - 1, x + r); i++)
      if ((i - x) ** 2 + (j - y) ** 2 <= (r + 0.5) ** 2) mask[j * width + i] = 1;
}

function runs(mask) {
  const lengths = [];
  for (let at = 0, inside = 0; at < mask.length; inside = 1 - inside) {
    const start = at;
    while (at < mask.length && mask[at] === inside) at++;
    lengths.push(at - start);
  }
  if (lengths.length % 2 === 1) lengths.pop();
  return lengths.map((n) => n.toString(36)).join(".");
}
const runsOf = (word) => (word[0] === "m" ? word.slice(1) : runs(maskOf(word)));

const areaOf = (mask) => mask.reduce((sum, inside) => sum + inside, 0);

function middle(mask) {
  let n = 0, x = 0, y = 0;
  mask.forEach((inside, i) => {
    if (inside) { n++; x += i % picture.width; y += Math.floor(i / picture.width); }
  });
  return n ? [x / n, y / n] : [0, 0];
}

/** The pixel of the region that is farthest from its edge, the one nearest to its middle of these. */
const anchors = new WeakMap();
function anchor(mask) {
  if (anchors.has(mask)) return anchors.get(mask);
  const { width, height } = picture, [mx, my] = middle(mask);
  const depth = new Uint16Array(mask.length);
  const at = (x, y) => (x < 0 || y < 0 || x >= width || y >= height ? 0 : depth[y * width + x]);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      if (mask[y * width + x]) depth[y * width + x] = 1 + Math.min(at(x - 1, y), at(x, y - 1));
  let best = [mx, my], most = 0, least = Infinity;
  for (let y = height - 1; y >= 0; y--)
    for (let x = width - 1; x >= 0; x--) {
      const i = y * width + x;
      if (!mask[i]) continue;
      depth[i] = Math.min(depth[i], 1 + Math.min(at(x + 1, y), at(x, y + 1)));
      const distance = (x - mx) ** 2 + (y - my) ** 2;
      if (depth[i] > most || (depth[i] === most && distance < least)) {
        [most, least, best] = [depth[i], distance, [x + 0.5, y + 0.5]];
      }
    }
  anchors.set(mask, best);
  return best;
}

function place(mask) {
  const [x, y] = middle(mask);
  const third = (v, side) => Math.min(2, Math.floor((3 * (v + 0.5)) / side));
  const row = ["upper", "", "lower"][third(y, picture.height)];
  const column = ["left", "middle", "right"][third(x, picture.width)];
  return `${row} ${column}`.trim();
}

function nameOf(word) {
  if (word[0] === "s") return `segment ${word.slice(1)}`;
  if (word[0] === "p") {
    const [x, y, r] = word.slice(1).split(".");
    return r === "0" ? `pixel ${x}, ${y}` : `spot at ${x}, ${y}`;
  }
  return "region";
}

function described(word) {
  const mask = maskOf(word);
  return `${nameOf(word)}, ${place(mask)}, ${plural(areaOf(mask), "pixel")}`;
}

/** The edges between pixels of the region and others, as a path in pixels of the picture. */
const outlines = new WeakMap();
function outline(mask) {
  let path = outlines.get(mask);
  if (path) return path;
  path = new Path2D();
  const { width, height } = picture;
  const at = (x, y) => x >= 0 && y >= 0 && x < width && y < height && mask[y * width + x] === 1;
  for (let y = 0; y <= height; y++)
    for (let x = 0; x < width; ) {
      if (at(x, y) === at(x, y - 1)) { x++; continue; }
      const start = x;
      while (x < width && at(x, y) !== at(x, y - 1)) x++;
      path.moveTo(start, y);
      path.lineTo(x, y);
    }
  for (let x = 0; x <= width; x++)
    for (let y = 0; y < height; ) {
      if (at(x, y) === at(x - 1, y)) { y++; continue; }
      const start = y;
      while (y < height && at(x, y) !== at(x - 1, y)) y++;
      path.moveTo(x, start);
      path.lineTo(x, y);
    }
  outlines.set(mask, path);
  return path;
}

let segmentPath = null;
function segmentOutline() {
  if (segmentPath || !labels) return segmentPath;
  segmentPath = new Path2D();
  const { width, height } = picture;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      if (x + 1 < width && labels[i] !== labels[i + 1]) { segmentPath.moveTo(x + 1, y); segmentPath.lineTo(x + 1, y + 1); }
      if (y + 1 < height && labels[i] !== labels[i + width]) { segmentPath.moveTo(x, y + 1); segmentPath.lineTo(x + 1, y + 1); }
    }
  return segmentPath;
}

// ---- What follows from the state -------------------------------------------------------------

const base = () => (state.picture && picture.rgb ? `${state.picture} ${state.class} ${state.against}` : null);
const segmented = () => (base() && state.by ? `${state.picture} ${state.by} ${state.edits}` : null);
const ready = () => labels !== null;
const found = { hessian: null, contrasts: null };
const isShown = (by) => state.with === by || state.with === "both";
const partnersKey = (by) => () =>
  base() && state.focus && ready() && isShown(by) ? `${base()} ${segmented()} ${state.focus}` : null;
const takePartners = (by, isGlance = false) => (answer, begun, isPartial) => {
  if (isGlance && (!answer || knowing.contrasts.value || knowing.contrasts.heard)) return;
  if (by === "contrasts" && !isGlance) knowing.contrasts.heard = Boolean(answer);
  if (!answer && found[by] === null) return;
  found[by] = answer && {
    ...answer,
    map: decoded(answer.map, Float32Array),
    glance: isGlance,
    partners: (answer.partners ?? []).map((one) => ({ ...one, word: "segment" in one ? `s${one.segment}` : "m" + one.region })),
  };
  showPartners();
  paintNow();
  const name = isGlance ? "lit" : isPartial ? "proposed" : by === "hessian" ? "row" : "measured";
  if (answer) performance.measure(name, { start: begun, end: performance.now() });
  if (answer && !isGlance && !isPartial) speakPartners(by);
};

const knowing = {
  said: new Follows(base, () => ({ kind: "predict" }), () => showSaid(), true),
  segments: new Follows(
    () => (base() === null ? null : segmented()),
    () => ({ kind: "segments", segments: asked() }),
    (answer) => {
      labels = answer && decoded(answer.labels, Uint32Array);
      segmentPath = null;
      follow();
    },
  ),
  hessian: new Follows(
    partnersKey("hessian"),
    () => ({ kind: "partners", region: runsOf(state.focus), segments: asked() }),
    takePartners("hessian"),
  ),
  glance: new Follows(
    partnersKey("contrasts"),
    () => ({ kind: "glance", region: runsOf(state.focus), segments: asked() }),
    takePartners("contrasts", true),
  ),
  contrasts: new Follows(
    partnersKey("contrasts"),
    () => ({ kind: "contrasts", region: runsOf(state.focus), segments: asked() }),
    takePartners("contrasts"),
  ),
  without: new Follows(
    () => (base() && ready() && state.away.length ? `${base()} ${segmented()} ${state.away} ${state.shown}` : null),
    () => ({ kind: "without", regions: state.away.map(runsOf), reference: state.shown, segments: asked() }),
    (answer, begun) => {
      setFilled(answer?.picture);
      showSaid();
      showEffects();
      if (begun) performance.measure("without", { start: begun, end: performance.now() });
    },
    true,
  ),
  grown: new Follows(
    () => (base() && ready() && state.focus && state.rows ? `${base()} ${segmented()} ${state.focus} ${state.rows}` : null),
    () => {
      const [x, y] = anchor(maskOf(state.focus)).map(Math.floor);
      return { kind: "grow", x, y, rows: state.rows, segments: asked() };
    },
    () => { showFocus(); paint(); },
  ),
  layer: new Follows(
    () => (base() && ready() && !["partners", "photo"].includes(state.layer) ? `${base()} ${segmented()} ${state.layer}` : null),
    () => ({ kind: "layer", method: state.layer, segments: asked() }),
    (answer) => {
      if (answer) answer.values = decoded(answer.map, Float32Array);
      paint();
    },
  ),
};

let about = null;
function follow() {
  openPicture();
  for (const one of Object.values(knowing)) one.follow();
  showControls();
  showFocus();
  showPartners();
  showEffects();
  showKept();
  paint();
}

let opening = "";
function openPicture() {
  if (!state.picture || opening === state.picture) return;
  opening = state.picture;
  picture.rgb = picture.filled = null;
  labels = null;
  masks.clear();
  found.hessian = found.contrasts = null;
  const image = new Image();
  image.onload = () => {
    if (opening !== state.picture) return;
    picture.width = image.naturalWidth;
    picture.height = image.naturalHeight;
    const surface = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
    surface.drawImage(image, 0, 0);
    picture.rgb = surface.getImageData(0, 0, picture.width, picture.height).data;
    document.body.classList.toggle("small", Math.max(picture.width, picture.height) <= 128);
    $("size").max = Math.round(picture.width / 6);
    for (const canvas of [$("canvas"), $("second")]) {
      canvas.style.aspectRatio = `${picture.width} / ${picture.height}`;
      canvas.style.maxWidth = `calc(78vh * ${picture.width / picture.height})`;
    }
    view.reset();
    follow();
  };
  image.onerror = () => {
    if (opening === state.picture) complain("This picture is not here any more. If it was dropped in, drop it in again.");
  };
  image.src = `api/pictures/${encodeURIComponent(state.picture)}/seen.png`;
}

/** The picture as the network sees it without what was taken away. */
function setFilled(png) {
  picture.filled = null;
  if (!png) return paint();
  const image = new Image();
  image.onload = () => {
    const surface = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
    surface.drawImage(image, 0, 0);
    picture.filled = surface.getImageData(0, 0, picture.width, picture.height).data;
    paint();
  };
  const bytes = Uint8Array.from(atob(png), (c) => c.charCodeAt(0));
  const url = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
  image.src = url;
  image.decode().catch(() => {}).finally(() => URL.revokeObjectURL(url));
}

// ---- The picture -----------------------------------------------------------------------------

const SYNERGY = [255, 150, 50], REDUNDANCY = [90, 175, 255];
const view = {
  zoom: 1, x: 0, y: 0,
  reset() { Object.assign(this, { zoom: 1, x: 0, y: 0 }); },
  scale: (canvas) => (canvas.width / picture.width) * view.zoom,
  /** Keeps the picture inside the frame. */
  bound() {
    this.zoom = Math.min(16, Math.max(1, this.zoom));
    this.x = Math.min(picture.width * (1 - 1 / this.zoom), Math.max(0, this.x));
    this.y = Math.min(picture.height * (1 - 1 / this.zoom), Math.max(0, this.y));
  },
  by(factor, x = picture.width / 2, y = picture.height / 2) {
    const before = this.zoom;
    this.zoom = Math.min(16, Math.max(1, this.zoom * factor));
    this.x = x - ((x - this.x) * before) / this.zoom;
    this.y = y - ((y - this.y) * before) / this.zoom;
    this.bound();
    paint();
  },
};
let cross = null, under = null, lightUp = -1, drawing = null;

let painting = 0;
function paint() {
  cancelAnimationFrame(painting);
  painting = requestAnimationFrame(paintNow);
}

function paintNow() {
  cancelAnimationFrame(painting);
  painting = 0;
  if (!picture.rgb) return;
  const both = state.with === "both";
  $("second-pane").hidden = !both;
  paintOn($("canvas"), state.with === "contrasts" ? "contrasts" : "hessian");
  if (both) paintOn($("second"), "contrasts");
  $("zoom").textContent = `${view.zoom.toFixed(view.zoom < 10 && view.zoom % 1 ? 1 : 0)}×`;
  $("caption").textContent = both ? "Hessian row (published)" : captionOf();
  $("second-caption").textContent = "sampled contrasts";
}

function captionOf() {
  if (state.layer === "photo" || state.layer === "partners") return "";
  return about?.methods.find((method) => method.name === state.layer)?.description ?? "";
}

const smoothed = new WeakMap();
/** A map of partners as it lights up: blurred by 1.5 pixels at 64, as contrasts are proposed. */
function smooth(map) {
  let out = smoothed.get(map);
  if (out) return out;
  const { width, height } = picture, sigma = (1.5 / 64) * Math.min(width, height), reach = Math.ceil(2.5 * sigma);
  const weights = Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-0.5 * ((i - reach) / sigma) ** 2));
  const total = weights.reduce((a, b) => a + b);
  const pass = (from, step, place, side) => {
    const to = new Float32Array(from.length);
    for (let i = 0; i < from.length; i++) {
      const at = place(i);
      let sum = 0;
      for (let d = Math.max(-reach, -at); d <= Math.min(reach, side - 1 - at); d++) sum += weights[d + reach] * from[i + d * step];
      to[i] = sum / total;
    }
    return to;
  };
  out = pass(pass(map, 1, (i) => i % width, width), width, (i) => Math.floor(i / width), height);
  smoothed.set(map, out);
  return out;
}

/** 99.5 % of the values that are not 0 are below it. */
function brightest(map) {
  const values = Float32Array.from(map.filter((v) => v !== 0), Math.abs).sort();
  return values.length ? values[Math.floor(0.995 * (values.length - 1))] : 0;
}
const brightness = new WeakMap();

function paintOn(canvas, by) {
  const { width, height } = picture;
  const box = canvas.getBoundingClientRect();
  const pixels = Math.max(width, Math.round(box.width * devicePixelRatio) || width);
  const tall = Math.round((pixels * height) / width);
  if (canvas.width !== pixels || canvas.height !== tall) { canvas.width = pixels; canvas.height = tall; }
  const layer = knowing.layer.value, partners = found[by];
  const map = state.layer === "partners" ? partners && smooth(partners.map) : state.layer === "photo" ? null : layer?.values;
  const image = new ImageData(width, height);
  compose(image.data, map);
  const flat = new OffscreenCanvas(width, height);
  flat.getContext("2d").putImageData(image, 0, 0);
  const surface = canvas.getContext("2d");
  const scale = view.scale(canvas);
  surface.setTransform(scale, 0, 0, scale, -view.x * scale, -view.y * scale);
  surface.imageSmoothingEnabled = Math.max(width, height) > 128 && view.zoom < 4;
  surface.imageSmoothingQuality = "high";
  surface.drawImage(flat, 0, 0);
  const ratio = pixels / (box.width || pixels);
  const line = (path, color, thick, dash = []) => {
    surface.setLineDash(dash.map((d) => (d * ratio) / scale));
    surface.lineJoin = "round";
    surface.strokeStyle = "rgb(0 0 0 / .75)";
    surface.lineWidth = ((thick + 2) * ratio) / scale;
    surface.stroke(path);
    surface.strokeStyle = color;
    surface.lineWidth = (thick * ratio) / scale;
    surface.stroke(path);
    surface.setLineDash([]);
  };
  if ($("outlines").checked && segmentOutline()) {
    surface.strokeStyle = "rgb(255 255 255 / .28)";
    surface.lineWidth = ratio / scale;
    surface.stroke(segmentPath);
  }
  const grown = state.rows && (by === "hessian" || state.with !== "both") ? knowing.grown.value : null;
  if (grown) {
    const mask = maskOf("m" + grown.region);
    surface.fillStyle = "rgb(120 255 140 / .95)";
    mask.forEach((inside, i) => {
      if (inside) surface.fillRect((i % width) + 0.2, Math.floor(i / width) + 0.2, 0.6, 0.6);
    });
  }
  for (const word of state.kept) line(outline(maskOf(word)), "#7bea8c", 1.5);
  for (const word of state.away) line(outline(maskOf(word)), "#ffffff", 1.5, [5, 4]);
  if (lightUp >= 0 && partners?.partners[lightUp]) line(outline(maskOf(partners.partners[lightUp].word)), "#ffe14d", 2);
  if (state.focus) line(outline(maskOf(state.focus)), "#ffffff", 2.25);
  if (drawing) line(outline(drawing.mask), "#ffe14d", 2);
  if (under?.segment >= 0 && tool() === "segment" && labels) line(outline(maskOf("s" + under.segment)), "rgb(255 255 255 / .8)", 1);
  if (state.layer === "partners" && partners) {
    partners.partners.forEach((one, i) => badge(surface, anchor(maskOf(one.word)), String(i + 1), one.value, ratio / scale));
  }
  state.away.forEach((word, i) => badge(surface, anchor(maskOf(word)), letter(i), null, ratio / scale));
  if (cross) {
    const path = new Path2D();
    const reach = Math.max(3, (9 * ratio) / scale), [x, y] = [cross[0] + 0.5, cross[1] + 0.5];
    path.moveTo(x - reach, y); path.lineTo(x + reach, y);
    path.moveTo(x, y - reach); path.lineTo(x, y + reach);
    line(path, "#ffe14d", 1.5);
  }
}

function badge(surface, [x, y], text, value, unit) {
  const radius = 10 * unit;
  surface.beginPath();
  surface.arc(x, y, radius, 0, 2 * Math.PI);
  surface.fillStyle = value === null ? "#ffffff" : value >= 0 ? "#ffa447" : "#6db9ff";
  surface.fill();
  surface.lineWidth = 1.5 * unit;
  surface.strokeStyle = "#000";
  surface.stroke();
  surface.fillStyle = "#000";
  surface.font = `600 ${13 * unit}px system-ui, sans-serif`;
  surface.textAlign = "center";
  surface.textBaseline = "middle";
  surface.fillText(text, x, y + 0.5 * unit);
}

const letter = (i) => String.fromCharCode(65 + (i % 26));

/** The colours of all pixels: the photo, dimmed where a map lies on it. */
function compose(out, map) {
  const rgb = picture.filled ?? picture.rgb;
  if (!map) { out.set(rgb); return; }
  let most = brightness.get(map);
  if (most === undefined) brightness.set(map, (most = brightest(map)));
  const focus = state.focus && state.layer === "partners" ? maskOf(state.focus) : null;
  for (let i = 0, p = 0; i < map.length; i++, p += 4) {
    const grey = 0.299 * rgb[p] + 0.587 * rgb[p + 1] + 0.114 * rgb[p + 2];
    if (focus?.[i]) {
      for (let c = 0; c < 3; c++) out[p + c] = rgb[p + c];
    } else {
      const color = map[i] >= 0 ? SYNERGY : REDUNDANCY;
      const share = most ? Math.min(1, Math.abs(map[i]) / most) ** 0.7 : 0;
      for (let c = 0; c < 3; c++) {
        const dim = 0.3 * grey + 0.18 * rgb[p + c];
        out[p + c] = dim + 0.92 * share * (color[c] - dim);
      }
    }
    out[p + 3] = 255;
  }
}

// ---- The panel -------------------------------------------------------------------------------

function showControls() {
  $("undo").disabled = past.length === 0;
  $("redo").disabled = future.length === 0;
  const name = (index) => (index === "" ? "" : className(Number(index)));
  for (const id of ["class", "against"]) if (document.activeElement !== $(id)) $(id).value = name(state[id]);
  $("against").disabled = state.class === "" && !knowing.said.value;
  $("segmenter").value = state.by;
  $("layer").value = state.layer;
  $("fill").value = state.shown;
  for (const input of document.querySelectorAll("#by input")) input.checked = input.value === state.with;
  for (const button of document.querySelectorAll("#gallery button"))
    button.setAttribute("aria-pressed", String(button.dataset.id === state.picture));
}

const className = (index) => about?.labels[index] || `class ${index}`;

/** The class that is explained. */
function explained() {
  return state.class === "" ? knowing.said.value?.said.top[0].index : Number(state.class);
}

function showSaid() {
  const whole = knowing.said.value?.said;
  const now = state.away.length ? knowing.without.value?.together : null;
  const rows = (whole?.watched ?? []).slice(0, 4).sort((a, b) => b.probability - a.probability).map((one) => {
    const after = now?.watched.find((other) => other.index === one.index)?.probability ?? one.probability;
    const was = el("span", { class: "was" }), is = el("span", { class: "now" });
    was.style.width = percent(one.probability).replace(" ", "");
    is.style.width = percent(after).replace(" ", "");
    const text = now ? `${percent(one.probability)} → ${percent(after)}` : percent(one.probability);
    const asked = one.index === explained();
    return el("li", { class: asked && "asked" },
      el("span", { class: "name" }, one.label || `class ${one.index}`), el("span", {}, text),
      el("span", { class: "track", "aria-hidden": "true" }, was, is));
  });
  const top = now?.top[0];
  if (top && !whole.watched.some((one) => one.index === top.index)) {
    const is = el("span", { class: "now" });
    is.style.width = percent(top.probability).replace(" ", "");
    rows.push(el("li", {}, el("span", { class: "name" }, top.label), el("span", {}, `now ${percent(top.probability)}`),
      el("span", { class: "track", "aria-hidden": "true" }, is)));
  }
  $("says").replaceChildren(...rows);
  if (whole && document.activeElement !== $("class")) $("class").placeholder = className(whole.top[0].index);
}

function showFocus() {
  const { focus } = state;
  $("focus-title").textContent = focus ? `Chosen: ${nameOf(focus)}` : "Choose a region";
  $("focus-actions").hidden = !focus;
  $("canvas").setAttribute("aria-label", focus ? `The picture; chosen: ${nameOf(focus)}` : "The picture");
  if (!focus || !picture.rgb) {
    $("focus-note").textContent = "Click a segment of the picture, or pick Spot, Brush or Lasso: what acts together with it lights up.";
    $("grown").hidden = true;
    return;
  }
  const mask = maskOf(focus);
  $("focus-note").textContent = `${place(mask)}, ${plural(areaOf(mask), "pixel")}`;
  const isAway = state.away.includes(focus);
  $("take").textContent = isAway ? "Put back" : "Take away";
  $("take").setAttribute("aria-pressed", String(isAway));
  $("keep").textContent = state.kept.includes(focus) ? "Keep no longer" : "Keep";
  $("as-segment").hidden = focus[0] === "s" || state.edits.includes(focus);
  const grown = state.rows ? knowing.grown.value : null;
  $("grown").hidden = !state.rows;
  if (!state.rows) return;
  if (!grown) { $("grown").textContent = "Growing…"; return; }
  const end = { full: "It is full.", exhausted: "Nothing above the threshold is left.", "row-cap": "" }[grown.stop];
  $("grown").replaceChildren(
    `Grown from ${plural(grown.n_rows, "Hessian row")} (published growth, seed in ${grown.channel}): ` +
      `${plural(grown.n_features, "feature")}, score ${short(grown.score)} ± ${grown.standard_error.toPrecision(2)}. ${end} `,
    el("button", { type: "button", class: "take", on: { click: () => go({ focus: "m" + grown.region, rows: 0 }) } }, "Choose the grown set"));
}

/** A bar to the right of the middle for values above 0, to the left for others. */
function bar(value, most, interval = null) {
  const track = el("span", { class: "signed", "aria-hidden": "true" });
  const at = (v) => 50 + 50 * Math.max(-1, Math.min(1, most ? v / most : 0));
  const fill = el("i");
  fill.style.left = `${Math.min(50, at(value))}%`;
  fill.style.width = `${Math.abs(at(value) - 50)}%`;
  track.append(fill);
  if (interval) {
    const whisker = el("b");
    whisker.style.left = `${at(interval[0])}%`;
    whisker.style.width = `${Math.max(1, at(interval[1]) - at(interval[0]))}%`;
    track.append(whisker);
  }
  return track;
}

const listed = () => found[state.with === "hessian" ? "hessian" : "contrasts"];

function showPartners() {
  $("partners-section").hidden = !state.focus;
  const shown = listed();
  if (!state.focus) return;
  const list = shown?.partners ?? [];
  const measuring = shown !== null && shown === found.contrasts && knowing.contrasts.waiting !== null;
  $("partners-note").textContent = !shown ? "Looking for what acts together with it…" : list.length === 0
    ? "Nothing acts together with it here."
    : shown === found.contrasts ? contrastNote(list, measuring, shown.reference)
    : `Second-order effect on the ${shown.unit}; a derivative, so without an interval. To measure it, remove both.`;
  const measured = shown === found.contrasts ? list.filter((one) => one.interval) : list;
  const most = Math.max(...measured.map((one) => Math.max(Math.abs(one.value), ...(one.interval ?? []).map(Math.abs))), 0);
  const active = document.activeElement?.dataset?.partner;
  $("partners").replaceChildren(...list.map((one, i) => {
    const away = state.away.includes(one.word);
    const isOpen = shown === found.contrasts && !one.interval;
    const kind = (one.value >= 0 ? "synergy" : "redundancy") + (one.claim === false || isOpen ? " unclaimed" : "");
    const value = el("span", { class: "value" }, isOpen ? "…" : short(one.value));
    if (one.interval) value.append(el("small", {}, `± ${((one.interval[1] - one.interval[0]) / 2).toPrecision(2)}`));
    const mask = maskOf(one.word);
    return el("li", {},
      el("button", {
        type: "button", class: `partner ${kind}`, "data-partner": i, title: one.verdict ?? described(one.word),
        on: {
          click: () => go({ focus: one.word, rows: 0 }),
          pointerenter: () => { lightUp = i; paint(); }, pointerleave: () => { lightUp = -1; paint(); },
          focus: () => { lightUp = i; paint(); }, blur: () => { lightUp = -1; paint(); },
        },
      },
      el("span", { class: "badge" }, String(i + 1)),
      el("span", { class: "where" }, `${place(mask)}`, el("span", { class: "unseen" }, `, ${nameOf(one.word)}, ${kind}, `)),
      bar(isOpen ? 0 : one.value, most, one.interval), value),
      el("button", {
        type: "button", class: "take", "aria-pressed": String(away),
        "aria-label": `${away ? "Put back" : "Remove"} partner ${i + 1}`, on: { click: () => toggleAway(one.word) },
      }, away ? "put back" : "remove"));
  }));
  if (active !== undefined) $("partners").querySelector(`[data-partner="${active}"]`)?.focus();
}

function contrastNote(list, measuring, reference) {
  if (measuring) return `Proposed by gradients with and without it; measured: ${list.filter((one) => one.interval).length} of ${list.length}.`;
  const claims = list.filter((one) => one.claim).length;
  const found = claims ? `${plural(claims, "interaction")} found (bold)` : "No interaction found";
  return `${found}; differences of log-odds, 95 % intervals, reference ${reference}.`;
}

function speakPartners(by) {
  const best = found[by]?.partners[0];
  speak(best
    ? `${described(state.focus)}. Strongest partner: ${place(maskOf(best.word))}, ${best.value >= 0 ? "synergy" : "redundancy"}, ${short(best.value)}.`
    : `${described(state.focus)}. No partner.`);
}
const speak = (text) => { $("spoken").textContent = text; };

function showEffects() {
  $("experiment").hidden = state.away.length === 0;
  const answer = state.away.length ? knowing.without.value : null;
  if (!answer || answer.alone.length !== state.away.length) return;
  const { whole, alone, together } = answer;
  $("unit").textContent = answer.unit;
  const change = (said) => [said.value - whole.value, said.probability - whole.probability];
  const rows = alone.map((said, i) => ({ kind: "", head: state.away[i], letter: letter(i), change: change(said), p: said.probability }));
  const sum = rows.reduce(([a, b], row) => [a + row.change[0], b + row.change[1]], [0, 0]);
  const measured = change(together);
  const interaction = [measured[0] - sum[0], measured[1] - sum[1]];
  if (rows.length > 1) {
    const all = rows.length === 2 ? "both" : "all";
    rows.push({ kind: "sum expected", text: `${all}, if they only added up`, change: sum });
    rows.push({ kind: "measured", text: `${all}, measured`, change: measured, p: together.probability });
    rows.push({ kind: `interaction ${interaction[0] >= 0 ? "synergy" : "redundancy"}`, text: "interaction", change: interaction });
  }
  const most = Math.max(...rows.map((row) => Math.abs(row.change[0])));
  $("effects").tBodies[0].replaceChildren(...rows.map((row) => {
    const head = row.letter
      ? el("th", { scope: "row" }, el("span", { class: "badge letter" }, row.letter), place(maskOf(row.head)),
          el("button", { type: "button", class: "take", "aria-label": `Put ${row.letter} back`, on: { click: () => toggleAway(row.head) } }, "↺"))
      : el("th", { scope: "row" }, row.text);
    const probability = row.p === undefined ? `${points(row.change[1])} pts` : percent(row.p);
    return el("tr", { class: row.kind }, head, el("td", {}, bar(row.change[0], most)),
      el("td", { class: "number value" }, signed(row.change[0])), el("td", { class: "number" }, probability));
  }));
  $("verdict").replaceChildren(...verdict(state.away.length, whole.value, sum[0], measured[0], interaction[0]));
  speak($("verdict").textContent);
}

/** What the numbers say, in words. */
function verdict(n, value, sum, measured, interaction) {
  const scale = Math.max(Math.abs(sum), Math.abs(measured), 1e-9);
  const isLittle = scale < 0.1 * Math.abs(value);
  if (n === 1) {
    const change = isLittle ? "hardly changes the answer" : measured < 0 ? "makes the network less sure" : "makes the network surer";
    return [`Taking it away ${change} (${signed(value)} to ${signed(value + measured)}). Take another region away as well to see whether they act together.`];
  }
  if (isLittle) return [`Hardly anything changes (${signed(value)} to ${signed(value + measured)}): what the network says hangs on something else.`];
  const [both, each] = n === 2 ? ["both", "each"] : ["all", "each"];
  if (Math.abs(interaction) < 0.1 * scale) return [`They add up: without ${both} the change is what the single ones sum to, within a tenth.`];
  if (interaction > 0) return [el("span", { class: "synergy" }, "Synergy"), `: ${each} needs the other; once one is gone, the other adds less than it did.`];
  return [el("span", { class: "redundancy" }, "Redundancy"), `: ${each} stands in for the other; only without ${both} is it really missed.`];
}

function showKept() {
  $("kept-section").hidden = state.kept.length === 0;
  if (!picture.rgb) return;
  $("kept").replaceChildren(...state.kept.map((word) => el("li", {},
    el("button", { type: "button", class: "chip", on: { click: () => go({ focus: word, rows: 0 }) } }, described(word)),
    el("span", {},
      el("button", { type: "button", class: "take", "aria-pressed": String(state.away.includes(word)), on: { click: () => toggleAway(word) } }, state.away.includes(word) ? "put back" : "remove"),
      " ",
      el("button", { type: "button", class: "take", "aria-label": `Keep ${nameOf(word)} no longer`, on: { click: () => go({ kept: state.kept.filter((other) => other !== word) }) } }, "×")))));
}

function toggleAway(word) {
  const away = state.away.includes(word) ? state.away.filter((other) => other !== word) : [...state.away, word];
  go({ away });
}

// ---- Choosing --------------------------------------------------------------------------------

const tool = () => document.querySelector("#tools input:checked").value;

function choose(word) {
  if (word !== state.focus) go({ focus: word, rows: 0 });
}

function chooseAt(x, y) {
  if (tool() === "spot") choose(`p${x}.${y}.${$("size").value}`);
  else if (labels) choose(`s${labels[y * picture.width + x]}`);
}

const penDown = (x, y) => {
  drawing = { mask: new Uint8Array(picture.width * picture.height), corners: [[x, y]], at: [x, y] };
  penMove(x, y);
};

function penMove(x, y) {
  const [fromX, fromY] = drawing.at, steps = Math.max(1, Math.abs(x - fromX), Math.abs(y - fromY));
  const radius = tool() === "brush" ? Number($("size").value) : 0;
  const mask = drawing.mask.slice();
  for (let step = 0; step <= steps; step++)
    dab(mask, Math.round(fromX + ((x - fromX) * step) / steps), Math.round(fromY + ((y - fromY) * step) / steps), radius);
  drawing = { mask, corners: [...drawing.corners, [x, y]], at: [x, y] };
  paint();
}

function penUp() {
  if (!drawing) return;
  let { mask } = drawing;
  if (tool() === "lasso") mask = inside(drawing.corners, mask);
  drawing = null;
  const area = areaOf(mask);
  if (area > 0 && area < mask.length) choose("m" + runs(mask));
  else paint();
}

/** The pixels a closed line goes around, and those it goes over. */
function inside(corners, line) {
  const mask = line.slice(), { width, height } = picture;
  for (let y = 0; y < height; y++) {
    const crossings = [];
    corners.forEach(([x1, y1], i) => {
      const [x2, y2] = corners[(i + 1) % corners.length];
      if ((y1 <= y) !== (y2 <= y)) crossings.push(x1 + ((y - y1) * (x2 - x1)) / (y2 - y1));
    });
    crossings.sort((a, b) => a - b);
    for (let i = 0; i + 1 < crossings.length; i += 2)
      mask.fill(1, y * width + Math.max(0, Math.ceil(crossings[i])), y * width + Math.min(width, Math.floor(crossings[i + 1]) + 1));
  }
  return mask;
}

function pixelAt(event) {
  const canvas = event.currentTarget, box = canvas.getBoundingClientRect();
  const x = Math.floor(view.x + (((event.clientX - box.x) / box.width) * picture.width) / view.zoom);
  const y = Math.floor(view.y + (((event.clientY - box.y) / box.height) * picture.height) / view.zoom);
  return [Math.min(picture.width - 1, Math.max(0, x)), Math.min(picture.height - 1, Math.max(0, y))];
}

function tellUnder(x, y) {
  const i = y * picture.width + x;
  under = { x, y, segment: labels ? labels[i] : -1 };
  const parts = [`x ${x}, y ${y}`];
  if (labels) parts.push(`segment ${labels[i]}`);
  parts.push(`rgb ${[0, 1, 2].map((c) => picture.rgb[4 * i + c]).join(" ")}`);
  for (const by of ["hessian", "contrasts"]) if (isShown(by) && found[by]) parts.push(`${by} ${short(found[by].map[i])}`);
  if (knowing.layer.value) parts.push(`${state.layer} ${short(knowing.layer.value.values[i])}`);
  $("under").textContent = parts.join("  ·  ");
}

function watch(canvas) {
  let dragging = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (!picture.rgb || event.button > 1) return;
    cross = null;
    const [x, y] = pixelAt(event);
    canvas.setPointerCapture(event.pointerId);
    if (tool() === "move" || event.button === 1) dragging = [event.clientX, event.clientY, view.x, view.y];
    else if (tool() === "brush" || tool() === "lasso") penDown(x, y);
    else chooseAt(x, y);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!picture.rgb) return;
    const [x, y] = pixelAt(event);
    if (dragging) {
      const unit = picture.width / canvas.getBoundingClientRect().width / view.zoom;
      view.x = dragging[2] - (event.clientX - dragging[0]) * unit;
      view.y = dragging[3] - (event.clientY - dragging[1]) * unit;
      view.bound();
    } else if (drawing) penMove(x, y);
    tellUnder(x, y);
    paint();
  });
  const end = () => { dragging = null; penUp(); };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", () => { dragging = drawing = null; paint(); });
  canvas.addEventListener("pointerleave", () => { under = null; $("under").textContent = ""; paint(); });
  canvas.addEventListener("wheel", (event) => {
    if (!picture.rgb) return;
    event.preventDefault();
    const [x, y] = pixelAt(event);
    view.by(event.deltaY < 0 ? 1.25 : 0.8, x, y);
  }, { passive: false });
}

// ---- Saving ----------------------------------------------------------------------------------

/** The partners of what is chosen whose contrasts were measured. */
const measuredPartners = () => (state.focus && found.contrasts?.partners.filter((one) => one.interval)) || [];

/** What is seen, as the server saves it. */
function seen(name) {
  const method = ["partners", "photo"].includes(state.layer) ? "hsets" : state.layer;
  const grown = state.rows && state.focus ? [...anchor(maskOf(state.focus)).map(Math.floor), state.rows] : null;
  const by_hand = { sets: state.kept.map(runsOf) };
  if (state.away.length) by_hand.taken_away = { regions: state.away.map(runsOf), reference: state.shown };
  const partners = measuredPartners().map((one) => runsOf(one.word));
  if (partners.length) by_hand.measured = { region: runsOf(state.focus), partners };
  return { kind: "save", name, method, segments: asked(), grown, by_hand, link: written(state) };
}

function openSave() {
  const usual = `${$("gallery").querySelector("[aria-pressed=true]")?.textContent ?? "picture"}`
    .replace(/\.[a-z]+$/i, "").replace(/[^\p{L}\p{N} _.,()+-]+/gu, "-").slice(0, 80);
  const name = el("input", { id: "save-name", value: usual, size: 32 });
  const told = el("div", { "aria-live": "polite" });
  const steps = [state.away.length && "what was taken away",
    measuredPartners().length && "what was measured with the chosen region"].filter(Boolean);
  const what = state.kept.length ? `${plural(state.kept.length, "kept region")} as sets`
    : state.rows ? "the grown set" : "the sets that H-Sets finds";
  const button = el("button", { type: "button", class: "primary" }, "Save");
  button.onclick = async () => {
    button.disabled = true;
    told.replaceChildren("Saving…");
    try {
      const answer = await ask(seen(name.value), new AbortController().signal, (line) => {
        if (line.stage) told.replaceChildren(`${line.stage}: ${line.done} of ${line.total}`);
      });
      const link = (file) => el("a", { href: `saved/${encodeURIComponent(answer.name)}/${encodeURIComponent(file)}`, download: file }, file);
      told.replaceChildren(
        el("p", {}, "Saved in ", el("strong", {}, answer.folder), "."),
        el("p", {}, ...answer.files.flatMap((file, i) => (i ? [", ", link(file)] : [link(file)]))),
        el("p", {}, "This command does the same again:"), el("pre", { id: "command", tabindex: 0 }, answer.command));
    } catch (error) {
      told.replaceChildren(error.message);
    }
    button.disabled = false;
  };
  $("save-content").replaceChildren(
    el("p", {}, `Everything that `, el("code", {}, "hsets explain"), ` writes (a page, figures, JSON and tensors), with ${what}` +
      steps.map((step) => `, ${step}`).join("") + `, goes to a folder in ${about.out}.`),
    el("p", {}, el("label", { for: "save-name" }, "Name "), name, " ", button), told);
  $("save-dialog").showModal();
}

// ---- Keyboard --------------------------------------------------------------------------------

const KEYS = [
  ["arrows, Enter", "on the picture: move the cross, choose"], ["S P B L M", "choose by segment, spot, brush, lasso; move"],
  ["T", "take the chosen region away, or put it back"], ["K", "keep it"], ["G", "grow it a step"],
  ["1 … 6", "go on to a partner; with Shift take it away"], ["R", "put everything back"],
  ["U, Y", "undo, redo (also Ctrl Z, Ctrl Y)"], ["+ − 0", "zoom"], ["[ ]", "size of spot and brush"], ["Escape", "choose nothing"],
];

function crossKey(event) {
  const step = event.shiftKey ? 8 : 1;
  const by = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
  if (!picture.rgb) return;
  if (by) {
    event.preventDefault();
    const [x, y] = cross ?? [Math.floor(picture.width / 2), Math.floor(picture.height / 2)];
    cross = cross === null ? [x, y] : [
      Math.min(picture.width - 1, Math.max(0, x + by[0])), Math.min(picture.height - 1, Math.max(0, y + by[1]))];
    const room = picture.width / view.zoom;
    if (cross[0] < view.x || cross[0] >= view.x + room) view.x = cross[0] - room / 2;
    if (cross[1] < view.y || cross[1] >= view.y + room) view.y = cross[1] - room / 2;
    view.bound();
    if (drawing) penMove(...cross);
    tellUnder(...cross);
    speak($("under").textContent);
    paint();
  } else if ((event.key === "Enter" || event.key === " ") && cross) {
    event.preventDefault();
    if (drawing) penUp();
    else if (tool() === "brush" || tool() === "lasso") penDown(...cross);
    else chooseAt(...cross);
  }
}

function shortcut(event) {
  const typing = event.target.matches("input:not([type=radio]):not([type=checkbox]):not([type=range]), select, textarea");
  if (event.ctrlKey || event.metaKey) {
    if (typing || event.altKey) return;
    if (event.key.toLowerCase() === "z") { event.preventDefault(); event.shiftKey ? redo() : undo(); }
    if (event.key.toLowerCase() === "y") { event.preventDefault(); redo(); }
    return;
  }
  if (event.altKey || typing || document.querySelector("dialog[open]")) return;
  if (event.key === "Escape") {
    if (drawing) { drawing = null; paint(); } else go({ focus: "", rows: 0 });
    return;
  }
  if (!$("shortcuts").checked) return;
  const digit = /^Digit([1-6])$/.exec(event.code);
  if (digit) {
    const partner = listed()?.partners[Number(digit[1]) - 1];
    if (partner) event.shiftKey ? toggleAway(partner.word) : go({ focus: partner.word, rows: 0 });
    return;
  }
  const pick = (value) => { document.querySelector(`#tools [value=${value}]`).checked = true; toolChanged(); };
  const act = {
    s: () => pick("segment"), p: () => pick("spot"), b: () => pick("brush"), l: () => pick("lasso"), m: () => pick("move"),
    t: () => state.focus && toggleAway(state.focus), k: () => state.focus && $("keep").click(), g: () => state.focus && $("grow").click(),
    r: () => go({ away: [] }), u: undo, y: redo, "+": () => view.by(1.25), "=": () => view.by(1.25), "-": () => view.by(0.8),
    0: () => { view.reset(); paint(); }, "?": () => $("help-dialog").showModal(),
    "[": () => resize(-1), "]": () => resize(1),
  }[event.key.toLowerCase()];
  if (act) { event.preventDefault(); act(); }
}

function resize(by) {
  $("size").value = Number($("size").value) + by;
  $("size-value").textContent = $("size").value;
}

function toolChanged() {
  $("size-label").hidden = !["spot", "brush"].includes(tool());
  for (const canvas of [$("canvas"), $("second")]) canvas.classList.toggle("moving", tool() === "move");
  drawing = null;
  paint();
}

// ---- Beginning -------------------------------------------------------------------------------

function classOf(text) {
  const wanted = text.trim().toLowerCase();
  if (wanted === "") return "";
  const exact = about.labels.findIndex((label) => label.toLowerCase() === wanted);
  if (exact >= 0) return String(exact);
  const number = /^(?:class )?(\d+)$/.exec(wanted);
  if (number && Number(number[1]) < about.labels.length) return number[1];
  const partly = about.labels.findIndex((label) => label.toLowerCase().includes(wanted));
  return partly >= 0 ? String(partly) : null;
}

function chooseClass(id) {
  const index = classOf($(id).value);
  if (index === null) {
    complain(`No class is called "${$(id).value}".`);
    return;
  }
  complain(null);
  const changes = { [id]: index };
  // A difference needs its first class by name.
  if (id === "against" && index !== "" && state.class === "") changes.class = String(explained() ?? "");
  if (id === "class" && index === "") changes.against = "";
  if ((changes.against ?? state.against) !== "" && (changes.class ?? state.class) === (changes.against ?? state.against)) {
    complain("Choose two different classes.");
    return;
  }
  go(changes);
}

async function pictures() {
  const list = await (await fetch("api/pictures")).json();
  $("gallery").replaceChildren(...list.map(({ id, name }) => el("li", {},
    el("button", { type: "button", "data-id": id, on: { click: () => open(id) } },
      el("img", { src: `api/pictures/${encodeURIComponent(id)}/seen.png`, alt: "", loading: "lazy" }), name))));
  showControls();
  return list;
}

/** Another picture; what is explained and how stays. */
function open(id) {
  if (id === state.picture) return;
  go({ ...EMPTY, picture: id, class: state.class, against: state.against, by: state.by, shown: state.shown, with: state.with, layer: state.layer });
}

async function drop(file) {
  if (!file) return;
  if (file.size > about.upload) {
    complain(`${file.name} is too large: at most ${Math.floor(about.upload / 2 ** 20)} MiB.`);
    return;
  }
  const response = await fetch(`api/pictures?name=${encodeURIComponent(file.name)}`, {
    method: "POST", headers: { "content-type": "application/octet-stream" }, body: file,
  });
  const told = await response.json().catch(() => ({ error: `status ${response.status}` }));
  if (!response.ok) { complain(told.error); return; }
  complain(null);
  await pictures();
  open(told.id);
}

function wire() {
  $("undo").onclick = undo;
  $("redo").onclick = redo;
  $("save").onclick = openSave;
  $("help").onclick = () => $("help-dialog").showModal();
  $("link").onclick = async () => {
    history.replaceState(null, "", "#" + written(state));
    const shared = new URL(location.href);
    shared.searchParams.delete("token");
    try { await navigator.clipboard.writeText(shared.href); speak("Link copied"); $("link").textContent = "Copied"; }
    catch { $("link").textContent = "Copy it from the address bar"; }
    setTimeout(() => { $("link").textContent = "Copy link"; }, 1600);
  };
  $("explain").onsubmit = (event) => event.preventDefault();
  for (const id of ["class", "against"]) $(id).onchange = () => chooseClass(id);
  $("segmenter").onchange = () => changeSegments({ by: $("segmenter").value, edits: [] });
  $("layer").onchange = () => go({ layer: $("layer").value });
  $("fill").onchange = () => go({ shown: $("fill").value });
  $("outlines").onchange = paint;
  $("size").oninput = () => { $("size-value").textContent = $("size").value; };
  for (const input of document.querySelectorAll("#tools input")) input.onchange = toolChanged;
  $("zoom-in").onclick = () => view.by(1.25);
  $("zoom-out").onclick = () => view.by(0.8);
  $("take").onclick = () => toggleAway(state.focus);
  $("keep").onclick = () => {
    const { focus, kept } = state;
    go({ kept: kept.includes(focus) ? kept.filter((word) => word !== focus) : [...kept, focus] });
  };
  $("grow").onclick = () => go({ rows: state.rows + 1 });
  $("grow-all").onclick = () => go({ rows: 32 });
  $("as-segment").onclick = () => changeSegments({ edits: [...state.edits, state.focus] });
  $("back").onclick = () => go({ away: [] });
  $("file").onchange = () => { drop($("file").files[0]); $("file").value = ""; };
  for (const [event, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
    document.addEventListener(event, (dragged) => {
      dragged.preventDefault();
      $("drop").classList.toggle("over", over);
      if (event === "drop") drop(dragged.dataTransfer.files[0]);
    });
  }
  watch($("canvas"));
  watch($("second"));
  $("canvas").addEventListener("keydown", crossKey);
  $("canvas").addEventListener("blur", () => { cross = null; paint(); });
  document.addEventListener("keydown", shortcut);
  addEventListener("resize", paint);
  addEventListener("hashchange", () => show(read(location.hash)));
  $("keys").replaceChildren(...KEYS.flatMap(([key, what]) => [el("dt", {}, key), el("dd", {}, what)]));
}

/** Segments have other numbers then: what was chosen stays what it was. */
function changeSegments(changes) {
  const fixed = (word) => (word[0] === "s" ? "m" + runsOf(word) : word);
  go({ ...changes, focus: state.focus && fixed(state.focus), away: state.away.map(fixed), kept: state.kept.map(fixed), rows: 0 });
}

const option = (value, text) => el("option", { value }, text);

async function begin() {
  wire();
  about = await (await fetch("api/about")).json();
  $("model").textContent = `${about.model.name}, ${about.software}`;
  $("classes").replaceChildren(...about.labels.map((label, i) => option(label || `class ${i}`, "")));
  $("segmenter").replaceChildren(...about.segmenters.map((name) => option(name, name)));
  $("fill").replaceChildren(...about.references.map(({ name, description }) => option(name, description)));
  const group = (label, methods) => el("optgroup", { label }, ...methods.map(({ name }) => option(name, name)));
  $("layer").replaceChildren(option("partners", "partners"), option("photo", "the picture alone"),
    group("methods", about.methods.filter((method) => !method.is_control)),
    group("controls", about.methods.filter((method) => method.is_control)));
  $("by").append(...[["hessian", "Hessian row"], ["contrasts", "contrasts"], ["both", "side by side"]].map(([value, text]) =>
    el("label", {}, el("input", { type: "radio", name: "by", value, on: { change: () => go({ with: value }) } }), el("span", {}, text))));
  toolChanged();
  const list = await pictures();
  const linked = read(location.hash);
  state = { ...linked, by: about.segmenters.includes(linked.by) ? linked.by : about.segmenters[0] };
  if (!state.picture && list.length) state.picture = list[0].id;
  follow();
  document.documentElement.dataset.ready = "true";
}

begin().catch((error) => complain(`The explorer could not start: ${error.message}`));
