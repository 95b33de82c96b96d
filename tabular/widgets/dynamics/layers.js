// What lies over the board: where moves go in truth and in the dream, and an agent that walks in each.

const TRUE_COLOUR = "#7a828d";
const DREAM_COLOUR = ACCENTS[0];
const REACH = 0.49; // length of the arrow of probability 1, in cells

// The path of arrows from the middle of a cell; their areas are in proportion to the probabilities.
function spread([row, column], ways, slim, raised) {
  const [x, y] = [(column + 0.5) * UNIT, (row + (raised ? 0.38 : 0.5)) * UNIT];
  const unit = UNIT * (raised ? 0.76 : 1);
  let path = "";
  for (const [down, right, probability] of ways) {
    if (probability < 5e-4) continue;
    const size = Math.sqrt(probability);
    if (!down && !right) {
      const r = (slim ? 0.09 : 0.17) * size * unit;
      path += `M${(x - r).toFixed(1)} ${y.toFixed(1)}a${r.toFixed(1)} ${r.toFixed(1)} 0 1 0 ${(2 * r).toFixed(1)} 0a${r.toFixed(1)} ${r.toFixed(1)} 0 1 0 ${(-2 * r).toFixed(1)} 0Z`;
      continue;
    }
    const length = REACH * size * unit;
    const [half, wing, neck] = [(slim ? 0.07 : 0.2) * length, (slim ? 0.2 : 0.42) * length, (slim ? 0.6 : 0.5) * length];
    const outline = [[0, half], [neck, half], [neck, wing], [length, 0], [neck, -wing], [neck, -half], [0, -half]];
    path += `M${outline.map(([along, across]) => `${(x + along * right - across * down).toFixed(1)} ${(y + along * down + across * right).toFixed(1)}`).join("L")}Z`;
  }
  return path;
}

// Arrows of all cells: wide and grey where a move goes in truth, slim and blue where the dream sends it.
function makeArrows(board) {
  const truth = g("path", { class: "truth", fill: TRUE_COLOUR, stroke: "#fff", "stroke-width": 1.5, "paint-order": "stroke" });
  const dream = g("path", { class: "dream", fill: DREAM_COLOUR, stroke: "#fff", "stroke-width": 1.4, "paint-order": "stroke" });
  const svg = board.node.querySelector("svg");
  svg.insertBefore(g("g", { "pointer-events": "none" }, truth, dream), svg.children[2]);

  // ways(s, model) gives [[down, right, probability], ...] of the move shown from state s; raised leaves room for numbers
  function draw(cells, ways, raised) {
    let [one, other] = ["", ""];
    cells.forEach(([s, cell]) => {
      one += spread(cell, ways(s, "p"), false, raised);
      other += spread(cell, ways(s, "q"), true, raised);
    });
    truth.setAttribute("d", one);
    dream.setAttribute("d", other);
  }
  return { draw };
}

// Two agents that walk at one pace: a filled one in truth, a hollow one with a dashed trail in the dream.
function makeWalkers(board) {
  const svg = board.node.querySelector("svg");
  const walker = (name, colour, dash, fill) => {
    const halo = g("polyline", { fill: "none", stroke: "#fff", "stroke-width": 8, "stroke-linejoin": "round", "stroke-opacity": 0.8 });
    const trail = g("polyline", { fill: "none", stroke: colour, "stroke-width": 4, "stroke-linejoin": "round", "stroke-linecap": "round", "stroke-dasharray": dash });
    const dot = g("circle", { r: UNIT * 0.19, fill, stroke: fill === "#fff" ? colour : "#fff", "stroke-width": fill === "#fff" ? 5 : 3 });
    return { name, halo, trail, dot, group: g("g", { "data-walker": name, visibility: "hidden" }, halo, trail, dot), path: [] };
  };
  const walkers = [walker("dream", DREAM_COLOUR, "2 9", "#fff"), walker("truth", "#c2500a", "", "#c2500a")];
  svg.append(...walkers.map((each) => each.group));
  let clock = 0;
  // the two beside each other where they share a cell
  const middle = ([row, column], k) => [(column + 0.5) * UNIT + (k ? 5 : -5), (row + 0.5) * UNIT + (k ? 5 : -5)];

  function place(at) {
    walkers.forEach((each, i) => {
      const points = each.path.map((cell) => middle(cell, i));
      const k = Math.min(at, points.length - 1);
      const before = Math.min(Math.floor(k), Math.max(0, points.length - 2));
      const [from, to, part] = [points[before], points[Math.min(before + 1, points.length - 1)], k - before];
      const here = [from[0] + part * (to[0] - from[0]), from[1] + part * (to[1] - from[1])];
      each.dot.setAttribute("cx", here[0]);
      each.dot.setAttribute("cy", here[1]);
      const line = [...points.slice(0, before + 1), here].map((point) => point.map((v) => v.toFixed(1)).join(",")).join(" ");
      for (const one of [each.halo, each.trail]) one.setAttribute("points", line);
    });
  }

  // paths: { dream: [[row, column], ...], truth: ... }; at most 6 seconds, a still picture where motion isn't wanted
  function walk(paths, tell) {
    cancelAnimationFrame(clock);
    walkers.forEach((each) => {
      each.path = paths[each.name];
      each.group.setAttribute("visibility", "visible");
    });
    const last = Math.max(...walkers.map((each) => each.path.length - 1));
    const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    const rate = Math.max(5, last / 6);
    const begin = performance.now();
    const step = (now) => {
      const at = still ? last : Math.max(0, Math.min(((now - begin) / 1000) * rate, last));
      place(at);
      tell(at);
      if (at < last) clock = requestAnimationFrame(step);
    };
    step(begin);
  }

  function rest() {
    cancelAnimationFrame(clock);
    walkers.forEach((each) => each.group.setAttribute("visibility", "hidden"));
  }
  return { walk, rest };
}
