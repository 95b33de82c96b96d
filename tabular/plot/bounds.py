"""Bounds on a quantity along a parameter, with the region in which a bound says nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from tabular.plot.lines import COLOURS, DASHES, _label_ends

DECADES = 5
"""A logarithmic scale reaches down so far at most."""


def bounds(
    x: np.ndarray,
    true: np.ndarray,
    lines: Mapping[str, np.ndarray],
    trivial: np.ndarray,
    *,
    truth: str,
    floor: bool = False,
    scale: str = "linear",
    at: float | None = None,
    x_label: str = "",
    ticks: Sequence[tuple[float, str]] = (),
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """A quantity (thick) and bounds on it (thin), labelled at their ends; what is beyond `trivial` is hatched.

    Args:
      x: places along the axis, shape (n,).
      true, trivial: the quantity, and what is known of it without any model, each of shape (n,).
      lines: bounds by label, each of shape (n,); NaN where there is none.
      truth: the quantity as a formula.
      floor: whether `trivial` bounds from below: then what is beneath it says nothing.
      scale: "linear", "log", or "share": everything as a multiple of `trivial`.
      at: where a vertical line marks an instance.
      ticks: places along x and their texts.
    """
    ax = ax or plt.subplots(figsize=(7.6, 4.2), layout="constrained")[1]
    unit = trivial if scale == "share" else 1.0
    drawn = {label: line / unit for label, line in lines.items()}
    true, trivial = true / unit, trivial / unit
    low, high = limits([true, *drawn.values()], trivial, floor, scale)
    if scale == "log":
        ax.set_yscale("log")
        true, drawn = np.maximum(true, low / 3), {label: np.maximum(line, low / 3) for label, line in drawn.items()}
    ax.set(ylim=(low, high), xlim=(x[0], x[-1]), xlabel=x_label, title=title)
    ax.plot(x, true, color="black", linewidth=3, zorder=4)
    for k, line in enumerate(drawn.values()):
        ax.plot(x, line, color=COLOURS[k], linewidth=1.6, linestyle=DASHES[k % len(DASHES)], zorder=5)
    edge = np.full_like(x, low if floor else high)
    ax.fill_between(x, trivial, edge, facecolor="none", edgecolor="#c4c4c4", hatch="////", linewidth=0, zorder=1)
    beyond = trivial > low if floor else trivial < high
    if beyond.any():
        ax.text(0.015, 0.02 if floor else 0.98, "vacuous: says nothing", transform=ax.transAxes, fontsize=9)
        ax.texts[-1].set(va="bottom" if floor else "top", color="#555555", backgroundcolor="white", zorder=6)
    if at is not None:
        ax.axvline(at, color="#555555", linewidth=1)
    ax.set_xticks([place for place, _ in ticks], [text for _, text in ticks])
    ax.spines[["top", "right"]].set_visible(False)
    ax.figure.canvas.draw()
    ends = [(truth, x[-1], float(true[-1]), "black")]
    ends += [(label, x[-1], float(line[-1]), COLOURS[k]) for k, (label, line) in enumerate(drawn.items())]
    kept = [(label, at, min(max(y, low), high), colour) for label, at, y, colour in ends if np.isfinite(y)]
    _label_ends(ax, kept)
    return ax


def limits(curves: Sequence[np.ndarray], trivial: np.ndarray, floor: bool, scale: str) -> tuple[float, float]:
    """Heights from which to which curves are drawn: a bound may leave the picture once it says nothing."""
    heights = np.concatenate(curves)
    heights = heights[np.isfinite(heights)]
    top = float(heights.max(initial=0.0))
    if floor:
        least = float(trivial.min())
        return (0.8 * least, 1.15 * top) if scale == "log" else (0.0, 1.1 * top)
    high = min(1.1 * top, 1.5 * float(trivial.max())) or 1.0
    if scale != "log":
        return 0.0, high
    high = min(2 * top, 4 * float(trivial.max())) or 1.0
    positive = heights[heights > 0]
    return max(0.7 * float(positive.min(initial=high)), high / 10**DECADES), high
