// The gridworld explorer: an editor, the solver's sweeps, and an agent.

function mount(ui) {
  let [scene, frames, walked] = [null, null, null];

  const picture = (answer) => ({
    ...scene,
    ...answer,
    range: scale(scene.scale),
    view: ui.values.view,
    showArrows: ui.values.arrows,
    showNumbers: ui.values.numbers,
  });
  let shown = null;

  // The map

  const board = makeBoard(ui, {
    label: "Map of the grid world. Arrow keys move the focus, w makes a wall, g a goal, s a start, plus and minus change the reward.",
    onpick: (cell, phase) => editor.pick(cell, phase),
    onkey: (event, cell) => editor.key(event, cell),
    onfocus: () => editor.panel(),
    describe,
  });
  const editor = makeEditor(ui, () => ({ board, kinds: scene.kinds, rewards: scene.rewards, fixed: scene.world }));

  function describe(cell) {
    const k = board.keyOf(cell);
    const [s, kind, reward] = [scene.state[k], scene.kinds[k], scene.rewards[k]];
    const title = `(${cell.join(", ")}) ${CELLS[kind]}`;
    const rows = reward ? [["reward", signed(reward, 2)]] : [];
    if (s < 0 || kind === "#") return { title, rows };
    rows.push(["V", precise(shown.V[s])]);
    if (scene.stuck[s]) return { title, rows: [...rows, ["", "the episode ends here"]] };
    const A = scene.moves.length;
    scene.moves.forEach((move, a) => rows.push([`Q ${GLYPHS[move]} ${NAMES[move]}`, `${precise(shown.Q[s * A + a])}   ${fixed(100 * shown.pi[s * A + a], 0)} %`]));
    return { title, rows };
  }

  // The player and the curve

  const player = makePlayer({ show, want: () => ui.bridge.ask(0) });
  const label = h("span", { class: "number", "data-frame": "" });
  const stop = h("div", { class: "small", "data-stop": "" });
  const chart = makeChart(ui, {
    label: "Distance of the values from the optimal ones and its certified bound, frame by frame",
    onseek: (k) => player.seek(k),
    describe: (k) => frames.labels[k],
  });

  // Frame k of the run; the exact answer at the end of one that wasn't made by hand.
  function show(k) {
    const atEnd = !frames || (k === player.length - 1 && !scene.by_hand);
    const [S, A] = [scene.V.length, scene.moves.length];
    const part = (array, size) => array.subarray(k * size, (k + 1) * size);
    shown = atEnd ? { V: scene.V, Q: scene.Q, pi: scene.pi } : { V: part(frames.V, S), Q: part(frames.Q, S * A), pi: part(frames.pi, S * A) };
    board.draw(picture(shown));
    chart.mark(k);
    label.textContent = frames ? `${frames.labels[k]}` : "";
    ui.root.dataset.frame = k;
  }

  const frame = () => (frames ? frames.index[player.position] : null);
  const steps = [...ui.buttons("steps", "", () => (frames ? { frame: frame() } : {})), ...ui.buttons("answer")];

  // The agent

  const walkText = h("div", { class: "small", "data-walk": "" });
  const walkButton = ui.buttons("agent", "", () => (frames && (scene.by_hand || player.position < player.length - 1) ? { frame: frame() } : {}));

  function agentPanel() {
    const walk = scene.walk;
    if (!walk) {
      if (walked === "") return;
      board.rest();
      walkText.replaceChildren("Follows the policy shown, from a start.");
      walked = "";
      return;
    }
    const returns = walk.returns;
    const name = `${returns.length} ${returns.at(-1)}`;
    if (name === walked) return;
    walked = name;
    const mean = returns.reduce((sum, x) => sum + x, 0) / returns.length;
    const spread = Math.sqrt(returns.reduce((sum, x) => sum + (x - mean) ** 2, 0) / Math.max(1, returns.length - 1) / returns.length);
    const over = { goal: "reached an end", end: "the episode ended", limit: "gave up" }[walk.over];
    const bold = (text) => h("span", { class: "number", text });
    const path = Array.from({ length: walk.cells.length / 2 }, (_, i) => [walk.cells[2 * i], walk.cells[2 * i + 1]]);
    board.walk(path);
    walkText.replaceChildren(
      "Return ", bold(precise(returns.at(-1))), ` in ${plural(walk.rewards.length, "step")} (${over}). `,
      returns.length > 1 ? `Mean of ${returns.length}: ${precise(mean, 3)} ± ${precise(spread, 2)}. ` : "", "Expected: ", bold(precise(walk.expected)),
    );
  }

  // Import and size

  const id = h("input", { type: "text", value: "FrozenLake-v1", style: "width: 150px; text-align: left", "aria-label": "Gymnasium environment" });
  const open = () => ui.do("gymnasium", { name: id.value });
  id.addEventListener("keydown", (event) => event.key === "Enter" && open());
  const more = h("details", {}, h("summary", { text: "Size and import" }),
    h("div", { class: "row", style: "margin-top: 8px" }, "Size", editor.sizes[0], "×", editor.sizes[1], h("span", { style: "width: 14px" }),
      "Gymnasium table", id, h("button", { type: "button", "data-open": "", text: "Open", onclick: open })));

  const help = keysLine({ "← ↑ ↓ →": "select", W: "wall", G: "goal", S: "start", "+ −": "reward", space: "play", ", .": "step" });

  // Put together

  const colourBar = legend();
  const promise = h("span", { class: "number", "data-return": "" });
  const views = ui.controls("view");
  const answer = h("div", { class: "small", style: "margin-top: 5px", "data-answer": "" });
  const section = (title, ...children) => h("section", {}, h("h4", { text: title }), ...children);
  const playerControls = ui.controls("player");
  ui.frame(
    h("div", { class: "columns" },
      h("div", {},
        h("div", { class: "row", style: "margin-bottom: 7px" }, editor.tools),
        h("div", { class: "row", style: "margin-bottom: 10px; max-width: 560px" }, views[0], h("div", { class: "space" }), ...views.slice(1).map(tight)),
        board.node,
        h("div", { style: "max-width: 560px; margin-top: 10px" }, colourBar.node,
          answer, h("div", { style: "margin-top: 10px" }, editor.name), editor.reward, help, more)),
      h("div", {},
        section("World", ...ui.controls("world")),
        section("Solving", h("div", { class: "row", style: "margin-bottom: 6px" }, playerControls[0]), ...playerControls.slice(1),
          h("div", { style: "margin: 6px 0 8px" }, player.node), h("div", { class: "row", style: "margin-bottom: 8px" }, ...steps),
          h("div", { class: "row" }, label, h("div", { class: "space" }), chart.keys), chart.node, stop),
        section("Agent", h("div", { class: "row" }, ...walkButton, h("div", { class: "space" }), "Value at the start ", promise), h("div", { style: "margin-top: 6px" }, walkText)))),
  );

  function draw(next) {
    const sameFrames = scene && next.run === scene.run && frames;
    scene = next;
    if (!sameFrames) {
      frames = null;
      player.load(1);
    } else show(player.position);
    colourBar.draw(scene.scale, ui.values.view === "Q" ? "Q" : "V");
    promise.textContent = precise(scene.J);
    promise.dataset.value = scene.J;
    answer.textContent = scene.world ? `${scene.world}. ${scene.answer}` : scene.answer;
    editor.size(scene.rows, scene.columns);
    editor.panel();
    agentPanel();
  }

  function arrived(next) {
    frames = next;
    const marks = frames.phases.flatMap((phase, k) => (phase === "improve" ? [k] : []));
    chart.draw({
      curves: [
        { name: "certified bound", y: frames.bound, colour: ACCENTS[1], dash: "5 3" },
        { name: "distance from V*", y: frames.distance, colour: "var(--accent)" },
      ],
      marks: marks.length > 40 ? [] : marks,
      ticks: Object.fromEntries(Array.from(frames.index, (index, k) => [k, index])),
      floor: -8,
    });
    stop.textContent = frames.stop;
    player.load(frames.index.length);
  }

  function keys(event) {
    const press = { " ": player.toggle, ",": () => player.step(-1), ".": () => player.step(1) }[event.key];
    if (!press || (event.key === " " && event.target.matches("button, summary"))) return false;
    press();
    return true;
  }

  const close = () => [board, chart].forEach((part) => part.close());
  return { draw, key: keys, wants: () => !frames, frames: arrived, close };
}
