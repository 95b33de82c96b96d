"""Where the states of a grid world lie: what plots and explorers need to draw it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Grid:
    """Cells of a grid world. Rows count down from the top, columns to the right.

    Hashable: it travels as static data with an MDP.
    """

    shape: tuple[int, int]
    """Number of rows and columns."""
    cells: tuple[tuple[int, int], ...]
    """Row and column of each state, in the order of the states."""
    walls: frozenset[tuple[int, int]] = frozenset()
    """Cells that can't be entered; they may or may not be states."""
    starts: frozenset[tuple[int, int]] = frozenset()
    """Cells where an episode can start."""
    goals: frozenset[tuple[int, int]] = frozenset()
    """Cells drawn as goals."""
    moves: tuple[tuple[int, int], ...] = ((-1, 0), (0, 1), (1, 0), (0, -1))
    """Displacement (row, column) of each action, in the order of the actions."""

    def state(self, row: int, column: int) -> int:
        """Index of the state at a cell. Raises ValueError if there is none."""
        try:
            return self.cells.index((row, column))
        except ValueError:
            raise ValueError(
                f"cell ({row}, {column}) is no state of this {self.shape[0]} x {self.shape[1]} grid."
            ) from None
