// The two-state explorer: policies in a square, their values in a polytope, the MDP as a graph, and a model of it.

const STEP = 0.05; // of an arrow key, in the policy; a fifth of it with shift
const MODEL_SAYS = {
  none: "A learned model is another MDP, with a polytope of its own. Its planner goes to the best corner of that one.",
  data: "P̂(s′|s,a) = N(s,a,s′) / n, from transitions seen. Rewards are seen exactly.",
  other: "P̂ = (1 − ε) P + ε · random, with the true rewards.",
  equivalent: "The same P̂, with the one reward that makes up for it: r̂ = Q* − γ P̂ V*.",
};

// Policies of two actions as a square: to the right pi(a0|s0), upwards pi(a0|s1); the colour is the return.
function makeSquare(ui, { send, nudge, describe }) {
  const [SIDE, LEFT, TOP] = [220, 34, 8];
  const canvas = h("canvas", { "aria-hidden": "true" });
  const svg = g("svg", { viewBox: `0 0 ${LEFT + SIDE + 10} ${TOP + SIDE + 34}` });
  const node = h("div", { class: "square", tabindex: 0, role: "slider", "data-square": "", "aria-valuemin": 0, "aria-valuemax": 1,
    "aria-label": "The policy. Left and right change it in the first state, up and down in the second." }, canvas, svg);
  const x = (share) => LEFT + share * SIDE;
  const y = (share) => TOP + (1 - share) * SIDE;
  const shares = ([px, py]) => [round(clamp((px - LEFT) / SIDE), 3), round(clamp(1 - (py - TOP) / SIDE), 3)];

  const paint = once((field, size, range) => {
    canvas.width = canvas.height = size;
    const context = canvas.getContext("2d");
    const colour = scale(range);
    field.forEach((J, k) => {
      context.fillStyle = colour.at(J).css;
      context.fillRect(Math.floor(k / size), size - 1 - (k % size), 1, 1);
    });
  });

  function draw(scene, range) {
    if (!scene.field) return;
    paint(Array.from(scene.field), scene.field.shape[0], range);
    const [u, v] = [scene.pi[0], scene.pi[2]];
    const ticks = (s) => Array.from({ length: 11 }, (_, k) => k / 10).map((t) => (s
      ? g("line", { x1: x(u) - 3.5, x2: x(u) + 3.5, y1: y(t), y2: y(t) })
      : g("line", { x1: x(t), x2: x(t), y1: y(v) - 3.5, y2: y(v) + 3.5 })));
    const cross = [0, 1].map((s) => g("g", { class: "cross", stroke: LINE_COLOURS[s] },
      s ? g("line", { x1: x(u), x2: x(u), y1: y(0), y2: y(1) }) : g("line", { x1: x(0), x2: x(1), y1: y(v), y2: y(v) }), ...ticks(s)));
    const [a, s] = [scene.actions[0], scene.states];
    const words = [
      g("text", { x: x(0.5), y: y(0) + 28, text: `π(${a}|${s[0]})`, style: `fill: ${LINE_COLOURS[0]}`, class: "axis-name" }),
      g("text", { x: 18, y: y(0.5), transform: `rotate(-90 18 ${y(0.5)})`, text: `π(${a}|${s[1]})`, style: `fill: ${LINE_COLOURS[1]}`, class: "axis-name" }),
      ...[0, 0.5, 1].map((t) => g("text", { x: x(t), y: y(0) + 14, text: t })),
      ...[0, 1].map((t) => g("text", { x: LEFT - 7, y: y(t) + 4, text: t, "text-anchor": "end" })),
    ];
    redraw(svg, ...words, ...cross, g("circle", { class: "handle", "data-policy-point": "", cx: x(u), cy: y(v), r: 8, "data-p0": u, "data-p1": v }));
    node.setAttribute("aria-valuenow", u);
    node.setAttribute("aria-valuetext", `${fixed(u, 3)} in ${s[0]}, ${fixed(v, 3)} in ${s[1]}`);
  }

  draggable(svg, svg, (point) => send(shares(point)), () => (node.focus({ preventScroll: true }), true));
  svg.addEventListener("pointermove", (event) => ui.tip(event, ...describe(shares(within(svg, event)))));
  svg.addEventListener("pointerleave", () => ui.tip());
  node.addEventListener("keydown", nudge);
  return { node, draw };
}

// More actions: a slider for each probability; the others share the rest in their proportions.
function makeBars(ui, send) {
  const node = h("div", { class: "bars" });
  let [rows, scene] = [[], null];
  const build = once((states, actions) => {
    rows = states.map((state, s) => actions.map((name, a) => {
      const control = sliderControl({ label: `π(${name}|${state})`, low: 0, high: 1, step: 0.01 }, (value) => send(s, mixed(s, a, value)));
      control.node.dataset.probability = `${s},${a}`;
      control.node.style.setProperty("--accent", LINE_COLOURS[s]);
      return control;
    }));
    node.replaceChildren(...rows.map((row) => h("div", { class: "row-of-bars" }, ...row.map((control) => control.node))));
  });
  function mixed(s, a, value) {
    const A = scene.actions.length;
    const row = Array.from(scene.pi.subarray(s * A, (s + 1) * A));
    const rest = 1 - row[a];
    return row.map((p, b) => (b === a ? value : rest > 1e-12 ? (p / rest) * (1 - value) : (1 - value) / (A - 1)));
  }
  function draw(next) {
    scene = next;
    build(scene.states, scene.actions);
    rows.forEach((row, s) => row.forEach((control, a) => {
      if (!(ui.bridge.busy && control.node.contains(document.activeElement))) control.update(scene.pi[s * scene.actions.length + a]);
    }));
  }
  return { node, draw };
}

// Many models: to the right the divergence, upwards the return lost by planning in them.
function makeCloud(ui) {
  const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [430, 150, 46, 12, 10, 32];
  const svg = g("svg", { class: "cloud", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": "Fifty models: divergence from the true transitions, and return lost" });
  const kinds = { other: "true rewards", equivalent: "Q*-equivalent" };
  function draw(scene) {
    const drawn = scene.cloud;
    svg.style.display = drawn ? "block" : "none";
    if (!drawn) return svg.replaceChildren();
    const [most, worst] = [Math.max(...drawn.kl) * 1.04 || 1, Math.max(...drawn.other, 1e-9) * 1.08];
    const x = (v) => LEFT + (v / most) * (WIDTH - LEFT - RIGHT);
    const y = (v) => HEIGHT - BOTTOM - (v / worst) * (HEIGHT - TOP - BOTTOM);
    const marks = Object.keys(kinds).flatMap((kind) => Array.from(drawn[kind], (loss, k) => {
      const [px, py, now] = [x(drawn.kl[k]), y(loss), scene.model?.seed === drawn.seeds[k] && ui.values.source === kind];
      const shape = kind === "other" ? g("path", { d: `M${px} ${py - 5}l5 9h-10z` }) : g("circle", { cx: px, cy: py, r: 4 });
      shape.setAttribute("class", `${kind}${now ? " now" : ""}`);
      Object.assign(shape.dataset, { kl: drawn.kl[k], loss, seed: drawn.seeds[k] });
      shape.addEventListener("pointermove", (event) => ui.tip(event, `Model ${drawn.seeds[k]}, ${kinds[kind]}`, [["mean KL", precise(drawn.kl[k])], ["return lost", precise(loss)]]));
      shape.addEventListener("pointerleave", () => ui.tip());
      shape.addEventListener("click", () => (ui.set("source", kind), ui.do("choose", { seed: drawn.seeds[k] })));
      return shape;
    }));
    const text = (tx, ty, words, anchor = "middle") => g("text", { x: tx, y: ty, "text-anchor": anchor, text: words });
    svg.replaceChildren(
      g("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(0), y2: y(0) }), text(LEFT - 6, y(0) + 4, "0", "end"), text(LEFT - 6, y(worst / 1.08) + 4, precise(worst / 1.08, 3), "end"),
      ...roundNumbers(0, most, 5).map((v) => text(x(v), HEIGHT - BOTTOM + 15, precise(v))), text((LEFT + WIDTH) / 2, HEIGHT - 3, "mean KL(P‖P̂), nats"),
      g("text", { x: 11, y: HEIGHT / 2 - 8, transform: `rotate(-90 11 ${HEIGHT / 2 - 8})`, "text-anchor": "middle", text: "return lost" }), ...marks);
  }
  const sign = (kind, shape) => h("span", {}, g("svg", { viewBox: "0 0 22 8", class: "cloud-sign" }, shape), kinds[kind]);
  const keys = h("div", { class: "keys" }, sign("other", g("path", { d: "M11 0l4.5 8h-9z", class: "other" })), sign("equivalent", g("circle", { cx: 11, cy: 4, r: 3.6, class: "equivalent" })));
  return { node: h("div", {}, keys, svg), draw: (scene) => ((keys.hidden = !scene.cloud), (keys.style.display = scene.cloud ? "" : "none"), draw(scene)) };
}

function mount(ui) {
  let [scene, pending] = [null, null];

  // The newest of a drag's requests, sent when the last is answered.
  function stream(name, parameters) {
    if (ui.bridge.busy) pending = [name, parameters];
    else ui.do(name, parameters);
  }

  function nudge(event) {
    const move = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowUp: [1, 1], ArrowDown: [1, -1] }[event.key];
    if (!move) return;
    event.preventDefault();
    const [s, way] = move;
    const A = scene.actions.length;
    const row = Array.from(scene.pi.subarray(s * A, (s + 1) * A));
    const first = clamp(round(row[0] + way * STEP * (event.shiftKey ? 0.2 : 1), 6));
    const rest = 1 - row[0];
    ui.do("policy", { state: s, row: row.map((p, a) => (a === 0 ? first : rest > 1e-12 ? (p / rest) * (1 - first) : (1 - first) / (A - 1))) });
  }

  // The kernel's values at the nearest point of the grid on which the square is coloured.
  function describe([p, q]) {
    const n = scene.field.shape[0];
    const J = scene.field[Math.round(p * (n - 1)) * n + Math.round(q * (n - 1))];
    const [a, s] = [scene.actions[0], scene.states];
    return [`π(${a}|${s[0]}) = ${precise(p, 3)}, π(${a}|${s[1]}) = ${precise(q, 3)}`, [["return J near here", precise(J, 3)]]];
  }

  const light = (pair) => ui.root.querySelectorAll("[data-pair], [data-row]").forEach((node) =>
    node.classList.toggle("lit", pair !== null && (node.dataset.pair || node.dataset.row) === pair));

  const square = makeSquare(ui, { send: (first) => stream("point", { first }), nudge, describe });
  const bars = makeBars(ui, (state, row) => stream("policy", { state, row }));
  const plane = makePlane(ui, { send: (V) => stream("towards", { V }), nudge });
  const graph = makeGraph(ui, { send: (change) => stream("edit", change), light });
  const table = makeTable(ui, { send: (change) => ui.do("edit", change), light });
  const cloud = makeCloud(ui);
  const colourBar = legend();

  const numbers = Object.fromEntries(["v0", "v1", "J"].map((name) => [name, h("span", { class: "number", [`data-${name.toLowerCase()}-text`]: "" })]));
  const names = [h("span"), h("span")];
  const values = h("div", { class: "values" }, names[0], numbers.v0, names[1], numbers.v1, h("span", { text: "J" }), numbers.J);
  const lineKeys = h("div", { class: "keys" });
  const says = h("div", { class: "small", "data-model-says": "" });
  const facts = h("div", { class: "facts" });
  const section = (title, ...children) => h("section", {}, h("h4", { text: title }), ...children);
  const [path, ...toggles] = ui.controls("view");
  const [samples, eps] = [...ui.controls("data"), ...ui.controls("eps")];
  const [draw50, ...draws] = ui.buttons("draw").reverse();

  ui.frame(h("div", { class: "two-state" },
    h("div", { class: "top" },
      h("div", {}, h("h4", { text: "Policies" }), square.node, bars.node, colourBar.node, values,
        h("div", { class: "row step-row" }, ...ui.buttons("steps")), ...ui.controls("world")),
      h("div", {}, h("h4", { text: "Their values" }), plane.node, lineKeys,
        h("div", { class: "row path-row" }, "Path", path, h("div", { class: "space" }), ...toggles.map(besides)))),
    h("div", { class: "columns" },
      h("div", {}, section("World", graph.node, table.node,
        h("div", { class: "row action-row" }, "Actions", ...ui.buttons("actions")))),
      h("div", {}, section("Learned model", ...ui.controls("model"), h("div", { style: "margin: 8px 0 6px" }, says), samples, eps, facts,
        h("div", { class: "row", style: "margin: 9px 0" }, ...draws, draw50), cloud.node)))));

  const sign = (colour, dash, words) => h("span", {}, g("svg", { viewBox: "0 0 22 8" }, g("line", { x2: 22, y1: 4, y2: 4, "stroke-width": 2.4, stroke: colour, "stroke-dasharray": dash })), words);
  const keysOf = once((states, lines, model) => lineKeys.replaceChildren(
    ...(lines ? states.map((state, s) => sign(LINE_COLOURS[s], null, `π changes in ${state} only, ticks: equal steps`)) : []),
    model ? sign("var(--warm)", "5 3", "model: its polytope, V* (open star), this policy in it (open dot), its plan in truth (diamond)") : ""));

  function modelPanel() {
    const model = scene.model;
    const { source } = ui.values;
    says.textContent = MODEL_SAYS[source] + (source === "equivalent" ? ` So ${model.dimension} of ${model.parameters} dimensions of models plan alike.` : "");
    samples.style.display = source === "data" ? "" : "none";
    eps.style.display = source === "other" || source === "equivalent" ? "" : "none";
    draw50.style.display = eps.style.display;
    draws.forEach((button) => (button.style.display = source === "none" ? "none" : ""));
    const rows = model ? [
      ["Mean KL(P‖P̂)", "kl", model.kl, model.kl === null ? "∞: it rules out what can happen" : `${precise(model.kl)} nats`],
      ["Largest error of Q", "q_error", model.q_error, model.q_error < 1e-9 ? "0 (to rounding)" : precise(model.q_error)],
      ["Return promised", "promised", model.J, precise(model.J)],
      ["True return of its plan", "plan_J", model.plan_J, `${precise(model.plan_J)}  (${Array.from(model.plan, (a) => scene.actions[a]).join(", ")})`],
      ["Return lost", "loss", model.loss, model.loss === 0 ? "nothing" : precise(model.loss)],
    ] : [];
    redraw(facts, ...rows.flatMap(([name, key, value, text]) => [h("span", { text: name }), h("span", { class: "number", "data-fact": key, "data-value": value ?? "Infinity", text })]));
  }

  function draw(next) {
    scene = next;
    const two = scene.actions.length === 2;
    square.node.style.display = colourBar.node.style.display = two ? "" : "none";
    bars.node.style.display = two ? "none" : "";
    if (two) {
      const [low, high] = [Math.min(...scene.field), Math.max(...scene.field)];
      const range = { low, high: high > low ? high : low + 1, signed: false };
      square.draw(scene, range);
      colourBar.draw(range, "J");
    } else bars.draw(scene);
    plane.draw(scene);
    graph.draw(scene);
    table.draw(scene);
    cloud.draw(scene);
    keysOf(scene.states, ui.values.lines_shown, Boolean(scene.model));
    modelPanel();
    [0, 1].forEach((s) => (names[s].textContent = `V(${scene.states[s]})`));
    [["v0", scene.V[0]], ["v1", scene.V[1]], ["J", scene.J]].forEach(([name, value]) => {
      numbers[name].textContent = fixed(value, 4);
      numbers[name].dataset.value = value;
    });
    if (pending) {
      const [name, parameters] = pending;
      pending = null;
      ui.do(name, parameters);
    }
  }
  return { draw };
}

// A toggle as a short pair of name and switch.
function besides(node) {
  node.className = "pair";
  return node;
}
