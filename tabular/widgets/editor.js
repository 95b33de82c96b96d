// Editing a map: tools, strokes, keys, the reward of the selected cell, the size.

const TOOLS = {
  wall: { kind: "#", label: "Wall", key: "w" },
  goal: { kind: "G", label: "Goal", key: "g" },
  start: { kind: "S", label: "Start", key: "s" },
  look: { kind: "", label: "Select", key: "" },
};
const CELLS = { "#": "wall", ".": "free", S: "start", G: "goal" };

// map() gives { board, kinds, rewards, fixed } as they are now; first is the tool in hand at the beginning.
function makeEditor(ui, map, { first = "wall", reward: range = {} } = {}) {
  let [tool, brush] = [first, "#"];
  const kindAt = (cell) => map().kinds[map().board.keyOf(cell)];

  function pick(cell, phase) {
    const { kind } = TOOLS[tool];
    const [row, column] = cell;
    if (!kind) return;
    if (kind !== "#") return phase === "down" && ui.do("toggle", { row, column, kind });
    if (phase === "down") brush = kindAt(cell) === "#" ? "." : "#";
    else if (!"#.".includes(kindAt(cell))) return; // a stroke of the brush goes around goals and starts
    ui.do("paint", { cells: [cell], kind: brush });
  }

  function key(event, [row, column]) {
    const chosen = Object.values(TOOLS).find((each) => each.key && each.key === event.key.toLowerCase());
    if (chosen) ui.do("toggle", { row, column, kind: chosen.kind });
    else if (event.key === "Enter") pick([row, column], "down");
    else if ("+=-_".includes(event.key)) ui.do("reward", { row, column, reward: nudged([row, column], event) });
    else return false;
    return true;
  }

  const nudged = (cell, event) => {
    const by = (event.shiftKey && event.key !== "+" ? 1 : 0.1) * ("+=".includes(event.key) ? 1 : -1);
    return Number((map().rewards[map().board.keyOf(cell)] + by).toFixed(6));
  };

  const tools = choiceControl(
    { label: "Tool", options: Object.fromEntries(Object.entries(TOOLS).map(([name, each]) => [name, each.label])) },
    (name) => tools.update((tool = name)),
  );
  tools.update(tool);
  tools.node.querySelectorAll("button").forEach((button) => {
    const { key: shortcut } = TOOLS[button.dataset.value];
    if (shortcut) button.append(h("kbd", { text: shortcut.toUpperCase(), "aria-hidden": "true" }));
  });

  // The selected cell

  const name = h("span", { class: "number" });
  const reward = sliderControl({ label: "Reward here", low: -1, high: 1, step: 0.05, ...range }, (value) => {
    const [row, column] = map().board.cell;
    ui.do("reward", { row, column, reward: value });
  });
  reward.node.dataset.control = "reward";

  function panel() {
    const { board, rewards, fixed: closed } = map();
    const kind = kindAt(board.cell);
    name.textContent = `Cell (${board.cell.join(", ")}), ${CELLS[kind]}`;
    const value = rewards[board.keyOf(board.cell)];
    const most = [1, 10, 100].find((limit) => Math.abs(value) <= limit);
    [reward.range.min, reward.range.max] = [range.low ?? -most, most];
    if (!(ui.bridge.busy && reward.node.contains(document.activeElement))) reward.update(value);
    const off = kind === "#" || Boolean(closed);
    reward.node.classList.toggle("off", off);
    reward.node.querySelectorAll("input").forEach((input) => (input.disabled = off));
  }

  // The size

  const resize = () => ui.do("resize", { rows: sizes[0].value, columns: sizes[1].value });
  const sizes = ["rows", "columns"].map((side) =>
    textField({ inputmode: "numeric", style: "width: 44px", "aria-label": side, "data-size": side }, resize));
  function size(rows, columns) {
    if (!sizes.some((input) => input === document.activeElement)) [sizes[0].value, sizes[1].value] = [rows, columns];
  }

  return { tools: tools.node, pick, key, name, reward: reward.node, panel, sizes, size };
}

// A toggle as a short pair of name and switch.
function tight(node) {
  node.className = "pair";
  return node;
}
