"""The map of a grid world as it is edited: kinds of cells and the rewards of entering them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from tabular.mdp import AnyMDP, make_mdp, suited
from tabular.widgets.controls import finite, whole
from tabular.worlds.grid import (
    ACTIONS,
    FREE,
    GOAL,
    GOAL_REWARD,
    MOVES,
    START,
    WALL,
    grid_of,
    gridworld,
    mixed_kernel,
    reached_states,
    slip_matrix,
)

KINDS = {WALL: "wall", FREE: "free cell", START: "start", GOAL: "goal"}
LARGEST = 60
"""Rows and columns at most: a solve then takes about 50 ms."""
LARGEST_REWARD = 100.0


@dataclass(frozen=True, eq=False)
class Drawing:
    """Cells of a grid world. Change it with its methods; each returns a new drawing."""

    kinds: np.ndarray
    """One of `# . S G` for each cell, shape (rows, columns). G ends the episode, whatever its reward."""
    rewards: np.ndarray
    """Reward of entering each cell, shape (rows, columns)."""

    @classmethod
    def from_text(cls, text: str, rewards: Mapping[str, float] = GOAL_REWARD, absorbing: str = GOAL) -> Drawing:
        """The map that `gridworld` reads; any absorbing character becomes an end.

        Raises:
          ValueError or TypeError, those of `gridworld`, and for a map of more than 60 rows or columns.
        """
        gridworld(text, rewards=rewards, absorbing=absorbing)
        marks = np.array([list(line.strip()) for line in text.strip().splitlines()])
        whole(max(marks.shape), "the longer side of the map", 1, LARGEST)
        worth = np.zeros(marks.shape)
        for mark, reward in rewards.items():
            worth[marks == mark] = reward
        kinds = np.where(np.isin(marks, (WALL, START)), marks, FREE)
        return cls(np.where(np.isin(marks, list(absorbing)), GOAL, kinds), worth)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return self.kinds.shape[0], self.kinds.shape[1]

    @property
    def text(self) -> str:
        """The map in characters."""
        return "\n".join("".join(row) for row in self.kinds)

    def painted(self, cells: Iterable[tuple[int, int]], kind: str) -> Drawing:
        """Some cells made walls, free, starts or goals. A new goal pays 1, and a wall nothing.

        Raises:
          ValueError for an unknown kind, a cell off the map, a wall on a goal or a start, and if no free cell is left.
        """
        if kind not in KINDS:
            raise ValueError(f"kind = {kind!r}, expected one of {' '.join(KINDS)}.")
        kinds, rewards = self.kinds.copy(), self.rewards.copy()
        for cell in cells:
            row, column = self._inside(*cell)
            old = kinds[row, column]
            if kind == WALL and old in (GOAL, START):
                raise ValueError(
                    f"cell ({row}, {column}) is a {KINDS[old]}, a wall can't stand on it. "
                    f"Make it a free cell first (key {old.lower()})."
                )
            if kind == START and old == GOAL:
                raise ValueError(
                    f"cell ({row}, {column}) is a goal, an episode can't start there. Free it first (key g)."
                )
            kinds[row, column] = kind
            if kind == WALL or GOAL in (old, kind):
                rewards[row, column] = kind == GOAL
        if not np.isin(kinds, (FREE, START)).any():
            raise ValueError("no free cell would be left: an agent needs somewhere to be. Keep one cell free.")
        return Drawing(kinds, rewards)

    def toggled(self, row: int, column: int, kind: str) -> Drawing:
        """One cell made this kind, or free if it is that already."""
        row, column = self._inside(row, column)
        return self.painted([(row, column)], FREE if self.kinds[row, column] == kind else kind)

    def rewarded(self, row: int, column: int, reward: float) -> Drawing:
        """The reward of entering one cell changed. Raises ValueError for a wall and for more than 100 either way."""
        row, column = self._inside(row, column)
        if self.kinds[row, column] == WALL:
            raise ValueError(
                f"cell ({row}, {column}) is a wall: nobody enters it, so it can't pay. Free it first (key w)."
            )
        reward = finite(reward, "reward")
        if abs(reward) > LARGEST_REWARD:
            raise ValueError(f"reward = {reward:g}, expected a number from {-LARGEST_REWARD:g} to {LARGEST_REWARD:g}.")
        rewards = self.rewards.copy()
        rewards[row, column] = reward
        return dataclasses.replace(self, rewards=rewards)

    def resized(self, rows: int, columns: int) -> Drawing:
        """Cut or widened at the right and at the bottom, by free cells. Raises ValueError outside 1 to 60."""
        rows, columns = whole(rows, "rows", 1, LARGEST), whole(columns, "columns", 1, LARGEST)
        kinds, rewards = np.full((rows, columns), FREE), np.zeros((rows, columns))
        kept = np.s_[: min(rows, self.shape[0]), : min(columns, self.shape[1])]
        kinds[kept], rewards[kept] = self.kinds[kept], self.rewards[kept]
        return Drawing(kinds, rewards).painted([], FREE)

    def mdp(self, *, gamma: float, slip: float, step_reward: float, potential: bool = False) -> AnyMDP:
        """The MDP of `gridworld`, with rewards cell by cell.

        In a goal only one action is feasible, so that a soft policy collects no entropy there.

        Args:
          potential: the rewards of cells that aren't goals are a potential Phi instead, which pays
            `gamma Phi(s') - Phi(s)` and changes no policy (Ng, Harada & Russell 1999).
        """
        walls = self.kinds == WALL
        marks, worth = self.kinds[~walls], self.rewards[~walls]
        ends = marks == GOAL
        phi = np.where(ends | (not potential), 0.0, worth)
        mix = slip_matrix(MOVES, slip, "perpendicular")
        reached = reached_states(walls)
        reached[ends] = np.flatnonzero(ends)[:, None]
        paid = step_reward + np.where(potential & ~ends, 0.0, worth) + gamma * phi
        r = paid[reached] @ mix.T - phi[:, None]
        r[ends] = (0, *[-np.inf] * (len(MOVES) - 1))
        starts = marks == START if START in marks else ~ends
        grid = grid_of(walls, starts=self.kinds == START, goals=(self.kinds == GOAL) & (self.rewards >= 0))
        kernel = suited(mixed_kernel(reached, mix))
        return make_mdp(
            kernel, r, gamma=gamma, rho=starts / starts.sum(), states=grid.cells, actions=ACTIONS[:4], grid=grid
        )

    def _inside(self, row: int, column: int) -> tuple[int, int]:
        rows, columns = self.shape
        return whole(row, "row", 0, rows - 1), whole(column, "column", 0, columns - 1)
