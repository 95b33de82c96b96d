"""Pictures as files: the quick sketch shows what the exact picture shows."""

import io

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from tabular import plot


def pixels(content) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), int)


def heat():
    """A picture of many colours, away from the edges of its figure."""
    figure = plt.figure(figsize=(4, 3))
    ax = figure.add_axes((0.2, 0.3, 0.5, 0.5))
    ax.imshow(np.arange(400).reshape(20, 20) % 37, cmap="turbo")
    ax.set_title("a title")
    return figure


def test_sketch_shows_the_same_in_fewer_colours():
    rough, exact = pixels(plot.sketched(heat())), pixels(plot.encoded(heat()))
    assert all(abs(a - b) <= 2 for a, b in zip(rough.shape, exact.shape, strict=True))
    inked = [np.argwhere((each < 250).any(2)) for each in (rough, exact)]
    edges = [(ink.min(0), ink.max(0) + 1) for ink in inked]
    rough, exact = (
        each[low[0] : high[0], low[1] : high[1]] for each, (low, high) in zip((rough, exact), edges, strict=True)
    )
    assert rough.shape == exact.shape
    off = abs(rough - exact)
    assert np.median(off) == 0
    assert np.percentile(off, 99) <= 24


def test_sketch_is_cut_to_what_is_drawn_with_a_tenth_of_an_inch_around():
    ink = (pixels(plot.sketched(heat())) < 255).any(2)
    inked = np.argwhere(ink)
    np.testing.assert_array_equal(inked.min(0), [11, 11])
    np.testing.assert_array_equal(np.array(ink.shape) - 1 - inked.max(0), [11, 11])


def test_sketch_of_nothing_is_the_empty_figure():
    assert pixels(plot.sketched(plt.figure(figsize=(2, 1)))).shape == (110, 220, 3)
