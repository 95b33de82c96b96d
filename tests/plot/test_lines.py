"""Curves: what is drawn, that it can be told apart, and where the labels go."""

from itertools import pairwise
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.text import Text
from scipy.optimize import LinearConstraint, minimize

import tabular.plot
from tabular.plot.lines import _apart

plot: Any = tabular.plot
"""Unknown to the type checker: the stubs of matplotlib know artists by their base class only."""

X = np.linspace(0, 6, 5)
NAMES = ("MLE", "OMD (returns)", "OMD (Bellman error)", "OMD (annealed)")


def some(count=4, level=1.0):
    return {name: plot.Curve(X, level - np.exp(-(k + 1) * X), 0.1 * np.ones(5)) for k, name in enumerate(NAMES[:count])}


def drawn(ax):
    return {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}


def test_curves_draw_the_means_and_the_bands():
    series = some()
    ax = plot.curves(series, x_label="norm bound", y_label="return")
    for label, curve in series.items():
        assert np.array_equal(drawn(ax)[label].get_xydata(), np.stack([curve.x, curve.mean], axis=1))
    for band, curve in zip(ax.collections, series.values(), strict=True):
        (path,) = band.get_paths()
        edges = np.concatenate([curve.mean - curve.band, curve.mean + curve.band])
        assert set(edges.round(9)) == set(path.vertices[:, 1].round(9))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("norm bound", "return")


def test_curves_without_a_band_draw_none():
    assert list(plot.curves({"a": plot.Curve(X, X)}, x_label="", y_label="").collections) == []


def test_curves_reference_is_a_labelled_line():
    ax = plot.curves(some(), x_label="", y_label="", reference=1.5, reference_label="optimal J")
    (line,) = [line for line in ax.lines if set(line.get_ydata()) == {1.5}]
    assert line.get_linestyle() == "--"
    assert "optimal J" in [text.get_text() for text in ax.texts]


def test_curves_differ_in_more_than_colour():
    lines = drawn(plot.curves(some(), x_label="", y_label="")).values()
    for looks in ([line.get_color() for line in lines], [line.get_marker() for line in lines]):
        assert len(set(looks)) == len(NAMES)
    assert len({str(line._unscaled_dash_pattern) for line in lines}) == len(NAMES)


def test_curves_labels_lie_in_the_order_of_the_ends_and_apart():
    """Four curves that end within a hair of each other and of the reference."""
    ax = plot.curves(some(), x_label="", y_label="", reference=1.001)
    ax.figure.canvas.draw()
    boxes = {text.get_text(): Text.get_window_extent(text) for text in ax.texts}  # without the leader line
    assert sorted(boxes, key=lambda label: boxes[label].y0) == [*NAMES, "optimal"]
    for below, above in pairwise(sorted(boxes.values(), key=lambda box: box.y0)):
        assert above.y0 >= below.y1
    assert min(box.x0 for box in boxes.values()) > ax.get_window_extent().x1


def test_curves_labels_point_at_the_last_finite_value():
    mean = np.array([0, 1, 2, np.nan, np.nan])
    ax = plot.curves({"a": plot.Curve(X, mean)}, x_label="", y_label="")
    assert ax.texts[0].xy == (X[2], 2)


def test_curves_draw_on_the_axes_they_are_given():
    ax = plt.subplots()[1]
    assert plot.curves(some(), x_label="", y_label="", ax=ax, title="here") is ax
    assert ax.get_title("left") == "here" and len(plt.get_fignums()) == 1


def test_curves_legend_takes_the_place_of_the_labels():
    ax = plot.curves(some(2), x_label="", y_label="", reference=1, reference_label="optimal", legend="lower right")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [*NAMES[:2], "optimal"]
    assert len(ax.texts) == 0


def test_apart_is_the_least_squares_projection():
    """Against a general solver: minimise sum (y - h)^2 subject to y in the order of h and gaps of at least 1."""
    rng = np.random.default_rng(0)
    for _ in range(10):
        heights = rng.uniform(0, 3, size=5)
        differences = np.diff(np.eye(5)[np.argsort(heights)], axis=0)
        constraint = LinearConstraint(differences, lb=1)
        found = minimize(lambda y, h=heights: ((y - h) ** 2).sum(), heights, constraints=constraint, method="SLSQP")
        assert _apart(heights, 1.0) == pytest.approx(found.x, abs=1e-5)


@pytest.mark.parametrize(
    ("series", "message"),
    [
        ({}, "series is empty"),
        ({"a": plot.Curve(X, X[1:])}, r"series\['a'\] has shapes x \(5,\), mean \(4,\)"),
        ({"a": plot.Curve(X, X, X[1:])}, r"band \(4,\)"),
        ({"a": plot.Curve(X, np.full(5, np.nan))}, r"series\['a'\].mean holds no finite value"),
    ],
)
def test_curves_refuse_with_a_clear_error(series, message):
    with pytest.raises(ValueError, match=message):
        plot.curves(series, x_label="", y_label="")
