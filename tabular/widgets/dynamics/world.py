"""A drawing as the dynamics explorer reads it: every step in a cell pays, and never 0 or less."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tabular.mdp import AnyMDP, with_changes
from tabular.widgets.drawing import Drawing

LARGEST_SIDE = 30
"""Rows and columns at most: a change then takes about 0.1 s."""


def paying_mdp(drawing: Drawing, *, gamma: float, slip: float, base: float, scale: float) -> AnyMDP:
    """The MDP in which every step in a cell pays the cell's reward, or `base` where it has none, times `scale`.

    Ends that pay no more than `base` are pits: they aren't among the goals of its grid.
    """
    drawn = drawing.mdp(gamma=gamma, slip=slip, step_reward=0.0)
    grid = drawn.grid
    pays = drawing.rewards[tuple(np.array(grid.cells).T)]  # type: ignore[union-attr]
    pays = np.where(pays > 0, pays, base)
    found = with_changes(drawn, r=np.where(drawn.feasible, scale * pays[:, None], -np.inf))
    goals = frozenset(cell for cell in grid.goals if drawing.rewards[cell] > base)  # type: ignore[union-attr]
    return replace(found, grid=replace(grid, goals=goals))  # type: ignore[type-var]


def check_drawing(drawing: Drawing) -> None:
    """Raises ValueError for a negative reward and a map that is too large to be dragged."""
    if (drawing.rewards < 0).any():
        row, column = np.argwhere(drawing.rewards < 0)[0]
        raise ValueError(
            f"cell ({row}, {column}) would pay {drawing.rewards[row, column]:g}, expected 0 (which pays r₀) or more: "
            "the logarithm of rewards is taken. A small positive reward makes a cell bad."
        )
    if max(drawing.shape) > LARGEST_SIDE:
        raise ValueError(
            f"the map would have {drawing.shape[0]} x {drawing.shape[1]} cells, expected at most {LARGEST_SIDE} a side."
        )
