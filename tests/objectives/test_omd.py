"""Optimal model design: values against the host engine, derivatives against a complex step and published numbers."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tabular as tb
from tabular.device import identity, to_device
from tabular.mdp import MDP, make_mdp
from tabular.models import SoftmaxTable, Theta, random_start, seed_key
from tabular.objectives import omd
from tabular.operators import soft_bellman, softmax_policy
from tabular.worlds.papers import two_state
from tests.instances import random_mdp

REFERENCE = json.loads((Path(__file__).parents[1] / "reference/tabular_figures.json").read_text())
COMPLEX_STEP = 1e-30


@jax.jit
def run(objective, true, theta, step, Q):
    """The loss of a softmax table with the Q it planned with, and its derivative in the parameters."""

    def loss(theta):
        return objective.loss(true, SoftmaxTable().mdp(true, theta), Q, step)

    return jax.value_and_grad(loss, has_aux=True)(theta)


def value_and_slope(objective, true, theta, step=0):
    (value, _), slope = run(objective, true, theta, step, jnp.zeros_like(true.r))
    return value, slope


def loss_of(objective, true, theta, step=0):
    return value_and_slope(objective, true, theta, step)[0]


def problem(i: int, S: int = 3, A: int = 2) -> tuple[MDP, Theta]:
    true = to_device(random_mdp(31, i, S=S, A=A, gamma=0.9))
    true = MDP(true.P, true.r / abs(true.r).max(), true.gamma, true.rho)
    rng = np.random.default_rng(i)
    return true, Theta(jnp.asarray(rng.normal(size=(S, A, S))), jnp.asarray(rng.normal(size=(S, A))))


@pytest.mark.parametrize("i", range(10))
def test_omd_returns_is_minus_the_host_engines_return(i):
    true, theta = problem(i)
    P, r = (np.asarray(x) for x in (jax.nn.softmax(theta.logits), theta.reward))
    agent = tb.soft_solve(make_mdp(P, r, gamma=0.9), 0.3).pi
    host = make_mdp(np.asarray(true.P), np.asarray(true.r), gamma=0.9, rho=np.asarray(true.rho))
    assert loss_of(omd(0.3), true, theta) == pytest.approx(-tb.evaluate(host, agent).J, rel=1e-11)


@pytest.mark.parametrize("i", range(10))
def test_omd_bellman_is_the_mean_squared_error_of_the_models_q(i):
    true, theta = problem(i)
    model = make_mdp(*(np.asarray(x) for x in (jax.nn.softmax(theta.logits), theta.reward)), gamma=0.9)
    Q = jnp.asarray(tb.soft_solve(model, 0.3).Q)
    errors = np.asarray(soft_bellman(true, Q, 0.3) - Q) ** 2
    assert loss_of(omd(0.3, loss="bellman"), true, theta) == pytest.approx(errors.mean(), rel=1e-10)
    assert loss_of(omd(0.3, loss="bellman", total=True), true, theta) == pytest.approx(errors.sum(), rel=1e-10)


@pytest.mark.parametrize("loss", ["returns", "bellman"])
def test_omd_is_at_its_best_in_the_true_model(loss):
    true = to_device(two_state())
    theta = Theta(jnp.log(true.P), true.r)
    value, slope = value_and_slope(omd(loss=loss), true, theta)
    assert value == pytest.approx({"returns": -1.0272550903, "bellman": 0.0}[loss], abs=1e-9)
    if loss == "bellman":
        assert max(abs(x).max() for x in slope) < 1e-12


# derivatives


def complex_loss(true: MDP, L: np.ndarray, r: np.ndarray, alpha: float, loss: str) -> complex:
    """The loss by plain iteration in complex arithmetic, nothing shared with the package."""
    P_true, r_true, rho, gamma = (np.asarray(x) for x in (true.P, true.r, true.rho, true.gamma))
    weights = np.exp(L - np.real(L).max(-1, keepdims=True))
    P = weights / weights.sum(-1, keepdims=True)

    def value(Q):
        top = np.real(Q).max(1)
        return top + alpha * np.log(np.exp((Q - top[:, None]) / alpha).sum(1))

    Q = np.zeros_like(r)
    for _ in range(400):
        Q = r + gamma * P @ value(Q)
    if loss == "bellman":
        return np.mean((r_true + gamma * P_true @ value(Q) - Q) ** 2)
    pi = np.exp((Q - value(Q)[:, None]) / alpha)
    chain = np.einsum("sa,sat->st", pi, P_true)
    return -rho @ np.linalg.solve(np.eye(len(rho)) - gamma * chain, (pi * r_true).sum(1))


@pytest.mark.parametrize("loss", ["returns", "bellman"])
@pytest.mark.parametrize(("i", "alpha"), [(0, 1.0), (1, 0.3), (2, 0.1), (3, 0.05)])
def test_omd_slope_is_that_of_a_complex_step(loss, i, alpha):
    true, theta = problem(i)
    slope = value_and_slope(omd(alpha, loss=loss), true, theta)[1]
    found = np.concatenate([np.asarray(slope.logits).ravel(), np.asarray(slope.reward).ravel()])
    flat = np.concatenate([np.asarray(theta.logits).ravel(), np.asarray(theta.reward).ravel()]).astype(complex)
    stepped = []
    for k in range(len(flat)):
        at = flat.copy()
        at[k] += COMPLEX_STEP * 1j
        n = theta.logits.size
        L, r = at[:n].reshape(theta.logits.shape), at[n:].reshape(theta.reward.shape)
        stepped.append(complex_loss(true, L, r, alpha, loss).imag / COMPLEX_STEP)
    conditioning = 1 / (1 - 0.9) ** 2 / alpha
    np.testing.assert_allclose(found, stepped, rtol=1e-10, atol=1e-15 * conditioning)


@pytest.mark.parametrize("case", [0, *(pytest.param(case, marks=pytest.mark.slow) for case in (1, 2, 3))])
def test_omd_returns_and_slopes_are_those_of_the_unit_mdps(case):
    """Random MDPs with values and finite-difference-checked derivatives from an independent implementation."""
    unit = REFERENCE["unit_mdps"][case]
    true = to_device(make_mdp(unit["P"], unit["R"], gamma=unit["gamma"], rho=unit["rho"]))
    theta = Theta(jnp.asarray(unit["model_logits"]), jnp.asarray(unit["model_R"]))
    value, slope = value_and_slope(omd(unit["temperature"]), true, theta)
    assert -value == pytest.approx(unit["J_of_model"], rel=1e-8)
    np.testing.assert_allclose(-slope.logits, unit["dJ_dlogits"], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(-slope.reward, unit["dJ_dR"], rtol=1e-8, atol=1e-9)


def test_omd_inverse_changes_the_slope_and_not_the_value():
    true, theta = problem(5)
    value, slope = value_and_slope(omd(0.3), true, theta)
    same, other = value_and_slope(omd(0.3, inverse=identity), true, theta)
    assert value == same
    assert abs(slope.reward - other.reward).max() > 1e-3


@pytest.mark.parametrize(("gap", "factor"), [(0.1, 4.5e-3), (0.3, 9e-12), (0.5, 2e-20)])
def test_omd_returns_saturates_at_a_small_temperature(gap, factor):
    """dJ/dQ is proportional to pi (1 - pi) / alpha: what annealing is for."""

    def slope(alpha):
        return jax.grad(lambda gap: softmax_policy(jnp.asarray([[1.0, 0.0]]) * gap, alpha)[0, 0])(gap)

    assert slope(0.01) == pytest.approx(factor, rel=0.1)
    assert slope(1.0) > 0.2


@pytest.mark.parametrize("step", [0, 600, 3000, 9000])
def test_omd_annealed_warms_the_policy_and_not_the_values(step):
    true, theta = problem(6)
    annealed = loss_of(omd(0.05, anneal=1200), true, theta, step=step)
    model = make_mdp(*(np.asarray(x) for x in (jax.nn.softmax(theta.logits), theta.reward)), gamma=0.9)
    pi = softmax_policy(tb.soft_solve(model, 0.05).Q, max(0.05, np.exp(-step / 1200)))
    host = make_mdp(np.asarray(true.P), np.asarray(true.r), gamma=0.9, rho=np.asarray(true.rho))
    assert annealed == pytest.approx(-tb.evaluate(host, pi).J, rel=1e-10)


def test_omd_carries_the_values_it_planned_with():
    true, theta = problem(7)
    start = omd(0.3).init(true, seed_key(4))
    np.testing.assert_array_equal(start, random_start(true, seed_key(4)).Q)
    (value, Q), _ = run(omd(0.3), true, theta, 0, start)
    (again, same), _ = run(omd(0.3), true, theta, 0, Q)
    model = make_mdp(*(np.asarray(x) for x in (jax.nn.softmax(theta.logits), theta.reward)), gamma=0.9)
    np.testing.assert_allclose(tb.soft_solve(model, 0.3).Q, Q, atol=1e-12)
    np.testing.assert_allclose(same, Q, atol=1e-12)
    assert again == pytest.approx(float(value), rel=1e-12)


def test_omd_leaves_infeasible_actions_out():
    P = np.array([[[0.3, 0.7], [0, 0]], [[0.5, 0.5], [0.2, 0.8]]])
    true = to_device(make_mdp(P, [[1.0, -np.inf], [0, 0.5]], gamma=0.9))
    theta = SoftmaxTable().init(true, seed_key(3))
    for loss in ("returns", "bellman"):
        value, slope = value_and_slope(omd(0.3, loss=loss), true, theta)
        assert jnp.isfinite(value) and all(jnp.isfinite(x).all() for x in slope)
        assert slope.reward[0, 1] == 0 and (slope.logits[0, 1] == 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0}, "alpha = 0, expected a positive temperature"),
        ({"loss": "return"}, "loss = 'return', expected 'returns' or 'bellman'"),
        ({"anneal": 0.0}, "anneal = 0.0, expected a positive number of steps"),
        ({"loss": "bellman", "anneal": 1200}, "anneal is an option of loss='returns' and has no effect"),
        ({"total": True}, "total is an option of loss='bellman' and has no effect"),
    ],
)
def test_omd_complains(options, message):
    with pytest.raises(ValueError, match=message):
        omd(**options)
