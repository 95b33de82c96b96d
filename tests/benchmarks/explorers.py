"""Latency of the explorers in a headless browser, against what it may be: python -m tests.benchmarks.explorers

From the click or key (the browser's own time stamp of the event) to the first picture drawn after the answer: at most
50 ms in the median of 30 on a 10 x 10 grid and on MDPs of two states, 100 ms on 20 x 20. The column "shown" is the
median until that picture has left the compositor, by the browser's trace: what follows the drawing takes some 10 ms
here, where a processor does what is otherwise a graphics card's work. It is of 30 more, so that tracing slows nothing
that is timed. "ratio" is the median by that of ipywidgets' own slider and a label that the kernel writes, measured in
the same minutes: it tells the explorer from the machine. The pointer rests before it clicks, as a hand does.
JupyterLab's own toolbar takes 6 to 16 ms of the page's time for each request, by Chromium's profile: it looks for
focusable elements whenever the kernel turns busy or idle. Playing stored sweeps: at least 25 pictures a second.
Training a model of a two-state MDP: at least 10 pictures a second. From running the cell again, with the kernel warm,
to the first picture: at most a second. Needs chromium. Names after the command choose explorers: gridworld ...
"""

from __future__ import annotations

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")

import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.browser.actions import change, focus, frames, point_at, shown
from tests.browser.lab import lab

REPEATS = 30
AGAIN = 5
PICTURES = 25
"""Pictures a second at least when stored sweeps are played."""
UPDATES = 10
"""Pictures a second at least while a model is trained."""

SQUARE = """from tabular.widgets import GridworldExplorer
free = {0} - 1
rows = ["S" + "." * free] + ["." * {0}] * ({0} - 2) + ["." * free + "G"]
explorer = GridworldExplorer("\\n".join(rows), slip=0.1)
explorer"""

SLIDER = """import ipywidgets
slider, label = ipywidgets.IntSlider(50), ipywidgets.Label()
slider.observe(lambda change: setattr(label, "value", str(change.new)), "value")
ipywidgets.VBox([slider, label])"""
"""The least that any widget takes here: a slider, and a label on which the kernel writes its value."""

WATCH = """(root, [target, what]) => {
  let began = 0;
  window.restart = () => {
    began = 0;
    window.delays = [];
  };
  window.restart();
  for (const name of ["pointerdown", "keydown", "input"])
    root.addEventListener(name, (event) => (began = began || event.timeStamp), true);
  root.addEventListener("click", (event) => event.target.closest("button") && (began = event.timeStamp), true);
  new MutationObserver(() => {
    const from = began;
    began = 0;
    if (from) performance.measure("change", { start: from });
    if (from) requestAnimationFrame(() => setTimeout(() => window.delays.push(performance.now() - from)));
  }).observe(target, what);
}"""
"""A button acts when it is let go, and its time counts from there. A picture counts as drawn when the task after its
animation frame runs: style, layout and paint are behind it."""

TRACE = {"transferMode": "ReportEvents", "categories": "-*,blink.user_timing,cc,viz"}
STEPS = ("ProxyImpl::Commit", "LayerTreeHostImpl::ActivateSyncTree", "MainFrame.Draw", "Display::DrawAndSwap")
"""What the compositor does with a picture one after the other, by the names in Chromium's trace."""

PLAY = """async (player) => {
  const begin = performance.now();
  let pictures = 0;
  const watcher = new MutationObserver(() => (pictures += 1));
  watcher.observe(player, { attributeFilter: ["data-position"] });
  player.querySelector(".main").click();
  while (player.dataset.playing !== "false") await new Promise((next) => setTimeout(next, 20));
  watcher.disconnect();
  return (1000 * pictures) / (performance.now() - begin);
}"""

WORK = """async ([root, seconds]) => {
  const [begin, first] = [performance.now(), Number(root.dataset.revision)];
  while (root.dataset.working === "true" && performance.now() - begin < 1000 * seconds)
    await new Promise((next) => setTimeout(next, 20));
  return (1000 * (Number(root.dataset.revision) - first)) / (performance.now() - begin);
}"""

BEGIN = 1000
"""Milliseconds that the first picture may take in a kernel that has shown one before."""

Act = Callable[[Any, int], None]


def key(selector: str, *presses: str) -> Act:
    """Keys in turn on one element: a slider, a point that can be dragged."""

    def act(explorer, k: int) -> None:
        explorer.locator(selector).first.focus()
        explorer.evaluate("() => window.restart()")
        explorer.page.keyboard.press(presses[k % len(presses)])

    return act


def slider(name: str) -> Act:
    """A key that moves a slider to and fro."""
    return key(f"[data-control={name}] input[type=range]", *["ArrowLeft"] * 5, *["ArrowRight"] * 5)


def click(rest: Callable[[Any, int], None]) -> Act:
    """A click where the pointer has come to rest."""

    def act(explorer, k: int) -> None:
        rest(explorer, k)
        settled(explorer)
        explorer.page.mouse.down()
        explorer.page.mouse.up()

    return act


def preset(*names: str) -> Act:
    """A click on a preset, another each time."""
    return click(lambda explorer, k: explorer.locator(f"[data-preset={names[k % len(names)]}]").hover())


def cell(side: int) -> Act:
    """A click on a cell of a square board."""
    return click(lambda explorer, k: point_at(explorer, side // 3, 1 + k % (side - 2), side, side))


def settled(explorer) -> None:
    """Wait until the pictures of the way there are drawn: what the pointer or the focus is on says so."""
    explorer.page.wait_for_timeout(100)
    explorer.evaluate("() => window.restart()")


def cell_key(side: int, letter: str) -> Act:
    """A key on a cell of a square board."""

    def act(explorer, k: int) -> None:
        focus(explorer, side // 2, 1 + k % (side - 2))
        settled(explorer)
        explorer.page.keyboard.press(letter)

    return act


@dataclass(frozen=True)
class Case:
    """An explorer and what is done with it."""

    name: str
    source: str
    acts: dict[str, Act]
    bar: float = 50
    """Milliseconds that a change may take in the median."""
    plays: bool = False
    """Whether there are stored sweeps to play."""
    trains: tuple[str, ...] = field(default=())
    """Selectors to click one after the other, after which the explorer works for a while."""


def square(side: int, bar: float) -> Case:
    """An empty grid world."""
    acts = {
        "a click that makes a wall": cell(side),
        "a key that makes a wall": cell_key(side, "w"),
        "a key that moves the discount": slider("gamma"),
    }
    return Case(f"gridworld, {side} x {side}", SQUARE.format(side), acts, bar, plays=True)


CASES = [
    square(10, 50),
    square(20, 100),
    Case(
        "two-state",
        shown("TwoStateExplorer"),
        {
            "a key that moves the policy": key("[data-square]", *["ArrowLeft"] * 5, *["ArrowRight"] * 5),
            "a key that moves the discount": slider("gamma"),
            "a click on a preset": preset("first", "shape"),
        },
    ),
    Case(
        "mismatch",
        shown("MismatchExplorer"),
        {"a key that moves the bound of the norm": slider("kappa"), "a click on a preset": preset("small", "enough")},
        trains=("[data-preset=small]", ".train"),
    ),
    Case(
        "bound",
        shown("BoundExplorer"),
        {
            "a key that moves the error": slider("leak"),
            "a key that moves along the curve": key(".boundchart", *["ArrowLeft"] * 5, *["ArrowRight"] * 5),
            "a click on a preset": preset("horizon", "two_states"),
        },
    ),
    Case(
        "dynamics",
        shown("DynamicsExplorer"),
        {"a key that moves the discount": slider("gamma"), "a click on a preset": preset("first", "bridge")},
    ),
    Case(
        "theorems",
        shown("TheoremBoard"),
        {
            "a click on a preset": preset("hypothesis", "printed"),
            "a key that moves the number of instances": slider("n"),
        },
    ),
]


def main(names: list[str]) -> None:
    """Measure, and print a line for each."""
    load, cores = os.getloadavg()[0], os.cpu_count()
    print(f"{cores} cores, on which {load:.1f} processes ran on average in the last minute before this began")
    print(f"{'what':62} {'least':>9} {'median':>9} {'p90':>9} {'bar':>9} {'shown':>9} {'ratio':>6}")
    with tempfile.TemporaryDirectory() as folder, lab(Path(folder)) as jupyter:
        for case in CASES:
            if not names or any(case.name.startswith(name) for name in names):
                measure(jupyter, case)
        if jupyter.faults:
            raise SystemExit("\n".join(jupyter.faults))


def measure(jupyter, case: Case) -> None:
    """All lines of one case, after one of the peer in the same minutes."""
    least = peer(jupyter)
    with jupyter.notebook(case.source) as page:
        explorer = jupyter.explorer(page)
        watch(explorer, explorer, attributeFilter=["data-revision"])
        for name, act in case.acts.items():
            found, seen = timed(explorer, act)
            report(f"{case.name}: {name}", found, seen, case.bar, least)
        if case.plays:
            play(explorer, case.name)
        if case.trains:
            train(explorer, case)
        begin(jupyter, page, case.name)


def peer(jupyter) -> float:
    """A line: the plain slider. Returns its median in milliseconds."""
    with jupyter.notebook(SLIDER) as page:
        box = page.locator(".widget-vbox")
        watch(box, box.locator(".widget-label").last, childList=True, characterData=True, subtree=True)
        found, seen = timed(box, key(".noUi-handle", *["ArrowLeft"] * 5, *["ArrowRight"] * 5))
        report("ipywidgets: a key that moves a slider, to its label", found, seen)
    return statistics.median(found)


def watch(root, target, **what) -> None:
    """Note the delays of what changes in `target` because of an input in `root`."""
    root.evaluate(WATCH, [target.element_handle(), what])


def timed(explorer, act: Act) -> tuple[list[float], list[float]]:
    """Milliseconds of each repeat until the picture is drawn, and of as many more until it is shown."""
    found = delays(explorer, act)
    with traced(explorer.page) as events:
        delays(explorer, act)
    return found, shown_after(events)


def delays(explorer, act: Act) -> list[float]:
    """Milliseconds of each repeat; the first three warm up."""
    found = []
    for k in range(REPEATS + 3):
        explorer.page.wait_for_timeout(350)  # what came after the last change has arrived
        explorer.evaluate("() => window.restart()")
        act(explorer, k)
        explorer.page.wait_for_function("() => window.delays.length > 0", polling=100)  # by frame it would disturb
        found.append(explorer.evaluate("() => window.delays[0]"))
    return found[3:]


@contextmanager
def traced(page) -> Iterator[list[dict[str, Any]]]:
    """What the browser notes down of its frames in the meantime: the list is full once this has ended."""
    session, events, ends = page.context.browser.new_browser_cdp_session(), [], []
    session.on("Tracing.dataCollected", lambda part: events.extend(part["value"]))
    session.on("Tracing.tracingComplete", lambda end: ends.append(end))
    session.send("Tracing.start", TRACE)
    yield events
    session.send("Tracing.end")
    while not ends:
        page.wait_for_timeout(20)
    session.detach()


def shown_after(events: list[dict[str, Any]]) -> list[float]:
    """Milliseconds from each input to the end of the swap of buffers that shows the picture."""
    events = sorted(events, key=lambda event: event["ts"])
    changes = [event for event in events if event["name"] == "change" and event["cat"] == "blink.user_timing"]
    spans = [event for event in events if event["ph"] == "X"]
    found = []
    for begin, end in zip(changes[::2], changes[1::2], strict=True):
        at = end["ts"]
        for step in STEPS:
            event = next(event for event in spans if event["name"] == step and event["ts"] >= at)
            at = event["ts"]
        found.append((at + event["dur"] - begin["ts"]) / 1000)
    return found[3:]


def report(name: str, found: list[float], seen: list[float], bar: float = math.nan, least: float = math.nan) -> None:
    """A line: least, median and 90th percentile; its bar; until it is shown; the median by that of the peer."""
    median = statistics.median(found)
    numbers = (min(found), median, statistics.quantiles(found, n=10)[-1], bar, statistics.median(seen))
    times = " ".join(f"{value:6.1f} ms" if not math.isnan(value) else " " * 9 for value in numbers)
    print(f"{name:62} {times} {'' if math.isnan(least) else f'{median / least:6.2f}'}", flush=True)


def play(explorer, name: str) -> None:
    """A line: pictures a second at the fastest speeds."""
    for speed in ("30 / s", "60 / s"):
        frames(explorer)
        explorer.locator("select").select_option(speed)
        rate(f"{name}: playing stored sweeps at {speed}", explorer.locator(".player").evaluate(PLAY), PICTURES)


def begin(jupyter, page, name: str) -> None:
    """A line: from running the notebook again to the explorer drawn."""
    found = []
    for _ in range(AGAIN):
        page.wait_for_timeout(1000)
        start = time.perf_counter()
        jupyter.run(page)
        jupyter.explorer(page)
        found.append(1000 * (time.perf_counter() - start))
    numbers = (min(found), statistics.median(found), max(found), BEGIN)
    print(f"{name + ': run again':62} " + " ".join(f"{value:6.0f} ms" for value in numbers), flush=True)


def train(explorer, case: Case) -> None:
    """A line: pictures a second while it works, once what it needs is compiled."""
    for selector in case.trains:
        with change(explorer):
            explorer.locator(selector).first.click()
    for _ in range(5):
        with change(explorer):
            pass
    found = explorer.page.evaluate(WORK, [explorer.element_handle(), 5])
    rate(f"{case.name}: training", found, UPDATES)


def rate(name: str, found: float, bar: float) -> None:
    """A line: pictures a second."""
    print(f"{name:62} {'':9} {found:5.1f} / s {'':9} {bar:5.0f} / s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
