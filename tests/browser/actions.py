"""What tests and benchmarks do with an explorer on a page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

PATIENCE = 20_000


def shown(name: str, **values) -> str:
    """The cell that shows an explorer."""
    arguments = ", ".join(f"{key}={value!r}" for key, value in values.items())
    return f"from tabular.widgets import {name}\n{name}({arguments})"


@contextmanager
def change(explorer) -> Iterator[None]:
    """Something that the kernel answers: return once the answer is drawn."""
    before = explorer.get_attribute("data-revision")
    yield
    explorer.page.wait_for_function(
        "([root, before]) => root.dataset.revision !== before",
        arg=[explorer.element_handle(), before],
        timeout=PATIENCE,
    )


def frames(explorer) -> int:
    """Number of frames in the player, once they are there."""
    explorer.locator(".player:not([data-length='1'])").wait_for(timeout=PATIENCE)
    return int(explorer.locator(".player").get_attribute("data-length"))


def reached(explorer, position: int) -> None:
    """Wait until the player is at a frame or past it."""
    explorer.page.wait_for_function(
        "([player, position]) => Number(player.dataset.position) >= position",
        arg=[explorer.locator(".player").element_handle(), position],
        timeout=PATIENCE,
    )


def cell(explorer, row: int, column: int):
    """A cell of the board."""
    return explorer.locator(f".board g[data-row='{row}'][data-column='{column}']")


def point_at(explorer, row: int, column: int, rows: int, columns: int) -> None:
    """Move the real pointer into the middle of a cell."""
    box = explorer.locator(".board").bounding_box()
    explorer.page.mouse.move(
        box["x"] + (column + 0.5) * box["width"] / columns, box["y"] + (row + 0.5) * box["height"] / rows
    )


def click_cell(explorer, row: int, column: int, rows: int, columns: int) -> None:
    """A real click into the middle of a cell."""
    point_at(explorer, row, column, rows, columns)
    explorer.page.mouse.down()
    explorer.page.mouse.up()


def values(explorer) -> np.ndarray:
    """The values of all cells that have one, row by row, as they stand in the document."""
    texts = explorer.locator(".board g[data-row]").evaluate_all("nodes => nodes.map((node) => node.dataset.value)")
    return np.array([float(text) for text in texts if text])


def focus(explorer, row: int, column: int) -> None:
    """Move the focus of the board to a cell by the arrow keys."""
    board = explorer.locator(".board")
    board.focus()
    at = [int(part) for part in board.get_attribute("data-focus").split(",")]
    for axis, (less, more) in enumerate((("ArrowUp", "ArrowDown"), ("ArrowLeft", "ArrowRight"))):
        way = (row, column)[axis] - at[axis]
        for _ in range(abs(way)):
            explorer.page.keyboard.press(more if way > 0 else less)
