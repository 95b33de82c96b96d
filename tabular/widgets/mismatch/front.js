// The mismatch explorer: truth and model side by side, the mismatch plane, and all curves of a run.

function mount(ui) {
  let [scene, history, runShown, position, following] = [null, [], -1, 0, true];
  const last = () => history.length - 1;
  const number = (frame, name) => frame.numbers[scene.names.indexOf(name)];
  const column = (name) => {
    const k = scene.names.indexOf(name);
    return Float64Array.from(history, (frame) => frame.numbers[k]);
  };

  // Transport

  function seek(k) {
    if (scene.playing) ui.do("pause");
    position = Math.max(0, Math.min(last(), k));
    following = position === last();
    show();
  }

  const train = h("button", { type: "button", class: "train", onclick: () => ui.do("toggle") });
  const scrub = h("input", { type: "range", min: 0, step: 1, "aria-label": "Picture of the run" });
  scrub.addEventListener("input", () => seek(Number(scrub.value)));
  const status = h("span", { class: "small", "data-status": "" });
  const step = h("span", { class: "number", "data-step": "" });
  const look = once((playing) => {
    train.replaceChildren(icon(playing ? "pause" : "play"), playing ? "Pause" : "Train", h("kbd", { text: "space", "aria-hidden": "true" }));
    train.setAttribute("aria-label", playing ? "Pause training (space)" : "Train (space)");
  });
  const transport = h("div", { class: "row transport" }, train, ...ui.buttons("steps"), scrub, step);

  // Controls

  const objectives = ui.controls("objective")[0];
  objectives.classList.add("wrapped");
  for (const button of objectives.querySelectorAll("button")) {
    const [colour, shape] = FAMILIES[button.dataset.value];
    button.prepend(g("svg", { viewBox: "0 0 14 14", class: "swatch", "aria-hidden": "true" }, marker(shape, 7, 7, 5, { fill: colour, stroke: "#fff", "stroke-width": 1 })));
  }
  const equation = h("div", { class: "equation", "data-equation": "" });
  const refusal = h("div", { class: "small", "data-refused": "" });
  const capacity = Object.fromEntries(ui.controls("capacity").map((node) => [node.dataset.control, node]));
  const world = ui.controls("world")[0];
  const models = ui.controls("model")[0];
  const effect = h("div", { class: "small" });

  const refuse = once((refused) => {
    for (const button of [objectives, models].flatMap((node) => [...node.querySelectorAll("button")])) {
      const reason = refused[button.dataset.value];
      button.disabled = Boolean(reason);
      button.title = reason ?? "";
    }
    const reasons = Object.values(refused).map((reason) => h("div", { text: reason }));
    refusal.replaceChildren(reasons.length ? h("details", {}, h("summary", { text: `${reasons.length} can’t be used here: why?` }), ...reasons) : "");
  });
  const bound = capacity.kappa.querySelector("input[type=range]");
  const limits = once((model, top, optimist, own) => {
    const axis = { norm: "kappa", rank: "rank", blocks: "block" }[model];
    for (const name of ["kappa", "rank", "block"]) capacity[name].hidden = name !== axis;
    capacity.rewards.hidden = optimist;
    bound.max = top;
    bound.style.setProperty("--part", `${(100 * ui.values.kappa) / top}%`);
    world.querySelector("[data-value=own]").hidden = !own;
    effect.textContent = { norm: "Moving κ, α or the step size goes on with this run.", rank: "Another rank starts again; α and the step size go on.", blocks: "Another size starts again; α and the step size go on." }[model]
      + (optimist ? " This objective’s models have the true rewards." : "");
  });

  // Pictures

  const plane = makePlane(ui, { onseek: seek, label: "Mismatch plane: divergence of the model against the return of its agent" });
  const panels = h("div", { class: "panels" });
  const legends = [legend(), legend()];
  let pictures = null;

  const charts = {
    J: makeCurves(ui, { title: "Return J of the agent", name: "J", onseek: seek }),
    kl: makeCurves(ui, { title: "Likelihood: mean KL(p ‖ p̂), nats", name: "kl", onseek: seek }),
    q: makeCurves(ui, { title: "Error of Q, max |Q* − Q̂|, and its bounds", name: "q", onseek: seek }),
    loss: makeCurves(ui, { title: "Return lost, J* − J, and its bounds", name: "loss", onseek: seek }),
  };

  // Panels are built anew for each kind of world: three maps, or three tables.
  const build = once((grid) => {
    pictures?.forEach((each) => each.close?.());
    const names = ["true", "model", "difference"];
    pictures = names.map((name, k) =>
      grid ? makeBoard(ui, { label: `${name} map; arrow keys tell the values of cells`, onpick() {}, onkey: () => false, onfocus() {}, describe: (cell) => describe(cell, k) })
        : makeTable(ui, { name, label: `Transition probabilities, ${name}` }));
    titles = names.map(() => h("h4"));
    const view = grid ? ui.controls("view")[0] : null;
    const boxes = pictures.map((each, k) => h("div", { class: "panel", "data-panel": names[k] }, titles[k], each.node, k === 1 ? legends[0].node : k === 2 ? legends[1].node : ""));
    panels.className = grid ? "panels maps" : "panels tables";
    panels.replaceChildren(...boxes, view ? h("div", { class: "row views" }, h("span", { class: "small", text: "The third map shows" }), view) : "");
  });
  let titles = [];

  function differenceOf(frame, name) {
    const { V } = scene.true;
    const A = scene.true.A;
    if (name === "V") return Float64Array.from(V, (v, s) => frame.V_hat[s] - v);
    if (name === "loss") return Float64Array.from(V, (v, s) => v - frame.V[s]);
    return Float64Array.from(V, (_, s) => frame.kl.subarray(s * A, s * A + A).reduce((sum, x) => sum + x, 0) / A);
  }

  function drawMaps(frame) {
    const { grid, V, pi } = scene.true;
    const range = scale(together(V, frame.V_hat));
    const view = ui.values.difference;
    const off = differenceOf(frame, view);
    const size = Math.max(1e-9, ...Array.from(off, Math.abs).filter(Number.isFinite));
    const apart = scale(view === "kl" ? { low: 0, high: size, signed: false } : { low: -size, high: size, signed: true });
    const common = { ...grid, rewards: new Float64Array(grid.rows * grid.columns), stuck: new Uint8Array(V.length), Q: null, view: "V", showNumbers: true };
    pictures[0].draw({ ...common, V, pi, range, showArrows: true });
    pictures[1].draw({ ...common, V: frame.V_hat, pi: frame.pi, range, showArrows: true });
    pictures[2].draw({ ...common, V: off, pi, range: apart, showArrows: false });
    legends[0].draw({ low: range.low, high: range.high, signed: range.signed }, "V");
    legends[1].draw({ low: apart.low, high: apart.high, signed: apart.signed }, { V: "V̂ − V*", kl: "KL", loss: "V* − V" }[view]);
    write(["Truth: V* and the best policy", "Model: what V̂ it promises, and where its agent goes", { V: "Promise: V̂ − V*", kl: "Surprise: KL(p ‖ p̂), mean over actions", loss: "Loss: V* − V of the model’s agent" }[view]]);
  }

  function drawTables(frame) {
    const { states, actions, P, r, pi } = scene.true;
    const probability = scale({ low: 0, high: 1, signed: false });
    const rewards = scale(together(r, frame.r_hat));
    const minus = (x, y) => Float64Array.from(x, (v, k) => (v === y[k] ? 0 : v - y[k]));
    const symmetric = (values, least) => {
      const size = Math.max(least, ...Array.from(values, Math.abs).filter(Number.isFinite));
      return scale({ low: -size, high: size, signed: true });
    };
    const [off, paid] = [minus(frame.P_hat, P), minus(frame.r_hat, r)];
    const common = { states, actions, range: probability, rewardRange: rewards, extraName: "policy", extraTip: "probability of this action" };
    const apart = symmetric(off, 0.05);
    pictures[0].draw({ ...common, P, r, extra: pi });
    pictures[1].draw({ ...common, P: frame.P_hat, r: frame.r_hat, extra: frame.pi });
    pictures[2].draw({ ...common, P: off, r: paid, extra: frame.backup, range: apart, rewardRange: symmetric(paid, 0.05), extraRange: symmetric(frame.backup, 0.05), extraName: "in value", extraTip: "error of one backup, B̂Q* − BQ*" });
    legends[0].draw({ low: 0, high: 1, signed: false }, "P");
    legends[1].draw({ low: apart.low, high: apart.high, signed: true }, "P̂ − P");
    write(["Truth: P, r and the best policy", "Model: P̂, r̂ and its agent’s policy", "Difference, and what it does to a value"]);
  }

  const write = once((texts) => texts.forEach((text, k) => (titles[k].textContent = text)));

  function together(...arrays) {
    const all = arrays.flatMap((array) => Array.from(array)).filter(Number.isFinite);
    const [low, high] = [Math.min(0, ...all), Math.max(0, ...all)];
    const signed = -low > 0.02 * high && high > -0.02 * low;
    const size = Math.max(-low, high, 1e-9);
    return signed ? { low: -size, high: size, signed } : { low: low < -0.02 * size ? -size : 0, high: low < -0.02 * size ? 0 : size, signed };
  }

  function describe([row, column], k) {
    const { grid, V, A } = scene.true;
    const s = grid.state[row * grid.columns + column];
    if (s < 0) return { title: `(${row}, ${column}) wall`, rows: [] };
    const frame = history[position];
    const kl = frame.kl.subarray(s * A, s * A + A).reduce((sum, x) => sum + x, 0) / A;
    const policy = (k === 0 ? scene.true.pi : frame.pi).subarray(s * A, s * A + A);
    const moves = grid.moves.map((move, a) => [`${GLYPHS[move]} ${NAMES[move]}`, `${fixed(100 * policy[a], 0)} %`]);
    return { title: `(${row}, ${column})`, rows: [["V*", precise(V[s])], ["V̂, promised", precise(frame.V_hat[s])], ["V of its agent", precise(frame.V[s])], ["KL", precise(kl)], ...moves] };
  }

  // Curves

  function drawCharts() {
    const steps = column("step");
    const common = { steps, at: position, changes: scene.changes };
    const [J, error, trivial] = [column("J"), column("q_error"), column("trivial")];
    const lower = column("lower");
    const bound = scene.optimist && lower.some(Number.isFinite) ? [{ key: "lower", name: "MnM’s lower bound on J", y: lower, colour: ACCENTS[5], dash: "5 3" }] : [];
    const colour = FAMILIES[ui.values.objective][0];
    charts.J.draw({ ...common, log: false, levels: [{ y: scene.best }], curves: [{ key: "J", name: "J", y: J, colour, thick: true }, ...bound, { key: "best", name: "best, J*", y: J.map(() => scene.best), colour: "var(--soft)", dash: "6 4" }] });
    charts.kl.draw({ ...common, log: true, levels: [], curves: [{ key: "kl", name: "mean KL", y: column("kl"), colour, thick: true }] });
    const part = (key, name, style, k, limit) => ({ key, name, y: column(key), colour: style, dash: k, limit });
    charts.q.draw({ ...common, log: true, levels: [], curves: [
      { key: "q_error", name: "error of Q", y: error, colour, thick: true },
      part("q_below", "≥ backup of Q̂", ACCENTS[4], "2 2"), part("q_model", "≤ backup of Q̂", ACCENTS[0], "5 3", trivial), part("q_true", "≤ backup of Q*", ACCENTS[2], "5 3", trivial),
      part("q_sharp", "≤ worst row, sharp", ACCENTS[3], "7 2 2 2", trivial), part("q_likelihood", "≤ worst row", ACCENTS[5], "7 2 2 2", trivial)] });
    const most = J.map(() => scene.best - scene.worst);
    const lost = { key: "loss", name: "J* − J", y: J.map((v) => scene.best - v), colour, thick: true };
    charts.loss.draw({ ...common, log: true, levels: [], curves: scene.optimist ? [lost] : [lost,
      part("loss_q", "≤ error of Q", ACCENTS[4], "5 3", most), part("loss_model", "≤ backup of Q̂", ACCENTS[0], "5 3", most),
      part("loss_sharp", "≤ worst row, sharp", ACCENTS[3], "7 2 2 2", most), part("loss_likelihood", "≤ worst row", ACCENTS[5], "7 2 2 2", most)] });
  }

  function drawPlane() {
    const label = (name) => ui.spec.controls.find((each) => each.name === "objective").options[name];
    const kept = scene.kept.map((run) => ({ ...run, name: label(run.objective), live: false }));
    const live = { objective: ui.values.objective, name: label(ui.values.objective), capacity: scene.capacity, kl: column("kl"), J: column("J"), live: true };
    plane.draw({ runs: [...kept, live], best: scene.best, uniform: scene.uniform, at: position });
  }

  // Picture `position` of the run.
  function show() {
    const frame = history[position];
    if (!frame) return;
    scene.true.grid ? drawMaps(frame) : drawTables(frame);
    drawPlane();
    drawCharts();
    [scrub.max, scrub.value] = [Math.max(1, last()), position];
    scrub.style.setProperty("--part", `${(100 * position) / Math.max(1, last())}%`);
    step.textContent = `step ${number(frame, "step")}`;
    Object.assign(ui.root.dataset, { frame: position, frames: history.length, step: number(frame, "step"), j: number(frame, "J") });
  }

  // Put together

  const section = (title, ...children) => h("section", {}, h("h4", { text: title }), ...children);
  ui.frame(h("div", {},
    h("div", { class: "columns mismatch" },
      h("div", {}, h("h4", { text: "The mismatch plane" }), plane.node, transport, h("div", { class: "row" }, status, h("div", { class: "space" }), ...ui.buttons("keep", "quiet"))),
      h("div", {},
        section("World", world),
        section("What the model is learned for", objectives, equation, refusal),
        section("How large it may be", models, ...Object.values(capacity), effect),
        section("Agent and training", ...ui.controls("agent")))),
    panels,
    h("div", { class: "charts" }, ...Object.values(charts).map((chart) => chart.node))));

  function draw(next) {
    scene = next;
    if (scene.run !== runShown) [history, runShown, following] = [[], scene.run, true];
    missing = scene.index > history.length || (missing && scene.index > 0);
    while (history.length < scene.index) history.push(scene.frame); // until the others are fetched
    [history[scene.index], history.length] = [scene.frame, scene.index + 1];
    if (following || position > last()) position = last();
    look(scene.playing);
    refuse(scene.refused);
    limits(ui.values.model, scene.kappa_top, scene.optimist, scene.own);
    equation.textContent = scene.equation;
    status.textContent = scene.status;
    build(Boolean(scene.true.grid));
    show();
  }

  // All pictures, if some were made while nobody looked.
  let missing = false;
  function arrived(all) {
    if (all.run !== runShown) return;
    missing = false;
    const names = Object.keys(all).filter((name) => name !== "run");
    const length = all.numbers.shape[0];
    const size = (name) => all[name].length / length;
    history = Array.from({ length }, (_, k) => Object.fromEntries(names.map((name) => [name, all[name].subarray(k * size(name), (k + 1) * size(name))])));
    if (following || position > last()) position = last();
    show();
  }

  function key(event) {
    if (event.key === " " && !event.target.matches("button, summary")) ui.do("toggle");
    else if (event.key === ",") seek(position - 1);
    else return false;
    return true;
  }

  const close = () => [plane, ...Object.values(charts), ...(pictures ?? [])].forEach((part) => part.close?.());
  return { draw, key, wants: () => missing, frames: arrived, close };
}
