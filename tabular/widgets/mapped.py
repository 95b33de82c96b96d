"""What explorers of grid worlds share: a map that is edited cell by cell, and taken back."""

from __future__ import annotations

import tempfile
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tabular.files import save
from tabular.mdp import AnyMDP
from tabular.widgets.controls import Download, action
from tabular.widgets.drawing import Drawing
from tabular.widgets.explorer import Explorer


class MapExplorer(Explorer):
    """An explorer of a map that can be drawn. A subclass says in `redrawn` what to forget when it has changed."""

    drawing: Drawing
    _past: list[Drawing]

    @abstractmethod
    def redrawn(self) -> None:
        """Called after the map has changed: forget what was computed from it."""

    @action()
    def paint(self, cells: Iterable[tuple[int, int]], kind: str) -> None:
        """Make cells walls `#`, free `.`, starts `S` or goals `G`. Raises ValueError, see `Drawing.painted`."""
        self._draw(self.drawing.painted(cells, kind))

    @action()
    def toggle(self, row: int, column: int, kind: str) -> None:
        """Make a cell this kind, or free if it is that already. Raises ValueError, see `Drawing.painted`."""
        self._draw(self.drawing.toggled(row, column, kind))

    @action()
    def reward(self, row: int, column: int, reward: float) -> None:
        """The reward of a cell. Raises ValueError, see `Drawing.rewarded`."""
        self._draw(self.drawing.rewarded(row, column, reward))

    @action()
    def resize(self, rows: int, columns: int) -> None:
        """Cut the map, or widen it by free cells, at the right and at the bottom. Raises ValueError outside 1 to 60."""
        self._draw(self.drawing.resized(rows, columns))

    @action("Undo", key="z", hint="Take the last change of the map back", group="state")
    def undo(self) -> None:
        """Take the last change of the map back. Raises ValueError if there is none."""
        if not self._past:
            raise ValueError("there is no change of the map to take back.")
        past = self._past[:-1]
        self._draw(self._past[-1])
        self._past = past

    def _draw(self, drawing: Drawing) -> None:
        self._past = [*self._past[-99:], self.drawing]
        self.drawing = drawing
        self.redrawn()
        self.refresh()

    def disabled(self) -> dict[str, str]:
        """There may be nothing to take back."""
        return {} if self._past else {"undo": "there is no change of the map to take back."}

    def state(self) -> dict[str, Any]:
        """Controls and the drawing."""
        return super().state() | {"drawing": self.drawing}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go to a state."""
        rest = dict(state)
        self.drawing = rest.pop("drawing", self.drawing)
        self._past = []
        self.redrawn()
        with self.together():
            self.set(**rest)

    def _download(self, mdp: AnyMDP, name: str) -> Download:
        """An MDP as an archive for the browser."""
        with tempfile.TemporaryDirectory() as folder:
            content = save(mdp, Path(folder) / "mdp.npz").read_bytes()
        return Download(f"{name}.npz", "application/octet-stream", content)


def states_of(mdp: AnyMDP) -> np.ndarray:
    """The state of each cell, shape (rows, columns), -1 where there is none; int32 for the browser."""
    at = np.full(mdp.grid.shape, -1, dtype=np.int32)  # type: ignore[union-attr]
    at[tuple(np.array(mdp.grid.cells).T)] = np.arange(mdp.S)  # type: ignore[union-attr]
    return at
