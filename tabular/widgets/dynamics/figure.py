"""The static picture of the dynamics explorer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from tabular import plot

if TYPE_CHECKING:
    from tabular.widgets.dynamics.explorer import DynamicsExplorer

TRUE, DREAM, GETS = "#7a828d", "#0072b2", "#c2500a"
REACH = 0.49
WARM = LinearSegmentedColormap.from_list("warm", ["#f7f7f6", "#fbe9d0", "#fdd09a", "#fbb45f", "#ee9b39", "#d0730f"])
LABELS = {"price": "KL(q ‖ p), nats", "promise": "promised", "truth": "true", "gap": "true less promised"}


def draw(explorer: DynamicsExplorer) -> Figure:
    """The map with both dynamics, the rounds, and the probability of having arrived."""
    height = 9.0 * explorer.drawing.shape[0] / explorer.drawing.shape[1] / 1.9
    figure = plt.figure(figsize=(10.5, max(4.0, min(height, 6.5))), layout="constrained")
    places = figure.add_gridspec(2, 2, width_ratios=(1.5, 1))
    board = figure.add_subplot(places[:, 0])
    _map(explorer, board)
    _rounds(explorer, figure.add_subplot(places[0, 1]))
    _arrivals(explorer, figure.add_subplot(places[1, 1]))
    return figure


def _map(explorer: DynamicsExplorer, ax: Axes) -> None:
    shade = explorer.shade
    values = explorer.shades[shade]
    norm = plot.scale(values, 0.0 if shade in ("price", "gap") else values[0], signed=shade == "gap")
    plot.grid(explorer.mdp, values, ax=ax, values=False, norm=norm, label=LABELS[shade], title=_title(explorer))
    if shade == "price":
        for image in ax.images:
            image.set_cmap(WARM)
    cells = np.array(explorer.mdp.grid.cells)  # type: ignore[union-attr]
    action = explorer.moves
    for q, colour, slim in ((explorer.world.p, TRUE, False), (explorer.dream.q, DREAM, True)):
        shapes = [
            arrow
            for s in np.flatnonzero(~explorer.ends)
            for arrow in _arrows(cells, s, explorer.world.index[s, action[s]], q[s, action[s]], slim)
        ]
        ax.add_collection(PolyCollection(shapes, facecolor=colour, edgecolor="white", linewidth=0.5, zorder=4 + slim))
    keys = [Line2D([], [], color=TRUE, linewidth=6), Line2D([], [], color=DREAM, linewidth=3)]
    ax.legend(keys, ["truth p", "dream q"], loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=2, frameon=False)


def _arrows(cells: np.ndarray, s: np.intp, index: np.ndarray, q: np.ndarray, slim: bool) -> list[np.ndarray]:
    """Outlines of the arrows out of a cell; their areas are in proportion to the probabilities."""
    half, wing, neck = (0.07, 0.2, 0.6) if slim else (0.2, 0.42, 0.5)
    outline = np.array([(0, half), (neck, half), (neck, wing), (1, 0), (neck, -wing), (neck, -half), (0, -half)])
    shapes = []
    for t, probability in zip(index, q, strict=True):
        down, right = cells[t] - cells[s]
        length = REACH * np.sqrt(probability)
        if probability < 5e-4:
            continue
        if t == s:
            angle = np.linspace(0, 2 * np.pi, 17)
            shapes.append(
                cells[s][::-1] + (0.18 if slim else 0.35) * length * np.column_stack([np.cos(angle), np.sin(angle)])
            )
        else:
            shapes.append(cells[s][::-1] + length * outline @ np.array([(right, down), (-down, right)]))
    return shapes


def _rounds(explorer: DynamicsExplorer, ax: Axes) -> None:
    frames = explorer.frames()
    unit = "log J" if explorer.method == "mnm" else "J"
    for y, colour, look, name in (
        (frames["promise"], DREAM, "--", "promised"),
        (frames["gets"], GETS, "-", f"true {unit}"),
    ):
        ax.plot(y, look, color=colour, linewidth=2, label=name)
    ax.set(xlabel="round", ylabel=f"{unit} at the start", title="Round by round")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    _dress(ax)


def _arrivals(explorer: DynamicsExplorer, ax: Axes) -> None:
    found = explorer.arriving
    ax.plot(found["dream_goal"], "--", color=DREAM, linewidth=2, label="dream")
    ax.plot(found["truth_goal"], "-", color=GETS, linewidth=2, label="truth")
    ax.set(xlabel="steps", ylabel="probability", ylim=(-0.03, 1.03), title="At a goal by then")
    _dress(ax)


def _dress(ax: Axes) -> None:
    ax.grid(color="#e8e8e8")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)


def _title(explorer: DynamicsExplorer) -> str:
    current = explorer.agents[1 if explorer.classifier else 2]
    name = explorer.presets[explorer.preset_name].title if explorer.preset_name else ""
    numbers = f"promises {minus(current['promise'])}, gets {minus(current['gets'])}"
    numbers += f", {current['share']:.0%} of the best return"
    return "\n".join(filter(None, (name, numbers)))


def minus(x: float) -> str:
    """Three decimals, with a typographic minus."""
    return f"{x:.3f}".replace("-", "−")
