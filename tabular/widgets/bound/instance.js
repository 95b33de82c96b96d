// The instance at the handle of the bound explorer: two small graphs, or rows of probabilities.

function drawInstance(node, instance, ui) {
  const draw = instance.kind === "graph" ? drawGraphs : drawRows;
  node.replaceChildren(...draw(instance, ui));
}

const same = (x, y) => Math.abs((x ?? 0) - (y ?? 0)) < 1e-12;

// Two small graphs; what differs is in another colour, bold, and its arrow dashed in the model.
function drawGraphs({ places, names, worlds }) {
  return worlds.map((world, w) => {
    const other = worlds[1 - w];
    const across = (s, t) => other.arcs.find(([i, j]) => i === s && j === t)?.[2];
    const spot = places.map(([x, y]) => places.length > 2 ? [34 + 118 * x, 126 - 88 * y] : [48 + 124 * x, 92]);
    const arcs = world.arcs.flatMap(([s, t, p]) => {
      const differs = !same(p, across(s, t));
      const back = world.arcs.some(([i, j]) => i === t && j === s);
      return arrow(spot[s], spot[t], s === t, back, places.length > 2, precise(p, 3), differs, w === 1 && differs, p);
    });
    const nodes = spot.flatMap(([x, y], s) => {
      const differs = !same(world.r[s], other.r[s]);
      return [
        g("circle", { cx: x, cy: y, r: 19, class: differs ? "state differs" : "state" }),
        g("text", { x, y: y + 4, class: differs ? "pays differs" : "pays", text: precise(world.r[s], 3) }),
        g("text", { x, y: y + 32, class: "statename", text: names[s] })];
    });
    return h("figure", { "data-world": w }, h("figcaption", { text: world.title }),
      g("svg", { viewBox: places.length > 2 ? "0 0 220 168" : "0 24 220 108", role: "img", "aria-label": `${world.title}: rewards ${world.r.map((r) => precise(r, 3)).join(", ")}` }, ...arcs, ...nodes));
  }).concat(h("div", { class: "small", style: "grid-column: 1 / -1" }, "In a circle: the reward of a step. At an arrow: its probability. What differs is ",
    h("b", { class: "differs", text: "marked" }), "."));
}

function arrow([x0, y0], [x1, y1], loop, back, sideways, text, differs, dashed, p) {
  const look = { class: differs ? "arc differs" : "arc", "stroke-width": 1 + 1.6 * p, "stroke-dasharray": dashed ? "5 3" : null };
  const word = (x, y) => g("text", { x, y, class: differs ? "chance differs" : "chance", text });
  if (loop && sideways)
    return [g("path", { ...look, d: `M${x0 + 15} ${y0 - 12}C${x0 + 44} ${y0 - 28} ${x0 + 44} ${y0 + 28} ${x0 + 17} ${y0 + 13}` }), tip(x0 + 17, y0 + 13, -0.9, -0.45, look), word(x0 + 46, y0 + 4)];
  if (loop)
    return [g("path", { ...look, d: `M${x0 - 11} ${y0 - 16}C${x0 - 34} ${y0 - 58} ${x0 + 34} ${y0 - 58} ${x0 + 12} ${y0 - 18}` }), tip(x0 + 12, y0 - 18, -0.42, 0.9, look), word(x0, y0 - 53)];
  const [dx, dy] = [x1 - x0, y1 - y0];
  const d = Math.hypot(dx, dy);
  const [ux, uy] = [dx / d, dy / d];
  const bend = back ? 14 : 0;
  const [sx, sy, tx, ty] = [x0 + 20 * ux - (bend / 3) * uy, y0 + 20 * uy + (bend / 3) * ux, x1 - 22 * ux - (bend / 3) * uy, y1 - 22 * uy + (bend / 3) * ux];
  const [mx, my] = [(sx + tx) / 2 - bend * uy, (sy + ty) / 2 + bend * ux];
  const lift = bend ? (dx > 0 ? 13 : -5) : dy < 0 ? -7 : dy > 0 ? 15 : -7;
  const angle = Math.atan2(ty - my, tx - mx);
  return [g("path", { ...look, d: `M${sx} ${sy}Q${mx} ${my} ${tx} ${ty}` }), tip(tx, ty, Math.cos(angle), Math.sin(angle), look),
    word(mx, my + lift)];
}

// An arrow's head whose point is at (x, y), in a direction.
function tip(x, y, ux, uy, look) {
  const corner = (back, side) => `${x - back * ux - side * uy},${y - back * uy + side * ux}`;
  return g("polygon", { class: look.class.replace("arc", "head"), points: `${x},${y} ${corner(9, 4)} ${corner(9, -4)}` });
}

// Row by row: rewards as numbers, probabilities as two bars, true above and model below.
function drawRows({ title, states, rows }, ui) {
  const several = states.length > 1;
  const most = Math.max(1e-12, ...rows.flatMap(({ r, r_hat }) => [Math.abs(r), Math.abs(r_hat)]));
  const part = (P, s) => {
    const name = `${states[s]}: ${precise(P[s], 3)}`;
    const wide = P[s] * 190 > 7 * states[s].length + 6;
    return h("i", { style: `width: ${100 * P[s]}%; background: ${ACCENTS[s % ACCENTS.length]}`, title: name, text: wide ? states[s] : "" });
  };
  const bar = (P, w) => h("span", { class: w ? "prob model" : "prob" }, ...P.map((_, s) => part(P, s)));
  const pay = (r, w) => h("span", { class: w ? "pay model" : "pay" }, r ? h("i", { style: `width: ${(78 * Math.abs(r)) / most}%` }) : null, precise(r, 3));
  return [
    h("div", { class: "small", style: "grid-column: 1 / -1", text: `${title}. Above the truth, below the model.` }),
    ...rows.map(({ name, r, r_hat, P, P_hat }) =>
      h("div", { class: "rowpair", "data-row": name },
        h("span", { class: same(r, r_hat) ? "" : "differs", text: several ? `${name}: ${precise(r, 3)}${same(r, r_hat) ? "" : ` → ${precise(r_hat, 3)}`}` : name }),
        h("span", {}, ...(several ? [bar(P, 0), bar(P_hat, 1)] : [pay(r, 0), pay(r_hat, 1)]))))];
}
