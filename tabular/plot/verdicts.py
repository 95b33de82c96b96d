"""Verdicts on many claims in one picture: a cell for each, by paper, and one claim in words."""

from __future__ import annotations

import inspect
import math
import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tabular.lab.verdict import CERTIFIED, FLOAT_ONLY, HOLDS
from tabular.mdp import AnyMDP
from tabular.plot.graph import mdp

LOOKS = {
    HOLDS: ("#0072b2", "\N{CHECK MARK}"),
    CERTIFIED: ("#d55e00", "\N{BALLOT X}"),
    FLOAT_ONLY: ("#cc79a7", "\N{BALLOT X}"),
}
OTHER = ("#777777", "?")
ACROSS = 11
"""Cells in a row."""
WIDTH, HEIGHT, BAR = 0.9, 0.86, 0.14
"""Of a cell, whose pitch is 1 by 1, and the height of its bar."""

Row = tuple[str, str, str, float]
"""Paper, id, status and largest ratio lhs / rhs (NaN if there is none)."""


def verdicts(
    rows: Sequence[Row], *, title: str = "", text: str = "", marked: str = "", instance: AnyMDP | None = None
) -> Figure:
    """A cell for each claim, by paper; its bar is the largest lhs / rhs, full at 1, where both sides are equal.

    Args:
      rows: what is drawn, those of a paper together.
      title, text: of one claim, written beside the board.
      marked: the id of that claim, which gets a frame.
      instance: an MDP to draw under the text, if it is small enough to be read.
    """
    papers = list(dict.fromkeys(row[0] for row in rows))
    lines = sum(1.1 + math.ceil(sum(row[0] == paper for row in rows) / ACROSS) for paper in papers)
    figure = Figure(figsize=(10.5, max(3.0, 0.265 * lines + 0.6)), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1.15, 1), height_ratios=(1, 1.5))
    ax, words = figure.add_subplot(grid[:, 0]), figure.add_subplot(grid[0, 1])
    y = 0.0
    for paper in papers:
        y = _draw_paper(ax, paper, [row for row in rows if row[0] == paper], y, marked)
    ax.set(xlim=(0, ACROSS), ylim=(max(lines, 1), -0.2))
    words.text(0, 1, title, fontsize=11.5, fontweight="bold", va="top")
    words.text(0, 0.9, _wrapped(text), fontsize=7.5, va="top", family="DejaVu Sans Mono", linespacing=1.45)
    for each in (ax, words):
        each.set_axis_off()
    if instance is not None and 2 <= instance.S and instance.S * instance.A <= 6:
        below = mdp(instance, ax=figure.add_subplot(grid[1, 1]))
        below.set_title(f"The instance, γ = {instance.gamma:g}", fontsize=10)
    figure.suptitle(_summary(rows), fontsize=10, x=0.01, ha="left")
    return figure


def _summary(rows: Sequence[Row]) -> str:
    counts = {
        "hold on all tested": sum(row[2] == HOLDS for row in rows),
        "violated": sum(row[2] in (CERTIFIED, FLOAT_ONLY) for row in rows),
    }
    counts["not settled"] = len(rows) - sum(counts.values())
    words = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return f"{len(rows)} claims: {words}. Bars: largest lhs / rhs, full where both sides are equal"


def _draw_paper(ax: Axes, paper: str, rows: Sequence[Row], y: float, marked: str) -> float:
    """Name and cells of a paper from y downwards; returns where the next one begins."""
    ax.text(0, y + 0.6, paper, fontsize=9, fontweight="bold", va="center")
    y += 1.0
    patches, colours = [], []
    for k, (_, name, status, ratio) in enumerate(rows):
        x, top = k % ACROSS, y + k // ACROSS
        colour, symbol = LOOKS.get(status, OTHER)
        patches += [Rectangle((x, top), WIDTH, HEIGHT), Rectangle((x, top + HEIGHT - BAR), WIDTH * _share(ratio), BAR)]
        colours += [f"{colour}26", colour]
        if name == marked:
            ax.add_patch(Rectangle((x, top), WIDTH, HEIGHT, fill=False, edgecolor="#111111", linewidth=1.6))
        ax.text(x + 0.06, top + 0.38, f"{symbol} {name}", fontsize=6, color=colour, va="center", family="DejaVu Sans")
    ax.add_collection(PatchCollection(patches, facecolors=colours, edgecolors="none"))
    return y + math.ceil(len(rows) / ACROSS) + 0.1


def _share(ratio: float) -> float:
    return min(max(ratio, 0.0), 1.0) if ratio == ratio else 0.0


def _wrapped(text: str) -> str:
    """Prose in lines of 74 letters; lines of mathematics as they are."""
    lines = []
    for block in inspect.cleandoc(text).split("\n\n"):
        keep = all(line.startswith("    ") for line in block.split("\n"))
        lines += [block if keep else textwrap.fill(" ".join(block.split()), 74), ""]
    return "\n".join(lines)
