"""The picture of a polytope shows the exact values."""

import numpy as np
import pytest

from tabular import plot
from tabular.polytope import polytope as exact
from tabular.solve import solve
from tabular.worlds import gridworld, two_state


def drawn(ax, label: str) -> np.ndarray:
    """Points of the line with this label, shape (n, 2)."""
    return next(np.column_stack(line.get_data()) for line in ax.lines if line.get_label() == label)


def test_polytope_marks_the_best_values_and_names_the_corners():
    ax = plot.polytope(two_state())
    np.testing.assert_allclose(drawn(ax, "V*"), [solve(two_state()).V], atol=1e-12)
    assert sorted(text.get_text() for text in ax.texts) == ["a0, a0", "a0, a1", "a1, a0", "a1, a1"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("V(s0)", "V(s1)")


def test_polytope_opens_the_points_that_no_policy_has():
    path = np.array([[-1.5, 0.5], solve(two_state()).V])
    ax = plot.polytope(two_state(), path=path)
    np.testing.assert_array_equal(drawn(ax, "values of no policy"), path[:1])
    np.testing.assert_array_equal(drawn(ax, "path"), path)


def test_polytope_shows_a_model_beside_it():
    model = two_state()
    ax = plot.polytope(two_state(), np.array([0, 1]), model=model)
    np.testing.assert_allclose(drawn(ax, "the model's V*"), [solve(model).V], atol=1e-12)
    np.testing.assert_allclose(drawn(ax, "V of the policy"), [exact(model).V[1]], atol=1e-12)


def test_polytope_refuses_three_states():
    with pytest.raises(ValueError, match="mdp has 3 states, expected 2"):
        plot.polytope(gridworld("S.G", gamma=0.9))
