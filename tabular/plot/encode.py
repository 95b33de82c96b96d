"""Figures as the content of files: one picture, or a moving one."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from PIL.Image import Image

DPI = 110
MARGIN = 11
"""Pixels of white around a sketch: a tenth of an inch, as around what `encoded` writes."""


def encoded(figure: Figure, kind: str = "png") -> bytes:
    """The picture as bytes of a format that matplotlib writes (png, svg, pdf). The figure is closed.

    Raises:
      ValueError for an unknown format.
    """
    content = io.BytesIO()
    figure.savefig(content, format=kind, dpi=DPI, bbox_inches="tight")
    plt.close(figure)
    return content.getvalue()


def sketched(figure: Figure) -> bytes:
    """The picture as a small PNG, quickly: laid out and drawn only once, 256 colours.

    What would be over the edge of the figure is cut off. The figure is closed.
    """
    from PIL import Image, ImageChops

    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    plt.close(figure)
    whole = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    drawn = ImageChops.difference(whole, Image.new("RGB", whole.size, "white")).getbbox() or (0, 0, *whole.size)
    edges = np.clip(np.add(drawn, (-MARGIN, -MARGIN, MARGIN, MARGIN)), 0, whole.size * 2)
    flat = whole.crop(tuple(edges)).quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    content = io.BytesIO()
    flat.save(content, "PNG")
    return content.getvalue()


def paletted(png: bytes) -> bytes:
    """A PNG with 256 colours, about a third of the size; colours are off by a few of 255."""
    from PIL import Image

    whole = Image.open(io.BytesIO(png)).convert("RGB")
    flat = whole.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    content = io.BytesIO()
    flat.save(content, "PNG", optimize=True)
    return content.getvalue()


def animated(pictures: Sequence[Image], each: int, last: int, colours: int = 96) -> bytes:
    """A GIF for ever, of one palette for all pictures: that of the first, the middle and the last one together.

    Args:
      each: milliseconds that a picture stays.
      last: milliseconds that the last one stays.
    """
    from PIL import Image

    width, height = pictures[0].size
    some = Image.new("RGB", (width, 3 * height))
    for k, one in enumerate((pictures[0], pictures[len(pictures) // 2], pictures[-1])):
        some.paste(one, (0, k * height))
    palette = some.quantize(colours, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    flat = [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in pictures]
    durations = [each] * (len(flat) - 1) + [last]
    held = io.BytesIO()
    flat[0].save(held, "GIF", save_all=True, append_images=flat[1:], duration=durations, loop=0, optimize=True)
    return held.getvalue()
