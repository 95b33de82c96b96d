"""Grid worlds: a heat map of values, the arrows of a policy, walls, starts, goals and ends."""

from __future__ import annotations

import math
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection, PolyCollection
from matplotlib.colors import CenteredNorm, Colormap, ListedColormap, Normalize
from matplotlib.image import AxesImage
from matplotlib.patches import Circle, Rectangle
from matplotlib.patheffects import withStroke

from tabular.geometry import Grid
from tabular.mdp import AnyMDP, policy_matrix
from tabular.summary import decimals, never_left

PLAIN = "#f2f2f0"
WALL = "#4a4a4a"
ROOM_FOR_NUMBERS = 28.0
"""Width of a cell, in points, from which its value is written into it."""
LEAST_PROBABILITY = 0.02
"""Actions less likely than this get no arrow: it would be shorter than its head is wide."""


def scale(*values, signed: bool = False) -> Normalize:
    """One colour scale for several panels: `grid(mdp, V, norm=scale(V, V_hat))`.

    Args:
      values: arrays or numbers; non-finite entries are left out.
      signed: centre the scale at 0 (and draw it in two hues), for differences.

    Raises:
      ValueError if no finite value is given.
    """
    flat = np.concatenate([np.ravel(np.asarray(value, dtype=float)) for value in values] or [np.empty(0)])
    flat = flat[np.isfinite(flat)]
    if not len(flat):
        raise ValueError("values holds no finite number, so there is no colour scale to choose.")
    if signed:
        return CenteredNorm(0, halfrange=abs(flat).max() or 1.0)
    return Normalize(flat.min(), flat.max())


def grid(
    mdp: AnyMDP,
    V=None,
    pi=None,
    *,
    ax: Axes | None = None,
    values: bool | None = None,
    norm: Normalize | None = None,
    colorbar: bool = True,
    label: str = "V",
    title: str | None = None,
) -> Axes:
    """A grid world: values as colours and numbers, a policy as arrows.

    Walls are dark and hatched; S marks starts, G goals, a cross the other states that are never left (no arrows are
    drawn in a state that can't be left). Ties and stochastic policies show several arrows: within a state, their
    lengths are in proportion to the probabilities. A dot is an action that stays; below probability 0.02 there is
    neither. States that are never left and worth 0 take no part in the colours.

    Args:
      mdp: an MDP with geometry (`mdp.grid`).
      V: values, shape (S,), in units of return. Without them the map is drawn plain.
      pi: policy, shape (S, A), or (S,) integer actions. To show ties: `solution.ties / solution.ties.sum(1)[:, None]`.
      values: whether numbers are written into the cells; by default where they fit.
      norm: the colour scale, see `scale`; by default that of `V` alone.
      colorbar: whether to add one, with `label` on top.

    Raises:
      ValueError if the MDP has no grid, or a shape doesn't fit.
    """
    cells = _geometry(mdp)
    V = None if V is None else _values(V, mdp.S)
    pi = None if pi is None else policy_matrix(mdp, pi)
    if pi is not None and len(cells.moves) != mdp.A:
        raise ValueError(f"mdp.grid.moves has {len(cells.moves)} displacements, expected {mdp.A}: one for each action.")
    ax = ax or _new_axes(cells.shape)[0]
    stuck = never_left(mdp)
    drawn = ~_in_wall(cells)
    width = _cell_width(ax, cells.shape)
    written = V is not None and (width >= ROOM_FOR_NUMBERS if values is None else values)
    ink = np.zeros((mdp.S, 3))
    _floor(ax, cells)
    _walls(ax, cells)
    if V is not None:
        norm = norm or _common_scale(mdp, V)
        coloured = _coloured(mdp, V)
        image = _heat(ax, cells, np.where(coloured, V, np.nan), norm)
        ink[coloured] = _ink(np.asarray(image.cmap(norm(V[coloured]))))
        if written:
            _numbers(ax, cells, V, norm, ink, width)
        if colorbar:
            _colorbar(ax, image, label)
    if pi is not None:
        _arrows(ax, cells, np.where((drawn & ~stuck)[:, None], pi, 0), ink, raised=written)
    _marks(ax, cells, stuck, width)
    if title:
        ax.set_title(title, fontsize=11)
    return ax


def grids(
    mdp: AnyMDP,
    V: Mapping[str, object],
    pi: Mapping[str, object] | None = None,
    *,
    norm: Normalize | None = None,
    values: bool | None = None,
    label: str = "V",
) -> np.ndarray:
    """Several values on the same grid world, side by side on one colour scale; returns the array of Axes.

    Args:
      V: values by title: `{"true": V, "learned": V_hat}`, each of shape (S,).
      pi: policies under the same titles; a title without one has no arrows.
      norm: the common scale; by default `scale` of all the values.
    """
    if not V:
        raise ValueError("V is empty, expected at least one panel: {title: values of shape (S,)}.")
    unknown = set(pi or {}) - set(V)
    if unknown:
        raise ValueError(f"pi has the titles {sorted(unknown)}, which V doesn't have; V has {sorted(V)}.")
    cells = _geometry(mdp)
    panels = {title: _values(panel, mdp.S) for title, panel in V.items()}
    norm = norm or _common_scale(mdp, *panels.values())
    axes = _new_axes(cells.shape, len(panels))
    for ax, (title, panel) in zip(axes, panels.items(), strict=True):
        policy = (pi or {}).get(title)
        grid(mdp, panel, policy, ax=ax, norm=norm, values=values, colorbar=ax is axes[-1], label=label, title=title)
    return np.array(axes)


def _geometry(mdp: AnyMDP) -> Grid:
    if mdp.grid is None:
        raise ValueError(
            "mdp.grid is None: this MDP has no cells to draw. Build it with gridworld(...), pass grid=Grid(...) to "
            "make_mdp, or draw an MDP of 2 to 6 states with plot.mdp."
        )
    return mdp.grid


def _values(V, S: int) -> np.ndarray:
    V = np.asarray(V, dtype=float)
    if V.shape != (S,):
        raise ValueError(f"V has shape {V.shape}, expected ({S},): one value for each state.")
    return V


def _new_axes(shape: tuple[int, int], count: int = 1) -> list[Axes]:
    """A figure with `count` panels: a cell is at most 0.9 inches wide, a panel at most 8, all of them 15."""
    rows, columns = shape
    cell = min(0.9, 8 / max(shape), 15 / (count * columns))
    width, height = cell * columns, cell * rows
    left, right, bottom, top, gap = 0.1, 0.85, 0.1, 0.4, 0.3
    size = left + count * (width + gap) - gap + right, bottom + height + top
    figure = plt.figure(figsize=size)
    corners = [left + k * (width + gap) for k in range(count)]
    return [figure.add_axes((x / size[0], bottom / size[1], width / size[0], height / size[1])) for x in corners]


def _floor(ax: Axes, cells: Grid) -> None:
    """The plain map: the cells, with thin lines between them."""
    rows, columns = cells.shape
    ax.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5), aspect="equal", xticks=[], yticks=[])
    ax.spines[:].set(color=WALL, linewidth=1.0)
    states = np.ma.masked_all(cells.shape)
    states[tuple(np.array(cells.cells).T)] = 0
    corners = np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5
    ax.pcolormesh(*corners, states, cmap=ListedColormap([PLAIN]), edgecolor="white", linewidth=0.6, zorder=0)


def _square(cell: tuple[int, int]) -> Rectangle:
    return Rectangle((cell[1] - 0.5, cell[0] - 0.5), 1, 1)


def _heat(ax: Axes, cells: Grid, V: np.ndarray, norm: Normalize) -> AxesImage:
    picture = np.full(cells.shape, np.nan)
    picture[tuple(np.array(cells.cells).T)] = V
    rows, columns = cells.shape
    edges = (-0.5, columns - 0.5, rows - 0.5, -0.5)
    return ax.imshow(picture, cmap=_colours(norm), norm=norm, extent=edges, interpolation="nearest", zorder=1)


def _coloured(mdp: AnyMDP, V: np.ndarray) -> np.ndarray:
    """Mask (S,) of the states whose value is shown as a colour: no walls, and no ends that are worth 0."""
    return ~_in_wall(_geometry(mdp)) & ~(never_left(mdp) & (abs(V) <= 1e-9 * abs(V).max()))


def _common_scale(mdp: AnyMDP, *panels: np.ndarray) -> Normalize:
    shown = np.concatenate([V[_coloured(mdp, V)] for V in panels])
    return scale(shown if np.isfinite(shown).any() else 0)


def _colorbar(ax: Axes, image: AxesImage, label: str) -> None:
    """A colour bar as high as the grid, its label on top."""
    inch = 1 / (ax.get_window_extent().width / ax.figure.dpi)
    bar = ax.inset_axes((1 + 0.12 * inch, 0, 0.16 * inch, 1))
    ax.figure.colorbar(image, cax=bar)
    bar.set_title(label, fontsize=9, loc="left")


def _colours(norm: Normalize) -> Colormap:
    return plt.get_cmap("PuOr_r" if isinstance(norm, CenteredNorm) else "viridis")


def _walls(ax: Axes, cells: Grid) -> None:
    if cells.walls:
        squares = [_square(cell) for cell in sorted(cells.walls)]
        walls = PatchCollection(squares, facecolor=WALL, edgecolor="#6e6e6e", linewidth=0.0, hatch="///", zorder=2)
        ax.add_collection(walls)


def _in_wall(cells: Grid) -> np.ndarray:
    """Mask (S,) of the states that are wall cells."""
    return np.array([cell in cells.walls for cell in cells.cells])


def _cell_width(ax: Axes, shape: tuple[int, int]) -> float:
    """Side of a cell in points, before any layout engine has its say."""
    box = ax.get_window_extent()
    return min(box.width / shape[1], box.height / shape[0]) * 72 / ax.figure.dpi


def _ink(colours: np.ndarray) -> np.ndarray:
    """Black or white on each colour, whichever has the higher contrast (WCAG 2.1); shape (S, 3)."""
    return np.repeat((_luminance(colours) < 0.179)[:, None], 3, axis=1).astype(float)


def _luminance(colours: np.ndarray) -> np.ndarray:
    """Relative luminance of sRGB colours, shape (S,)."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    return linear[:, :3] @ (0.2126, 0.7152, 0.0722)


def _numbers(ax: Axes, cells: Grid, V: np.ndarray, norm: Normalize, ink: np.ndarray, width: float) -> None:
    digits = decimals(np.array([norm.vmin, norm.vmax], dtype=float))
    style = {"ha": "center", "va": "center", "fontsize": min(9.5, width / 3.6), "zorder": 4}
    for s in np.flatnonzero(~_in_wall(cells)):
        row, column = cells.cells[s]
        text = f"{round(V[s], digits) + 0.0:.{digits}f}".replace("-", "\N{MINUS SIGN}")
        ax.text(column, row + 0.36, text, color=tuple(ink[s]), **style)


def _arrows(ax: Axes, cells: Grid, pi: np.ndarray, ink: np.ndarray, raised: bool) -> None:
    """A bundle of arrows for each state, proportional to its probabilities, `reach` cells wide or high and centred."""
    reach, lift = (0.52, 0.16) if raised else (0.76, 0.0)
    moves = np.array(cells.moves, dtype=float)
    tips = pi[:, :, None] * moves / np.maximum(np.linalg.norm(moves, axis=1), 1)[:, None]
    still = (moves == 0).all(1)
    low, high = np.minimum(tips.min(1), 0), np.maximum(tips.max(1), 0)
    extent = np.maximum((high - low).max(1), pi[:, still].sum(1))
    size = reach / np.where(extent > 0, extent, 1)
    tail = np.array(cells.cells) - size[:, None] * (low + high) / 2 - (lift, 0)
    tips = size[:, None, None] * tips
    s, a = np.nonzero((pi >= LEAST_PROBABILITY) & ~still)
    shapes = [_arrow(tail[i], tips[i, j]) for i, j in zip(s, a, strict=True)]
    ax.add_collection(PolyCollection(shapes, facecolor=ink[s], linewidth=0, zorder=5, label="arrows"))
    s, a = np.nonzero((pi >= LEAST_PROBABILITY) & still)
    dots = [Circle(tuple(tail[i, ::-1]), 0.13 * math.sqrt(pi[i, j])) for i, j in zip(s, a, strict=True)]
    ax.add_collection(PatchCollection(dots, facecolor=ink[s], linewidth=0, zorder=5, label="stays"))


def _arrow(tail: np.ndarray, tip: np.ndarray) -> np.ndarray:
    """Corners (x, y) of an arrow from `tail` to `tail + tip`, both (row, column); short ones are slimmer as well."""
    length = np.linalg.norm(tip)
    ahead, aside = tip / length, np.array([tip[1], -tip[0]]) / length
    head = min(0.2, 0.7 * length)
    neck, half = length - head, 0.17 * head
    along = np.array([0, neck, neck, length, neck, neck, 0])
    across = np.array([half, half, 0.55 * head, 0, -0.55 * head, -half, -half])
    return (tail + along[:, None] * ahead + across[:, None] * aside)[:, ::-1]


def _marks(ax: Axes, cells: Grid, stuck: np.ndarray, width: float) -> None:
    """S and G in a corner (in the middle of a small cell), a cross where an episode is stuck or over."""
    small = width < 20
    corner, size = (0.0, 8.0) if small else (-0.34, min(10.0, max(7.0, width / 4.5)))
    halo = [withStroke(linewidth=2.2, foreground="white")]
    for letter, marked in (("S", cells.starts), ("G", cells.goals)):
        for row, column in sorted(marked):
            ax.text(
                column + corner,
                row + corner,
                letter,
                ha="center",
                va="center",
                fontsize=size,
                fontweight="bold",
                color="black",
                path_effects=halo,
                zorder=6,
            )
    special = cells.walls | cells.goals
    ends = [cell for s, cell in enumerate(cells.cells) if stuck[s] and cell not in special]
    if ends:
        rows, columns = np.array(ends).T
        ax.scatter(columns, rows - (0 if small else 0.08), s=(0.3 * width) ** 2, marker="x", color="black", zorder=6)
