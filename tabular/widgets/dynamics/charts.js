// A chart of curves over whole numbers on a linear scale; hovering tells the values.

// draw({ curves: [{ name, y, colour, dash, digits }], low, high }); a click or drag calls onseek(k).
function makeLines(ui, { label, height = 128, onseek, describe, below = "" }) {
  const [left, right, top, bottom] = [44, 10, 8, 20];
  const svg = g("svg", { class: "chart", height, role: "img", "aria-label": label });
  const keys = h("div", { class: "keys" });
  const now = g("line", { class: "now", y1: top, y2: height - bottom });
  let [state, width, at] = [null, 400, null];
  const x = (k) => left + (k / Math.max(1, state.length - 1)) * (width - left - right);
  const y = (v) => height - bottom - ((v - state.low) / (state.high - state.low)) * (height - top - bottom);

  function draw(data) {
    const all = data.curves.flatMap((curve) => Array.from(curve.y).filter(Number.isFinite));
    const ticks = roundTicks(data.low ?? Math.min(...all), data.high ?? Math.max(...all));
    state = { ...data, ticks, low: ticks[0], high: ticks.at(-1), length: Math.max(...data.curves.map((curve) => curve.y.length)) };
    paint();
  }

  function paint() {
    if (!state) return;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.replaceChildren();
    for (const tick of state.ticks)
      svg.append(g("line", { class: "axis", x1: left, x2: width - right, y1: y(tick), y2: y(tick) }),
        g("text", { x: left - 6, y: y(tick) + 3.5, "text-anchor": "end", text: precise(tick, 3) }));
    const ends = [0, Math.floor((state.length - 1) / 2), state.length - 1];
    for (const k of new Set(ends))
      svg.append(g("text", { x: x(k), y: height - 5, "text-anchor": k === 0 ? "start" : k === ends[2] ? "end" : "middle",
        text: k === ends[2] && below ? `${k} ${below}` : String(k) }));
    for (const curve of state.curves) {
      const points = Array.from(curve.y, (v, k) => `${x(k).toFixed(1)},${y(v).toFixed(1)}`);
      svg.append(g("polyline", { class: "curve", points: points.join(" "), stroke: curve.colour, "stroke-dasharray": curve.dash, "data-curve": curve.name }));
    }
    keys.replaceChildren(...state.curves.map((curve) =>
      h("span", {}, g("svg", { viewBox: "0 0 22 8" }, g("line", { x2: 22, y1: 4, y2: 4, "stroke-width": 2.2, stroke: curve.colour, "stroke-dasharray": curve.dash })), curve.name)));
    if (at !== null) svg.append(now);
    mark(at);
  }

  const nearest = (event) => {
    const u = (event.clientX - svg.getBoundingClientRect().left - left) / (width - left - right);
    return Math.round(Math.max(0, Math.min(1, u)) * (state.length - 1));
  };
  svg.addEventListener("pointermove", (event) => {
    if (!state) return;
    const k = nearest(event);
    if (event.buttons) onseek?.(k);
    ui.tip(event, describe(k), state.curves.map((curve) => [curve.name, precise(curve.y[k])]));
  });
  svg.addEventListener("pointerdown", (event) => state && onseek?.(nearest(event)));
  svg.addEventListener("pointerleave", () => ui.tip());
  const observer = new ResizeObserver(([entry]) => {
    width = entry.contentRect.width || 400;
    paint();
  });
  observer.observe(svg);

  function mark(k) {
    at = k;
    if (!state || k === null) return;
    if (!now.parentNode) svg.append(now);
    now.setAttribute("x1", x(k));
    now.setAttribute("x2", x(k));
  }
  return { node: svg, keys, draw, mark, close: () => observer.disconnect() };
}

// Three to six round numbers that enclose an interval.
function roundTicks(low, high) {
  if (high - low < 1e-9) [low, high] = [low - 0.5, high + 0.5];
  const raw = (high - low) / 4;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((part) => part * size).find((each) => each >= raw);
  const first = Math.floor(low / step + 1e-9);
  return Array.from({ length: Math.ceil(high / step - 1e-9) - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}
