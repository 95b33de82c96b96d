// The two-state explorer's MDP: a graph to drag in, and its numbers to type. And what its drawings share.

const LINE_COLOURS = [ACCENTS[2], ACCENTS[3]];
const round = (x, digits) => Number(x.toFixed(digits));
const clamp = (x) => Math.max(0, Math.min(1, x));

// Where the pointer is in a drawing, in its own units.
function within(svg, event) {
  const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  return [point.x, point.y];
}

// Calls move(point) while the pointer is down on a node.
function draggable(node, svg, move, begin = () => true) {
  let held = false;
  node.addEventListener("pointerdown", (event) => {
    if (event.button || !begin(event)) return;
    held = true;
    node.setPointerCapture(event.pointerId);
    move(within(svg, event), event);
  });
  node.addEventListener("pointermove", (event) => held && move(within(svg, event), event));
  for (const end of ["pointerup", "pointercancel"]) node.addEventListener(end, () => (held = false));
}

// The MDP as a graph: from a state a stem to each action, from there an arrow to each state, as wide as it is likely.
function makeGraph(ui, { send, light }) {
  const [WIDTH, HEIGHT, FAR] = [440, 270, 74];
  const svg = g("svg", { class: "graph", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": "The MDP as a graph" });
  let [scene, begin] = [null, null];
  const middle = HEIGHT / 2;
  const turn = (s, [px, py]) => (s ? [WIDTH - px, HEIGHT - py] : [px, py]); // the second state's half is the first's, turned
  const path = (s, parts) => parts.map((part) => (typeof part === "string" ? part : turn(s, part).map((v) => v.toFixed(1)).join(" "))).join(" ");

  function actionOf(s, a) {
    const A = scene.actions.length;
    const k = s * A + a;
    const level = 18 + (s ? A - 1 - a : a) * ((middle - 72) / (A - 1)); // the first action is the uppermost
    const spot = [176, level];
    const [p, other] = [scene.P[2 * k + s], scene.P[2 * k + 1 - s]];
    const width = (share) => (share > 0 ? 0.8 + 4.2 * share : 0);
    const arrow = (to, share, curve) => (share > 0 ? g("path", { class: "arrow", d: path(s, ["M", curve[0], "C", ...curve.slice(1)]), "stroke-width": width(share), "data-arrow": `${s},${a},${to}`, "data-p": share }) : null);
    const back = [[spot[0] - 8, level], [128, level - 14], [84, level - 6], [FAR - 5, middle - 27]];
    const over = [[spot[0] + 8, level], [290, level], [WIDTH - FAR - 30, level + 10], [WIDTH - FAR - 16, middle - 23]];
    const halfway = (curve) => [0, 1].map((k) => (curve[0][k] + 3 * curve[1][k] + 3 * curve[2][k] + curve[3][k]) / 8);
    const label = (at, text, anchor) => {
      const [lx, ly] = turn(s, at);
      return g("text", { x: lx, y: ly + 4, "text-anchor": s ? { start: "end", end: "start", middle: "middle" }[anchor] : anchor, text });
    };
    const [dx, dy] = turn(s, spot);
    const dot = g("circle", { class: "action", cx: dx, cy: dy, r: 7, fill: LINE_COLOURS[s] });
    const node = g("g", { class: "pair-of", "data-pair": `${s},${a}` },
      g("path", { class: "stem", d: path(s, ["M", [FAR + 18, middle - 10], "L", spot]), stroke: LINE_COLOURS[s], "stroke-width": 1 + 4 * scene.pi[k] }),
      arrow(s, p, back), arrow(1 - s, other, over), dot,
      p > 0 ? label(halfway(back), precise(p, 3), "middle") : null,
      other > 0 ? label(halfway(over), precise(other, 3), "middle") : null,
      label([spot[0] + 13, level - 10], `${scene.actions[a]}: ${scene.r[k] > 0 ? "+" : ""}${precise(scene.r[k])}`, "start"));
    node.querySelectorAll("text").forEach((text, i, all) => i === all.length - 1 && text.classList.add("name-of"));
    return node;
  }

  // The action under the pointer.
  function tell(event) {
    const pair = event.target.closest("[data-pair]");
    light(pair ? pair.dataset.pair : null);
    if (!pair) return ui.tip();
    const [s, a] = pair.dataset.pair.split(",").map(Number);
    const k = s * scene.actions.length + a;
    ui.tip(event, `${scene.actions[a]} in ${scene.states[s]}`, [
      ["probability of being chosen", precise(scene.pi[k])], [`→ ${scene.states[0]}`, precise(scene.P[2 * k])], [`→ ${scene.states[1]}`, precise(scene.P[2 * k + 1])],
      ["reward", precise(scene.r[k])], ["Q of the present policy", precise(scene.Q[k])], ["", "drag sideways: probability"], ["", "drag up and down: reward"]]);
  }

  const states = () => [0, 1].map((s) => {
    const [cx, cy] = turn(s, [FAR, middle]);
    return g("g", { class: "state" }, g("circle", { cx, cy, r: 26, stroke: LINE_COLOURS[s] }), g("text", { x: cx, y: cy + 5, "text-anchor": "middle", text: scene.states[s] }));
  });
  const marker = () => g("defs", {}, g("marker", { id: "mdpscope-head", viewBox: "0 0 10 10", refX: 8, refY: 5, markerWidth: 9, markerHeight: 9, markerUnits: "userSpaceOnUse", orient: "auto-start-reverse" },
    g("path", { d: "M0 0L10 5L0 10z", class: "head-of" })));

  // A drag of a dot: it is the drawing that holds the pointer, since the dots are drawn anew.
  svg.addEventListener("pointerdown", (event) => {
    const pair = event.target.closest("[data-pair]");
    if (!pair || event.button) return;
    const [s, a] = pair.dataset.pair.split(",").map(Number);
    const k = s * scene.actions.length + a;
    begin = { s, a, at: within(svg, event), p: scene.P[2 * k + 1], r: scene.r[k] };
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointerleave", () => (light(null), ui.tip()));
  svg.addEventListener("pointermove", (event) => {
    if (!begin) return tell(event);
    const [px, py] = within(svg, event);
    const [right, up] = [px - begin.at[0], begin.at[1] - py];
    if (Math.abs(right) > Math.abs(up)) send({ s: begin.s, a: begin.a, to: 1, p: round(clamp(begin.p + right / 160), 2) });
    else if (up) send({ s: begin.s, a: begin.a, r: round(begin.r + up / 50, 2) });
  });
  for (const end of ["pointerup", "pointercancel"]) svg.addEventListener(end, () => (begin = null));

  function draw(next) {
    scene = next;
    const A = scene.actions.length;
    const pairs = [0, 1].flatMap((s) => Array.from({ length: A }, (_, a) => actionOf(s, a)));
    redraw(svg, marker(), ...pairs, ...states());
  }
  return { node: svg, draw };
}

// The numbers of the graph, to type; with a model, its numbers beside them.
function makeTable(ui, { send, light }) {
  const node = h("table", { class: "numbers" });
  let fields = [];
  const parsed = (text) => {
    const number = Number(text.replace(MINUS, "-").replace(",", "."));
    return Number.isNaN(number) ? text : number;
  };
  const arrows = (field, step, sendValue) => field.addEventListener("keydown", (event) => {
    const way = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!way) return;
    event.preventDefault();
    sendValue(round(parsed(field.value) + way * step, 4));
  });
  function cell(s, a, kind, scene) {
    const say = kind === "r" ? (value) => send({ s, a, r: value }) : (value) => send({ s, a, to: kind, p: value });
    const name = kind === "r" ? "reward" : `probability of ${scene.states[kind]}`;
    const field = textField({ inputmode: "decimal", "data-cell": `${s},${a},${kind}`, "aria-label": `${name}, ${scene.actions[a]} in ${scene.states[s]}` }, (text) => say(parsed(text)));
    arrows(field, kind === "r" ? 0.05 : 0.01, (value) => say(kind === "r" ? value : clamp(value)));
    fields.push({ field, k: s * scene.actions.length + a, kind });
    return h("td", {}, field);
  }
  const build = once((states, actions, model) => {
    fields = [];
    const scene = { states, actions };
    const head = ["", `→ ${states[0]}`, `→ ${states[1]}`, "reward", ...(model ? [`p̂ ${states[1]}`, "r̂"] : []), "π"];
    const rows = states.flatMap((state, s) => actions.map((name, a) => {
      const row = h("tr", { "data-row": `${s},${a}` }, h("th", { style: `color: ${LINE_COLOURS[s]}`, text: `${state}, ${name}` }),
        cell(s, a, 0, scene), cell(s, a, 1, scene), cell(s, a, "r", scene),
        ...(model ? ["p", "r"].map((kind) => h("td", { class: "of-model", "data-model": `${s},${a},${kind}` })) : []), h("td", { "data-pi": `${s},${a}` }));
      row.addEventListener("pointerenter", () => light(`${s},${a}`));
      row.addEventListener("pointerleave", () => light(null));
      return row;
    }));
    node.replaceChildren(h("tr", {}, ...head.map((text, k) => h("th", { text, class: model && (k === 4 || k === 5) ? "of-model" : "" }))), ...rows);
  });
  function draw(scene) {
    build(scene.states, scene.actions, Boolean(scene.model));
    for (const { field, k, kind } of fields) {
      const value = kind === "r" ? scene.r[k] : scene.P[2 * k + kind];
      field.dataset.value = value;
      if (!(ui.bridge.busy && field === document.activeElement)) write(field, precise(value));
    }
    const A = scene.actions.length;
    const index = (text) => Number(text.split(",")[0]) * A + Number(text.split(",")[1]);
    node.querySelectorAll("[data-pi]").forEach((each) => (each.textContent = fixed(scene.pi[index(each.dataset.pi)], 2)));
    node.querySelectorAll("[data-model]").forEach((each) => {
      const k = index(each.dataset.model);
      const value = each.dataset.model.endsWith("r") ? scene.model.r[k] : scene.model.P[2 * k + 1];
      each.textContent = fixed(value, 2);
      each.dataset.value = value;
    });
  }
  return { node, draw };
}
