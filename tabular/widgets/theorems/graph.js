// An MDP as a graph: its geometry comes from the kernel in inches, y upwards, the same that plot.mdp puts on paper.

const INCH = 112; // pixels, where there is room for them
const TYPE = 11.5 / INCH; // height of the letters in inches
const PITCH = 0.15; // from one line of a label to the next

let heads = 0;

function drawGraph({ name, low, high, radius, nodes, names, states, caption, arcs }) {
  const [width, height] = [high[0] - low[0] + 0.1, high[1] - low[1] + 0.1];
  const at = (points, k) => [points[2 * k] - low[0] + 0.05, high[1] - points[2 * k + 1] + 0.05];
  const colour = (s) => ACCENTS[s % ACCENTS.length];
  const head = `mdpscope-tip-${++heads}`;

  const line = ({ from, to, line: points, chance }) => {
    const path = Array.from({ length: points.length / 2 }, (_, k) => at(points, k).map((v) => v.toFixed(3)).join(" "));
    return g("path", { d: `M${path.join("L")}`, stroke: colour(from), "stroke-width": 0.012 + 0.018 * chance, "marker-end": `url(#${head}-${from})`, "data-arc": `${from},${to}`, "data-chance": chance });
  };
  const words = ({ from, at: centre, angle, rows }) => {
    const [x, y] = at(centre, 0);
    return g("g", { transform: `rotate(${(-angle * 180) / Math.PI} ${x} ${y})` }, ...rows.map(([text, best], k) =>
      g("text", { class: best ? "best" : "", x, y: y + (k - (rows.length - 1) / 2) * PITCH, fill: `color-mix(in srgb, ${colour(from)} 55%, var(--text))`, text })));
  };
  const node = (text, s) => {
    const [x, y] = at(nodes, s);
    const end = s >= states;
    return [end ? g("rect", { x: x - 0.2, y: y - 0.2, width: 0.4, height: 0.4, rx: 0.04, stroke: "var(--soft)" }) : g("circle", { cx: x, cy: y, r: radius, stroke: colour(s) }),
      g("text", { class: "node", x, y, "data-node": text, text })];
  };
  const tip = (s) => g("marker", { id: `${head}-${s}`, viewBox: "0 0 10 8", refX: 9, refY: 4, markerWidth: 0.13, markerHeight: 0.1, markerUnits: "userSpaceOnUse", orient: "auto" },
    g("path", { d: "M0 0L10 4L0 8z", fill: colour(s), stroke: "none" }));
  const svg = g("svg", { class: "mdp", viewBox: `0 0 ${width} ${height}`, width: INCH * width, role: "img", "aria-label": `The ${name} as a graph of ${states} states`, style: `font-size: ${TYPE}px` },
    g("defs", {}, ...Array.from({ length: states }, (_, s) => tip(s))), ...arcs.map(line), ...names.flatMap(node), ...arcs.map(words));
  return h("figure", { "data-graph": name }, h("figcaption", {}, name, h("small", { text: `  ${caption}` })), svg);
}
