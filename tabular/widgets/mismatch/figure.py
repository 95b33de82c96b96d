"""The static picture of the mismatch explorer: truth, model and difference, and the mismatch plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tabular import plot
from tabular.mdp import MDP
from tabular.plot.lines import COLOURS, MARKERS
from tabular.widgets.mismatch.run import Snapshot, Truth

Path = tuple[str, str, np.ndarray, np.ndarray]
"""Objective, capacity, divergences and returns of a run."""


def drawn(truth: Truth, now: Snapshot, runs: Sequence[Path]) -> Figure:
    """Three panels above, the plane below. The last run is the present one."""
    figure = plt.figure(figsize=(10, 7.4), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=(1, 1.15))
    above, below = parts
    axes = above.subplots(1, 3)
    if truth.mdp.grid is None:
        _tables(axes, truth, now)
    else:
        _maps(axes, truth, now)
    _plane(below.subplots(), truth, runs)
    return figure


def _maps(axes: np.ndarray, truth: Truth, now: Snapshot) -> None:
    V, off = truth.optimal.V, now.V_hat - truth.optimal.V
    norm, apart = plot.scale(V, now.V_hat, 0.0), plot.scale(off, 0.0, signed=True)
    panels = (("truth: V*", V, truth.optimal.pi, norm), ("model: V of the model", now.V_hat, now.pi, norm))
    for ax, (title, values, pi, scale) in zip(axes, (*panels, ("difference", off, None, apart)), strict=True):
        plot.grid(truth.mdp, values, pi, ax=ax, norm=scale, title=title)


def _tables(axes: np.ndarray, truth: Truth, now: Snapshot) -> None:
    """Transition probabilities as tables; at the right of each row its reward."""
    true = truth.mdp
    tables = (("truth: P, and r", true.P, true.r), ("model", now.P_hat, now.r_hat))
    difference = (
        "difference",
        now.P_hat - true.P,
        np.where(true.feasible, now.r_hat, 0) - np.where(true.feasible, true.r, 0),
    )
    for ax, (title, P, r) in zip(axes, (*tables, difference), strict=True):
        signed = title == "difference"
        norm = plot.scale(P, 0.0, signed=True) if signed else plot.scale(0.0, 1.0)
        _table(ax, true, P.reshape(-1, true.S), norm, "PuOr_r" if signed else "viridis")
        for row, reward in enumerate(r.ravel()):
            ax.text(true.S - 0.3, row, f"{reward:.2f}", va="center", fontsize=8)
        ax.set_title(title, fontsize=11)


def _table(ax: Axes, true: MDP, rows: np.ndarray, norm, colours: str) -> None:
    image = ax.imshow(rows, norm=norm, cmap=colours, aspect="auto")
    states = [str(s) for s in true.states or range(true.S)]
    actions = [str(a) for a in true.actions or range(true.A)]
    ax.set_xticks(range(true.S), [f"to {s}" for s in states] if true.S <= 3 else states, fontsize=8)
    ax.set_yticks(range(len(rows)), [f"{s}, {a}" for s in states for a in actions], fontsize=8)
    ax.spines[:].set_visible(False)
    if rows.size > 120:
        return
    for (row, column), value in np.ndenumerate(rows):
        red, green, blue, _ = image.cmap(norm(value))
        ink = "black" if 0.3 * red + 0.6 * green + 0.1 * blue > 0.5 else "white"
        ax.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=8, color=ink)


def _plane(ax: Axes, truth: Truth, runs: Sequence[Path]) -> None:
    for k, (name, capacity, kl, J) in enumerate(runs):
        colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
        ax.plot(kl, J, color=colour, linewidth=1.6)
        ax.plot(
            kl[-1:], J[-1:], marker, color=colour, markersize=9, markeredgecolor="white", label=f"{name}, {capacity}"
        )
    ax.axhline(truth.best, color="#555555", linestyle=(0, (4, 3)), linewidth=1, label="best policy")
    ax.axhline(truth.uniform, color="#999999", linestyle=(0, (1, 3)), linewidth=1, label="random policy")
    ax.set(
        xlabel="mean KL(p || p_hat) in nats: predicts better to the left", ylabel="return of its agent", xlim=(0, None)
    )
    ax.set_title("the mismatch plane", fontsize=11, loc="left")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=9, loc="best")
