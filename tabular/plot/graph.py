"""A small MDP as a graph, in the way of Nikishin et al. 2021, Figure 3: circles are states, arcs are transitions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, Rectangle
from matplotlib.path import Path
from matplotlib.patheffects import AbstractPathEffect, withStroke
from matplotlib.textpath import TextPath

from tabular.mdp import AnyMDP
from tabular.plot import layout
from tabular.plot.layout import RADIUS

FONT = 8.0
"""Size of the labels in points, in a figure made here; on other axes everything, letters included, is scaled."""
LINE = 1.35 * FONT / 72
"""Height of a line of a label in inches."""
LARGEST = 6
"""States of the largest graph that can be read."""
LEAST_PROBABILITY = 1e-3
"""Less likely transitions are left out: a learned softmax model has all of them."""
INK = "#222222"
COLOURS = ("#0063a0", "#b34a00", "#007355", "#a03c78", "#6b5200", "#4d4d4d")
"""A colour for each state: its circle, the arcs that leave it and their labels."""

Rows = list[tuple[str, bool]]
"""Lines of a label, and whether each is bold."""


@dataclass(frozen=True)
class Drawing:
    """Where everything of a graph lies, in inches; `arcs`, `labels`, `ways` and `rows` go together."""

    nodes: np.ndarray
    """Centres, shape (n, 2): the states, and the end if episodes can end."""
    names: list[str]
    arcs: list[layout.Arc]
    labels: list[layout.Label]
    ways: list[tuple[int, int]]
    """From which node to which."""
    rows: list[Rows]
    """Lines of the labels, and whether each is bold."""
    chances: list[float]
    """The largest probability of an arc over the actions that take it."""
    caption: str
    """What the numbers of a line are."""


def arranged(mdp: AnyMDP, Q=None) -> Drawing:
    """The graph of `plot.mdp`, which has the arguments and errors, before any ink."""
    if not 2 <= mdp.S <= LARGEST:
        raise ValueError(
            f"mdp has {mdp.S} states, expected 2 to {LARGEST}: the arcs of more can't be read. plot.grid draws grid "
            "worlds."
        )
    if Q is not None and np.shape(Q) != (mdp.S, mdp.A):
        raise ValueError(f"Q has shape {np.shape(Q)}, expected {(mdp.S, mdp.A)}: one value for each state and action.")
    P = _with_end(mdp)
    texts = _texts(mdp, P, None if Q is None else np.asarray(Q, dtype=float))
    ways, rows = list(texts), list(texts.values())
    extents = [np.array([max(_width(row) for row, _ in lines), LINE * len(lines)]) for lines in rows]
    nodes = layout.places(extents, P.shape[2])
    arcs = [layout.arc(nodes, s, t, extent) for (s, t), extent in zip(ways, extents, strict=True)]
    names = [*map(str, mdp.states or [f"s{s}" for s in range(mdp.S)]), "end"][: P.shape[2]]
    caption = "(action, reward, probability)" if Q is None else "(action, reward, probability, Q), best in bold"
    chances = [float(P[s, :, t].max()) for s, t in ways]
    return Drawing(nodes, names, arcs, layout.labels(arcs, nodes), ways, rows, chances, caption)


def mdp(mdp: AnyMDP, Q=None, *, ax: Axes | None = None, title: str | None = None) -> Axes:
    """An MDP of 2 to 6 states as a graph: circles are states, an arc carries a line for each action that takes it.

    A line reads (action, reward, probability), and with `Q` (action, reward, probability, Q), as in Nikishin et al.
    2021, Figure 3; then each state's best actions are bold. An arc and its label have the colour of the state it
    leaves; the more likely it is, the thicker. Missing probability, which ends the episode, goes to a square.
    Infeasible actions are left out, and transitions of probability below 0.001.

    Args:
      Q: action values, shape (S, A).

    Raises:
      ValueError if the MDP has fewer than 2 or more than 6 states, or `Q` has the wrong shape.
    """
    drawn = arranged(mdp, Q)
    ax, unit = _frame(ax, *layout.bounds(drawn.arcs, drawn.labels, drawn.nodes), drawn.caption)
    for (s, _), arc, label, rows, chance in zip(
        drawn.ways, drawn.arcs, drawn.labels, drawn.rows, drawn.chances, strict=True
    ):
        _draw_arc(ax, arc, chance, COLOURS[s], unit)
        _draw_label(ax, label, rows, COLOURS[s], unit)
    for node, (place, name) in enumerate(zip(drawn.nodes, drawn.names, strict=True)):
        _draw_node(ax, place, name, None if node == mdp.S else COLOURS[node], unit)
    if title:
        ax.set_title(title, fontsize=11)
    return ax


# words


def _with_end(mdp: AnyMDP) -> np.ndarray:
    """Transition probabilities (S, A, S), with a last column for the end where episodes terminate."""
    P = np.array(mdp.to_dense().P)
    stop = mdp.stop_probability
    return np.concatenate([P, stop[:, :, None]], axis=2) if stop.any() else P


def _texts(mdp: AnyMDP, P: np.ndarray, Q: np.ndarray | None) -> dict[tuple[int, int], Rows]:
    """The label of each arc (s, t): a line for each action that takes it, bold if it is a best one."""
    names = mdp.actions or [f"a{a}" for a in range(mdp.A)]
    best = np.zeros((mdp.S, mdp.A), dtype=bool)
    if Q is not None:
        top = Q.max(1, keepdims=True)
        best = Q >= top - 1e-9 * (1 + abs(top))

    def row(s: int, a: int, t: int) -> tuple[str, bool]:
        numbers = [mdp.r[s, a], P[s, a, t]] + ([] if Q is None else [Q[s, a]])
        return f"({names[a]}, {', '.join(map(_number, numbers))})", bool(best[s, a])

    shown = P >= LEAST_PROBABILITY
    ways = np.argwhere(shown.any(1)).tolist()
    return {(s, t): [row(s, a, t) for a in range(mdp.A) if shown[s, a, t]] for s, t in ways}


def _number(x: float) -> str:
    return f"{x:.3g}".replace("-", "\N{MINUS SIGN}")


@cache
def _width(text: str) -> float:
    """Width of a line of a label in inches, bold or not."""
    return float(np.ptp(TextPath((0, 0), text, size=FONT).vertices[:, 0])) * 1.06 / 72


# ink


def _frame(ax: Axes | None, low: np.ndarray, high: np.ndarray, caption: str) -> tuple[Axes, float]:
    """Axes around a box, with the caption below; and how many inches of paper an inch of the layout gets."""
    low, high = low - (0.12, 0.12 + 2 * LINE), high + 0.12
    high = np.maximum(high, low + np.array([_width(caption) + 0.2, 0]))
    ax = ax or plt.subplots(figsize=tuple(high - low), layout="constrained")[1]
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    ax.set_axis_off()
    box = ax.get_window_extent()
    unit = min(box.width / (high - low)[0], box.height / (high - low)[1]) / ax.figure.dpi
    ax.text(low[0] + 0.05, low[1] + 0.05, caption, fontsize=FONT * unit, color="#666666", va="bottom")
    return ax, unit


def _draw_arc(ax: Axes, arc: layout.Arc, probability: float, colour: str, unit: float) -> None:
    style = {"arrowstyle": "-|>,head_length=0.42,head_width=0.2", "mutation_scale": 13 * unit, "zorder": 1}
    width = (0.7 + 1.3 * probability) * unit
    ax.add_patch(FancyArrowPatch(path=Path(arc.line), color=colour, linewidth=width, **style))


def _draw_label(ax: Axes, label: layout.Label, rows: Rows, colour: str, unit: float) -> None:
    down = LINE * np.array([np.sin(label.angle), -np.cos(label.angle)])
    style = {"ha": "center", "va": "center", "rotation": np.degrees(label.angle), "rotation_mode": "anchor"}
    halo: list[AbstractPathEffect] = [withStroke(linewidth=2.5 * unit, foreground="white")]
    for k, (row, bold) in enumerate(rows):
        x, y = label.centre + (k - (len(rows) - 1) / 2) * down
        text = ax.text(x, y, row, fontsize=FONT * unit, color=colour, zorder=3, **style)
        text.set(fontweight="bold" if bold else "normal", path_effects=halo)


def _draw_node(ax: Axes, place: np.ndarray, name: str, colour: str | None, unit: float) -> None:
    """A state in its colour, or the end, which has none."""
    if colour is None:
        side = 1.7 * RADIUS
        shape = Rectangle(tuple(place - side / 2), side, side, facecolor="#e4e4e4", edgecolor=INK)
    else:
        shape = Circle(tuple(place), RADIUS, facecolor="#fdf6e9", edgecolor=colour)
    shape.set(linewidth=1.6 * unit, zorder=4)
    ax.add_patch(shape)
    size = min(1.25, 1.7 * RADIUS / _width(name)) * FONT * unit
    ax.text(place[0], place[1], name, ha="center", va="center", fontsize=size, color=INK, zorder=5)
