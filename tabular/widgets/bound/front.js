// The bound explorer: curves of a quantity and its bounds, a handle to drag along them, and the instance at the handle.

const FLIGHT = 650; // milliseconds of the way to a tight instance
const STATUS = { attained: "attained", holds: "", vacuous: "vacuous", violated: "✗ fails", nothing: "0 ≤ 0" };

function mount(ui) {
  let [scene, flight] = [null, 0];
  const controls = Object.fromEntries(ui.spec.controls.map((each) => [each.name, each]));

  // What is shown

  const ownPair = ui.model.get("scene").has_pair;
  const bounds = Object.entries(controls.bound.options).filter(([name]) => ownPair || !name.startsWith("pair"));
  const bound = ui.control({ ...controls.bound, options: Object.fromEntries(bounds) });
  const alongPlace = h("div", { class: "row" });
  const alongChoice = once((axes) => {
    const options = Object.fromEntries(axes.map((name) => [name, controls[name].symbol]));
    along = choiceControl({ label: "Along", options }, (name) => ui.set("along", name));
    along.node.dataset.control = "along";
    alongPlace.replaceChildren("Along", along.node);
  });
  let along = null;
  const [scaleChoice] = ui.controls("scale");
  const sliders = Object.fromEntries(ui.controls("world").map((node) => [node.dataset.control, node]));

  const chart = boundChart(ui, { onmove: move, onkey: step });
  const readout = h("div", { class: "readout" });
  const statement = h("p", { class: "small", style: "margin: 0 0 10px" });
  const note = h("div", { class: "note", "data-note": "" });
  const instance = h("div", { class: "instance", "data-instance": "" });
  const title = h("h4");

  // The way to an instance

  function move(value) {
    land();
    ui.set(scene.axis.name, value);
  }

  function step(event) {
    const { low, high, value, step: size } = scene.axis;
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
    const to = by ? nearestStep(scene.axis, (latest ?? value) + by * size) : { Home: low, End: high }[event.key];
    if (to === undefined) return false;
    latest = to;
    chart.mark(to);
    move(to);
    return true;
  }
  let latest = null; // what the keys have asked for while the kernel is busy

  const land = () => {
    cancelAnimationFrame(flight);
    flight = 0;
  };

  function fly(name) {
    land();
    const [from, to] = [{ ...ui.values }, scene.spots[name]];
    if (!to) return;
    const ways = Object.keys(to).filter((key) => from[key] !== to[key]);
    if (!ways.length || matchMedia("(prefers-reduced-motion: reduce)").matches) return ui.do(name);
    const begun = performance.now();
    const tick = (now) => {
      const t = Math.min(1, (now - begun) / FLIGHT);
      const s = t * t * (3 - 2 * t);
      if (t === 1) {
        flight = 0;
        return ui.do(name);
      }
      ui.do("set", Object.fromEntries(ways.map((key) => [key, nearestStep(controls[key], from[key] + s * (to[key] - from[key]))])));
      flight = requestAnimationFrame(tick);
    };
    flight = requestAnimationFrame(tick);
  }

  const go = ui.spec.actions.filter((each) => each.group === "go").map((each) => {
    const press = () => fly(each.name);
    const button = h("button", { type: "button", "data-action": each.name, title: each.hint, onclick: press },
      each.label, h("kbd", { text: each.key.toUpperCase(), "aria-hidden": "true" }));
    ui.updates.push(() => {
      const reason = ui.model.get("disabled")[each.name];
      button.disabled = Boolean(reason);
      button.style.display = reason ? "none" : "";
    });
    ui.keys[each.key] = () => button.disabled || press();
    return button;
  });

  // Put together

  const section = (heading, ...children) => h("section", {}, heading, ...children);
  ui.frame(
    h("div", { class: "bound" },
      h("div", { class: "row wide" }, bound),
      h("div", { class: "columns" },
        h("div", {},
          h("div", { class: "row", style: "margin-bottom: 8px" }, alongPlace, h("div", { class: "space" }), scaleChoice),
          chart.node, readout),
        h("div", {},
          section(title, statement, ...Object.values(sliders)),
          section(h("h4", { text: "The instance" }), instance, h("div", { class: "row", style: "margin-top: 12px" }, ...go), note)))),
  );

  // The numbers

  const swatch = (k) => h("span", { class: "swatch", "aria-hidden": "true" },
    g("svg", { viewBox: "0 0 26 8" }, g("line", { x2: 26, y1: 4, y2: 4, stroke: k < 0 ? "currentColor" : TINTS[k],
      "stroke-width": k < 0 ? 4 : 2.2, "stroke-dasharray": k < 0 ? "" : DASHED[k] })));

  function used(line) {
    if (line.ratio === null) return h("span", { class: "used" });
    const bar = h("span", { class: "bar" }, h("i", { style: `width: ${100 * Math.min(1, line.ratio)}%` }));
    const text = line.status === "violated" ? `× ${fraction(line.ratio)}` : `${precise(100 * line.ratio, 3)} %`;
    return h("span", { class: "used" }, bar, text);
  }

  function numbers() {
    const relation = (line) => (line.below ? "≥" : "≤");
    readout.replaceChildren(
      h("div", { class: "line" }, swatch(-1), h("b", { text: scene.quantity }), h("span"),
        h("span", { class: "number", "data-true": scene.here.true, "data-trivial": scene.here.trivial, text: precise(scene.here.true) }),
        h("span", { class: "small used", text: "bound used" })),
      ...scene.lines.map((line, k) =>
        h("div", { class: `line ${line.status}`, "data-line": line.name, "data-value": line.value, "data-status": line.status,
          "data-ratio": line.ratio ?? "" },
          swatch(k), h("span", { class: "name", text: line.label }),
          h("span", { class: "equation" }, `${relation(line)} ${line.equation}`, h("span", { class: "small", text: line.source })),
          h("span", { class: "number", text: line.value === null ? "…" : precise(line.value) }),
          h("span", {}, used(line), STATUS[line.status] ? h("span", { class: "status", text: STATUS[line.status] }) : ""))));
  }

  function draw(next) {
    scene = next;
    if (!ui.bridge.busy) latest = null;
    alongChoice(scene.axes);
    along.update(scene.axis.name);
    for (const [name, node] of Object.entries(sliders)) {
      node.style.display = scene.parameters.includes(name) ? "" : "none";
      node.classList.toggle("onaxis", name === scene.axis.name);
    }
    title.textContent = scene.title;
    statement.textContent = scene.statement;
    note.textContent = scene.note;
    chart.draw(scene, ui.values.scale);
    numbers();
    drawInstance(instance, scene.instance, ui);
    ui.root.dataset.flying = flight !== 0;
  }

  ui.root.addEventListener("pointerdown", land);
  return { draw, close: () => { land(); chart.close(); } };
}

// A ratio of small whole numbers as such.
function fraction(x) {
  const below = [2, 3, 4, 5, 6, 7, 8, 9].find((q) => Math.abs(x * q - Math.round(x * q)) < 1e-9);
  return below ? `${Math.round(x * below)}/${below}` : precise(x);
}
