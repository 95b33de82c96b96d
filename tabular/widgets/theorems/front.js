// The theorem board: a cell for each claim, the claim that is open with its evidence, and the lab at work on it.

const GLYPH = ["·", "✓", "✗", "≈✗", "?", "∅"];
const VERDICT = ["none", "holds", "violated", "violated", "none", "none"];
const GREEK = { alpha: "α", gamma: "γ", delta: "δ", eps: "ε", eta: "η", theta: "θ", kappa: "κ", lambda: "λ", mu: "μ", nu: "ν", pi: "π", rho: "ρ", sigma: "σ", tau: "τ", phi: "φ", sum: "Σ", sqrt: "√" };
const SIGNS = [["<=", "≤"], [">=", "≥"], ["!=", "≠"], ["->", "→"], ["<<", "≪"], ["||", "‖"], ["+-", "±"], ["^*", "*"]];
const WORD = new RegExp(`(?<![a-zA-Z])(${Object.keys(GREEK).join("|")})(?![a-zA-Z.])`, "g");
// Mathematics as it is typed in a docstring, in the letters of a paper.
const typeset = (text) => SIGNS.reduce((now, [typed, sign]) => now.replaceAll(typed, sign), text)
  .replace(WORD, (name) => GREEK[name]).replace(/(?<=[\s(])-(?=\S)|(?<=\s)-(?=\s)/g, MINUS);
// The same as nodes, with hats over what is called x_hat.
const formula = (text) => text.split(/(?<![a-zA-Z])((?:[A-Za-z]|pi|mu|rho)_hat)/).map((part) =>
  part.endsWith("_hat") ? h("span", { class: "hat", text: GREEK[part.slice(0, -4)] || part.slice(0, -4) }) : typeset(part));
const LETTERS = { gamma: "γ", alpha: "α", rho: "ρ", pi: "π", pi_hat: "π̂", P_hat: "P̂", r_hat: "r̂", mu: "μ", eta: "η", phi: "φ", sigma: "σ", delta: "δ", theta: "θ", nu: "ν", eps: "ε", Q_hat: "Q̂", "Q*_hat": "Q̂*" };
const symbol = (name) => name.split(" ").map((part) => LETTERS[part] || part).join(" ");

function mount(ui) {
  const { claims, papers, statuses } = ui.spec;
  const place = Object.fromEntries(claims.map((claim, k) => [claim.name, k]));
  let [scene, focused] = [null, null];
  const open = (name) => ui.do("open", { name });

  // The board

  const cells = claims.map((claim, k) => {
    const glyph = h("i", { "aria-hidden": "true" });
    const [fill, over] = [h("span", { class: "fill" }), h("span", { class: "over" })];
    const node = h("button", { type: "button", role: "gridcell", tabindex: -1, "data-claim": claim.name, onclick: () => open(claim.name) }, glyph, claim.id, fill, over);
    node.addEventListener("pointermove", (event) => ui.tip(event, claim.name, facts(k)));
    node.addEventListener("pointerleave", () => ui.tip());
    node.addEventListener("focus", () => settle(k));
    const update = once((status, ratio) => {
      glyph.textContent = GLYPH[status];
      node.className = VERDICT[status];
      node.dataset.status = statuses[status];
      node.dataset.ratio = ratio;
      node.setAttribute("aria-label", `${claim.name}: ${statuses[status]}${ratio === null ? "" : `, largest ratio ${precise(ratio)}`}`);
      const part = ratio === null ? 0 : Math.max(0, Math.min(1, ratio > 1 && VERDICT[status] === "violated" ? 1 / ratio : ratio));
      fill.style.width = `${100 * part}%`;
      over.style.width = `${ratio > 1 && VERDICT[status] === "violated" ? 100 : 0}%`;
    });
    return { node, update, claim };
  });

  const known = (k) => (Number.isNaN(scene.ratio[k]) ? null : scene.ratio[k]);
  const facts = (k) => [
    [claims[k].source, ""],
    ["verdict", statuses[scene.status[k]]],
    ["largest lhs / rhs", known(k) === null ? "–" : precise(known(k), 6)],
  ];

  // One cell can be tabbed to; the arrows move on from it.
  function settle(k) {
    if (focused !== null) cells[focused].node.tabIndex = -1;
    focused = k;
    cells[k].node.tabIndex = 0;
  }

  const shortName = (paper) => ui.spec.controls.find((each) => each.name === "paper").options[paper] || paper;
  const groups = Object.entries(papers).map(([paper, title]) => {
    const own = cells.filter((cell) => cell.claim.paper === paper);
    const tally = h("span");
    const node = h("div", { role: "row" }, h("h5", { title }, shortName(paper), tally), h("div", { class: "cells" }, ...own.map((cell) => cell.node)));
    return { node, own, tally };
  });
  const board = h("div", { class: "verdicts", role: "grid", "aria-label": "Claims. Arrow keys move, Enter opens.", onkeydown: move }, ...groups.map((group) => group.node));

  function move(event) {
    const shown = cells.filter((cell) => !cell.node.hidden);
    const at = shown.findIndex((cell) => cell.node === event.target);
    const sideways = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const downwards = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (at < 0 || !(sideways || downwards || ["Home", "End"].includes(event.key))) return;
    event.preventDefault();
    const next = sideways ? shown[at + sideways] : downwards ? nearest(shown, at, downwards) : shown.at(event.key === "Home" ? 0 : -1);
    next?.node.focus();
  }

  // The cell of the next row, up or down, that is nearest.
  function nearest(shown, at, way) {
    const boxes = shown.map((cell) => cell.node.getBoundingClientRect());
    const here = boxes[at];
    const ahead = shown.map((_, k) => k).filter((k) => way * (boxes[k].top - here.top) > 2);
    const row = Math.min(...ahead.map((k) => way * boxes[k].top));
    const best = ahead.filter((k) => Math.abs(way * boxes[k].top - row) < 2).sort((i, j) => Math.abs(boxes[i].left - here.left) - Math.abs(boxes[j].left - here.left))[0];
    return shown[best];
  }

  const drawBoard = () => {
    cells.forEach((cell, k) => {
      cell.update(scene.status[k], known(k));
      cell.node.hidden = !scene.shown[k];
      cell.node.setAttribute("aria-selected", String(cell.claim.name === scene.open.name));
    });
    for (const { node, own, tally } of groups) {
      const shown = own.filter((cell) => !cell.node.hidden);
      node.hidden = !shown.length;
      const count = (kind) => shown.filter((cell) => cell.node.className === kind).length;
      tally.textContent = `${shown.length} · ${count("holds")} ✓ · ${count("violated")} ✗`;
    }
    nothing.hidden = cells.some((cell) => !cell.node.hidden);
    const here = place[scene.open.name];
    reveal(scene.open.name);
    if (focused === null || cells[focused].node.hidden) settle(cells[here].node.hidden ? Math.max(0, cells.findIndex((cell) => !cell.node.hidden)) : here);
  };
  // Where the board scrolls, on a narrow page, the open claim is in sight.
  const reveal = once((name) => {
    const { node } = cells[place[name]];
    if (board.scrollHeight > board.clientHeight + 1 && !node.hidden)
      board.scrollTop += node.getBoundingClientRect().top - board.getBoundingClientRect().top - board.clientHeight / 2;
  });
  const nothing = h("p", { class: "small", text: "No claim matches. Clear the words, or show all." });

  // Filters

  const shows = ui.spec.controls.find((each) => each.name === "show").options;
  const showButtons = Object.entries(shows).map(([name, label]) => {
    const count = h("b");
    const mark = { holds: "✓", violated: "✗" }[name];
    const node = h("button", { type: "button", "data-show": name, onclick: () => ui.set("show", name) }, mark ? `${mark} ${label}` : label, count);
    return { name, node, count };
  });
  const select = h("select", { "aria-label": "Paper", "data-control": "paper", onchange: () => ui.set("paper", select.value) },
    ...Object.entries(ui.spec.controls.find((each) => each.name === "paper").options).map(([value, text]) => h("option", { value, text })));
  const words = h("input", { type: "text", placeholder: "Search names and statements", "aria-label": "Search", "data-search": "", oninput: () => ui.do("search", { text: words.value }) });
  const drawFilters = () => {
    select.value = ui.values.paper;
    if (document.activeElement !== words) write(words, scene.query);
    for (const { name, node, count } of showButtons) {
      node.setAttribute("aria-pressed", String(ui.values.show === name));
      node.hidden = name === "open" && !scene.counts.open && ui.values.show !== "open";
      count.textContent = scene.counts[name];
      count.dataset.count = scene.counts[name];
    }
  };

  // The open claim

  const claimBox = h("div", { "data-open": "" });
  const drawClaim = once((open_) => {
    const kind = VERDICT[open_.status];
    claimBox.dataset.open = open_.name;
    claimBox.replaceChildren(
      h("div", { class: "row" }, h("span", { class: "claim-name", text: open_.name }), h("span", { class: "small", text: open_.id }), h("div", { class: "space" }),
        h("span", { class: `badge ${kind}`, "data-status": "", text: `${GLYPH[open_.status]} ${statuses[open_.status]}` })),
      h("div", { class: "small", text: open_.source + traits(open_) }),
      h("div", { class: "statement" }, ...open_.text.map((part, k) =>
        part.kind === "equation" ? h("pre", { class: "equation", "data-typed": part.text }, ...formula(part.text)) : h("p", { class: k ? "why" : "first" }, ...formula(part.text)))),
      ...links(open_),
    );
  });
  const traits = (open_) => [open_.sharp ? "sharp: said to be attained" : "", open_.control ? "negative control: false on purpose" : "", open_.outside.length ? `without ${open_.outside.join(", ")}` : ""]
    .filter(Boolean).map((text) => ` · ${text}`).join("");
  const links = (open_) => {
    const link = (label, name) => h("button", { type: "button", "data-link": name, onclick: () => open(name) }, h("span", { class: "small", text: label }), name);
    const all = [...(open_.corrected ? [link("what holds instead", open_.corrected)] : []), ...open_.printed.map((name) => link("in its other form", name))];
    return all.length ? [h("div", { class: "links" }, ...all)] : [];
  };

  // Hypotheses

  const assumed = h("div");
  const drawAssumed = once((hypotheses) => {
    assumed.parentNode.hidden = !hypotheses.length;
    assumed.replaceChildren(...hypotheses.map(({ name, on }) =>
      h("div", { class: "assumption" },
        h("button", { type: "button", class: "switch", role: "switch", "aria-checked": String(on), "aria-label": name, "data-assume": name, onclick: () => ui.do("assume", { hypothesis: name, on: !on }) }),
        h("span", { class: on ? "" : "off" }, ...formula(name)), on ? null : h("span", { class: "small", text: "dropped: now check again" }))));
  });

  // Evidence

  const evidence = h("div", { "data-evidence": "" });
  const drawEvidence = once((kept, results) => {
    const rows = results.map((each) => resultRow(each));
    if (kept) rows.push(...keptRows(kept));
    if (!rows.length) return evidence.replaceChildren(h("p", { class: "small", text: "Not checked yet. Press Check." }));
    const head = h("tr", {}, ...["", "tested", "violations", "largest lhs / rhs"].map((text, k) => h("th", { class: k ? "right" : "", text })));
    evidence.replaceChildren(h("table", { class: "results" }, head, ...rows));
  });
  const row = (label, tested, violations, ratio, attributes = {}, sign = "") => {
    const bad = h("span", { class: `badge ${violations ? "violated" : ""}`, text: violations });
    return h("tr", attributes, h("td", {}, ...[label].flat()), h("td", { class: "right", text: tested.toLocaleString("en") }), h("td", { class: "right" }, bad),
      h("td", { class: "right number", text: ratio === null ? "–" : sign + precise(ratio, 6) }));
  };
  const resultRow = (each) => row([each.label, each.outside.length ? h("div", { class: "small", text: `without ${each.outside.join(", ")}` }) : ""], each.n, each.violations, each.max_ratio,
    { "data-result": each.label, "data-n": each.n, "data-violations": each.violations, "data-ratio": each.max_ratio, "data-verdict": each.status });
  const keptRows = (kept) => [
    row("kept record: random", kept.instances, kept.violations, kept.checked_ratio, { "data-kept": "", "data-ratio": kept.checked_ratio }),
    ...(kept.starts ? [row("kept record: attack", kept.starts, kept.starts_that_violate, kept.max_ratio, {}, kept.max_ratio > (kept.checked_ratio ?? -Infinity) ? "" : "≤ ")] : []),
  ];

  // Both sides, and the instance

  const sidesBox = h("div", { class: "two" });
  const sidesText = h("div", { class: "small", "data-sides": "" });
  const drawSides = once((sides) => {
    const { lhs, rhs, relation, exact } = sides;
    const top = Math.max(Math.abs(lhs), Math.abs(rhs)) || 1;
    const width = (x) => `${(100 * Math.min(1, Math.abs(x) / top)).toFixed(2)}%`;
    const broken = relation === "<=" ? lhs > rhs : lhs !== rhs;
    const [left, right, excess] = [h("div", { style: `width:${width(lhs)}` }), h("div", { class: "right", style: `width:${width(rhs)}` }), h("div", { class: "excess" })];
    if (broken && relation === "<=" && lhs > 0) {
      const from = 100 * Math.max(0, rhs / top);
      excess.style.cssText = `left:${from}%; width:${100 * (lhs / top) - from}%`;
    }
    const value = (x, text, side) => h("span", { class: "value", "data-side": side, "data-value": x, title: text || String(x), text: text && text.length < 22 ? text : precise(x, 6) });
    sidesBox.replaceChildren(
      h("span", { class: "small", text: "left" }), h("div", { class: "lane" }, left, excess), value(lhs, exact[0], "lhs"),
      h("span", { class: "small", text: "right" }), h("div", { class: "lane" }, right), value(rhs, exact[1], "rhs"));
    const kinds = { rational: "in exact fractions", balls: "in balls of 192 bits", enclosed: "in floats with their error", float: "in floats" };
    const where = sides.entries > 1 ? `; entry ${sides.entry.join(", ")} of ${sides.entries}` : "";
    const [word, tone] = lhs === rhs ? ["equal", ""] : relation === "==" ? ["the sides differ", "violated"] : broken ? [`left is larger: ratio ${rhs > 0 ? precise(lhs / rhs, 5) : "–"}`, "violated"] : rhs > 0 ? [`ratio ${precise(lhs / rhs, 5)}`, ""] : ["", ""];
    sidesText.replaceChildren(h("span", { class: `badge ${tone}`, text: word }), ` ${kinds[sides.arithmetic]}${where}`);
  });

  const looks = h("div", { class: "looks", role: "group", "aria-label": "Instances" });
  const drawLooks = once((instances, looked) => {
    looks.replaceChildren(...Object.entries(instances).map(([key, label]) => {
      const [short, more] = label.split(" (");
      return h("button", { type: "button", "data-look": key, "aria-pressed": String(key === looked), title: more ? more.slice(0, -1) : "", text: short, onclick: () => ui.do("look", { key }) });
    }));
  });
  const drawing = h("div", { class: "tables" });
  const form = ui.controls("instance")[0];
  const instanceBox = h("section", {}, h("h4", { text: "Instance" }), looks, sidesBox, sidesText, h("div", { class: "row", style: "margin: 8px 0" }, form), drawing);

  function table(each) {
    const caption = h("figcaption", {}, symbol(each.name), each.solved ? h("small", { text: "  solved" }) : "");
    const [R, C] = each.values.shape;
    const exact = (k) => each.exact?.[k] ?? null;
    const text = (k) => (exact(k) && exact(k).length <= 7 ? exact(k).replace("-", MINUS) : short(each.values[k]));
    const hover = (node, title, k) => {
      node.addEventListener("pointermove", (event) => ui.tip(event, title, [[exact(k) ? "exactly" : "", exact(k) || precise(each.values[k], 10)]]));
      node.addEventListener("pointerleave", () => ui.tip());
      return node;
    };
    if (each.scalar) return h("figure", { "data-table": each.name }, caption, hover(h("div", { class: "scalar", "data-value": each.values[0], text: text(0) }), symbol(each.name), 0));
    const colour = scale(each.range);
    const body = Array.from({ length: R }, (_, i) => h("tr", {}, h("th", { text: each.rows[i] }), ...Array.from({ length: C }, (_, j) => {
      const k = i * C + j;
      const { css, ink } = colour.at(each.values[k]);
      return hover(h("td", { "data-value": each.values[k], style: `background:${css};color:${ink}`, text: text(k) }), `${symbol(each.name)} ${each.rows[i]} ${each.columns[j]}`, k);
    })));
    return h("figure", { "data-table": each.name }, caption, h("table", { class: "heat" }, h("tr", {}, h("th"), ...each.columns.map((name) => h("th", { text: name }))), ...body));
  }
  const short = (x) => (x === 0 ? "0" : Math.abs(x) < 5e-3 || Math.abs(x) >= 1e4 ? x.toExponential(0).replaceAll("-", MINUS) : fixed(x, Math.abs(x) >= 100 ? 0 : Math.abs(x) >= 10 ? 1 : Number.isInteger(x) ? 0 : 2));

  let drawn = "";
  function drawInstance() {
    instanceBox.hidden = !scene.instance;
    drawLooks(scene.instances, scene.looked);
    if (!scene.instance) return;
    drawSides(scene.instance.sides);
    const name = `${scene.open.name} ${scene.looked} ${scene.open.results.length} ${scene.graphs.length}`;
    if (name !== drawn) drawing.replaceChildren(...(scene.graphs.length ? scene.graphs.map(drawGraph) : scene.instance.tables.map(table)));
    drawn = name;
  }

  // The lab

  const bar = h("div");
  const progress = h("div", { class: "progress", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": "Progress" }, bar);
  const doing = h("div", { class: "row", style: "font-size: 12.5px" });
  const plots = h("div", { class: "plots" });
  const runBox = h("div", { "data-run": "" }, progress, doing, plots);

  function drawRun(run) {
    runBox.hidden = !run;
    if (!run) return;
    for (const name of ["doing", "tested", "violations", "going", "stopped", "kind"]) runBox.dataset[name] = run[name];
    bar.style.width = `${100 * Math.max(run.share, run.slow ? 0.06 : 0)}%`;
    progress.setAttribute("aria-valuenow", Math.round(100 * run.share));
    progress.classList.toggle("slow", run.slow);
    const without = run.outside.length ? `, without ${run.outside.join(", ")}` : "";
    const attack = run.kind === "attack";
    const words = run.going ? `${run.doing} …` : run.stopped ? "stopped" : "done";
    doing.replaceChildren(h("span", { class: "number", text: words }), h("span", { class: "small", text: run.label + without }), h("div", { class: "space" }),
      h("span", { text: `${run.tested.toLocaleString("en")} ${attack ? "ends judged" : "tested"}` }),
      h("span", { class: `badge ${run.violations ? "violated" : ""}`, text: attack ? `${run.violations} violate` : plural(run.violations, "violation") }),
      run.undecided ? h("span", { class: "small", text: `${run.undecided} undecided` }) : "",
      run.excluded ? h("span", { class: "small", text: `${run.excluded} outside the hypotheses` }) : "");
    plots.replaceChildren(...(run.curve.length > 1 ? [curve(run)] : []), ...(run.tested ? [histogram(run)] : []));
  }

  const [W, H, LEFT] = [460, 112, 8];
  function histogram(run) {
    const bins = run.histogram.shape[1];
    const [held, broken] = [run.histogram.subarray(0, bins), run.histogram.subarray(bins)];
    const most = Math.max(1, ...held.map((n, k) => n + broken[k]));
    const width = (W - 2 * LEFT) / bins;
    const height = (n) => (n ? Math.max(1.5, (Math.sqrt(n / most) * (H - 44))) : 0);
    const bars = Array.from({ length: bins }, (_, k) => {
      const [a, b] = [height(held[k]), height(broken[k])];
      const x = LEFT + k * width + 0.6;
      const rect = (y, tall, fill) => g("rect", { x, y, width: width - 1.2, height: tall, rx: 1, fill });
      return g("g", { "data-bin": k, "data-held": held[k], "data-broken": broken[k] }, rect(H - 20 - a, a, "var(--accent)"), rect(H - 20 - a - b, b, "var(--warm)"));
    });
    const at = (u) => LEFT + u * width;
    const ticks = [[0, "0"], [run.unit / 2, "0.5"], [run.unit, "1"], [run.unit + run.decade, "10"], [bins, "100+"]];
    const svg = g("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": `Histogram of lhs / rhs over ${run.tested} instances` },
      g("line", { x1: LEFT, x2: W - LEFT, y1: H - 19.5, y2: H - 19.5, stroke: "var(--line)" }), ...bars,
      g("line", { x1: at(run.unit), x2: at(run.unit), y1: 18, y2: H - 16, stroke: "var(--text)", "stroke-dasharray": "3 2" }),
      ...ticks.map(([u, text]) => g("text", { x: at(u), y: H - 6, "text-anchor": u === bins ? "end" : u ? "middle" : "start", text })),
      g("text", { x: LEFT, y: 11, text: "how many instances have which lhs / rhs (square-root scale)" }));
    return svg;
  }

  function curve(run) {
    const [tall, top] = [92, 24];
    const [low, high] = [Math.min(0, ...run.curve), Math.max(1.02, ...run.curve)];
    const compress = (v) => (v <= 1 ? v : 1 + Math.log10(v));
    const y = (v) => tall - 6 - ((compress(v) - compress(low)) / (compress(high) - compress(low))) * (tall - top - 8);
    const x = (k) => LEFT + (k / (run.curve.length - 1)) * (W - 2 * LEFT - 62);
    const points = Array.from(run.curve, (v, k) => `${x(k).toFixed(1)},${y(v).toFixed(1)}`).join(" ");
    const last = run.curve.at(-1);
    return g("svg", { viewBox: `0 0 ${W} ${tall}`, role: "img", "aria-label": `Best ratio of the climb, now ${precise(last)}` },
      g("text", { x: LEFT, y: 11, text: "best lhs / rhs of the climb" }),
      g("line", { x1: LEFT, x2: W - LEFT - 62, y1: y(1), y2: y(1), stroke: "var(--text)", "stroke-dasharray": "3 2" }),
      Math.abs(y(last) - y(1)) > 13 ? g("text", { x: W - LEFT - 56, y: y(1) + 4, text: "1" }) : "",
      g("polyline", { points, fill: "none", "stroke-width": 2, stroke: last > 1 ? "var(--warm)" : "var(--accent)" }),
      g("circle", { cx: x(run.curve.length - 1), cy: y(last), r: 3.2, fill: last > 1 ? "var(--warm)" : "var(--accent)" }),
      g("text", { x: x(run.curve.length - 1) + 8, y: y(last) + 4, class: "number", "data-best": last, style: "font-size:11.5px; fill: var(--text)", text: precise(last, 5) }));
  }

  // The certificate

  const proof = h("div", { class: "small", "data-certificate": "" });
  const proofButtons = ui.buttons("certificate");
  const proofBox = h("section", {}, h("h4", { text: "Certificate" }), h("div", { class: "row" }, ...proofButtons), h("div", { style: "height: 6px" }), proof);
  const drawProof = once((certificate) => {
    proofBox.hidden = !certificate;
    if (!certificate) return;
    const { kind, relation, lhs, rhs, arithmetic, verified, outside } = certificate;
    const sign = kind === "attained" ? "=" : relation === "<=" ? ">" : "≠";
    const near = (text) => text.split("/").map(Number).reduce((p, q) => p / q);
    const clip = (text) => (text.startsWith("[") ? `${text.slice(1, 14)}…` : text.length > 24 ? `${precise(near(text), 6)}…` : text);
    const numbers = arithmetic === "rational" ? "rational numbers" : "balls of 192 bits";
    proof.dataset.verified = verified ?? "";
    proof.replaceChildren(
      h("div", {}, h("span", { class: "number", style: "font-family: var(--mono)", title: `${lhs} ${sign} ${rhs}`, text: `${clip(lhs)} ${sign} ${clip(rhs)}` }), ` in ${numbers}: ${kind}${outside.length ? `, without ${outside.join(", ")}` : ""}.`),
      verified === null ? h("div", { text: "Verify computes it anew, without floating point." })
        : h("div", {}, h("span", { class: "badge holds", text: "✓ verified in exact arithmetic" }), ` in ${precise(1000 * verified, 3)} ms.`));
  });

  // Put together

  const labButtons = ui.buttons("lab");
  ui.frame(
    h("div", { class: "theorems" }, h("div", { class: "columns claims" },
      h("div", {}, h("div", { class: "filters" }, select, words), h("div", { class: "shows", role: "group", "aria-label": "Show" }, ...showButtons.map((each) => each.node)), board, nothing,
        h("p", { class: "small", style: "margin: 12px 0 0", text: "The bar of a cell is the largest left side / right side that was found: full where both are equal. Where a claim is violated, the solid part is what it allows." }),
        keysLine({ arrows: "move over the board", Enter: "open", C: "check", A: "attack", S: "stop", V: "verify" })),
      h("div", {}, claimBox,
        h("section", {}, h("h4", { text: "Hypotheses" }), assumed),
        h("section", {}, h("h4", { text: "Evidence" }), evidence,
          h("div", { style: "margin-top: 10px" }, ...ui.controls("run")), h("div", { class: "row", style: "margin-top: 6px" }, ...labButtons), runBox),
        instanceBox, proofBox))),
  );

  function draw(next) {
    scene = next;
    drawBoard();
    drawFilters();
    drawClaim(scene.open);
    drawAssumed(scene.open.hypotheses);
    drawEvidence(scene.open.known, scene.open.results);
    drawInstance();
    drawRun(scene.run);
    drawProof(scene.certificate);
  }

  return { draw };
}
