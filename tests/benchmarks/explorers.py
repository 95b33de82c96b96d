"""Latency of the explorers in a headless browser, against what it may be: python -m tests.benchmarks.explorers

From the click or key (the browser's own time stamp of the event) to the first picture drawn after the answer: at most
50 ms in the median on a 10 x 10 grid, 100 ms on 20 x 20. Playing stored sweeps: at least 25 pictures a second. Needs
chromium.
"""

from __future__ import annotations

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")

import statistics
import tempfile
from pathlib import Path

from tests.browser.actions import change, click_cell, focus, frames
from tests.browser.lab import lab

REPEATS = 25
SIZES = {10: 50, 20: 100}
"""Milliseconds that a change may take, by the side of the grid."""
PICTURES = 25
"""Pictures a second at least."""

SOURCE = """from tabular.widgets import GridworldExplorer
free = {0} - 1
rows = ["S" + "." * free] + ["." * {0}] * ({0} - 2) + ["." * free + "G"]
explorer = GridworldExplorer("\\n".join(rows), slip=0.1)
explorer"""

WATCH = """(root) => {
  let began = 0;
  window.restart = () => {
    began = 0;
    window.delays = [];
  };
  window.restart();
  for (const name of ["pointerdown", "keydown", "input"])
    root.addEventListener(name, (event) => (began = began || event.timeStamp), true);
  new MutationObserver(() => {
    const from = began;
    began = 0;
    if (from) requestAnimationFrame(() => setTimeout(() => window.delays.push(performance.now() - from)));
  }).observe(root, { attributeFilter: ["data-revision"] });
}"""
"""A picture counts as drawn when the task after its animation frame runs: style, layout and paint are behind it."""

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


def main() -> None:
    """Measure, and print a line for each."""
    load, cores = os.getloadavg()[0], os.cpu_count()
    print(f"{cores} cores, on which {load:.1f} processes ran on average in the last minute before this began")
    print(f"{'what':52} {'least':>9} {'median':>9} {'p90':>9} {'bar':>9}")
    with tempfile.TemporaryDirectory() as folder, lab(Path(folder)) as jupyter:
        for side, bar in SIZES.items():
            with jupyter.notebook(SOURCE.format(side)) as page:
                explorer = jupyter.explorer(page)
                frames(explorer)
                explorer.evaluate(WATCH)
                for name, act in actions(explorer, side).items():
                    report(f"{side} x {side}: {name}", delays(explorer, act), bar)
                play(explorer, side)
        if jupyter.faults:
            raise SystemExit("\n".join(jupyter.faults))


def actions(explorer, side: int):
    """What is done, by name: functions of the number of the repeat."""
    keyboard = explorer.page.keyboard

    def key(k: int) -> None:
        focus(explorer, side // 2, 1 + k % (side - 2))
        explorer.evaluate("() => window.restart()")
        keyboard.press("w")

    def slider(k: int) -> None:
        explorer.locator("[data-control=gamma] input[type=range]").focus()
        keyboard.press("ArrowLeft" if k % 10 < 5 else "ArrowRight")

    return {
        "a click that makes a wall": lambda k: click_cell(explorer, side // 3, 1 + k % (side - 2), side, side),
        "a key that makes a wall": key,
        "a key that moves the discount": slider,
    }


def delays(explorer, act) -> list[float]:
    """Milliseconds of each repeat; the first three warm up."""
    found = []
    for k in range(REPEATS + 3):
        explorer.page.wait_for_timeout(350)  # the frames of the last change have arrived
        explorer.evaluate("() => window.restart()")
        with change(explorer):
            act(k)
        explorer.page.wait_for_function("() => window.delays.length > 0")
        found.append(explorer.evaluate("() => window.delays[0]"))
    return found[3:]


def report(name: str, found: list[float], bar: float) -> None:
    """A line: least, median, 90th percentile, and what the median may be."""
    shown = (min(found), statistics.median(found), statistics.quantiles(found, n=10)[-1], bar)
    print(f"{name:52} " + " ".join(f"{value:6.1f} ms" for value in shown), flush=True)


def play(explorer, side: int) -> None:
    """A line: pictures a second at the fastest speeds."""
    for speed in ("30 / s", "60 / s"):
        frames(explorer)
        explorer.locator("select").select_option(speed)
        rate = explorer.locator(".player").evaluate(PLAY)
        name = f"{side} x {side}: playing stored sweeps at {speed}"
        print(f"{name:52} {'':9} {rate:5.1f} / s {'':9} {PICTURES:5.0f} / s", flush=True)


if __name__ == "__main__":
    main()
