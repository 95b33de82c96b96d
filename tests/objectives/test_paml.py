"""Policy-gradient matching: the closed form against automatic differentiation, slopes, and where it goes blind."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tabular as tb
from tabular.device import policy_return, soft_q, to_device
from tabular.fitting import fit
from tabular.mdp import MDP, make_mdp
from tabular.models import SoftmaxTable, Theta, aliased_blocks, low_rank, seed_key, softmax_table
from tabular.objectives.paml import paml, policy_gradient
from tabular.operators import softmax_policy
from tabular.worlds.papers import maze10, two_state
from tests.instances import random_mdp

COMPLEX_STEP = 1e-30
MAZE = maze10()
SLOW = pytest.mark.slow


def problem(i: int) -> tuple[MDP, Theta]:
    rng = np.random.default_rng([51, i])
    S, A = {4: (5, 2), 5: (2, 3), 6: (4, 3)}.get(i, (3, 2))
    true = to_device(random_mdp(51, i, S=S, A=A, gamma=0.9))
    true = MDP(true.P, true.r / abs(true.r).max(), true.gamma, true.rho)
    return true, Theta(jnp.asarray(rng.normal(size=(S, A, S))), jnp.asarray(rng.normal(size=(S, A))))


@jax.jit
def value_and_slope(objective, true, theta):
    def loss(theta):
        return objective.loss(true, SoftmaxTable().mdp(true, theta), jnp.zeros_like(true.r), jnp.asarray(0))[0]

    return jax.value_and_grad(loss)(theta)


# the policy gradient


@pytest.mark.parametrize("i", [0, *(pytest.param(i, marks=SLOW) for i in (4, 5, 6))])
def test_policy_gradient_is_that_of_automatic_differentiation(i):
    true, theta = problem(i)
    logits = jnp.asarray(3 * np.asarray(theta.reward))
    expected = jax.jit(jax.grad(lambda logits: policy_return(true, jax.nn.softmax(logits))))(logits)
    found = policy_gradient(true, jax.nn.softmax(logits))
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.sum(1), 0, atol=1e-12)
    assert abs(found).max() > 1e-3


def test_policy_gradient_leaves_infeasible_actions_out():
    P = np.array([[[0.3, 0.4, 0.3], [0, 0, 0]], [[0.5, 0.3, 0.2], [0.2, 0.5, 0.3]], [[0.2, 0.4, 0.4]] * 2])
    true = to_device(make_mdp(P, [[1.0, -np.inf], [0, 0.5], [2.0, 3.0]], gamma=0.9))
    table = SoftmaxTable()
    theta = table.init(true, seed_key(3))
    value, slope = value_and_slope(paml(0.3), true, theta)
    assert jnp.isfinite(value) and value > 0 and all(jnp.isfinite(x).all() for x in slope)
    assert slope.reward[0, 1] == 0 and (slope.logits[0, 1] == 0).all()
    found = policy_gradient(true, jnp.asarray([[1.0, 0.0], [0.25, 0.75], [0.5, 0.5]]))
    assert found[0, 1] == 0 and abs(found[0, 0]) < 1e-12 and abs(found[1, 0]) > 1e-3  # an only action has none either


# the loss


def numpy_gradient(P, r, rho, pi):
    """`d(s) pi (Q - V)` by two dense solves; complex arguments allowed."""
    chain = np.einsum("sa,sat->st", pi, P)
    V = np.linalg.solve(np.eye(len(r)) - 0.9 * chain, (pi * r).sum(1))
    d = np.linalg.solve(np.eye(len(r)) - 0.9 * chain.T, rho.astype(chain.dtype))
    return d[:, None] * pi * (r + 0.9 * P @ V - V[:, None])


@pytest.mark.parametrize(
    ("i", "temperature"), [(0, None), (1, 1.0), *(pytest.param(i, 0.5, marks=SLOW) for i in (4, 5, 6))]
)
def test_paml_value_and_slope_are_those_of_a_complex_step_at_a_fixed_policy(i, temperature):
    true, theta = problem(i)
    P_true, r_true, rho = (np.asarray(x) for x in (true.P, true.r, true.rho))
    L, r_hat = np.asarray(theta.logits), np.asarray(theta.reward)
    weights = np.exp(L)
    host = make_mdp(weights / weights.sum(-1, keepdims=True), r_hat, gamma=0.9)
    pi = softmax_policy(tb.soft_solve(host, 0.3).Q, 0.3 if temperature is None else temperature)
    target = numpy_gradient(P_true, r_true, rho, pi)

    def loss(L, r):
        weights = np.exp(L)
        off = target - numpy_gradient(weights / weights.sum(-1, keepdims=True), r, rho, pi)
        return (off**2).sum()

    value, slope = value_and_slope(paml(0.3, temperature=temperature), true, theta)
    assert value == pytest.approx(loss(L, r_hat), rel=1e-9)
    for found, k in ((slope.logits, 0), (slope.reward, 1)):
        stepped = np.zeros(found.shape)
        for at in np.ndindex(found.shape):
            args = [L.astype(complex), r_hat.astype(complex)]
            args[k][at] += COMPLEX_STEP * 1j
            stepped[at] = loss(*args).imag / COMPLEX_STEP
        np.testing.assert_allclose(found, stepped, rtol=1e-9, atol=1e-13 / (1 - 0.9) ** 2)


def test_paml_is_zero_in_the_true_model_and_wherever_the_gradients_agree():
    """Not only there: rewards that differ by a constant give the same gradients, and other values."""
    true = to_device(two_state())
    for model in (true, MDP(true.P, true.r + 3.0, true.gamma, true.rho)):
        loss, _ = paml(1.0).loss(true, model, jnp.zeros((2, 2)), jnp.asarray(0))
        assert loss == pytest.approx(0, abs=1e-26)
    loss, _ = paml(1.0).loss(true, MDP(true.P, 2 * true.r, true.gamma, true.rho), jnp.zeros((2, 2)), jnp.asarray(0))
    assert loss > 1e-3


@pytest.mark.parametrize(
    "model_class",
    [
        pytest.param(aliased_blocks(MAZE, 5), id="blocks5"),
        pytest.param(low_rank(7), id="rank7", marks=pytest.mark.slow),
    ],
)
def test_paml_slope_on_the_maze_is_that_of_differences(model_class):
    true = to_device(MAZE)
    true = MDP(true.P, true.r, true.gamma, true.rho)
    theta = model_class.init(true, seed_key(1))
    pi = softmax_policy(soft_q(model_class.mdp(true, theta), 0.1), 0.1)

    @jax.jit
    def at_fixed_policy(theta):
        off = policy_gradient(true, pi) - policy_gradient(model_class.mdp(true, theta), pi)
        return jnp.sum(off**2)

    def loss(theta):
        return paml(0.1).loss(true, model_class.mdp(true, theta), jnp.zeros_like(true.r), jnp.asarray(0))[0]

    value, slope = jax.jit(jax.value_and_grad(loss))(theta)
    assert value == pytest.approx(float(at_fixed_policy(theta)), rel=1e-10)
    rng = np.random.default_rng(6)
    direction = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape)), theta)
    ahead, behind = (jax.tree.map(lambda x, d, h=h: x + h * d, theta, direction) for h in (1e-5, -1e-5))
    difference = (at_fixed_policy(ahead) - at_fixed_policy(behind)) / 2e-5
    inner = sum(np.vdot(a, b) for a, b in zip(slope, direction, strict=True))
    assert inner == pytest.approx(float(difference), rel=1e-6)


# saturation


@pytest.mark.parametrize(("gap", "temperature", "share"), [(0.1, 0.01, 4.5e-5), (0.5, 0.01, 2e-22), (0.5, 1, 0.38)])
def test_gradients_vanish_with_the_probability_of_the_worse_action(gap, temperature, share):
    """One state, two actions `gap` apart: the gradient is d pi (1 - pi) gap, with d = 1 / (1 - gamma)."""
    bandit = to_device(make_mdp(np.ones((1, 2, 1)), [[gap, 0.0]], gamma=0.5))
    pi = softmax_policy(soft_q(bandit, 0.01), temperature)
    assert pi[0, 1] == pytest.approx(share, rel=0.05)
    np.testing.assert_allclose(policy_gradient(bandit, pi)[0, 1], -2 * pi[0, 0] * pi[0, 1] * gap, rtol=1e-9)


def test_fit_at_a_small_temperature_stops_where_it_starts():
    small, warm = (
        fit(two_state(), paml(temperature=temperature), softmax_table("paper_scaled"), seeds=(1, 2), lr=0.05, steps=500)
        for temperature in (None, 1.0)
    )
    assert small.converged[0, 0] and small.iterations[0, 0] < 5 and small.history.loss[0, 0, -1] < 1e-25
    assert (warm.history.loss[0, :, 0] > 1e-3).all() and (warm.history.loss[0, :, -1] < 1e-12).all()


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 5])
def test_fit_on_the_maze_lowers_the_loss_and_leaves_an_agent(size):
    found = fit(MAZE, paml(0.1, temperature=1.0), aliased_blocks(MAZE, size), seeds=(1, 2), steps=20, lr=0.05)
    assert np.isfinite(found.J).all()
    assert (found.history.loss[..., -1] < found.history.loss[..., 0] / 2).all()


@pytest.mark.parametrize("wrong", [0, -1.0, float("nan")])
@pytest.mark.parametrize("option", ["alpha", "temperature"])
def test_paml_refuses_temperatures_that_are_not_positive(option, wrong):
    with pytest.raises(ValueError, match=f"{option} = {wrong}, expected a positive"):
        partial(paml, **{option: wrong})()
