"""VaGraM: slopes of known functions, the loss against loops, and which models it singles out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tabular as tb
from tabular.fitting import fit
from tabular.models import aliased_blocks, custom, low_rank, softmax_table
from tabular.objectives.vagram import grid_coordinates, lattice, vagram
from tabular.objectives.vaml import finite_values, vaml
from tabular.worlds.papers import maze10, two_state
from tests.objectives.gradients import (
    assert_class_slope,
    assert_leaves_infeasible_actions_out,
    assert_table_slope,
    bare,
    loss_at,
    problem,
    soft_values,
)

ALPHA = 0.3


def reference_for(points, slope, alpha, of_mean):
    """Equation 7 summed successor by successor; `slope(V)` gives (S, n)."""

    def reference(true, P_hat, r_hat):
        weight = slope(soft_values(true, P_hat, r_hat, alpha)) ** 2

        def loss(P, r):
            total = ((r - true.r) ** 2).mean()
            for x, w in zip(points.T, weight.T, strict=True):
                first, second = (P @ x, P @ x**2) if not of_mean else (P @ x, (P @ x) ** 2)
                per_successor = w * (x**2 - 2 * x * first[..., None] + second[..., None])
                total = total + (true.P * per_successor).sum(-1).mean()
            return total

        return loss

    return reference


LINE = np.array([[0.0], [0.5], [2.0], [3.0]])


def slope_on_line(V):
    return np.array([(V[1] - V[0]) / 0.5, (V[2] - V[0]) / 2.0, (V[3] - V[1]) / 2.5, V[3] - V[2]])[:, None]


@pytest.mark.parametrize("of_mean", [False, True])
def test_vagram_slope_is_that_of_a_complex_step_at_fixed_values(of_mean):
    for i in range(3):
        objective = vagram(LINE, ALPHA, of_mean=of_mean)
        assert_table_slope(objective, reference_for(LINE, slope_on_line, ALPHA, of_mean), *problem(i))


MAZE = maze10(reward=1.0)
CLASSES = [
    pytest.param(lambda: aliased_blocks(MAZE, 5), False, id="blocks", marks=pytest.mark.slow),
    pytest.param(lambda: low_rank(3), True, id="rank", marks=pytest.mark.slow),
]


def slope_in_maze(V):
    """Differences on the map itself: NaN where a difference would cross the edge of the wall."""
    V, wall = V.reshape(10, 10), np.zeros((10, 10), dtype=bool)
    wall[:6, 4:6] = True
    slopes = np.zeros((10, 10, 2))
    for i in range(10):
        for j in range(10):
            for axis, (di, dj) in enumerate(((1, 0), (0, 1))):
                ends = []
                for sign in (1, -1):
                    k, m = i + sign * di, j + sign * dj
                    open_ = 0 <= k < 10 and 0 <= m < 10 and wall[k, m] == wall[i, j]
                    ends.append((V[k, m], 1) if open_ else (V[i, j], 0))
                (up, a), (down, b) = ends
                slopes[i, j, axis] = (up - down) / (a + b) if a + b else 0.0
    return slopes.reshape(100, 2)


@pytest.mark.parametrize(("kind", "of_mean"), CLASSES)
def test_vagram_slope_holds_in_the_maze_with_few_parameters(kind, of_mean):
    points = np.array(MAZE.grid.cells, dtype=float)
    objective = vagram(grid_coordinates(MAZE), 0.1, of_mean=of_mean)
    assert_class_slope(objective, reference_for(points, slope_in_maze, 0.1, of_mean), bare(MAZE), kind())


# value gradients


def test_lattice_gradient_is_exact_for_linear_values_and_central_for_squares():
    x, y = np.meshgrid(np.arange(5) * 0.5, np.arange(4) * 2.0, indexing="ij")
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    shuffled = np.random.default_rng(0).permutation(20)
    points = points[shuffled]
    linear = lattice(points).gradient(jnp.asarray(3 * points[:, 0] - 2 * points[:, 1]))
    np.testing.assert_allclose(linear, np.tile([3.0, -2.0], (20, 1)), rtol=1e-12)
    square = lattice(points).gradient(jnp.asarray(points[:, 0] ** 2))
    inside = (points[:, 0] > 0) & (points[:, 0] < 2)
    np.testing.assert_allclose(square[inside, 0], 2 * points[inside, 0], atol=1e-12)
    np.testing.assert_allclose(square[points[:, 0] == 0, 0], 0.5)
    np.testing.assert_allclose(square[points[:, 0] == 2, 0], 3.5)


def test_lattice_has_no_slope_where_a_state_stands_alone():
    """A corner that is cut off by holes, and an axis on which all coordinates are equal."""
    points = np.array([[0, 0, 7], [0, 1, 7], [0, 2, 7], [5, 2, 7]], dtype=float)
    gradient = lattice(points).gradient(jnp.asarray([1.0, 2.0, 4.0, 8.0]))
    np.testing.assert_allclose(gradient, [[0, 1, 0], [0, 1.5, 0], [0.8, 2, 0], [0.8, 0, 0]])


def test_grid_coordinates_are_rows_and_columns_with_no_slope_across_a_wall():
    found = grid_coordinates(MAZE)
    np.testing.assert_array_equal(found.points, np.array(MAZE.grid.cells))
    V = np.random.default_rng(1).normal(size=100)
    np.testing.assert_allclose(found.gradient(jnp.asarray(V)), slope_in_maze(V), atol=1e-14)
    with pytest.raises(ValueError, match="mdp has no grid, so its states have no coordinates"):
        grid_coordinates(two_state())


# what it singles out


def corridor():
    return tb.gridworld("S....G", gamma=0.9, step_reward=-0.1).to_dense()


@pytest.mark.parametrize("of_mean", [False, True])
def test_vagram_is_zero_at_the_truth_of_a_deterministic_mdp(of_mean):
    world = corridor()
    objective = vagram(grid_coordinates(world), 0.1, of_mean=of_mean)
    assert loss_at(objective, bare(world), world.P, world.r) == 0
    assert loss_at(objective, bare(world), np.full_like(world.P, 1 / 6), world.r) > 1e-3


def test_vagram_of_samples_tells_a_mixture_from_its_mean_and_vagram_of_mean_does_not():
    world = corridor()
    P = np.array(world.P)
    P[2, 1] = [0, 0, 0.5, 0, 0.5, 0]  # half a step behind, half a step ahead of where it leads
    assert world.P[2, 1, 3] == 1
    of = {mean: vagram(grid_coordinates(world), 0.1, of_mean=mean) for mean in (False, True)}
    assert loss_at(of[True], bare(world), P, world.r) == pytest.approx(0, abs=1e-28)
    assert loss_at(of[False], bare(world), P, world.r) > 1e-5


@pytest.mark.slow
def test_vagram_fit_finds_a_deterministic_kernel():
    world = corridor()
    table = softmax_table("none", alpha=1.0, learns_reward=False)
    found = fit(world, vagram(grid_coordinates(world), 0.1), table, seeds=1, lr=0.1, steps=600)
    np.testing.assert_allclose(found.P_hat[0, 0], world.P, atol=0.05)
    assert found.J[0, 0] == pytest.approx(tb.soft_solve(world, 0.1).J, abs=5e-3)


def test_vagram_isnt_at_its_least_in_the_true_model_of_a_stochastic_mdp():
    """The best row is the one successor nearest to the weighted mean: variances collapse."""
    world = tb.gridworld("S....G", gamma=0.9, step_reward=-0.1, slip=0.4, slip_kind="random").to_dense()
    objective = vagram(grid_coordinates(world), 0.1)
    sure = corridor().P
    assert loss_at(objective, bare(world), world.P, world.r) > 1.5 * loss_at(objective, bare(world), sure, world.r)


def test_vagram_times_dimension_bounds_value_aware_error_of_linear_values():
    """Voelcker et al. 2022, eq. 6 <= n (7): a linear V loses nothing but by Cauchy's inequality; (7) alone fails."""
    points = np.array([[i, j] for i in range(2) for j in range(2)], dtype=float)
    true, theta = problem(3)
    found = lattice(points)
    V = points @ np.array([2.0, 3.0])
    weight = found.gradient(jnp.asarray(V)) ** 2
    P = jax.nn.softmax(theta.logits)
    model = tb.make_mdp(np.asarray(P), np.asarray(true.r), gamma=0.9)
    of_samples = np.mean(vagram(found)._of_samples(true, bare(model), weight))
    error = loss_at(vaml(finite_values(V[None])), true, P, true.r)
    assert error <= 2 * of_samples
    corner = np.zeros((4, 2, 4))
    corner[..., 0] = 1
    opposite = np.zeros((4, 2, 4))
    opposite[..., 3] = 1
    truth, model = (bare(tb.make_mdp(P, np.asarray(true.r), gamma=0.9)) for P in (corner, opposite))
    of_samples = np.mean(vagram(found)._of_samples(truth, model, weight))
    assert loss_at(vaml(finite_values(V[None])), truth, opposite, true.r) == pytest.approx(25.0)
    assert of_samples == pytest.approx(13.0)


def one_number(theta):
    """One probability of s0 for all states and actions; true rewards."""
    q = jax.nn.sigmoid(theta["logit"])
    return jnp.broadcast_to(jnp.stack([q, 1 - q]), (2, 2, 2)), jnp.asarray(two_state().r)


@pytest.mark.slow
def test_vagram_of_mean_fit_of_one_parameter_is_the_best_of_a_grid():
    """On two states V is linear: the mean of x is q, the error a multiple of mean (p - q)^2 plus a constant."""
    found = fit(
        two_state(),
        vagram([[0.0], [1.0]], of_mean=True),
        custom(one_number, lambda key: {"logit": jax.random.normal(key)}),
        seeds=range(2),
        lr=0.05,
        steps=500,
    )
    np.testing.assert_allclose(found.P_hat[0, :, 0, 0, 0], 0.72, atol=1e-5)
    V = tb.soft_solve(found.model(0, 0), 0.01).V
    p, grid = np.asarray(two_state().P)[..., 0], np.linspace(0, 1, 101)
    losses = [(V[1] - V[0]) ** 2 * np.mean(p * (1 - q) ** 2 + (1 - p) * q**2) for q in grid]
    assert grid[np.argmin(losses)] == pytest.approx(0.72)
    assert found.history.loss[0, 0, -1] == pytest.approx(min(losses), rel=1e-6)


# arguments


def test_vagram_leaves_infeasible_actions_out():
    for of_mean in (False, True):
        assert_leaves_infeasible_actions_out(vagram(LINE, ALPHA, of_mean=of_mean))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: vagram([0.0, 1.0]), r"points has shape \(2,\), expected \(S, n\)"),
        (lambda: vagram([[0.0], [np.nan]]), r"points\[1, 0\] = nan"),
        (lambda: vagram([[0.0], [0.0]]), r"points\[0\] = \[0.\] is the place of 2 states"),
        (lambda: vagram([[0, 0], [1, 1]]), "no two states are neighbours along axis 0"),
        (lambda: lattice([[0.0], [1.0]], walls=[True]), r"walls has shape \(1,\), expected \(2,\)"),
        (lambda: vagram([[0.0], [1.0]], alpha=0), "alpha = 0, expected a positive temperature"),
    ],
)
def test_vagram_complains(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_vagram_complains_about_coordinates_of_another_mdp():
    with pytest.raises(ValueError, match="coordinates are for 3 states, expected 2"):
        fit(two_state(), vagram([[0.0], [1.0], [2.0]]), softmax_table("none"), seeds=1, steps=1)
