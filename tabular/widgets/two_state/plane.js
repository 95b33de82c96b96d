// The two-state explorer's plane of values.

const star = (x, y, r) =>
  Array.from({ length: 10 }, (_, k) => {
    const [angle, size] = [(Math.PI * (k - 2.5)) / 5, k % 2 ? 0.42 * r : r];
    return `${(x + size * Math.cos(angle)).toFixed(1)},${(y + size * Math.sin(angle)).toFixed(1)}`;
  }).join(" ");

// Round numbers between two others, about `count` of them.
function roundNumbers(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((each) => each >= rough);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.max(0, Math.floor(high / step) - first + 1) }, (_, k) => (first + k) * step);
}

// The plane of values: the polytope, the lines of the present policy, its path, and the model's polytope.
function makePlane(ui, { send, nudge }) {
  const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [700, 430, 52, 14, 12, 40];
  const [ground, figures] = [g("g"), g("g")]; // what shows no values on hovering, and what does
  const svg = g("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}` }, ground, figures);
  const node = h("div", { class: "plane", tabindex: 0, role: "slider", "data-plane": "", "aria-label":
    "Values of the policy. Left and right change the policy in the first state, up and down in the second." }, svg);
  let scene = null;
  const place = (k, v) => (v - scene.range[2 * k]) / (scene.range[2 * k + 1] - scene.range[2 * k]);
  const x = (v) => LEFT + place(0, v) * (WIDTH - LEFT - RIGHT);
  const y = (v) => HEIGHT - BOTTOM - place(1, v) * (HEIGHT - TOP - BOTTOM);
  const valueAt = ([px, py]) => [
    scene.range[0] + ((px - LEFT) / (WIDTH - LEFT - RIGHT)) * (scene.range[1] - scene.range[0]),
    scene.range[2] + ((HEIGHT - BOTTOM - py) / (HEIGHT - TOP - BOTTOM)) * (scene.range[3] - scene.range[2]),
  ];
  const pairs = (array) => Array.from({ length: array.length / 2 }, (_, k) => [array[2 * k], array[2 * k + 1]]);
  const points = (values) => values.map(([v, w]) => `${x(v).toFixed(1)},${y(w).toFixed(1)}`).join(" ");
  const quads = (array) => Array.from({ length: array.length / 8 }, (_, k) => points(pairs(array.subarray(8 * k, 8 * k + 8))));
  const segments = (array) => Array.from({ length: array.length / 4 }, (_, k) => {
    const [a, b, c, d] = array.subarray(4 * k, 4 * k + 4);
    return g("line", { x1: x(a), y1: y(b), x2: x(c), y2: y(d) });
  });
  const strokes = (array) => Array.from({ length: array.length / 4 }, (_, k) => {
    const [a, b, c, d] = array.subarray(4 * k, 4 * k + 4);
    return `M${x(a).toFixed(1)} ${y(b).toFixed(1)}L${x(c).toFixed(1)} ${y(d).toFixed(1)}`;
  }).join("");
  const told = (V) => [[`V(${scene.states[0]})`, precise(V[0], 6)], [`V(${scene.states[1]})`, precise(V[1], 6)]];
  const hover = (element, title, V, more = []) => {
    element.addEventListener("pointermove", (event) => (event.stopPropagation(), ui.tip(event, title, [...told(V), ...more])));
    [element.dataset.v0, element.dataset.v1] = V;
    return element;
  };

  function axes() {
    const [horizontal, vertical] = [roundNumbers(scene.range[0], scene.range[1], 6), roundNumbers(scene.range[2], scene.range[3], 5)];
    return [
      ...horizontal.flatMap((v) => [g("line", { class: "grid", x1: x(v), x2: x(v), y1: TOP, y2: HEIGHT - BOTTOM }),
        g("text", { x: x(v), y: HEIGHT - BOTTOM + 16, "text-anchor": "middle", text: precise(v) })]),
      ...vertical.flatMap((v) => [g("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(v), y2: y(v) }),
        g("text", { x: LEFT - 7, y: y(v) + 4, "text-anchor": "end", text: precise(v) })]),
      g("text", { class: "axis-name", x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 6, "text-anchor": "middle", text: `V(${scene.states[0]})` }),
      g("text", { class: "axis-name", x: 13, y: (TOP + HEIGHT - BOTTOM) / 2, transform: `rotate(-90 13 ${(TOP + HEIGHT - BOTTOM) / 2})`, "text-anchor": "middle", text: `V(${scene.states[1]})` }),
    ];
  }

  // The union of the pieces: their outlines first, then their insides over what of these lies inside.
  function body() {
    const shapes = quads(scene.polytope.pieces);
    return g("g", { class: "body" }, ...shapes.map((each) => g("polygon", { points: each, class: "rim" })),
      ...shapes.map((each) => g("polygon", { points: each, class: "inside" })),
      g("path", { class: "mesh", d: strokes(scene.mesh) }), g("g", { class: "edges" }, ...segments(scene.polytope.edges)));
  }

  function linesOf() {
    if (!ui.values.lines_shown) return [];
    return scene.lines.map((line, s) => {
      const V = pairs(line.V);
      const [first, last] = [V[0], V.at(-1)].map(([v, w]) => [x(v), y(w)]);
      const length = Math.hypot(last[0] - first[0], last[1] - first[1]) || 1;
      const across = [(-(last[1] - first[1]) / length) * 5, ((last[0] - first[0]) / length) * 5];
      const ticks = V.map(([v, w], k) => hover(
        g("line", { class: "tick", x1: x(v) - across[0], x2: x(v) + across[0], y1: y(w) - across[1], y2: y(w) + across[1] }),
        `π(${scene.actions[0]}|${scene.states[s]}) = ${precise(line.pi[k], 3)}`, [v, w]));
      return g("g", { class: "line", stroke: LINE_COLOURS[s], "data-line": s }, g("polyline", { points: points(V) }), ...ticks);
    });
  }

  function pathOf() {
    const V = pairs(scene.path.V);
    if (!V.length) return [];
    const soft = ui.values.path === "soft";
    const dots = V.map((each, k) => hover(
      g("circle", { cx: x(each[0]), cy: y(each[1]), r: soft ? 2.2 : 4, class: scene.path.outside[k] ? "outside" : "" }),
      soft ? "a soft-optimal policy" : `step ${k}`, each, scene.path.outside[k] ? [["", "no policy has these values"]] : []));
    return [g("g", { class: "path", "data-path": ui.values.path }, g("polyline", { points: points(V) }), ...dots)];
  }

  function modelBody() {
    if (!scene.model) return [];
    const { pieces, edges } = scene.model.polytope;
    return [g("g", { class: "model-body" }, ...quads(pieces).map((each) => g("polygon", { points: each }))), g("g", { class: "model-edges" }, ...segments(edges))];
  }

  function modelMarks() {
    const model = scene.model;
    if (!model) return [];
    const plan = model.plan.length ? Array.from(model.plan, (a) => scene.actions[a]).join(", ") : "";
    const [from, to] = [model.plan_V, scene.best.V];
    return [
      g("line", { class: "lost", x1: x(from[0]), y1: y(from[1]), x2: x(to[0]), y2: y(to[1]) }),
      hover(g("circle", { class: "imagined", "data-imagined": "", cx: x(model.V[0]), cy: y(model.V[1]), r: 6 }), "The present policy in the model", model.V),
      hover(g("rect", { class: "plan", "data-plan": "", x: x(from[0]) - 7, y: y(from[1]) - 7, width: 14, height: 14,
        transform: `rotate(45 ${x(from[0])} ${y(from[1])})` }), `The model's plan (${plan}), in truth`, from, [["return lost", precise(model.loss, 4)]]),
      hover(g("polygon", { class: "model-star", "data-model-star": "", points: star(x(model.best[0]), y(model.best[1]), 15) }), "The model's V*", model.best),
    ];
  }

  function corners() {
    const V = pairs(scene.polytope.V);
    const names = pairs(scene.polytope.policies).map((each) => each.map((a) => scene.actions[a]).join(", "));
    const spots = [];
    V.forEach((each, k) => {
      const same = spots.find((spot) => Math.hypot(spot.x - x(each[0]), spot.y - y(each[1])) < 2);
      if (same) same.name += ` = ${names[k]}`;
      else spots.push({ x: x(each[0]), y: y(each[1]), name: names[k], V: each });
    });
    const inTheWay = alongEdges();
    const middle = [0, 1].map((k) => spots.reduce((sum, spot) => sum + (k ? spot.y : spot.x), 0) / spots.length);
    return spots.flatMap((spot) => {
      const dot = hover(g("rect", { class: "corner", "data-corner": spot.name, x: spot.x - 4, y: spot.y - 4, width: 8, height: 8 }), spot.name, spot.V);
      const { box, anchor } = bestPlace(spot, 6.6 * spot.name.length, inTheWay, middle);
      if (!box) return [dot];
      inTheWay.push(...[0, 0.25, 0.5, 0.75, 1].flatMap((t) => [[box[0] + t * (box[2] - box[0]), box[1] + 4, 9], [box[0] + t * (box[2] - box[0]), box[3] - 2, 9]]));
      return [dot, g("text", { class: "corner-name", x: anchor === "start" ? box[0] : box[2], y: box[3] - 3, "text-anchor": anchor, text: spot.name })];
    });
  }

  // Points along the edges, at the star and at the corners, each with the weight of covering it.
  function alongEdges() {
    const shares = Array.from({ length: 41 }, (_, k) => k / 40);
    const edges = Array.from({ length: scene.polytope.edges.length / 4 }, (_, k) => scene.polytope.edges.subarray(4 * k, 4 * k + 4));
    const points = edges.flatMap(([a, b, c, d]) => shares.map((t) => [x(a + t * (c - a)), y(b + t * (d - b)), 1]));
    return [...points, [x(scene.best.V[0]), y(scene.best.V[1]), 9], ...pairs(scene.polytope.V).map(([v, w]) => [x(v), y(w), 3])];
  }

  // Where a corner's name covers least, rather outside; nowhere if it would cover another name.
  function bestPlace(spot, width, inTheWay, middle) {
    const places = [[1, -1], [-1, -1], [1, 1], [-1, 1]].map(([right, down]) => {
      const left = right > 0 ? spot.x + 8 : spot.x - 8 - width;
      const top = down > 0 ? spot.y + 5 : spot.y - 20;
      const box = [left, top, left + width, top + 15];
      const inwards = right * (spot.x - middle[0]) + down * (spot.y - middle[1]) < 0 ? 0.5 : 0;
      const out = box[0] < LEFT || box[2] > WIDTH || box[1] < 0 || box[3] > HEIGHT - BOTTOM ? 9 : inwards;
      const cost = inTheWay.reduce((sum, [px, py, weight]) => sum + (px > box[0] - 2 && px < box[2] + 2 && py > box[1] && py < box[3] ? weight : 0), out);
      return { box, cost, anchor: right > 0 ? "start" : "end" };
    });
    const best = places.reduce((least, each) => (each.cost < least.cost ? each : least));
    return best.cost < 9 ? best : {};
  }

  function draw(next) {
    scene = next;
    const { V, best } = scene;
    const top = hover(g("polygon", { class: "star", "data-star": "", points: star(x(best.V[0]), y(best.V[1]), 10) }), "V*, the best values", best.V,
      [["certified error", precise(best.error, 3)]]);
    const dot = hover(g("circle", { class: "handle", "data-value-point": "", cx: x(V[0]), cy: y(V[1]), r: 8 }), "The present policy", V, [["J", precise(scene.J, 6)]]);
    redraw(ground, ...axes(), body(), ...modelBody());
    figures.replaceChildren(...linesOf(), ...pathOf(), ...corners(), ...modelMarks(), top, dot);
    node.setAttribute("aria-valuenow", scene.J);
    node.setAttribute("aria-valuetext", `V = (${precise(V[0])}, ${precise(V[1])})`);
  }

  draggable(svg, svg, (point) => send(valueAt(point)), () => (node.focus({ preventScroll: true }), true));
  svg.addEventListener("pointermove", () => ui.tip());
  svg.addEventListener("pointerleave", () => ui.tip());
  node.addEventListener("keydown", nudge);
  return { node, draw };
}
