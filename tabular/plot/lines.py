"""Curves over a parameter: mean and band, a reference line, and a label at the end of each curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#8a6d00", "#000000")
"""The palette of Okabe and Ito (2008), its yellow darkened."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
LINE = {"linewidth": 1.8, "markersize": 5, "markeredgecolor": "white", "markeredgewidth": 0.6, "zorder": 3}
REFERENCE = "#555555"
GAP = 12.5
"""Least distance of two labels in points."""


@dataclass(frozen=True)
class Curve:
    """One curve: `mean` over `x`, and a band from `mean - band` to `mean + band`."""

    x: ArrayLike
    """Parameter, shape (n,)."""
    mean: ArrayLike
    """Heights, shape (n,)."""
    band: ArrayLike | None = None
    """Half-width of the band (a standard deviation, a standard error), shape (n,); NaN where there is none."""


def curves(
    series: Mapping[str, Curve],
    *,
    x_label: str,
    y_label: str,
    reference: float | None = None,
    reference_label: str = "optimal",
    title: str | None = None,
    legend: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Curves with their bands, told apart by colour, marker and dashes, and labelled at their right ends.

    Args:
      series: curves by label.
      reference: height of a dashed horizontal line, labelled `reference_label`.
      legend: a place inside the axes ("lower right") for a legend instead, for curves that end together.

    Raises:
      ValueError if there is no curve, or a curve's arrays differ in shape or hold no finite point.
    """
    if not series:
        raise ValueError("series is empty, expected at least one curve: {label: Curve(x, mean, band)}.")
    checked = {label: _arrays(label, curve) for label, curve in series.items()}
    ax = ax or plt.subplots(figsize=(6.4, 3.8), layout="constrained")[1]
    ends = []
    for k, (label, (x, mean, band)) in enumerate(checked.items()):
        colour, marker, dashes = (looks[k % len(looks)] for looks in (COLOURS, MARKERS, DASHES))
        ax.plot(x, mean, label=label, color=colour, marker=marker, linestyle=dashes, **LINE)
        if band is not None:
            ax.fill_between(x, mean - band, mean + band, color=colour, alpha=0.18, linewidth=0, zorder=2)
        last = np.flatnonzero(np.isfinite(mean))[-1]
        ends.append((label, x[last], mean[last], colour))
    if reference is not None:
        ax.axhline(reference, color=REFERENCE, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1, label=reference_label)
        ends.append((reference_label, None, reference, REFERENCE))
    _dress(ax, x_label, y_label, title)
    ax.autoscale_view()
    if legend is None:
        _label_ends(ax, ends)
    else:
        ax.legend(loc=legend, frameon=False, fontsize=9, handlelength=3.2)  # type: ignore[arg-type]
    return ax


def _arrays(label: str, curve: Curve) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    x, mean = np.asarray(curve.x, dtype=float), np.asarray(curve.mean, dtype=float)
    band = None if curve.band is None else np.asarray(curve.band, dtype=float)
    if x.ndim != 1 or mean.shape != x.shape or (band is not None and band.shape != x.shape):
        shapes = f"x {x.shape}, mean {mean.shape}" + ("" if band is None else f", band {band.shape}")
        raise ValueError(f"series[{label!r}] has shapes {shapes}, expected one length (n,) for all of them.")
    if not np.isfinite(mean).any():
        raise ValueError(f"series[{label!r}].mean holds no finite value, so there is nothing to draw.")
    return x, mean, band


def _dress(ax: Axes, x_label: str, y_label: str, title: str | None) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="#e4e4e4", linewidth=0.8, zorder=0)
    ax.set_axisbelow(True)
    ax.set(xlabel=x_label, ylabel=y_label)
    if title:
        ax.set_title(title, fontsize=11, loc="left")


def _label_ends(ax: Axes, ends: list[tuple[str, float | None, float, str]]) -> None:
    """Write each label to the right of the axes at its curve's height, moved apart where they would overlap.

    Should the limits change later, the leader lines still lead to the right places.
    """
    heights = (ax.transData + ax.transAxes.inverted()).transform([(0, height) for _, _, height, _ in ends])[:, 1]
    gap = GAP / 72 / (ax.get_window_extent().height / ax.figure.dpi)
    for (label, x, height, colour), place in zip(ends, _apart(heights, gap), strict=True):
        ax.annotate(
            label,
            xy=(1 if x is None else x, height),
            xycoords=ax.get_yaxis_transform() if x is None else "data",
            xytext=(1.03, place),
            textcoords="axes fraction",
            va="center",
            fontsize=9,
            color=colour,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.7, "relpos": (0, 0.5), "shrinkB": 4},
        )


def _apart(heights: np.ndarray, gap: float) -> np.ndarray:
    """The heights nearest to these (least squares) that keep their order and lie at least `gap` apart.

    With the k-th lowest height lowered by `k * gap` this is a monotone regression: pool adjacent violators.
    """
    order = np.argsort(heights, kind="stable")
    blocks: list[list[float]] = []
    for height in heights[order] - gap * np.arange(len(heights)):
        blocks.append([height])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    pooled = np.concatenate([np.full(len(block), np.mean(block)) for block in blocks])
    placed = np.empty(len(heights))
    placed[order] = pooled + gap * np.arange(len(heights))
    return placed
