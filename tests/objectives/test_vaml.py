"""VAML: suprema against brute force and linear programs' vertices, slopes against a complex step, optima."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import rel_entr

from tabular.fitting import fit
from tabular.models import aliased_blocks, custom, low_rank, softmax_table
from tabular.objectives import mle
from tabular.objectives.vaml import FiniteValues, LinearValues, bounded_values, finite_values, linear_values, vaml
from tabular.solve import solve
from tabular.worlds.papers import maze10, two_state
from tabular.worlds.random import dirichlet
from tests.objectives.gradients import (
    assert_class_slope,
    assert_leaves_infeasible_actions_out,
    assert_table_slope,
    bare,
    loss_at,
    magnitude,
    problem,
)

S = 4
RNG = np.random.default_rng(0)
VALUES, FEATURES = RNG.normal(size=(5, S)), RNG.normal(size=(S, 2))
CLASSES = [finite_values(VALUES), linear_values(FEATURES, 1.7), bounded_values(2.5)]


def worst_of(values, start):
    """The supremum near a shift `start`, where the worst of finitely many V stays the same."""
    best = values[abs(np.einsum("sat,mt->sam", start, values)).argmax(-1)]
    return lambda shift: np.einsum("sat,sat->sa", shift, best) ** 2


WORST = {
    CLASSES[0]: lambda start: worst_of(VALUES, start),
    CLASSES[1]: lambda start: lambda shift: 1.7**2 * ((shift @ FEATURES) ** 2).sum(-1),
    CLASSES[2]: lambda start: lambda shift: (2.5 * magnitude(shift).sum(-1)) ** 2,
}
"""Suprema as functions of complex shifts near one of them."""


def reference_for(near, mle_weight=0.0):
    def reference(true, P_hat, r_hat):
        worst = near(P_hat - true.P)

        def loss(P, r):
            reward = ((r - true.r) ** 2).mean()
            seen = true.P > 0
            kl = np.where(seen, true.P * np.log(np.where(seen, true.P, 1) / np.where(seen, P, 1)), 0).sum(-1).mean()
            return (1 - mle_weight) * worst(P - true.P).mean() + mle_weight * kl + reward

        return loss

    return reference


@pytest.mark.parametrize("values", CLASSES, ids=repr)
@pytest.mark.parametrize("mle_weight", [0.0, 0.3])
def test_vaml_slope_is_that_of_a_complex_step(values, mle_weight):
    for i in range(3):
        assert_table_slope(vaml(values, mle_weight=mle_weight), reference_for(WORST[values], mle_weight), *problem(i))


MAZE = maze10(reward=1.0)
KINDS = [
    pytest.param(lambda: aliased_blocks(MAZE, 5), id="blocks"),
    pytest.param(lambda: low_rank(3), id="rank", marks=pytest.mark.slow),
]
MAZE_VALUES = np.stack([solve(MAZE).V, np.arange(100.0), np.cos(np.arange(100))])


@pytest.mark.parametrize("kind", KINDS)
def test_vaml_slope_holds_in_the_maze_with_few_parameters(kind):
    objective = vaml(finite_values(MAZE_VALUES), mle_weight=0.1)
    reference = reference_for(partial(worst_of, MAZE_VALUES), 0.1)
    assert_class_slope(objective, reference, bare(MAZE), kind())


def shifts():
    """Differences of two random rows, shape (3, 2, S)."""
    rows = np.random.default_rng(5).dirichlet(np.ones(S), size=(2, 3, 2))
    return rows[0] - rows[1]


def test_vaml_supremum_over_bounded_values_is_attained_at_a_corner():
    """A linear function is largest at a corner of the cube; and the corners of [0, 2 radius] give the same."""
    for low, high in ((-2.5, 2.5), (0.0, 5.0)):
        corners = np.array(list(itertools.product((low, high), repeat=S)))
        brute = (np.einsum("sat,mt->sam", shifts(), corners) ** 2).max(-1)
        np.testing.assert_allclose(bounded_values(2.5).worst(jnp.asarray(shifts())), brute, rtol=1e-12)


def test_vaml_supremum_over_linear_values_is_attained_on_the_circle():
    angles = np.linspace(0, np.pi, 20_001)
    circle = 1.7 * FEATURES @ np.stack([np.cos(angles), np.sin(angles)])
    brute = ((shifts() @ circle) ** 2).max(-1)
    found = linear_values(FEATURES, 1.7).worst(jnp.asarray(shifts()))
    np.testing.assert_allclose(found, brute, rtol=1e-7)
    assert (np.asarray(found) >= brute).all()


def test_vaml_classes_are_ordered_by_inclusion():
    """Each finite V lies in the linear ball of its own direction, and that in the cube of its largest value."""
    V = VALUES[:1]
    small = finite_values(V).worst(jnp.asarray(shifts()))
    same = linear_values(V.T, 1.0).worst(jnp.asarray(shifts()))
    large = bounded_values(abs(V).max()).worst(jnp.asarray(shifts()))
    np.testing.assert_allclose(small, same, rtol=1e-12)
    assert (np.asarray(large) >= np.asarray(same)).all()


def test_vaml_over_bounded_values_is_bounded_by_likelihood():
    """Pinsker: `||p - p_hat||_1^2 <= 2 KL`, so the loss is at most 2 radius^2 that of the divergence."""
    for i in range(50):
        true, theta = problem(i, seed=52)
        P = np.asarray(jax.nn.softmax(theta.logits))
        P_true = np.asarray(true.P)
        assert loss_at(vaml(bounded_values(2.0)), true, P, true.r) <= 2 * 4 * rel_entr(P_true, P).sum(-1).mean() + 1e-12


@pytest.mark.parametrize("values", CLASSES, ids=repr)
def test_vaml_is_zero_at_the_truth_and_wherever_no_value_tells(values):
    true, theta = problem(1)
    assert loss_at(vaml(values), true, true.P, true.r) == 0
    P = jax.nn.softmax(theta.logits)
    assert loss_at(vaml(values), true, P, true.r) > 1e-3
    constant = finite_values(np.full((1, S), 3.0))
    assert loss_at(vaml(constant), true, P, true.r) < 1e-28


def test_vaml_weight_one_is_likelihood_and_mixes_in_between():
    true, theta = problem(2)
    P, r = jax.nn.softmax(theta.logits), theta.reward
    ends = [loss_at(vaml(CLASSES[0], mle_weight=w), true, P, r) for w in (0.0, 1.0)]
    assert ends[1] == pytest.approx(loss_at(mle(), true, P, r), rel=1e-14)
    half = loss_at(vaml(CLASSES[0], mle_weight=0.25), true, P, r)
    assert half == pytest.approx(0.75 * ends[0] + 0.25 * ends[1], rel=1e-14)


def test_vaml_without_likelihood_is_finite_where_the_model_rules_out_what_happens():
    true, _ = problem(3)
    P = np.array(true.P)
    P[0, 0] = np.eye(S)[0]
    assert np.isfinite(loss_at(vaml(CLASSES[0]), true, P, true.r))
    assert loss_at(vaml(CLASSES[0], mle_weight=1e-3), true, P, true.r) == np.inf


@pytest.mark.parametrize("objective", [vaml(CLASSES[0]), vaml(CLASSES[2], mle_weight=0.5)])
def test_vaml_leaves_infeasible_actions_out(objective):
    assert_leaves_infeasible_actions_out(objective)


# optima


def shared_row(theta):
    """One probability of s0 for all states and actions: a model class that doesn't hold the truth; true rewards."""
    q = jax.nn.sigmoid(theta["logit"])
    P = jnp.broadcast_to(jnp.stack([q, 1 - q]), (2, 2, 2))
    return P, jnp.asarray(two_state().r)


TABLE = softmax_table("none", alpha=1.0)
ONE_PARAMETER = custom(shared_row, lambda key: {"logit": jax.random.normal(key)})


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(finite_values([[1.0, 0.0]]), id="finite"),
        pytest.param(linear_values(np.eye(2), 1.0), id="linear", marks=pytest.mark.slow),
        pytest.param(bounded_values(1.0), id="bounded", marks=pytest.mark.slow),
    ],
)
def test_vaml_fit_of_one_parameter_is_the_best_of_a_grid(values):
    """All three are multiples of sum (p - q)^2 here, least at the mean of p = (.7, .99, .2, .99): q = .72."""
    grid = np.linspace(0, 1, 2001)
    row = np.stack([grid, 1 - grid], -1)
    true = bare(two_state())
    models = np.broadcast_to(row[:, None, None], (2001, 2, 2, 2))
    scale = 1.0 if isinstance(values, FiniteValues) else 2.0 if isinstance(values, LinearValues) else 4.0
    losses = scale * ((models[..., 0] - np.asarray(true.P)[..., 0]) ** 2).mean((1, 2))
    assert loss_at(vaml(values), true, models[500], true.r) == pytest.approx(losses[500], rel=1e-12)
    found = fit(two_state(), vaml(values), ONE_PARAMETER, seeds=range(2), lr=0.05, steps=500)
    np.testing.assert_allclose(found.P_hat[0, :, 0, 0, 0], 0.72, atol=1e-5)
    np.testing.assert_allclose(found.history.loss[0, :, -1], losses.min(), rtol=1e-6)
    assert grid[losses.argmin()] == pytest.approx(0.72, abs=1e-9)


@pytest.mark.slow
def test_vaml_fit_reaches_zero_on_models_that_only_values_can_tell_from_the_truth():
    """One V leaves a row of four states two free numbers: the fit finds such a model, not the truth."""
    world = dirichlet(S, 2, gamma=0.9, seed=3, concentration=5.0).to_dense()
    V = np.array([0.0, 0.0, 1.0, 2.0])
    found = fit(world, vaml(finite_values(V[None])), TABLE, seeds=range(2), lr=0.05, steps=500)
    assert (found.history.loss[0, :, -1] < 1e-9).all()
    np.testing.assert_allclose(found.P_hat[0] @ V, np.stack([world.P @ V] * 2), atol=2e-4)
    assert (abs(found.P_hat[0] - world.P).max((1, 2, 3)) > 0.1).all()


@pytest.mark.slow
def test_vaml_fit_over_bounded_values_finds_the_truth():
    world = dirichlet(S, 2, gamma=0.9, seed=3, concentration=5.0).to_dense()
    found = fit(world, vaml(bounded_values(1.0)), TABLE, seeds=range(2), lr=0.01, steps=1000)
    np.testing.assert_allclose(found.P_hat[0], np.stack([world.P] * 2), atol=5e-3)


# arguments


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: finite_values(np.ones(3)), r"values has shape \(3,\), expected \(m, S\)"),
        (lambda: finite_values([[0, np.nan]]), r"values\[0, 1\] = nan, expected a finite number"),
        (lambda: linear_values(np.ones((3, 1)), 0), "radius = 0, expected a positive number"),
        (lambda: bounded_values(np.inf), "radius = inf, expected a positive number"),
        (lambda: vaml(bounded_values(1), alpha=0), "alpha = 0, expected a positive temperature"),
        (lambda: vaml(bounded_values(1), mle_weight=1.5), "mle_weight = 1.5, expected a weight"),
    ],
)
def test_vaml_complains(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_vaml_complains_about_what_is_no_class_and_about_another_number_of_states():
    with pytest.raises(TypeError, match=r"values is a list, expected a class of them: finite_values\(array\)"):
        vaml([[1.0, 2.0]])  # type: ignore[arg-type]
    for values in (finite_values(np.ones((1, 3))), linear_values(np.ones((3, 1)))):
        with pytest.raises(ValueError, match="are for 3 states, expected 2"):
            fit(two_state(), vaml(values), softmax_table("none"), seeds=1, steps=1)
