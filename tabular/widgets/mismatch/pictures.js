// The pictures of the mismatch explorer: tables of probabilities, the mismatch plane, curves.

const FAMILIES = {
  mle: ["#0072b2", "circle"], weighted: ["#56b4e9", "square"],
  vep: ["#009e73", "square"], vaml: ["#009e73", "triangle"], itervaml: ["#009e73", "circle"],
  vagram: ["#cc79a7", "triangle"], paml: ["#cc79a7", "circle"],
  omd_returns: ["#d55e00", "circle"], omd_bellman: ["#d55e00", "diamond"],
  mnm: ["#8a6d00", "circle"], vmbpo: ["#8a6d00", "square"],
};

// A marker around a point; shapes tell objectives apart where colours don't.
function marker(shape, x, y, r, attributes) {
  const outline = { square: [[-1, -1], [1, -1], [1, 1], [-1, 1]], triangle: [[0, -1.2], [1.1, 0.9], [-1.1, 0.9]], diamond: [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]] }[shape];
  if (!outline) return g("circle", { cx: x, cy: y, r, ...attributes });
  return g("polygon", { points: outline.map(([u, v]) => `${x + 0.92 * r * u},${y + 0.92 * r * v}`).join(" "), ...attributes });
}

// A table: rows are pairs (s, a), columns successors, then the reward and another column for each row.
// draw({ states, actions, P, r, extra, range, rewardRange, extraRange, digits }); extra is a policy (dots) or costs.
function makeTable(ui, { name, label }) {
  const svg = g("svg", { class: "table", role: "img", "aria-label": label, "data-table": name });
  const [left, top, high] = [64, 24, 25];

  function draw(data) {
    const { states, actions, P, r, extra } = data;
    shown = data;
    const key = JSON.stringify({ ...data, P: [...P], r: [...r], extra: [...extra] });
    if (key === drawn) return; // the truth mostly stays
    drawn = key;
    const [S, A] = [states.length, actions.length];
    const side = Math.min(52, (330 - left - 110) / S);
    const rewardAt = left + S * side + 10;
    const extraAt = rewardAt + 50;
    const tall = S * A > 16 ? 16 : high;
    svg.setAttribute("viewBox", `0 0 330 ${top + S * A * tall + (S - 1) * 5 + 4}`);
    const heads = [...states.map((text, t) => [left + (t + 0.5) * side, side < 20 ? "" : `→ ${text}`.slice(side < 34 ? 2 : 0)]), [rewardAt + 22, "r"], [extraAt + 22, data.extraName]];
    const parts = heads.map(([x, text]) => g("text", { class: "head", x, y: 14, text }));
    for (let s = 0; s < S; s++)
      for (let a = 0; a < A; a++) {
        const [row, y] = [s * A + a, top + (s * A + a) * tall + s * 5];
        parts.push(g("text", { class: "side", x: left - 8, y: y + tall / 2, text: `${states[s]}, ${actions[a]}` }));
        for (let t = 0; t < S; t++) parts.push(...box(left + t * side, y, side, tall, P[row * S + t], data.range, side > 25, { row, column: t }, 2));
        parts.push(...box(rewardAt, y, 44, tall, r[row], data.rewardRange, true, { row, column: "r" }, 2));
        if (data.extraRange) parts.push(...box(extraAt, y, 44, tall, extra[row], data.extraRange, true, { row, column: "extra" }, 2));
        else parts.push(...likely(extraAt, y, tall, extra[row], row));
      }
    redraw(svg, ...parts);
  }

  function box(x, y, width, height, value, range, written, { row, column }, digits) {
    const none = !Number.isFinite(value);
    const { css, ink } = none ? { css: "var(--tile)", ink: "var(--soft)" } : range.at(value);
    const rect = g("rect", { x: x + 0.7, y: y + 0.7, width: width - 1.4, height: height - 1.4, rx: 3, fill: css, "data-row": row, "data-column": column, "data-value": value });
    return [rect, written ? g("text", { x: x + width / 2, y: y + height / 2, fill: ink, text: none ? "" : fixed(value, digits) }) : ""];
  }

  function likely(x, y, height, p, row) {
    const bar = { x: x + 1, y: y + height / 2 - 4, height: 8, rx: 3 };
    return [g("rect", { ...bar, width: 42, fill: "var(--tile)" }), g("rect", { ...bar, width: 42 * p, fill: "var(--accent)", "data-row": row, "data-column": "extra", "data-value": p })];
  }

  let [shown, drawn] = [null, ""];
  svg.addEventListener("pointermove", (event) => {
    const { row, column, value } = event.target.dataset ?? {};
    if (row === undefined) return ui.tip();
    const [s, a] = [Math.floor(row / shown.actions.length), row % shown.actions.length];
    const what = { r: "reward", extra: shown.extraTip }[column] ?? `probability of ${shown.states[column]}`;
    ui.tip(event, `${shown.states[s]}, ${shown.actions[a]}`, [[what, precise(Number(value), 5)]]);
  });
  svg.addEventListener("pointerleave", () => ui.tip());
  return { node: svg, draw };
}

// The mismatch plane: how well a model predicts (x) and how well its agent acts (y). A path for each run.
// draw({ runs: [{ objective, name, capacity, kl, J, live }], best, uniform, at }); at is the picture of the live run.
function makePlane(ui, { onseek, label }) {
  const svg = g("svg", { class: "plane", role: "img", "aria-label": label, height: 430 });
  const [left, right, top, bottom, height] = [52, 16, 24, 40, 430];
  let [state, width] = [null, 540];

  const x = (kl) => left + Math.min(1, (Number.isFinite(kl) ? kl : Infinity) / state.far) * (width - left - right - 40);
  const y = (J) => top + (1 - (J - state.low) / (state.high - state.low)) * (height - top - bottom);

  function draw(data) {
    const finite = data.runs.flatMap((run) => Array.from(run.kl).filter(Number.isFinite));
    const returns = data.runs.flatMap((run) => Array.from(run.J)).concat(data.best, data.uniform);
    const [low, high] = [Math.min(...returns), Math.max(...returns)];
    state = { ...data, far: 1.06 * Math.max(0.05, ...finite), low: low - 0.08 * (high - low), high: high + 0.05 * (high - low) };
    paint();
  }

  function paint() {
    if (!state) return;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    redraw(svg, ...frame(), ...state.runs.flatMap((run) => path(run)), ...names());
  }

  function frame() {
    const [x0, x1, y0, y1] = [left, width - right, height - bottom, top];
    const level = (J, text, dash, name) => [
      g("line", { class: "level", x1: x0, x2: x1, y1: y(J), y2: y(J), "stroke-dasharray": dash, "data-level": name, "data-value": J }),
      g("text", { class: "levelname", x: x1, y: y(J) - 6, "text-anchor": "end", text: `${text} ${precise(J, 4)}` })];
    const ticks = niceTicks(0, state.far, 5).flatMap((t) => [
      g("line", { class: "axis", x1: x(t), x2: x(t), y1: y0, y2: y1 }), g("text", { x: x(t), y: y0 + 15, "text-anchor": "middle", text: precise(t, 3) })]);
    const sides = niceTicks(state.low, state.high, 5).map((t) => g("text", { x: x0 - 8, y: y(t) + 4, "text-anchor": "end", text: precise(t, 3) }));
    return [...ticks, ...sides,
      g("text", { class: "name", x: x0, y: height - 5, text: "← predicts better" }),
      g("text", { class: "name", x: (x0 + x1) / 2, y: height - 5, "text-anchor": "middle", text: "mean KL(p ‖ p̂), nats" }),
      g("text", { class: "name", x: x1, y: height - 5, "text-anchor": "end", text: "predicts worse →" }),
      g("text", { class: "name", x: 4, y: 11, text: "↑ acts better: return J of the agent that plans in the model" }),
      ...level(state.best, "best policy  J* =", "6 4", "best"), ...level(state.uniform, "random policy  J =", "2 4", "uniform")];
  }

  function path(run) {
    const [colour, shape] = FAMILIES[run.objective];
    const last = run.live ? state.at : run.kl.length - 1;
    const points = thin(run.kl.length).map((k) => `${x(run.kl[k]).toFixed(1)},${y(run.J[k]).toFixed(1)}`).join(" ");
    const [px, py] = [x(run.kl[last]), y(run.J[last])];
    const data = { "data-run": run.live ? "live" : "kept", "data-objective": run.objective, "data-kl": run.kl[last], "data-j": run.J[last] };
    return [
      g("polyline", { class: run.live ? "path live" : "path", points, stroke: colour }),
      g("circle", { class: "begin", cx: x(run.kl[0]), cy: y(run.J[0]), r: 3.5, stroke: colour }),
      run.live ? marker(shape, px, py, 10, { fill: colour, opacity: 0.22 }) : "",
      marker(shape, px, py, run.live ? 6.5 : 5.5, { fill: colour, stroke: "var(--back)", "stroke-width": 1.5, ...data }),
    ];
  }

  // Names at the ends of the paths, moved apart where they would overlap.
  function names() {
    const places = state.runs.map((run) => {
      const last = run.live ? state.at : run.kl.length - 1;
      return { run, px: x(run.kl[last]), py: y(run.J[last]) };
    });
    places.sort((a, b) => a.py - b.py);
    const taken = [];
    return places.map(({ run, px, py }) => {
      const text = `${run.name}, ${run.capacity}`;
      const half = 3.3 * text.length;
      const from = Math.max(left + 2, Math.min(width - 2 * half - 4, px - half));
      let at = Math.min(height - bottom - 6, py + (run.live ? 24 : 20));
      while (taken.some((other) => Math.abs(other.at - at) < 14 && other.from < from + 2 * half && from < other.to)) at += 14;
      taken.push({ at, from, to: from + 2 * half });
      return g("text", { class: run.live ? "runname live" : "runname", x: from + half, y: at, "text-anchor": "middle", text });
    });
  }

  // The nearest point of all paths.
  function nearest(event) {
    const box = svg.getBoundingClientRect();
    const [px, py] = [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
    let best = { d: 24 };
    for (const run of state.runs)
      for (const k of thin(run.kl.length)) {
        const d = Math.hypot(x(run.kl[k]) - px, y(run.J[k]) - py);
        if (d < best.d) best = { d, run, k };
      }
    return best.run ? best : null;
  }
  svg.addEventListener("pointermove", (event) => {
    const near = state && nearest(event);
    if (!near) return ui.tip();
    const { run, k } = near;
    ui.tip(event, `${run.name}, ${run.capacity}`, [["KL", precise(run.kl[k])], ["return", precise(run.J[k])], ["lost", precise(state.best - run.J[k])]]);
    if (event.buttons && run.live) onseek(k);
  });
  svg.addEventListener("pointerdown", (event) => {
    const near = state && nearest(event);
    if (near?.run.live) onseek(near.k);
  });
  svg.addEventListener("pointerleave", () => ui.tip());
  const observer = new ResizeObserver(([entry]) => {
    width = entry.contentRect.width || 540;
    paint();
  });
  observer.observe(svg);
  return { node: svg, draw, close: () => observer.disconnect() };
}

// Curves over the pictures of a run, each with its present value in the key.
// draw({ curves: [{ name, y, colour, dash, limit }], levels: [{ name, y }], at, changes, log, steps }); where a curve is at or
// above its limit it says nothing, and is drawn grey.
function makeCurves(ui, { title, name, onseek }) {
  const [left, right, top, bottom, height] = [46, 8, 8, 18, 150];
  const svg = g("svg", { class: "chart", height, role: "img", "aria-label": title });
  const keys = h("div", { class: "keys" });
  const node = h("div", { class: "curves", "data-curves": name }, h("h4", { text: title }), svg, keys);
  let [state, width, spans] = [null, 460, [0, 1]];

  const value = (v) => (state.log ? Math.log10(Math.max(v, 1e-300)) : v);
  const x = (k) => left + (k / Math.max(1, state.steps.length - 1)) * (width - left - right);
  const y = (v) => top + (1 - Math.max(-0.02, Math.min(1.02, (value(v) - spans[0]) / (spans[1] - spans[0])))) * (height - top - bottom);

  function draw(data) {
    state = data;
    const all = [...data.curves.flatMap((curve) => Array.from(curve.y)), ...data.levels.map((level) => level.y)];
    const usable = all.filter((v) => Number.isFinite(v) && (!data.log || v > 1e-9)).map(value);
    const [low, high] = usable.length ? [Math.min(...usable), Math.max(...usable)] : [0, 1];
    const room = 0.06 * Math.max(high - low, data.log ? 0.5 : 1e-6 + 0.02 * Math.abs(high));
    spans = [Math.max(low, data.log ? high - 6 : low) - room, high + room];
    paint();
  }

  function paint() {
    if (!state) return;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    redraw(svg, ...axes(), ...state.curves.flatMap(line), now());
    redraw(keys, ...state.curves.map(key));
  }

  function axes() {
    const ticks = state.log ? powers(...spans) : niceTicks(...spans, 4);
    const rows = ticks.flatMap((t) => [g("line", { class: "axis", x1: left, x2: width - right, y1: y(t), y2: y(t) }),
      g("text", { x: left - 6, y: y(t) + 3.5, "text-anchor": "end", text: precise(t, 3) })]);
    const levels = state.levels.map((level) => g("line", { class: "level", x1: left, x2: width - right, y1: y(level.y), y2: y(level.y), "stroke-dasharray": "6 4" }));
    const changes = state.changes.map(([k]) => g("line", { class: "axis", x1: x(k), x2: x(k), y1: top, y2: height - bottom, "stroke-dasharray": "2 3" }));
    const last = state.steps.length - 1;
    const feet = last ? [0, Math.round(last / 2), last].map((k, i) => g("text", { x: x(k), y: height - 4, "text-anchor": ["start", "middle", "end"][i], text: i === 1 ? `step ${state.steps[k]}` : state.steps[k] })) : [];
    return [...rows, ...levels, ...changes, ...feet];
  }

  function line(curve) {
    const pieces = [];
    let grey = null;
    for (const k of thin(curve.y.length)) {
      if (!Number.isFinite(curve.y[k])) continue;
      const says = !curve.limit || curve.y[k] < curve.limit[k] * (1 - 1e-9);
      const point = `${x(k).toFixed(1)},${y(curve.y[k]).toFixed(1)}`;
      if (grey !== !says) pieces.push({ grey: (grey = !says), points: pieces.length ? [pieces.at(-1).points.at(-1), point] : [point] });
      else pieces.at(-1).points.push(point);
    }
    const stroke = (piece) => (piece.grey ? "var(--line)" : curve.colour);
    return pieces.map((piece) => g("polyline", { class: curve.thick ? "curve thick" : "curve", points: piece.points.join(" "), stroke: stroke(piece), "stroke-dasharray": curve.dash }));
  }

  function now() {
    return g("line", { class: "now", x1: x(state.at), x2: x(state.at), y1: top, y2: height - bottom });
  }

  function key(curve) {
    const v = curve.y[state.at];
    const vacuous = curve.limit && v >= curve.limit[state.at] * (1 - 1e-9);
    const stroke = vacuous ? "var(--line)" : curve.colour;
    const swatch = g("svg", { viewBox: "0 0 22 8" }, g("line", { x2: 22, y1: 4, y2: 4, "stroke-width": curve.thick ? 3 : 2.2, stroke, "stroke-dasharray": curve.dash }));
    return h("span", { class: vacuous ? "vacuous" : "", title: vacuous ? "Vacuous: no model can be that wrong" : curve.tip }, swatch, `${curve.name} `,
      h("b", { class: "number", "data-curve": curve.key, "data-value": v, text: precise(v, 4) }));
  }

  const nearest = (event) => {
    const box = svg.getBoundingClientRect();
    const u = (((event.clientX - box.left) / box.width) * width - left) / (width - left - right);
    return Math.round(Math.max(0, Math.min(1, u)) * (state.steps.length - 1));
  };
  svg.addEventListener("pointermove", (event) => {
    if (!state) return;
    const k = nearest(event);
    if (event.buttons) onseek(k);
    const change = state.changes.filter(([at]) => at === k).map(([, text]) => ["from here", text]);
    ui.tip(event, `step ${state.steps[k]}`, [...state.curves.map((curve) => [curve.name, precise(curve.y[k])]), ...change]);
  });
  svg.addEventListener("pointerdown", (event) => state && onseek(nearest(event)));
  svg.addEventListener("pointerleave", () => ui.tip());
  const observer = new ResizeObserver(([entry]) => {
    width = entry.contentRect.width || 460;
    paint();
  });
  observer.observe(svg);
  return { node, draw, close: () => observer.disconnect() };
}

// At most 300 indices below n, both ends among them.
function thin(n) {
  const every = Math.max(1, Math.ceil(n / 300));
  const kept = [];
  for (let k = 0; k < n - 1; k += every) kept.push(k);
  return n ? [...kept, n - 1] : [];
}

// Round numbers in a range, about `count` of them.
function niceTicks(low, high, count) {
  const raw = (high - low) / count;
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * unit).find((size) => size >= raw);
  const ticks = [];
  for (let k = Math.ceil(low / step); k * step <= high + 1e-9 * step; k++) ticks.push(Number((k * step).toPrecision(12)));
  return ticks;
}

// Powers of ten between two exponents; where these are few 1, 2 and 5 times them, or round numbers.
function powers(low, high) {
  const factors = high - low < 1.6 ? [1, 2, 5] : [1];
  const ticks = [];
  for (let power = Math.floor(low); power <= high; power++)
    for (const factor of factors) {
      const at = Math.log10(factor) + power;
      if (at >= low && at <= high) ticks.push(Number((factor * 10 ** power).toPrecision(3)));
    }
  if (ticks.length < 2) return niceTicks(10 ** low, 10 ** high, 3);
  const every = Math.ceil(ticks.length / 5);
  return ticks.filter((_, k) => k % every === 0);
}
