// The dynamics explorer: true and optimistic dynamics on a map, what is paid, promised and gotten.

const SHADE_NAMES = { price: "KL(q‖p), nats", promise: "Promised", truth: "True", gap: "True less promised" };
const PLAYERS = { truth: "Knows the truth", paying: "Pays for its dream", free: "Dreams for free" };

function mount(ui) {
  let [scene, frames, walked] = [null, null, null];
  let shown = null; // { V, truth, q, KL, action } of the frame shown

  // The map

  const board = makeBoard(ui, {
    label: "Map. Arrow keys move the focus, w makes a wall, g a goal, s a start, plus and minus change the reward.",
    onpick: (cell, phase) => editor.pick(cell, phase),
    onkey: (event, cell) => editor.key(event, cell),
    onfocus: () => panel(),
    describe,
  });
  const arrowLayer = makeArrows(board);
  const walkers = makeWalkers(board);
  const editor = makeEditor(ui, () => ({ board, kinds: scene.kinds, rewards: scene.rewards, fixed: false }), { first: "look", reward: { low: 0 } });

  const size = () => ({ S: scene.V.length, A: scene.moves.length, K: scene.index.length / scene.V.length / scene.moves.length });
  const cellOf = (s) => [scene.cells[2 * s], scene.cells[2 * s + 1]];
  const moveNames = ["up", "right", "down", "left"];

  // The action whose arrows are shown in state s.
  const actionOf = (s) => (ui.values.move === "policy" || scene.stuck[s] ? shown.action[s] : moveNames.indexOf(ui.values.move));

  // [[down, right, probability], ...] of an action: where it goes by the model "p" or "q".
  function ways(s, model, a = actionOf(s)) {
    const { A, K } = size();
    const q = model === "p" ? scene.p : shown.q;
    const [row, column] = cellOf(s);
    const found = new Map();
    for (let i = (s * A + a) * K; i < (s * A + a + 1) * K; i++) {
      if (!scene.p[i]) continue;
      const [down, right] = [scene.cells[2 * scene.index[i]] - row, scene.cells[2 * scene.index[i] + 1] - column];
      found.set(`${down},${right}`, [down, right, q[i] + (found.get(`${down},${right}`)?.[2] ?? 0)]);
    }
    return [...found.values()];
  }

  function shades() {
    const { S, A } = size();
    const of = {
      price: (s) => shown.KL[s * A + actionOf(s)],
      promise: (s) => shown.V[s],
      truth: (s) => shown.truth[s],
      gap: (s) => shown.truth[s] - shown.V[s],
    }[ui.values.shade];
    return Float64Array.from({ length: S }, (_, s) => of(s));
  }

  function paint() {
    const kinds = [...scene.kinds].map((kind, k) => (kind === "G" && !scene.goals[scene.state[k]] ? "." : kind)).join("");
    const rewards = scene.rewards.map((reward, k) => (scene.kinds[k] === "G" && kinds[k] === "." ? 0 : reward));
    board.draw({ ...scene, kinds, rewards, V: shades(), Q: null, range: scale(scene.scales[ui.values.shade]), view: "V", showArrows: false, showNumbers: ui.values.numbers });
    const open = Array.from({ length: scene.V.length }, (_, s) => [s, cellOf(s)]).filter(([s]) => !scene.stuck[s]);
    arrowLayer.draw(open, ways, ui.values.numbers);
  }

  const unit = () => (ui.values.method === "mnm" ? "log J" : "J");
  const percent = (x) => `${fixed(100 * x, x > 0 && x < 0.0995 ? 1 : 0)} %`;
  const arrow = ([down, right]) => (down || right ? GLYPHS[[down, right]] : "stays");

  function describe(cell) {
    const k = board.keyOf(cell);
    const [s, kind] = [scene.state[k], scene.kinds[k]];
    const pit = kind === "G" && !scene.goals[s];
    const title = `(${cell.join(", ")}) ${pit ? "pit" : CELLS[kind]}`;
    if (s < 0 || kind === "#") return { title, rows: [] };
    const values = [["reward", precise(scene.rewards[k] > 0 ? scene.rewards[k] : ui.values.base)], [`promised ${unit()}`, precise(shown.V[s])], [`true ${unit()}`, precise(shown.truth[s])]];
    if (scene.stuck[s]) return { title, rows: [...values, ["", "never left"]] };
    const a = actionOf(s);
    const dream = ways(s, "q");
    const moves = ways(s, "p").map(([down, right, p], i) => [arrow([down, right]), `${percent(p)} → ${percent(dream[i][2])}`]);
    return { title, rows: [[`move ${GLYPHS[scene.moves[a]]}`, "truth → dream"], ...moves, ["KL", `${precise(shown.KL[s * size().A + a], 3)} nats`], ...values] };
  }

  // The selected cell: its rows of p and q as bars

  const rowsBox = h("div", { style: "display: grid; grid-template-columns: 46px 1fr 118px; gap: 5px 10px; align-items: center; max-width: 560px; margin: 6px 0", "data-rows": "" });
  const priceLine = h("div", { class: "small", "data-price": "" });
  const bar = (value, colour, thick) => h("div", { style: `height: ${thick}px; width: ${100 * value}%; min-width: 1px; background: ${colour}; border-radius: 2px` });

  function panel() {
    if (!scene || !shown) return;
    editor.panel();
    const s = scene.state[board.keyOf(board.cell)];
    const closed = s < 0 || scene.kinds[board.keyOf(board.cell)] === "#" || scene.stuck[s];
    if (closed) {
      rowsBox.replaceChildren();
      priceLine.textContent = s >= 0 && scene.stuck[s] ? "Never left: its reward is paid again and again." : "A wall.";
      return;
    }
    const { A } = size();
    const a = actionOf(s);
    const [truth, dream] = [ways(s, "p"), ways(s, "q")];
    rowsBox.replaceChildren(...truth.flatMap(([down, right, p], i) => {
      const q = dream[i][2];
      const bars = h("div", { style: "display: grid; gap: 2px" }, bar(p, "var(--soft)", 8), bar(q, "var(--accent)", 8));
      const text = h("span", { class: "small", style: "text-align: right", "data-way": `${down},${right}`, "data-p": p, "data-q": q, text: `${percent(p)} → ${percent(q)}` });
      return [h("span", { class: "number", text: arrow([down, right]) }), bars, text];
    }));
    const KL = shown.KL[s * A + a];
    const charge = scene.charge[s * A + a];
    const clipped = shown.exact && Math.abs(charge - KL) > 1e-9;
    const paid = !scene.weight ? "nothing is paid for it" : clipped ? `the clipped classifier reports ${precise(charge, 3)}, which is what counts` : `the dream pays w · ${precise(KL, 3)}`;
    priceLine.textContent = `Move ${GLYPHS[scene.moves[a]]}. KL(q‖p) = ${precise(KL, 3)} nats; ${paid}.`;
    priceLine.dataset.kl = KL;
  }

  // The rounds

  const player = makePlayer({ show, want: () => ui.bridge.ask(0) });
  const label = h("span", { class: "number", "data-frame": "" });
  const chart = makeLines(ui, {
    label: "What is promised and what the policy gets, round by round", below: "rounds", onseek: (k) => player.seek(k), describe: (k) => frames.labels[k],
  });

  // Frame k of the alternating maximisation; the exact answer at its end.
  function show(k) {
    const exact = !frames || k === player.length - 1;
    const { S, A, K } = size();
    const part = (array, count) => array.subarray(k * count, (k + 1) * count);
    shown = exact
      ? { V: scene.V, truth: scene.truth, q: scene.q, KL: scene.KL, action: scene.action, exact }
      : { V: part(frames.V, S), truth: part(frames.truth, S), q: part(frames.q, S * A * K), KL: part(frames.KL, S * A), action: part(frames.action, S), exact };
    paint();
    panel();
    chart.mark(k);
    label.textContent = frames ? frames.labels[k] : "";
    ui.root.dataset.frame = k;
  }

  // The agents

  const table = h("div", { style: "display: grid; grid-template-columns: minmax(0, 1fr) auto auto 110px; gap: 4px 14px; align-items: center; margin: 8px 0 6px" });
  const formula = h("div", { style: "font-family: 'STIX Two Text', Cambria, 'DejaVu Serif', serif; font-size: 14.5px; margin: 2px 0 4px", "data-formula": "" });
  const verdict = h("div", { class: "small", "data-verdict": "" });

  function numbers() {
    const head = (text) => h("span", { class: "small", style: text === "" ? "" : "text-align: right", text });
    const current = ui.values.classifier ? "paying" : "free";
    const rows = scene.agents.flatMap((each) => {
      const look = each.name === current ? "font-weight: 650; color: var(--accent)" : "";
      const cell = (name, text) => h("span", { style: `text-align: right; ${look}`, [`data-${name}`]: each[name], "data-agent": each.name, text });
      const share = h("span", { style: "display: flex; align-items: center; gap: 7px; justify-content: flex-end" },
        h("span", { style: "flex: 1; height: 7px; border-radius: 4px; background: var(--line); overflow: hidden" }, bar(each.share, each.name === current ? "var(--accent)" : "var(--soft)", 7)),
        h("span", { style: `min-width: 38px; text-align: right; ${look}`, "data-share": each.share, "data-agent": each.name, text: `${fixed(100 * each.share, 0)} %` }));
      return [h("span", { style: look, text: `${each.name === current ? "▸ " : ""}${PLAYERS[each.name]}` }), cell("promise", fixed(each.promise, 3)), cell("gets", fixed(each.gets, 3)), share];
    });
    table.replaceChildren(head(""), head("promises"), head(`gets, ${unit()}`), head("of the best return"), ...rows);
    const price = ui.values.classifier ? " − w KL(q‖p)" : "";
    formula.textContent = ui.values.method === "mnm"
      ? `max  E_q Σ γᵗ [ (1−γ) log (r ∕ (1−γ))${price} ]${scene.bound ? "  ≤  log J" : ""}`
      : `max  E_q Σ γᵗ [ r${price} ]  ≥  J`;
    const clipped = Math.abs(scene.spent - scene.diverges) > 1e-9;
    const spent = !ui.values.classifier ? `Its dream diverges by ${precise(scene.diverges, 3)} nats`
      : clipped ? `The classifier reports ${precise(scene.spent, 3)} nats for a dream that diverges by ${precise(scene.diverges, 3)}`
      : `It spends ${precise(scene.spent, 3)} nats on its dream`;
    verdict.textContent = `${scene.verdict} ${spent} (discounted, from the start).`;
    Object.assign(verdict.dataset, { spent: scene.spent, diverges: scene.diverges });
  }

  // Walking

  const walkButton = ui.buttons("agent");
  const walkText = h("div", { class: "small", style: "min-height: 2.8em", "data-walk": "" });
  const arrivalText = h("div", { class: "small", "data-arrival": "" });
  const arrival = makeLines(ui, {
    label: "Probability of having reached a goal, step by step, in the dream and in truth", below: "steps", height: 116, describe: (k) => `after ${plural(k, "step")}`,
  });
  const half = (curve) => Array.from(curve).findIndex((p) => p >= 0.5);

  function arrivals() {
    const found = scene.arriving;
    arrival.draw({ low: 0, high: 1, curves: [
      { name: "at a goal, dream", y: found.dream_goal, colour: "var(--accent)", dash: "5 4" },
      { name: "at a goal, truth", y: found.truth_goal, colour: "var(--warm)" },
    ] });
    const after = (curve) => (half(curve) < 0 ? "fewer than half arrive" : `half have arrived after ${plural(half(curve), "step")}`);
    const fallen = (curve) => curve.at(-1) > 5e-4 ? `; ${percent(curve.at(-1))} end in a pit` : "";
    arrivalText.textContent = `In the dream ${after(found.dream_goal)}${fallen(found.dream_pit)}. In truth ${after(found.truth_goal)}${fallen(found.truth_pit)}.`;
  }

  function walk() {
    if (!scene.walk) {
      if (walked === null) return;
      walked = null;
      walkers.rest();
      return;
    }
    if (walked === scene.walk.number) return;
    walked = scene.walk.number;
    const cells = (array) => Array.from({ length: array.length / 2 }, (_, i) => [array[2 * i], array[2 * i + 1]]);
    const paths = { dream: cells(scene.walk.dream.cells), truth: cells(scene.walk.truth.cells) };
    const over = { goal: "at the goal", pit: "in a pit", limit: "gave up" };
    const story = (name) => `${over[scene.walk[name].over]} after ${plural(paths[name].length - 1, "step")}`;
    walkText.textContent = `Dream: ${story("dream")}. Truth: ${story("truth")}. Same policy, same luck.`;
    walkers.walk(paths, () => {});
  }
  const idle = "The same policy, the same random numbers: once where q is true, once where p is.";

  // Put together

  const colourBar = legend();
  const swatch = (colour, text, round) => h("span", {}, h("span", { style: `display: inline-block; width: 16px; height: ${round ? 8 : 11}px; background: ${colour}; border: 1px solid #fff; clip-path: polygon(0 30%, 55% 30%, 55% 0, 100% 50%, 55% 100%, 55% 70%, 0 70%)` }), text);
  const arrowKeys = h("div", { class: "keys", style: "margin: 7px 0 2px" },
    swatch(TRUE_COLOUR, "truth p"), swatch(DREAM_COLOUR, "dream q", true), h("span", { text: "area: probability" }));
  const section = (title, ...children) => h("section", {}, h("h4", { text: title }), ...children);
  const row = (...children) => h("div", { class: "row" }, ...children);
  const named = (text, nodes) => row(h("span", { class: "small", style: "min-width: 52px", text }), ...nodes);
  const classifier = ui.controls("classifier").map(tight);
  const details = h("details", {}, h("summary", { text: "Size of the map" }), h("div", { class: "row", style: "margin-top: 8px" }, editor.sizes[0], "×", editor.sizes[1]));
  ui.frame(
    h("div", { class: "columns" },
      h("div", {},
        h("div", { class: "row", style: "margin-bottom: 7px" }, editor.tools),
        h("div", { style: "display: grid; gap: 6px; margin-bottom: 10px" },
          named("Shade", [...ui.controls("view"), ...ui.controls("numbers").map(tight)]), named("Arrows", ui.controls("arrows"))),
        board.node,
        h("div", { style: "max-width: 560px; margin-top: 10px" }, colourBar.node, arrowKeys,
          h("div", { style: "margin-top: 12px" }, editor.name), rowsBox, priceLine, editor.reward, details),
        h("div", { style: "max-width: 560px; margin-top: 14px" }, section("Walking", row(...walkButton, h("div", { class: "space" }), arrival.keys), h("div", { style: "margin: 6px 0" }, walkText), arrival.node, arrivalText))),
      h("div", {},
        section("Dream", row(...ui.controls("method"), h("div", { class: "space" }), ...classifier), h("div", { style: "margin-top: 8px" }, formula), ...ui.controls("dream"), table, verdict),
        section("World", ...ui.controls("world")),
        section("Round by round", player.node, h("div", { class: "row", style: "margin-top: 7px" }, label, h("div", { class: "space" }), chart.keys), chart.node))),
  );

  function draw(next) {
    const sameFrames = scene && next.run === scene.run && frames;
    scene = next;
    if (!sameFrames) {
      frames = null;
      player.load(1);
    } else show(player.position);
    colourBar.draw(scene.scales[ui.values.shade], SHADE_NAMES[ui.values.shade] + (["promise", "truth"].includes(ui.values.shade) ? ` ${unit()}` : ""));
    editor.size(scene.rows, scene.columns);
    numbers();
    arrivals();
    walk();
    if (!scene.walk) walkText.textContent = idle;
  }

  function arrived(next) {
    frames = next;
    chart.draw({ curves: [
      { name: "promised", y: frames.promise, colour: "var(--accent)", dash: "5 4" },
      { name: `true ${unit()}`, y: frames.gets, colour: "var(--warm)" },
    ] });
    player.load(frames.labels.length);
  }

  function keys(event) {
    const press = { " ": player.toggle, ",": () => player.step(-1), ".": () => player.step(1) }[event.key];
    if (!press || (event.key === " " && event.target.matches("button, summary"))) return false;
    press();
    return true;
  }

  const close = () => {
    walkers.rest();
    [board, chart, arrival].forEach((part) => part.close());
  };
  return { draw, key: keys, wants: () => !frames, frames: arrived, close };
}
