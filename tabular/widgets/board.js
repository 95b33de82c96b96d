// A grid world: values as colours and numbers, a policy as arrows, action values as triangles, walls, starts, goals.
// SVG up to 20 x 20 cells, a canvas above; the focus, the agent and its trail lie over either.

const UNIT = 64; // side of a cell in the drawing's own units
const SVG_UP_TO = 20;
const LEAST = 0.02; // actions less likely than this get no arrow

const GLYPHS = { "-1,0": "↑", "0,1": "→", "1,0": "↓", "0,-1": "←", "0,0": "•" };
const NAMES = { "-1,0": "up", "0,1": "right", "1,0": "down", "0,-1": "left", "0,0": "stay" };
const CORNERS = {
  "-1,0": [[0, 0], [1, 0]],
  "0,1": [[1, 0], [1, 1]],
  "1,0": [[1, 1], [0, 1]],
  "0,-1": [[0, 1], [0, 0]],
};

// Corners of the arrows of one state, around (0, 0) in units of a cell: lengths in proportion to the probabilities.
function arrows(pi, moves, at, count, reach, lift) {
  let [low, high, still] = [[0, 0], [0, 0], 0];
  for (let a = 0; a < count; a++) {
    const p = pi[at + a];
    if (!moves[a][0] && !moves[a][1]) still += p;
    for (const i of [0, 1]) {
      low[i] = Math.min(low[i], p * moves[a][i]);
      high[i] = Math.max(high[i], p * moves[a][i]);
    }
  }
  const size = reach / (Math.max(high[0] - low[0], high[1] - low[1], still) || 1);
  const tail = [(-size * (low[1] + high[1])) / 2, (-size * (low[0] + high[0])) / 2 - lift];
  const shapes = [];
  for (let a = 0; a < count; a++) {
    const p = pi[at + a];
    if (p < LEAST) continue;
    const [down, right] = moves[a];
    if (!down && !right) {
      const r = 0.13 * Math.sqrt(p);
      shapes.push(Array.from({ length: 8 }, (_, i) => [tail[0] + r * Math.cos(i * 0.785), tail[1] + r * Math.sin(i * 0.785)]));
      continue;
    }
    const length = size * p;
    const head = Math.min(0.2, 0.7 * length);
    const [neck, half, wing] = [length - head, 0.17 * head, 0.55 * head];
    const outline = [[0, half], [neck, half], [neck, wing], [length, 0], [neck, -wing], [neck, -half], [0, -half]];
    shapes.push(outline.map(([along, across]) => [tail[0] + along * right - across * down, tail[1] + along * down + across * right]));
  }
  return shapes;
}

// The same as the path of a drawing; most states of a board share a few, so they are kept.
const PATHS = new Map();

function arrowPath(pi, moves, at, count, reach, lift) {
  let key = `${moves} ${reach}`;
  for (let a = 0; a < count; a++) key += ` ${Math.round(1000 * pi[at + a])}`;
  if (!PATHS.has(key)) {
    if (PATHS.size > 5000) PATHS.clear();
    const point = ([x, y]) => `${((x + 0.5) * UNIT).toFixed(1)} ${((y + 0.5) * UNIT).toFixed(1)}`;
    const shapes = arrows(pi, moves, at, count, reach, lift);
    PATHS.set(key, shapes.map((points) => `M${points.map(point).join("L")}Z`).join(""));
  }
  return PATHS.get(key);
}

// A picture is { rows, columns, kinds, rewards, state, stuck, moves, V, Q, pi, range, view, showArrows, showNumbers }.
// onpick(cell, phase, event) follows the pointer, onkey(event, cell) the keys, describe(cell) fills the tooltip.
function makeBoard(ui, { label, onpick, onkey, onfocus, describe }) {
  const cells = g("g");
  const halo = g("rect", { class: "halo", rx: 5 });
  const focus = g("rect", { class: "focus", rx: 5 });
  const trails = [g("polyline", { class: "trail" }), g("polyline", { class: "trail inner" })];
  const agent = g("circle", { class: "agent", r: UNIT * 0.2, visibility: "hidden" });
  const hatch = g("pattern", { id: `hatch-${++count}`, width: 9, height: 9, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    g("line", { x1: 0, y1: 0, x2: 0, y2: 9, stroke: "var(--hatch)", "stroke-width": 3 }));
  const svg = g("svg", { "aria-hidden": "true" }, g("defs", {}, hatch), cells, ...trails, halo, focus, agent);
  const canvas = h("canvas", { "aria-hidden": "true" });
  const live = h("div", { class: "unseen", "aria-live": "polite" });
  const node = h("div", { class: "board", tabindex: 0, role: "application", "aria-label": label }, canvas, svg, live);
  const hatching = `url(#${hatch.id})`;
  let [picture, tiles, shape, cell, pointer, waiting, down, width] = [null, [], "", [0, 0], null, null, false, 480];

  const keyOf = ([row, column]) => row * picture.columns + column;
  const pixels = () => width / picture.columns;
  const small = () => Math.max(picture.rows, picture.columns) <= SVG_UP_TO;

  function draw(next) {
    picture = next;
    const wanted = `${picture.rows} ${picture.columns}`;
    if (wanted !== shape) build(wanted);
    small() ? paintTiles() : paintCanvas();
    place();
    tellSoon();
  }

  function build(wanted) {
    shape = wanted;
    const { rows, columns } = picture;
    svg.setAttribute("viewBox", `0 0 ${columns * UNIT} ${rows * UNIT}`);
    node.style.aspectRatio = `${columns} / ${rows}`;
    node.style.maxWidth = `${Math.min(560, (560 * columns) / rows, 104 * columns)}px`;
    node.dataset.painter = small() ? "svg" : "canvas";
    canvas.style.display = small() ? "none" : "block";
    tiles = [];
    if (small())
      for (let row = 0; row < rows; row++) for (let column = 0; column < columns; column++) tiles.push(tile(row, column));
    cells.replaceChildren(...tiles.map((each) => each.group));
    cell = [Math.min(cell[0], rows - 1), Math.min(cell[1], columns - 1)];
    trails.forEach((line) => line.setAttribute("points", ""));
    agent.setAttribute("visibility", "hidden");
  }

  function tile(row, column) {
    const [x, y] = [column * UNIT, row * UNIT];
    const rect = g("rect", { class: "tile", width: UNIT, height: UNIT, rx: 4 });
    const over = g("rect", { width: UNIT, height: UNIT, rx: 4, fill: "none" });
    const ring = g("rect", { class: "ring", x: 6, y: 6, width: UNIT - 12, height: UNIT - 12, rx: 6, visibility: "hidden" });
    const arrow = g("path");
    const value = g("text", { x: UNIT / 2, y: UNIT * 0.84, "font-size": 15 });
    const mark = g("text", { class: "mark" });
    const badge = g("text", { class: "badge", x: UNIT - 5, y: 12, "font-size": 13, "font-weight": 700 });
    const group = g("g", { transform: `translate(${x} ${y})`, "data-row": row, "data-column": column }, rect, over, ring, arrow, value, mark, badge);
    return { group, rect, over, ring, arrow, value, mark, badge, wedges: null, kept: {} };
  }

  // Only what differs is touched: on a playing board most attributes stay.
  function put(each, part, name, text) {
    const key = `${part} ${name}`;
    if (each.kept[key] === text) return;
    each.kept[key] = text;
    if (name === "text" && each[part].firstChild) each[part].firstChild.data = text; // cheaper than another node
    else if (name === "text") each[part].textContent = text;
    else each[part].setAttribute(name, text);
  }

  // What a cell shows, for both painters.
  function look(k) {
    const kind = picture.kinds[k];
    const s = picture.state[k];
    const wall = kind === "#";
    const stuck = s >= 0 && picture.stuck[s];
    const value = s >= 0 && !wall ? picture.V[s] : NaN;
    const plain = wall || s < 0 || picture.view === "map" || (stuck && (kind === "G" || Math.abs(value) < 1e-9));
    const paint = plain ? null : picture.range.at(value);
    return { kind, s, wall, stuck, value, plain, fill: paint?.css, ink: paint?.ink ?? "var(--text)", reward: picture.rewards[k] };
  }

  function paintTiles() {
    const size = pixels();
    const digits = decimals(Math.max(Math.abs(picture.range.low), Math.abs(picture.range.high)));
    const numbers = picture.showNumbers && size >= 30;
    const A = picture.moves.length;
    const fine = Math.min(15, (UNIT * 11.5) / size) + (size < 40 ? 1.5 : 0);
    tiles.forEach((each, k) => {
      const { kind, s, wall, stuck, value, plain, fill, ink, reward } = look(k);
      const triangles = picture.view === "Q" && !plain && !stuck;
      put(each, "rect", "class", wall ? "tile wall" : plain ? "tile plain" : "tile");
      put(each, "rect", "style", fill && !triangles ? `fill:${fill}` : "");
      put(each, "over", "fill", wall ? hatching : "none");
      put(each, "group", "data-kind", kind);
      put(each, "group", "data-value", Number.isNaN(value) ? "" : String(value));
      wedges(each, triangles, s, size, digits);
      const written = numbers && !plain && !stuck && picture.view === "V";
      put(each, "value", "text", written ? fixed(value, digits) : "");
      put(each, "value", "fill", ink);
      put(each, "value", "font-size", fine.toFixed(1));
      const drawn = picture.showArrows && s >= 0 && !wall && !stuck && !triangles;
      const path = drawn ? arrowPath(picture.pi, picture.moves, s * A, A, written ? 0.5 : 0.68, written ? 0.13 : 0) : "";
      put(each, "arrow", "d", path);
      put(each, "arrow", "fill", ink);
      marks(each, { kind, stuck, wall, reward, ink, fill });
    });
  }

  function marks(each, { kind, stuck, wall, reward, ink, fill }) {
    const end = kind === "G" || (stuck && !wall);
    const bad = end && reward < 0;
    put(each, "ring", "visibility", end ? "visible" : "hidden");
    put(each, "ring", "class", bad || kind !== "G" ? "ring bad" : "ring");
    const text = kind === "S" ? "S" : !end ? "" : reward ? signed(reward, Number.isInteger(reward) ? 0 : 2) : kind === "G" ? "G" : "×";
    put(each, "mark", "text", text);
    put(each, "mark", "x", String(end ? UNIT / 2 : 12));
    put(each, "mark", "y", String(end ? UNIT / 2 : 13));
    put(each, "mark", "font-size", String(end ? (text.length > 4 ? 16 : 20) : 15));
    put(each, "mark", "fill", ink);
    put(each, "badge", "text", !end && !wall && reward ? signed(reward, Number.isInteger(reward) ? 0 : Math.abs(reward * 10) % 1 ? 2 : 1) : "");
    put(each, "badge", "fill", ink);
    put(each, "badge", "stroke", fill ?? "var(--tile)");
  }

  // The four action values of a cell as triangles, the best ones written in bold.
  function wedges(each, wanted, s, size, digits) {
    if (!wanted) {
      each.wedges?.group.setAttribute("visibility", "hidden");
      return;
    }
    if (!each.wedges) {
      const parts = picture.moves.map((move) => {
        const corners = CORNERS[move];
        const points = corners ? [...corners, [0.5, 0.5]].map(([x, y]) => `${x * UNIT},${y * UNIT}`).join(" ") : "";
        const anchor = { "-1": "start", 0: "middle", 1: "end" }[move[1]];
        const text = { x: UNIT * (0.5 + 0.45 * move[1]), y: UNIT * (0.5 + 0.35 * move[0]), "font-size": 11, style: `text-anchor: ${anchor}` };
        return { shape: g("polygon", { points, stroke: "rgb(127 127 127 / 0.5)", "stroke-width": 0.8 }), text: g("text", text) };
      });
      const group = g("g", {}, ...parts.flatMap((part) => [part.shape, part.text]));
      each.over.after(group);
      each.wedges = { group, parts };
    }
    each.wedges.group.setAttribute("visibility", "visible");
    const A = picture.moves.length;
    const best = Math.max(...picture.Q.subarray(s * A, s * A + A));
    const near = 1e-6 * Math.max(Math.abs(picture.range.low), Math.abs(picture.range.high));
    each.wedges.parts.forEach(({ shape, text }, a) => {
      const q = picture.Q[s * A + a];
      const { css, ink } = Number.isFinite(q) ? picture.range.at(q) : { css: "none", ink: "none" };
      shape.setAttribute("fill", css);
      shape.setAttribute("data-value", q);
      text.textContent = picture.showNumbers && size >= 46 ? fixed(q, Math.min(2, digits)) : "";
      text.setAttribute("fill", ink);
      text.setAttribute("font-weight", q >= best - near ? 800 : 400);
    });
    const arrow = picture.showArrows && size < 46;
    each.wedges.parts.forEach(({ shape }, a) => shape.setAttribute("stroke-width", arrow && picture.Q[s * A + a] >= best - near ? 3 : 0.8));
  }

  function paintCanvas() {
    const { rows, columns } = picture;
    const ratio = Math.max(1, window.devicePixelRatio || 1);
    const size = Math.max(2, Math.round(pixels() * ratio));
    if (canvas.width !== size * columns || canvas.height !== size * rows) [canvas.width, canvas.height] = [size * columns, size * rows];
    const pen = canvas.getContext("2d");
    const style = getComputedStyle(node);
    const theme = (name) => style.getPropertyValue(name).trim();
    const [tileColour, wallColour, textColour, badColour] = ["--tile", "--wall", "--text", "--warm"].map(theme);
    const A = picture.moves.length;
    const digits = decimals(Math.max(Math.abs(picture.range.low), Math.abs(picture.range.high)));
    pen.fillStyle = theme("--back");
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    const gap = size > 12 * ratio ? ratio : 0;
    for (let k = 0; k < rows * columns; k++) {
      const { kind, s, wall, stuck, value, plain, fill, ink, reward } = look(k);
      const [x, y] = [(k % columns) * size, Math.floor(k / columns) * size];
      pen.fillStyle = wall ? wallColour : plain ? tileColour : fill;
      pen.fillRect(x, y, size - gap, size - gap);
      const colour = plain ? textColour : ink;
      if (picture.view === "Q" && !plain && !stuck) triangles(pen, x, y, size - gap, s, A);
      else if (picture.showArrows && s >= 0 && !wall && !stuck && size >= 7 * ratio) {
        pen.fillStyle = colour;
        for (const points of arrows(picture.pi, picture.moves, s * A, A, 0.7, 0)) trace(pen, points.map(([u, v]) => [x + (u + 0.5) * size, y + (v + 0.5) * size]));
      }
      const end = kind === "G" || (stuck && !wall);
      if (end || kind === "S" || (reward && !wall)) {
        pen.fillStyle = end && reward < 0 ? badColour : colour;
        pen.font = `700 ${Math.round(size * 0.5)}px sans-serif`;
        pen.fillText(kind === "S" ? "S" : end ? (reward < 0 ? MINUS : kind === "G" ? "G" : "×") : reward > 0 ? "+" : MINUS, x + size / 2, y + size / 2);
      }
    }
    node.dataset.drawn = String(Number(node.dataset.drawn || 0) + 1);
    node.dataset.digits = digits;
  }

  function triangles(pen, x, y, size, s, A) {
    picture.moves.forEach((move, a) => {
      const q = picture.Q[s * A + a];
      if (!CORNERS[move] || !Number.isFinite(q)) return;
      pen.fillStyle = picture.range.at(q).css;
      trace(pen, [...CORNERS[move], [0.5, 0.5]].map(([u, v]) => [x + u * size, y + v * size]));
    });
  }

  function trace(pen, points) {
    pen.beginPath();
    points.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    pen.fill();
  }

  // The focus

  function place() {
    for (const rect of [halo, focus]) {
      const inset = 3;
      for (const [name, value] of Object.entries({ x: cell[1] * UNIT + inset, y: cell[0] * UNIT + inset, width: UNIT - 2 * inset, height: UNIT - 2 * inset }))
        rect.setAttribute(name, value);
    }
    node.dataset.focus = cell.join(",");
  }

  function select(next, speak = true) {
    cell = [Math.max(0, Math.min(picture.rows - 1, next[0])), Math.max(0, Math.min(picture.columns - 1, next[1]))];
    place();
    if (speak) {
      const { title, rows } = describe(cell);
      live.textContent = [title, ...rows.map((row) => row.join(" "))].join(", ");
    }
    onfocus(cell);
  }

  const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  node.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = STEPS[event.key];
    if (step) select([cell[0] + step[0], cell[1] + step[1]]);
    else if (!onkey(event, cell)) return;
    event.preventDefault();
  });

  // The pointer

  function under(event) {
    const box = node.getBoundingClientRect();
    const at = (x, from, length, n) => Math.max(0, Math.min(n - 1, Math.floor(((x - from) / length) * n)));
    return [at(event.clientY, box.top, box.height, picture.rows), at(event.clientX, box.left, box.width, picture.columns)];
  }

  // The cell under a resting pointer may have changed; the picture comes first.
  function tellSoon() {
    if (!pointer || waiting) return;
    waiting = setTimeout(() => {
      waiting = null;
      if (pointer) tell();
    }, 80);
  }

  function tell() {
    const { title, rows } = describe(under(pointer));
    ui.tip(pointer, title, rows);
  }

  node.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    down = true;
    node.setPointerCapture(event.pointerId);
    select(under(event), false);
    onpick(cell, "down", event);
  });
  node.addEventListener("pointermove", (event) => {
    const here = under(event);
    if (down && String(here) !== String(cell)) {
      select(here, false);
      onpick(cell, "drag", event);
    }
    pointer = event;
    tell();
  });
  for (const name of ["pointerup", "pointercancel"]) node.addEventListener(name, () => (down = false));
  node.addEventListener("pointerleave", () => {
    pointer = null;
    ui.tip();
  });

  // The agent

  let walking = 0;
  const middle = ([row, column]) => [(column + 0.5) * UNIT, (row + 0.5) * UNIT];

  // Walk along cells; at most 4 seconds. A still picture where motion isn't wanted.
  function walk(path, done = () => {}) {
    cancelAnimationFrame(walking);
    const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    const rate = Math.max(10, path.length / 4);
    const begin = performance.now();
    const points = path.map(middle);
    agent.setAttribute("visibility", "visible");
    const step = (now) => {
      const at = still ? path.length - 1 : Math.max(0, Math.min(((now - begin) / 1000) * rate, path.length - 1));
      const k = Math.min(Math.floor(at), Math.max(0, path.length - 2));
      const [from, to, part] = [points[k], points[Math.min(k + 1, path.length - 1)], at - k];
      const here = [from[0] + part * (to[0] - from[0]), from[1] + part * (to[1] - from[1])];
      agent.setAttribute("cx", here[0]);
      agent.setAttribute("cy", here[1]);
      const line = [...points.slice(0, k + 1), here].map((point) => point.map((v) => v.toFixed(1)).join(",")).join(" ");
      trails.forEach((trail) => trail.setAttribute("points", line));
      if (at < path.length - 1) walking = requestAnimationFrame(step);
      else done();
    };
    step(begin);
  }

  function rest() {
    cancelAnimationFrame(walking);
    agent.setAttribute("visibility", "hidden");
    trails.forEach((trail) => trail.setAttribute("points", ""));
  }

  const observer = new ResizeObserver(([entry]) => {
    width = entry.contentRect.width || 480;
    if (picture) draw(picture);
  });
  observer.observe(node);
  return { node, draw, select, walk, rest, keyOf, get cell() { return cell; }, close: () => observer.disconnect() };
}
