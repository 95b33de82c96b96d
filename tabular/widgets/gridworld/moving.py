"""A run of dynamic programming as a moving picture."""

from __future__ import annotations

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from PIL import Image

from tabular.mdp import AnyMDP
from tabular.plot.encode import animated
from tabular.plot.heatmap import grid
from tabular.widgets.gridworld.sweeps import Frame, Run, frame_labels

PICTURES = 40
EACH, LAST = 160, 2000
"""Milliseconds that a picture stays, and the last one."""


def moving_picture(mdp: AnyMDP, run: Run, norm: Normalize) -> bytes:
    """A GIF of the frames of a run, at most 40, densest at the beginning, where most happens."""
    labels = frame_labels(run.frames)
    pictures = [_picture(mdp, run.frames[k], labels[k], norm) for k in chosen(len(run.frames))]
    return animated(pictures, EACH, LAST)


def chosen(count: int) -> list[int]:
    """Which of `count` frames are shown: the first, the last, and between them ever fewer."""
    at = np.linspace(0, 1, min(count, PICTURES)) ** (1 if count <= PICTURES else 2)
    return np.unique((at * (count - 1)).round().astype(int)).tolist()


def _picture(mdp: AnyMDP, frame: Frame, label: str, norm: Normalize) -> Image.Image:
    rows, columns = mdp.grid.shape  # type: ignore[union-attr]
    side = 5.0 / max(rows, columns)
    figure = Figure(figsize=(side * columns + 0.2, side * rows + 0.5), dpi=80, facecolor="white", layout="constrained")
    grid(mdp, frame.V, frame.pi, ax=figure.add_subplot(), norm=norm, values=False, colorbar=False, title=label)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
