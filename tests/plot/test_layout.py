"""The layout of small graphs: labels keep clear of states and of each other."""

import numpy as np
import pytest

from tabular.plot import layout

EXTENT = np.array([1.3, 0.15])


def ways(S, successors, seed):
    """A random graph: pairs (from, to)."""
    rng = np.random.default_rng(seed)
    return [(s, int(t)) for s in range(S) for t in np.sort(rng.choice(S, successors, replace=False))]


def laid_out(S, pairs, lines=1):
    extents = [EXTENT * (1, lines) for _ in pairs]
    nodes = layout.places(extents, S)
    arcs = [layout.arc(nodes, s, t, extent) for (s, t), extent in zip(pairs, extents, strict=True)]
    return nodes, arcs, layout.labels(arcs, nodes)


def distance(a, b):
    return np.linalg.norm(a[:, None] - b, axis=-1).min()


@pytest.mark.parametrize(("S", "successors"), [(2, 2), (3, 3), (4, 2), (4, 3), (5, 3), (6, 2), (6, 3)])
def test_labels_keep_clear_of_nodes_and_of_each_other(S, successors):
    for seed in range(6):
        nodes, _, labels = laid_out(S, ways(S, successors, seed), lines=2)
        for i, label in enumerate(labels):
            assert distance(label.discs, nodes) >= label.radius + layout.RADIUS
            for other in labels[:i]:
                assert distance(label.discs, other.discs) >= label.radius + other.radius


def test_labels_are_covered_by_their_discs():
    """So that the tests above speak of the writing: every point of the rectangle lies in a disc."""
    label = layout._label(np.array([1.0, 2.0]), 0.4, EXTENT)
    along, up = np.meshgrid(np.linspace(-0.5, 0.5, 41) * EXTENT[0], np.linspace(-0.5, 0.5, 5) * EXTENT[1])
    turned = np.array([[np.cos(0.4), np.sin(0.4)], [-np.sin(0.4), np.cos(0.4)]])
    points = label.centre + np.stack([along.ravel(), up.ravel()], axis=1) @ turned
    # the corners stick out by less than a fifth of the height
    assert np.linalg.norm(points[:, None] - label.discs, axis=-1).min(1).max() < label.radius + 0.2 * EXTENT[1]


def test_arcs_there_and_back_bend_to_different_sides():
    nodes, (there, back), _ = laid_out(2, [(0, 1), (1, 0)])
    assert there.line[:, 1].min() >= -1e-12 and back.line[:, 1].max() <= 1e-12
    assert there.line[30, 1] > 0.3 * layout.RADIUS > -0.3 * layout.RADIUS > back.line[30, 1]
    assert nodes[:, 1].tolist() == [0, 0]


def test_arcs_begin_and_end_at_the_border_of_their_nodes():
    nodes, arcs, _ = laid_out(5, ways(5, 5, 0))
    for (s, t), arc in zip(ways(5, 5, 0), arcs, strict=True):
        assert np.linalg.norm(arc.line[0] - nodes[s]) == pytest.approx(layout.RADIUS, rel=0.5)
        assert np.linalg.norm(arc.line[-1] - nodes[t]) == pytest.approx(layout.RADIUS, rel=0.5)


def test_bounds_hold_everything():
    nodes, arcs, labels = laid_out(6, ways(6, 3, 0))
    low, high = layout.bounds(arcs, labels, nodes)
    for points in [nodes, *(arc.line for arc in arcs), *(label.discs for label in labels)]:
        assert (points >= low).all() and (points <= high).all()
