// The chart of the bound explorer: a quantity and its bounds along a parameter, and a handle to drag along it.

const DECADES = 5; // a logarithmic scale reaches down so far at most
const TINTS = ["var(--accent)", "var(--warm)", "#009e73", "#cc79a7"];
const DASHED = ["", "7 3", "2 3", "8 3 2 3"];

// A value of the axis' parameter, at a step of its slider.
function nearestStep({ low, high, step }, value) {
  return Math.max(low, Math.min(high, Number((Math.round(value / step) * step).toFixed(6))));
}

const worded = (axis, x) => (axis.name === "trials" ? plural(Math.round(10 ** x), "trial") : `${axis.symbol} = ${precise(x)}`);

// Heights from which to which curves are drawn, as in tabular/plot/bounds.py.
function heights(curves, trivial, floor, kind) {
  const all = curves.flatMap((curve) => Array.from(curve)).filter(Number.isFinite);
  const top = Math.max(0, ...all);
  if (floor) return kind === "log" ? [0.8 * Math.min(...trivial), 1.15 * top] : [0, 1.1 * top];
  const most = Math.max(...trivial);
  if (kind !== "log") return [0, Math.min(1.1 * top, 1.5 * most) || 1];
  const high = Math.min(2 * top, 4 * most) || 1;
  const least = Math.min(high, ...all.filter((v) => v > 0));
  return [Math.max(0.7 * least, high / 10 ** DECADES), high];
}

function boundChart(ui, { onmove, onkey }) {
  const [left, right, top, bottom, height] = [46, 112, 12, 44, 350];
  const own = `bound-${Math.random().toString(36).slice(2)}`;
  const svg = g("svg", { class: "chart", height, "aria-hidden": "true" });
  const box = h("div", { class: "boundchart", tabindex: 0, role: "slider", onkeydown: keys }, svg);
  let [scene, kind, width, view, dragging] = [null, "linear", 540, null, false];
  const handle = g("g", { class: "handle" });

  const inner = () => width - left - right;
  const X = (u) => left + u * inner();
  function Y(v) {
    const { low, high } = view;
    const w = kind === "log" ? (Math.log10(Math.max(v, low / 3)) - Math.log10(low)) / (Math.log10(high) - Math.log10(low)) : (v - low) / (high - low);
    return height - bottom - w * (height - top - bottom);
  }
  const Yin = (v) => Math.max(top, Math.min(height - bottom, Y(v)));
  const unit = (k) => (kind === "share" ? scene.curves.trivial[k] : 1);
  const share = (curve) => Float64Array.from(curve, (v, k) => v / unit(k));

  function path(curve) {
    let pen = "M";
    return Array.from(curve, (v, k) => {
      if (!Number.isFinite(v)) return (pen = "M"), "";
      const point = `${pen}${X(scene.axis.u[k]).toFixed(2)} ${Math.max(-2000, Y(v)).toFixed(2)}`;
      pen = "L";
      return point;
    }).join("");
  }

  function draw(next, scaleKind) {
    const unchanged = view && next.axis.name === scene.axis.name && kind === scaleKind && next.drawn === scene.drawn;
    [scene, kind] = [next, scaleKind];
    if (unchanged) return mark(scene.axis.value, true);
    const curves = Object.fromEntries(Object.entries(scene.curves).map(([name, curve]) => [name, share(curve)]));
    const { trivial, ...rest } = curves;
    const [low, high] = heights(Object.values(rest), trivial, scene.floor, kind);
    view = { low, high, curves };
    paint();
  }

  function paint() {
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const { curves } = view;
    const lines = scene.lines.map((line, k) => ({ label: line.label, below: line.below, curve: curves[line.name], colour: TINTS[k], dash: DASHED[k] }));
    const inside = { "clip-path": `url(#${own}-clip)` };
    const drawn = lines.map(({ curve, colour, dash }) =>
      g("path", { class: "curve", d: path(curve), stroke: colour, "stroke-dasharray": dash, style: "stroke-width: 1.9" }));
    const extra = scene.extra && g("path", { class: "curve", d: path(share(scene.extra)), stroke: "var(--soft)", "stroke-dasharray": "1 3" });
    svg.replaceChildren(
      definitions(), ...gridlines(), ...axisTicks(),
      g("g", inside,
        g("path", { class: "curve truth", d: path(curves.true), stroke: "var(--text)", style: "stroke-width: 4.5" }),
        ...lines.map(wrong), extra, ...drawn, ...vacuous(curves.trivial)),
      ...vacuousLabel(curves.trivial),
      ...endLabels([{ label: "the truth", curve: curves.true, colour: "var(--text)", bold: true }, ...lines,
        ...(scene.extra ? [{ label: "worst of 40", curve: share(scene.extra), colour: "var(--soft)" }] : [])]),
      handle);
    mark(scene.axis.value, true);
  }

  // Between the truth and a bound that is violated.
  function wrong({ curve, below }) {
    const worse = below ? Math.min : Math.max;
    const ends = [...curve.keys()].filter((k) => Number.isFinite(curve[k]));
    const at = (k, v) => `${X(scene.axis.u[k]).toFixed(2)},${Y(v).toFixed(2)}`;
    const around = [...ends.map((k) => at(k, curve[k])), ...ends.reverse().map((k) => at(k, worse(curve[k], view.curves.true[k])))];
    return g("polygon", { points: around.join(" "), fill: "var(--bad)", "fill-opacity": 0.2, "data-wrong": "" });
  }

  function definitions() {
    const stripes = g("pattern", { id: `${own}-stripes`, width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      g("line", { y2: 7, stroke: "var(--soft)", "stroke-width": 1.4, "stroke-opacity": 0.42 }));
    const clip = g("clipPath", { id: `${own}-clip` },
      g("rect", { x: left, y: top, width: Math.max(1, inner()), height: height - top - bottom }));
    return g("defs", {}, stripes, clip);
  }

  const level = (v, text) => [
    g("line", { class: "axis", x1: left, x2: width - right, y1: Y(v), y2: Y(v) }),
    g("text", { x: left - 7, y: Y(v) + 3.5, "text-anchor": "end", text })];

  function gridlines() {
    const marks = kind === "log" ? powers(view.low, view.high) : rounds(view.low, view.high);
    const text = (v) => (kind === "share" ? `${precise(100 * v, 3)} %` : precise(v, 3));
    return marks.flatMap((v) => level(v, text(v)));
  }

  function axisTicks() {
    const y = height - bottom;
    const { ticks, label, symbol } = scene.axis;
    return [
      ...ticks.flatMap(([u, text]) => [
        g("line", { class: "axis", x1: X(u), x2: X(u), y1: y, y2: y + 4 }),
        g("text", { x: X(u), y: y + 23, "text-anchor": "middle", text })]),
      g("text", { x: X(0.5), y: height - 4, "text-anchor": "middle", class: "axisname" }, `${label} `, g("tspan", { class: "symbol", text: symbol })),
    ];
  }

  // The region in which a bound says no more than what is trivial.
  function vacuous(trivial) {
    const edge = scene.floor ? height - bottom : top;
    if (Math.max(...Array.from(trivial, (v) => Math.abs(Yin(v) - edge))) < 1) return [];
    const border = Array.from(trivial, (v, k) => [X(scene.axis.u[k]), Yin(v)]);
    const around = [...border, [border.at(-1)[0], edge], [border[0][0], edge]].map((point) => point.map((c) => c.toFixed(2)).join(","));
    return [
      g("polygon", { points: around.join(" "), fill: "var(--back)", "fill-opacity": 0.58 }),
      g("polygon", { points: around.join(" "), fill: `url(#${own}-stripes)`, "data-vacuous": "" }),
      g("polyline", { points: border.map((point) => point.join(",")).join(" "), fill: "none", stroke: "var(--soft)", "stroke-width": 1 })];
  }

  // Where the region is highest there is room to name it.
  function vacuousLabel(trivial) {
    const room = Array.from(trivial, (v) => (scene.floor ? height - bottom - Yin(v) : Yin(v) - top));
    const wide = Math.round((165 / Math.max(1, inner())) * (room.length - 1));
    const spans = room.map((_, k) => (k + wide < room.length ? Math.min(...room.slice(k, k + wide + 1)) : -1));
    const k = spans.indexOf(Math.max(...spans));
    if (!(spans[k] > 17)) return [];
    const y = scene.floor ? height - bottom - 7 : top + 14;
    return [g("text", { x: X(scene.axis.u[k]) + 8, y, class: "halo", text: "vacuous: says nothing" })];
  }

  function endLabels(all) {
    const ends = all.map(({ curve, ...rest }) => {
      const last = curve.findLastIndex((v) => Number.isFinite(v));
      const out = last < 0 ? "" : curve[last] > view.high ? " ↑" : curve[last] < view.low ? " ↓" : "";
      return { ...rest, at: last < 0 ? null : Yin(curve[last]), out, x: last < 0 ? 0 : X(scene.axis.u[last]) };
    }).filter(({ at }) => at !== null);
    const places = apart(ends.map(({ at }) => at), 15, top + 2, height - bottom);
    return ends.flatMap(({ label, colour, at, out, bold, x }, k) => [
      g("path", { d: `M${x + 1} ${at}L${width - right + 9} ${places[k]}`, stroke: colour, "stroke-width": 0.8, fill: "none" }),
      g("text", { x: width - right + 12, y: places[k] + 3.8, class: "endlabel", style: `fill: ${colour}; ${bold ? "font-weight: 700" : ""}` },
        label + out)]);
  }

  // The handle: its place may run ahead of the kernel's numbers.
  function mark(value, settled = false) {
    if (dragging && settled && ui.bridge.busy) return;
    const { axis } = scene;
    const at = X(place(value));
    const dots = settled ? ["true", ...scene.lines.map((line) => line.name)] : [];
    const unitHere = kind === "share" ? scene.here.trivial : 1;
    handle.replaceChildren(
      g("line", { x1: at, x2: at, y1: top, y2: height - bottom }),
      ...dots.map((name, k) => {
        const v = (scene.here[name] ?? NaN) / unitHere;
        if (!Number.isFinite(v) || v > view.high || v < view.low) return null;
        return g("circle", { cx: at, cy: Y(v), r: k ? 4 : 6, fill: k ? TINTS[k - 1] : "var(--text)", stroke: "var(--back)", "stroke-width": 1.5 });
      }).filter(Boolean),
      g("path", { class: "grip", d: `M${at} ${height - bottom - 9}l8 9v8h-16v-8z` }));
    box.setAttribute("aria-label", `${axis.label} ${axis.symbol}, along the curves`);
    for (const [name, number] of [["valuenow", value], ["valuemin", axis.low], ["valuemax", axis.high], ["valuetext", worded(axis, value)]])
      box.setAttribute(`aria-${name}`, number);
  }

  // Between values of the parameter and places along the axis, by the grid of the curves.
  function between(from, to, value) {
    let k = 1;
    while (k < from.length - 1 && from[k] < value) k += 1;
    const t = (value - from[k - 1]) / (from[k] - from[k - 1]);
    return to[k - 1] + Math.max(0, Math.min(1, t)) * (to[k] - to[k - 1]);
  }
  const place = (value) => (value === scene.axis.value ? scene.axis.at : between(scene.axis.x, scene.axis.u, value));
  const under = (event) => (event.clientX - svg.getBoundingClientRect().left - left) / Math.max(1, inner());

  function drag(event) {
    const value = nearestStep(scene.axis, between(scene.axis.u, scene.axis.x, under(event)));
    mark(value);
    if (value !== ui.values[scene.axis.name] || ui.bridge.busy) onmove(value);
  }

  box.addEventListener("pointerdown", (event) => {
    if (!scene) return;
    dragging = true;
    box.setPointerCapture(event.pointerId);
    ui.tip();
    drag(event);
  });
  box.addEventListener("pointermove", (event) => {
    if (dragging) return drag(event);
    if (!scene) return;
    const u = under(event);
    if (u < 0 || u > 1) return ui.tip();
    const k = scene.axis.u.reduce((best, v, i) => (Math.abs(v - u) < Math.abs(scene.axis.u[best] - u) ? i : best), 0);
    const rows = scene.lines.map((line) => [line.label, precise(scene.curves[line.name][k])]);
    ui.tip(event, worded(scene.axis, scene.axis.x[k]),
      [[scene.quantity, precise(scene.curves.true[k])], ...rows, ["trivial", precise(scene.curves.trivial[k])]]);
  });
  const drop = () => (dragging = false);
  box.addEventListener("pointerup", drop);
  box.addEventListener("pointercancel", drop);
  box.addEventListener("pointerleave", () => ui.tip());

  function keys(event) {
    if (scene && onkey(event)) {
      event.preventDefault();
      event.stopPropagation();
    }
  }

  const observer = new ResizeObserver(([entry]) => {
    width = entry.contentRect.width || 540;
    if (scene) paint();
  });
  observer.observe(box);
  return { node: box, draw, mark, close: () => observer.disconnect() };
}

// Heights in ascending order moved at least `gap` apart, within limits, as little as a sweep down and up does.
function apart(heights_, gap, low, high) {
  const order = heights_.map((_, k) => k).sort((i, j) => Math.round((heights_[i] - heights_[j]) / 2) || i - j);
  const placed = [...heights_];
  let last = low - gap;
  for (const k of order) last = placed[k] = Math.max(placed[k], last + gap);
  last = high + gap;
  for (const k of order.reverse()) last = placed[k] = Math.min(placed[k], last - gap);
  return placed;
}

// About five round numbers, and powers of ten (with 2 and 5 where there are few).
function rounds(low, high) {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const size = [1, 2, 5, 10].map((m) => m * power).find((each) => each >= rough);
  return Array.from({ length: Math.floor(high / size) - Math.ceil(low / size) + 1 }, (_, k) => (Math.ceil(low / size) + k) * size);
}

function powers(low, high) {
  const many = Math.log10(high / low) > 2.2;
  const from = Math.floor(Math.log10(low));
  const all = Array.from({ length: Math.ceil(Math.log10(high)) - from + 1 }, (_, k) => 10 ** (from + k));
  return (many ? all : all.flatMap((v) => [v, 2 * v, 5 * v])).filter((v) => v >= low && v <= high);
}
