"""The graph of a small MDP: what its arcs say, and that everything can be read."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import Circle, FancyArrowPatch, Rectangle

import tabular.plot
from tabular import make_mdp, solve, worlds

plot: Any = tabular.plot
"""Unknown to the type checker: the stubs of matplotlib know artists by their base class only."""

MINUS = "\N{MINUS SIGN}"


def rows(ax):
    """Lines of the labels, with whether they are bold."""
    return {text.get_text(): text.get_fontweight() == "bold" for text in ax.texts if text.get_text().startswith("(")}


def names(ax):
    return {text.get_text() for text in ax.texts if not text.get_text().startswith("(")}


def arcs(ax) -> list[Any]:
    return [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]


def random_mdp(S, A, successors, seed):
    rng = np.random.default_rng(seed)
    P = np.zeros((S, A, S))
    for s, a in np.ndindex(S, A):
        P[s, a, rng.choice(S, successors, replace=False)] = rng.dirichlet(np.ones(successors))
    return make_mdp(P, rng.normal(size=(S, A)), gamma=0.9)


def test_mdp_labels_are_those_of_the_published_figure():
    """Nikishin et al. 2021, Figure 3, top: (action, reward, transition probability, optimal Q)."""
    mdp = worlds.two_state()
    assert rows(plot.mdp(mdp, solve(mdp).Q)) == {
        f"(a0, {MINUS}0.45, 0.7, 0.164)": True,
        f"(a1, {MINUS}0.1, 0.99, 0.0628)": False,
        f"(a0, {MINUS}0.45, 0.3, 0.164)": True,
        f"(a1, {MINUS}0.1, 0.01, 0.0628)": False,
        "(a0, 0.5, 0.2, 1.89)": True,
        "(a1, 0.5, 0.99, 0.663)": False,
        "(a0, 0.5, 0.8, 1.89)": True,
        "(a1, 0.5, 0.01, 0.663)": False,
        "(action, reward, probability, Q), best in bold": False,
    }


def test_mdp_without_values_labels_three_numbers():
    found = rows(plot.mdp(worlds.two_state()))
    assert "(a0, 0.5, 0.8)" in found and "(action, reward, probability)" in found
    assert not any(found.values())


def test_mdp_has_a_circle_for_each_state_and_an_arc_for_each_way():
    mdp = random_mdp(4, 2, 2, seed=0)
    ax = plot.mdp(mdp)
    assert sum(isinstance(patch, Circle) for patch in ax.patches) == 4
    assert len(arcs(ax)) == (mdp.to_dense().P > 0).any(1).sum()
    assert names(ax) == {"s0", "s1", "s2", "s3"}


def test_mdp_uses_the_labels_of_states_and_actions():
    ax = plot.mdp(worlds.risk3())
    assert names(ax) == {"left", "middle", "right"}
    assert "(right, 1, 1)" in rows(ax)


def test_mdp_arcs_lead_from_the_circle_of_one_state_to_that_of_the_other():
    mdp = make_mdp(np.eye(3)[[[1], [2], [0]]], np.zeros((3, 1)), gamma=0.9)
    ax = plot.mdp(mdp)
    centres = [patch.center for patch in ax.patches if isinstance(patch, Circle)]
    for s, arc in enumerate(arcs(ax)):
        line = arc._path_original.vertices
        for end, state in ((line[0], s), (line[-1], (s + 1) % 3)):
            assert np.linalg.norm(end - centres[state]) == pytest.approx(plot.layout.RADIUS, rel=0.3)


def test_mdp_shows_termination_as_an_end_and_leaves_infeasible_actions_out():
    P = np.array([[[0.5, 0.2], [0, 0]], [[0, 1], [1, 0]]])
    mdp = make_mdp(P, np.array([[1, -np.inf], [0, 2]]), gamma=0.9, terminating=True)
    ax = plot.mdp(mdp, solve(mdp).Q)
    assert "end" in names(ax)
    assert sum(isinstance(patch, Rectangle) for patch in ax.patches) == 1
    assert [row for row in rows(ax) if row.startswith("(a1") and "inf" in row] == []
    assert any(row.startswith("(a0, 1, 0.3,") for row in rows(ax))


def test_mdp_leaves_negligible_transitions_out():
    """As a learned softmax model has them: every transition, most of them of probability 1e-18."""
    P = np.array([[[1, 1e-18]], [[2e-4, 1 - 2e-4]]])
    ax = plot.mdp(make_mdp(P, np.zeros((2, 1)), gamma=0.9))
    assert len(arcs(ax)) == 2  # the loops
    assert [row for row in rows(ax) if "e" in row] == ["(action, reward, probability)"]


def ink(ax, artists):
    """For each artist, the pixels it covers when it is drawn alone."""
    figure = ax.figure
    figure.set_dpi(60)
    for artist in ax.get_children():
        artist.set_visible(False)
    covered = []
    for artist in artists:
        artist.set(visible=True, path_effects=[])
        figure.canvas.draw()
        covered.append((np.asarray(figure.canvas.buffer_rgba())[..., :3] < 230).any(-1))
        artist.set_visible(False)
    return np.array(covered)


@pytest.mark.parametrize(
    ("S", "A", "successors", "seed"),
    [(2, 2, 2, 2), (2, 4, 2, 2), (3, 2, 3, 3), (4, 2, 2, 4), (4, 2, 2, 13), (4, 3, 2, 4), (5, 2, 2, 5), (6, 2, 2, 6)],
)
def test_mdp_labels_cover_neither_each_other_nor_a_state(S, A, successors, seed):
    mdp = random_mdp(S, A, successors, seed)
    ax = plot.mdp(mdp, solve(mdp).Q)
    labels = [text for text in ax.texts if text.get_text().startswith("(")]
    circles = [patch for patch in ax.patches if isinstance(patch, Circle)]
    for circle in circles:
        circle.set(facecolor="black", radius=1.2 * circle.radius)
    covered = ink(ax, labels + circles)
    assert all(mask.any() for mask in covered)
    assert covered.sum(0).max() == 1


def test_mdp_fits_its_axes():
    mdp = random_mdp(6, 2, 3, seed=1)
    ax = plot.mdp(mdp, solve(mdp).Q, title="six states")
    ax.figure.canvas.draw()
    frame = ax.figure.bbox
    for text in ax.texts:
        box = text.get_window_extent()
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1


def test_mdp_scales_with_the_axes_it_is_given():
    axes = plt.subplots(1, 2, figsize=(5, 2))[1]
    assert plot.mdp(worlds.two_state(), ax=axes[0]) is axes[0]
    assert axes[0].texts[0].get_fontsize() < plot.mdp(worlds.two_state()).texts[0].get_fontsize()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot.mdp(random_mdp(1, 2, 1, 0)), "mdp has 1 states, expected 2 to 6"),
        (lambda: plot.mdp(random_mdp(7, 2, 2, 0)), "mdp has 7 states, expected 2 to 6"),
        (lambda: plot.mdp(worlds.two_state(), Q=np.ones(2)), r"Q has shape \(2,\), expected \(2, 2\)"),
    ],
)
def test_mdp_refuses_with_a_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
