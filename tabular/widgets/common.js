// What all explorers share in the browser: requests to the kernel, controls, colours, tooltip, player, chart.
// An explorer's own file defines mount(ui) -> { draw(scene), key(event), wants(), frames(frames), close() }; all but the
// first may be missing. wants() tells whether frames are missing, which are then fetched when nothing else is going on.

const IDLE = 120; // milliseconds without a change after which the frames are fetched
const PATIENCE = 15000; // milliseconds after which an answer is given up

// Elements

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "text") node.textContent = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// JupyterLab keeps its shortcuts from an element that has this attribute itself; one around it doesn't count.
const OURS = { "data-lm-suppress-shortcuts": "true" };
const FOCUSABLE = ["button", "input", "select", "summary"];

function h(tag, attributes, ...children) {
  const ours = FOCUSABLE.includes(tag) || attributes?.tabindex !== undefined ? OURS : {};
  return fill(document.createElement(tag), { ...ours, ...attributes }, children);
}

const g = (tag, attributes, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

const ICONS = {
  play: "M3 1.5v11l9.5-5.5z",
  pause: "M2.5 1.5h3v11h-3zM8.5 1.5h3v11h-3z",
  next: "M2 1.5v11l7-5.5zM9.8 1.5h2.2v11H9.8z",
  back: "M12 1.5v11L5 7zM2 1.5h2.2v11H2z",
  first: "M7 2v10L1.5 7zM13 2v10L7.5 7z",
  last: "M7 2v10l5.5-5zM1 2v10l5.5-5z",
};
const icon = (name) => g("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" }, g("path", { d: ICONS[name] }));

// f, called only when its arguments differ from those of the last call: what stays costs no style and no layout.
function once(f) {
  let last = null;
  return (...values) => {
    const key = JSON.stringify(values);
    if (key !== last) f(...values);
    last = key;
  };
}

// The children of a node become these, and what stays as it is isn't touched: where they differ in a few attributes only,
// that costs far less style and layout than new ones. For pictures whose parts have no listeners of their own.
function redraw(node, ...children) {
  let old = node.firstChild;
  for (const next of children.filter((child) => child !== "")) {
    const after = old?.nextSibling;
    if (!old) node.append(next);
    else if (old.nodeName !== next.nodeName) old.replaceWith(next);
    else if (next.nodeType === Node.TEXT_NODE) old.data === next.data || (old.data = next.data);
    else {
      for (const { name } of [...old.attributes]) next.hasAttribute(name) || old.removeAttribute(name);
      for (const { name, value } of next.attributes) old.getAttribute(name) === value || old.setAttribute(name, value);
      redraw(old, ...next.childNodes);
    }
    old = after;
  }
  while (old) {
    const after = old.nextSibling;
    old.remove();
    old = after;
  }
}

// Numbers

const MINUS = "\u2212";
const signed = (x, digits) => (x > 0 ? "+" : "") + fixed(x, digits);

function fixed(x, digits) {
  if (!Number.isFinite(x)) return x > 0 ? "∞" : x < 0 ? MINUS + "∞" : "–";
  const text = x.toFixed(digits);
  return (Number(text) === 0 ? (0).toFixed(digits) : text).replace("-", MINUS);
}

function precise(x, digits = 4) {
  if (!Number.isFinite(x)) return fixed(x, 0);
  if (x !== 0 && (Math.abs(x) < 1e-3 || Math.abs(x) >= 1e6)) return x.toExponential(digits - 2).replaceAll("-", MINUS);
  return String(Number(x.toPrecision(digits))).replace("-", MINUS);
}

// Decimals that leave about three significant digits of the largest value.
const decimals = (top) => (top > 0 ? Math.min(3, Math.max(0, 2 - Math.floor(Math.log10(top)))) : 2);
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

// Arrays from the kernel

const KINDS = { float64: Float64Array, float32: Float32Array, int32: Int32Array, int64: BigInt64Array, uint8: Uint8Array };

function unpack(value, buffers) {
  if (Array.isArray(value)) return value.map((part) => unpack(part, buffers));
  if (value === null || typeof value !== "object") return value;
  if (value.dtype !== undefined && value.data !== undefined) {
    const view = typeof value.data === "number" ? buffers[value.data] : value.data;
    const bytes = view.buffer ? view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength) : view;
    const array = new KINDS[value.dtype](bytes);
    array.shape = value.shape;
    return array;
  }
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, unpack(part, buffers)]));
}

// Colours: viridis, and purple to orange where the sign matters; both can be told apart with any colour vision.

const MAPS = {
  viridis: "440154 481f70 443983 3b528b 31688e 287c8e 21918c 20a486 35b779 5ec962 90d743 c8e020 fde725",
  warm: "f7f7f6 fbe9d0 fdd09a fbb45f ee9b39 d0730f aa5306",
  sign: "2d004b 4d207d 70589f 9990bf bfbbda dddfed f7f7f6 fde4c0 fdc57f ee9b39 d0730f aa5306 7f3b08",
};
const ACCENTS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#8a6d00"];
const TABLES = {};

function colours(name) {
  if (TABLES[name]) return TABLES[name];
  const anchors = MAPS[name].split(" ").map((hex) => [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16)));
  const table = Array.from({ length: 256 }, (_, i) => {
    const x = (i / 255) * (anchors.length - 1);
    const k = Math.min(Math.floor(x), anchors.length - 2);
    const rgb = anchors[k].map((c, j) => Math.round(c + (x - k) * (anchors[k + 1][j] - c)));
    const [r, gr, b] = rgb.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return { css: `rgb(${rgb.join(",")})`, ink: 0.2126 * r + 0.7152 * gr + 0.0722 * b < 0.179 ? "#fff" : "#111" };
  });
  return (TABLES[name] = table);
}

const mapOf = (range) => range.map || (range.signed ? "sign" : "viridis");

// { low, high, signed, map } -> the same with at(value) -> { css, ink }; map names another map than these two
function scale(range) {
  const table = colours(mapOf(range));
  const width = range.high - range.low;
  const at = (x) => table[Math.max(0, Math.min(255, Math.round(((x - range.low) / width) * 255)))] || table[0];
  return { ...range, at };
}

function legend() {
  const bar = h("div", { class: "bar" });
  const [low, high, name] = [h("span"), h("span"), h("span", { class: "number" })];
  const node = h("div", { class: "legend", role: "img" }, name, low, bar, high);
  const draw = once((range, label) => {
    const table = colours(mapOf(range));
    const stops = [0, 32, 64, 96, 128, 160, 192, 224, 255].map((i) => table[i].css);
    bar.style.background = `linear-gradient(to right, ${stops.join(",")})`;
    [name.textContent, low.textContent, high.textContent] = [label, precise(range.low, 3), precise(range.high, 3)];
    node.setAttribute("aria-label", `Colours of ${label} from ${precise(range.low, 3)} to ${precise(range.high, 3)}`);
  });
  return { node, draw };
}

// The bridge to the kernel. One request at a time: what comes meanwhile waits, and is merged where the newest wins.

class Bridge {
  constructor(model) {
    this.model = model;
    this.waiting = [];
    this.number = model.get("answered");
    this.flying = 0;
    this.ends = [];
    this.onscene = this.onframes = this.onslow = () => {};
    this.wants = () => false; // whether there are frames to fetch
    this.listen("change:revision", () => this.arrived());
    this.listen("msg:custom", (content, buffers) => this.told(content, buffers));
  }

  listen(name, callback) {
    this.model.on(name, callback);
    this.ends.push(() => this.model.off(name, callback));
  }

  do(name, parameters = {}) {
    const last = this.waiting.at(-1);
    if (name === "set" && last?.name === "set") Object.assign(last.parameters, parameters);
    else if (name === "paint" && last?.name === "paint" && last.parameters.kind === parameters.kind)
      last.parameters.cells.push(...parameters.cells);
    else this.waiting.push({ name, parameters });
    this.next();
  }

  get busy() {
    return this.flying > 0 || this.waiting.length > 0;
  }

  next() {
    if (this.flying || !this.waiting.length) return;
    const { name, parameters } = this.waiting.shift();
    this.flying = ++this.number;
    this.model.send({ do: name, arguments: parameters, number: this.number });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.flying = 0;
      this.waiting = [];
      this.onslow();
    }, name === "advance" ? 4 * PATIENCE : PATIENCE); // long work may begin with compiling
  }

  arrived() {
    if (this.flying && this.model.get("answered") >= this.flying) {
      clearTimeout(this.timer);
      this.flying = 0;
    }
    this.number = Math.max(this.number, this.model.get("answered"));
    this.onscene();
    this.next();
    this.ask(IDLE);
  }

  // Fetch the frames once nothing else is going on.
  ask(delay) {
    clearTimeout(this.idle);
    if (!this.wants()) return;
    this.idle = setTimeout(() => (this.busy ? this.ask(IDLE) : this.model.send({ frames: true })), delay);
  }

  told(content, buffers) {
    if (content.frames && content.revision === this.model.get("revision")) this.onframes(unpack(content.frames, buffers));
    if (content.download) save(content.download, buffers);
  }

  close() {
    clearTimeout(this.timer);
    clearTimeout(this.idle);
    this.ends.forEach((end) => end());
  }
}

function save(file, buffers) {
  const url = URL.createObjectURL(new Blob([buffers[file.content]], { type: file.kind }));
  const link = h("a", { href: url, download: file.name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

// The frame around an explorer, and its controls

class UI {
  constructor(model, root) {
    this.root = root;
    this.model = model;
    this.spec = model.get("spec");
    this.bridge = new Bridge(model);
    this.updates = [];
    this.tipBox = h("div", { class: "tip", role: "tooltip" });
    this.line = h("div", { class: "message", role: "status", "aria-live": "polite" });
    this.lessons = h("div", { class: "lessons" });
  }

  do(name, parameters) {
    this.bridge.do(name, parameters);
  }

  set(name, value) {
    this.do("set", { [name]: value });
  }

  get values() {
    return this.model.get("values");
  }

  say(text, error = false) {
    this.line.textContent = text;
    this.line.classList.toggle("error", error);
  }

  // Rows [[label, value], ...] under a title, beside the pointer; nothing hides it.
  tip(event, title, rows = []) {
    this.tipBox.classList.toggle("on", Boolean(title));
    if (!title) return;
    const table = h("table", {}, ...rows.map((row) => h("tr", {}, ...row.map((text) => h("td", { text })))));
    this.tipBox.replaceChildren(h("b", { text: title }), table);
    cancelAnimationFrame(this.tipping);
    this.tipping = requestAnimationFrame(() => this.placeTip(event)); // measured where a layout is due anyway
  }

  placeTip(event) {
    const frame = this.root.getBoundingClientRect();
    const [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
    const { offsetWidth: width, offsetHeight: height } = this.tipBox;
    this.tipBox.style.left = `${x + width + 24 > frame.width ? x - width - 14 : x + 16}px`;
    this.tipBox.style.top = `${Math.max(0, Math.min(y + 14, frame.height - height))}px`;
  }

  frame(body) {
    const presets = Object.entries(this.spec.presets);
    this.root.append(
      h("div", { class: "head" }, h("h3", { text: this.spec.title }), h("div", { class: "space" }),
        ...this.buttons("state", "quiet"), ...this.buttons("files", "quiet")),
      presets.length ? this.presetRow(presets) : "",
      presets.length ? this.lessons : "",
      body, this.line, this.tipBox,
    );
  }

  presetRow(presets) {
    const buttons = presets.map(([name, preset]) =>
      h("button", { type: "button", "data-preset": name, "aria-pressed": "false", text: preset.title,
        onclick: () => this.do("preset", { name }) }));
    const lessons = presets.map(([, { teaches, task }]) => h("p", {}, `${teaches} `, h("span", { class: "task", text: task })));
    this.lessons.append(...lessons); // one upon the other: as high as the longest, so that nothing below moves
    const teach = once((now) => presets.forEach(([name], k) => {
      buttons[k].setAttribute("aria-pressed", String(name === now));
      lessons[k].classList.toggle("shown", name === now);
    }));
    this.updates.push((scene) => teach(scene.preset));
    return h("div", { class: "chips", role: "group", "aria-label": "Presets" }, ...buttons);
  }

  // Buttons of all labelled actions of a group. `parameters` gives the arguments at the moment of the click.
  buttons(group, look = "", parameters = () => ({})) {
    return this.spec.actions.filter((each) => each.label && each.group === group).map((each) => {
      const press = () => this.do(each.name, parameters());
      const button = h("button", { type: "button", class: look, "data-action": each.name, title: each.hint, onclick: press },
        each.label, each.key ? h("kbd", { text: each.key.toUpperCase(), "aria-hidden": "true" }) : null);
      this.updates.push(() => (button.disabled = each.name in this.model.get("disabled")));
      if (each.key) this.keys[each.key] = () => button.disabled || press();
      return button;
    });
  }

  keys = {};

  // All controls of a group.
  controls(group) {
    return this.spec.controls.filter((each) => each.group === group).map((each) => this.control(each));
  }

  control(each) {
    const build = { slider: sliderControl, choice: choiceControl, toggle: toggleControl }[each.kind];
    const { node, update } = build(each, (value) => this.set(each.name, value));
    node.dataset.control = each.name;
    const enable = once((reason) => {
      node.classList.toggle("off", Boolean(reason));
      node.title = reason || each.hint;
      node.querySelectorAll("input, button").forEach((part) => (part.disabled = Boolean(reason)));
    });
    this.updates.push(() => {
      enable(this.model.get("disabled")[each.name]);
      if (!(this.bridge.busy && node.contains(document.activeElement))) update(this.values[each.name]);
    });
    return node;
  }

  refresh() {
    const scene = unpack(this.model.get("scene"));
    const { text, error } = this.model.get("message");
    this.say(text, error);
    this.updates.forEach((update) => update(scene));
    return scene;
  }
}

let count = 0;

function nameOf(each, id) {
  return h("label", { for: id }, each.label, each.symbol ? h("span", { class: "symbol", text: each.symbol }) : null);
}

// A field to type in: send(text) when it is left or Enter is pressed, if the text has changed.
function textField(attributes, send) {
  const field = h("input", { type: "text", ...attributes });
  let before = "";
  const commit = () => field.value !== before && send((before = field.value));
  field.addEventListener("focus", () => (before = field.value));
  field.addEventListener("change", commit);
  field.addEventListener("keydown", (event) => event.key === "Enter" && commit());
  return field;
}

// The text of a field. Chromium tells the whole page of each text that is assigned; of a default, which shows as long as
// nobody has typed, it tells nobody.
function write(field, text) {
  field.defaultValue = text;
  if (field.value !== text) field.value = text;
}

// A range with its number beside it, which can be typed as well.
function sliderControl(each, send) {
  const id = `mdpscope-${++count}`;
  const digits = (String(each.step).split(".")[1] || "").length;
  let [written, latest] = [null, null];
  const range = h("input", { type: "range", id, min: each.low, max: each.high, step: each.step });
  const number = textField({ inputmode: "decimal", "aria-label": each.label }, (text) => {
    const typed = Number(text.replace(MINUS, "-").replace(",", "."));
    send(Number.isNaN(typed) ? text : typed);
  });
  const part = (value) => range.style.setProperty("--part", `${(100 * (value - range.min)) / (range.max - range.min || 1)}%`);
  const show = (value) => {
    latest = value;
    written = fixed(value, Number(value.toFixed(digits)) === value ? digits : 4) + (each.unit ? ` ${each.unit}` : "");
    write(number, written);
    part(value);
  };
  range.addEventListener("input", () => {
    show(Number(range.value));
    send(Number(range.value));
  });
  const update = (value) => {
    if (value === latest && Number(range.value) === value && number.value === written) return part(value);
    range.value = value;
    show(value);
  };
  return { node: h("div", { class: "control" }, nameOf(each, id), range, number), update, range };
}

// Buttons side by side, one of them chosen; arrow keys choose as well.
function choiceControl(each, send) {
  const names = Object.keys(each.options);
  const buttons = names.map((name) =>
    h("button", { type: "button", role: "radio", "data-value": name, text: each.options[name], onclick: () => send(name) }));
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = buttons[(buttons.indexOf(event.target) + step + names.length) % names.length];
    next.focus();
    next.click();
  };
  const node = h("div", { class: "segments", role: "radiogroup", "aria-label": each.label, onkeydown: move }, ...buttons);
  const update = (value) =>
    buttons.forEach((button) => {
      const chosen = button.dataset.value === value;
      button.setAttribute("aria-checked", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
    });
  return { node, update };
}

function toggleControl(each, send) {
  const id = `mdpscope-${++count}`;
  const flip = () => send(button.getAttribute("aria-checked") !== "true");
  const button = h("button", { type: "button", id, class: "switch", role: "switch", "aria-checked": "false", onclick: flip });
  const update = (value) => button.setAttribute("aria-checked", String(value));
  return { node: h("div", { class: "control" }, nameOf(each, id), button), update };
}

// What keys do, in one line: { key: meaning }.
function keysLine(meanings) {
  const pairs = Object.entries(meanings).map(([key, meaning]) => h("span", {}, h("kbd", { text: key }), meaning));
  return h("div", { class: "keys help", role: "note", "aria-label": "Keys" }, ...pairs);
}

// The player: plays stored frames in the browser

const SPEEDS = { "2 / s": 2, "6 / s": 6, "15 / s": 15, "30 / s": 30, "60 / s": 60 };

// show(k) draws frame k; want() is called when someone wants to play before the frames are here.
function makePlayer({ show, want }) {
  let [length, position, clock, last, wanting] = [1, 0, 0, 0, false];
  const button = (name, label, press, look = "icon") =>
    h("button", { type: "button", class: look, title: label, "aria-label": label, onclick: press }, icon(name));
  const scrub = h("input", { type: "range", min: 0, step: 1, "aria-label": "Frame" });
  const speed = h("select", { title: "Pictures a second", "aria-label": "Pictures a second" },
    ...Object.keys(SPEEDS).map((name) => h("option", { text: name })));
  speed.value = "15 / s";
  const play = button("play", "Play (space)", () => (clock ? pause() : start()), "icon main");
  const node = h("div", { class: "player" },
    button("first", "To the start", () => seek(0)), button("back", "Step back (,)", () => step(-1)), play,
    button("next", "Step (.)", () => step(1)), button("last", "To the end", () => seek(length - 1)), scrub, speed);
  scrub.addEventListener("input", () => seek(Number(scrub.value)));

  function go(k) {
    position = Math.max(0, Math.min(length - 1, k));
    scrub.value = position;
    scrub.style.setProperty("--part", `${(100 * position) / Math.max(1, length - 1)}%`);
    node.dataset.position = position;
    show(position);
  }

  function look(playing) {
    play.replaceChildren(icon(playing ? "pause" : "play"));
    play.setAttribute("aria-label", playing ? "Pause (space)" : "Play (space)");
    node.dataset.playing = playing;
  }

  function tick(now) {
    const due = Math.floor(((now - last) / 1000) * SPEEDS[speed.value] + 0.2);
    if (due > 0) {
      last = now;
      go(position + 1);
      if (position === length - 1) return pause();
    }
    clock = requestAnimationFrame(tick);
  }

  function start() {
    if (length < 2) {
      wanting = true;
      return want();
    }
    if (position === length - 1) go(0);
    last = performance.now();
    clock = requestAnimationFrame(tick);
    look(true);
  }

  function pause() {
    cancelAnimationFrame(clock);
    [clock, wanting] = [0, false];
    look(false);
  }

  function seek(k) {
    pause();
    go(k);
  }

  const step = (by) => seek(position + by);

  // New frames: stay at the end unless someone is waiting for them to play.
  function load(count) {
    const wanted = wanting;
    pause();
    length = count;
    scrub.max = length - 1;
    node.dataset.length = length;
    go(length - 1);
    if (wanted && length > 1) start();
  }

  look(false);
  const toggle = () => (clock ? pause() : start());
  return { node, load, seek, step, toggle, pause, get position() { return position; }, get length() { return length; } };
}

// The chart: curves over the frames on a logarithmic scale, with a mark at the present one

// draw({ curves: [{ name, y, colour, dash }], marks }); a click or drag calls onseek(k), hovering tells the values.
function makeChart(ui, { label, height = 132, onseek, describe }) {
  const [left, right, top, bottom] = [44, 8, 8, 20];
  const svg = g("svg", { class: "chart", height, role: "img", "aria-label": label });
  const keys = h("div", { class: "keys" });
  const now = g("line", { class: "now", y1: top, y2: height - bottom });
  let [state, width] = [null, 400];
  const x = (k) => left + (k / Math.max(1, state.length - 1)) * (width - left - right);
  const y = (v) => {
    const u = (Math.log10(Math.max(v, 10 ** state.low)) - state.low) / (state.high - state.low);
    return height - bottom - u * (height - top - bottom);
  };

  function draw(data) {
    const positive = data.curves.flatMap((curve) => Array.from(curve.y).filter((v) => v > 0 && Number.isFinite(v)));
    const length = Math.max(...data.curves.map((curve) => curve.y.length));
    const least = positive.length ? Math.log10(Math.min(...positive)) : -1;
    const most = positive.length ? Math.log10(Math.max(...positive)) : 0;
    const low = Math.floor(Math.max(least, data.floor ?? least, most - 14));
    state = { ...data, length, low, high: Math.max(Math.ceil(most), low + 1) };
    paint();
  }

  function paint() {
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.replaceChildren();
    if (!state) return;
    const every = Math.ceil((state.high - state.low) / 4);
    for (let power = state.low; power <= state.high; power += every) {
      const at = y(10 ** power);
      svg.append(g("line", { class: "axis", x1: left, x2: width - right, y1: at, y2: at }),
        g("text", { x: left - 6, y: at + 3.5, "text-anchor": "end" }, tenTo(power)));
    }
    const ends = [0, Math.floor((state.length - 1) / 2), state.length - 1];
    for (const k of new Set(ends))
      svg.append(g("text", { x: x(k), y: height - 5, "text-anchor": k === 0 ? "start" : k === ends[2] ? "end" : "middle", text: state.ticks?.[k] ?? k }));
    for (const k of state.marks || [])
      svg.append(g("line", { class: "axis", x1: x(k), x2: x(k), y1: top, y2: height - bottom, "stroke-dasharray": "2 3" }));
    for (const curve of state.curves) {
      const points = Array.from(curve.y, (v, k) => `${x(k).toFixed(1)},${y(v).toFixed(1)}`);
      svg.append(g("polyline", { class: "curve", points: points.join(" "), stroke: curve.colour, "stroke-dasharray": curve.dash }));
    }
    keys.replaceChildren(...state.curves.map((curve) =>
      h("span", {}, g("svg", { viewBox: "0 0 22 8" }, g("line", { x2: 22, y1: 4, y2: 4, "stroke-width": 2.2, stroke: curve.colour, "stroke-dasharray": curve.dash })), curve.name)));
    svg.append(now);
  }

  const tenTo = (power) => g("tspan", {}, "10", g("tspan", { dy: -4, "font-size": 8, text: String(power).replace("-", MINUS) }));
  const nearest = (event) => {
    const u = (event.clientX - svg.getBoundingClientRect().left - left) / (width - left - right);
    return Math.round(Math.max(0, Math.min(1, u)) * (state.length - 1));
  };
  svg.addEventListener("pointermove", (event) => {
    if (!state) return;
    const k = nearest(event);
    if (event.buttons) onseek(k);
    ui.tip(event, describe ? describe(k) : String(k), state.curves.map((curve) => [curve.name, precise(curve.y[k])]));
  });
  svg.addEventListener("pointerdown", (event) => state && onseek(nearest(event)));
  svg.addEventListener("pointerleave", () => ui.tip());
  const observer = new ResizeObserver(([entry]) => {
    width = entry.contentRect.width || 400;
    if (state) paint();
  });
  observer.observe(svg);

  function mark(k) {
    if (!state) return;
    now.setAttribute("x1", x(k));
    now.setAttribute("x2", x(k));
  }
  return { node: svg, keys, draw, mark, close: () => observer.disconnect() };
}

// Start

function render({ model, el }) {
  const root = h("div", { class: "mdpscope", tabindex: -1, "data-ready": "false" });
  const ui = new UI(model, root);
  el.append(root);
  const explorer = mount(ui);
  ui.bridge.onscene = () => {
    explorer.draw(ui.refresh());
    root.dataset.revision = model.get("revision");
    root.dataset.working = model.get("working");
    if (model.get("working")) requestAnimationFrame(() => ui.bridge.busy || ui.do("advance"));
  };
  ui.bridge.wants = () => explorer.wants?.();
  ui.bridge.onframes = (frames) => explorer.frames(frames);
  ui.bridge.onslow = () => ui.say("The kernel doesn't answer. Is it busy, or was it restarted? Then run the cell again.", true);
  root.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input[type=text], select")) return;
    if (explorer.key?.(event)) return event.preventDefault();
    const press = ui.keys[event.key.toLowerCase()];
    if (!press) return;
    event.preventDefault();
    press();
  });
  root.addEventListener("pointerdown", (event) => {
    if (!event.target.closest("button, input, select, summary, .board, a")) root.focus({ preventScroll: true });
  });
  ui.bridge.onscene();
  ui.bridge.ask(IDLE);
  root.dataset.ready = "true";
  return () => {
    ui.bridge.close();
    explorer.close?.();
  };
}
