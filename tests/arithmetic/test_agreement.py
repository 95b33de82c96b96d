"""One equation, four arithmetics: plain floats, enclosures, exact numbers and JAX give one answer."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tabular import arithmetic, mismatch, operators
from tabular.arithmetic import enclosed, exact
from tabular.arithmetic.partial import Partial
from tests.arithmetic.enclosures import has
from tests.instances import random_mdp


def instance(kind) -> SimpleNamespace:
    """A pair of MDPs with a policy, values and a temperature, in one arithmetic. Rows sum to 1 exactly."""
    true, model = random_mdp(0, 2, S=4, A=3, gamma=0.75), random_mdp(0, 3, S=4, A=3, gamma=0.75)
    rng = np.random.default_rng(0)
    arrays = {
        "P": dyadic(true.P),
        "P_hat": dyadic(model.P),
        "r": true.r,
        "r_hat": model.r,
        "pi": dyadic(rng.dirichlet(np.ones(3), size=4)),
        "rho": dyadic(rng.dirichlet(np.ones(4))),
        "Q": rng.normal(size=(4, 3)),
        "V": rng.normal(size=4),
        "gamma": 0.75,
        "alpha": 0.5,
    }
    return gathered({name: kind(np.asarray(array, dtype=float)) for name, array in arrays.items()})


def gathered(fields) -> SimpleNamespace:
    x = SimpleNamespace(**fields, xp=fields["P"].__array_namespace__())
    x.mdp = SimpleNamespace(r=x.r, gamma=x.gamma, expect=lambda V: x.P @ V)
    return x


def dyadic(rows) -> np.ndarray:
    """Rows of multiples of 2^-20 that sum to 1 without rounding, the first entry positive."""
    rows = np.floor(np.asarray(rows) * 2**20) / 2**20
    rows[..., 0] += 1 - rows.sum(-1)
    return rows


def jax_array(x):
    import jax.numpy as jnp

    import tabular.device  # noqa: F401  switches JAX to float64

    return jnp.asarray(x)


EQUATIONS = {
    "reward_error": lambda x: mismatch.reward_error(x.r, x.r_hat),
    "transition_error": lambda x: mismatch.transition_error(x.P, x.P_hat),
    "backup_error": lambda x: mismatch.backup_error(x.P, x.r, x.P_hat, x.r_hat, x.V, x.gamma),
    "reward_span": lambda x: mismatch.reward_span(x.r, x.r_hat),
    "largest_reward": lambda x: mismatch.largest_reward(x.r),
    "likelihood_bound": lambda x: mismatch.likelihood_bound(abs(x.V), abs(x.V), abs(x.V), x.gamma),
    "sharp_bound": lambda x: mismatch.sharp_bound(abs(x.V), abs(x.V), abs(x.V), x.gamma),
    "bellman_bound": lambda x: mismatch.bellman_bound(x.V, x.gamma),
    "bellman_lower_bound": lambda x: mismatch.bellman_lower_bound(x.V, x.gamma),
    "greedy_loss_bound": lambda x: mismatch.greedy_loss_bound(x.V, x.gamma),
    "divergence_bound": lambda x: mismatch.divergence_bound(abs(x.V), 4, 3),
    "backup": lambda x: operators.backup(x.mdp, x.V),
    "bellman": lambda x: operators.bellman(x.mdp, x.Q),
    "soft_bellman": lambda x: operators.soft_bellman(x.mdp, x.Q, x.alpha),
    "policy_bellman": lambda x: operators.policy_bellman(x.mdp, x.Q, x.pi),
    "hard_value": lambda x: operators.hard_value(x.Q),
    "soft_value": lambda x: operators.soft_value(x.Q, x.alpha),
    "policy_value": lambda x: operators.policy_value(x.Q, x.pi),
    "softmax_policy": lambda x: operators.softmax_policy(x.Q, x.alpha),
    "policy_entropy": lambda x: operators.policy_entropy(x.Q, x.alpha),
    "policy_reward": lambda x: operators.policy_reward(x.mdp, x.pi),
    "greedy": lambda x: operators.greedy(x.Q),
    "ties": lambda x: operators.ties(x.Q),
    "policy_chain": lambda x: arithmetic.policy_chain(x.P, x.pi),
    "policy_values": lambda x: arithmetic.policy_values(x.P, x.r, x.gamma, x.pi),
    "policy_q": lambda x: arithmetic.policy_q(x.P, x.r, x.gamma, x.pi),
    "action_values": lambda x: arithmetic.action_values(x.P, x.r, x.gamma, x.V),
    "occupancy": lambda x: arithmetic.occupancy(x.P, x.gamma, x.pi, x.rho),
    "optimal_q": lambda x: arithmetic.optimal_q(x.P, x.r, x.gamma),
    "soft_q": lambda x: arithmetic.soft_q(x.P, x.r, x.gamma, x.alpha),
}

FUNCTIONS = {
    "max": lambda x: x.xp.max(x.Q, axis=1),
    "max of all": lambda x: x.xp.max(x.Q),
    "max over axes": lambda x: x.xp.max(x.P, axis=(-2, -1)),
    "min": lambda x: x.xp.min(x.Q, axis=0),
    "sum": lambda x: x.xp.sum(x.Q, axis=-1),
    "sum of all": lambda x: x.xp.sum(x.Q),
    "sum over axes": lambda x: x.xp.sum(x.P, axis=(0, 2)),
    "methods": lambda x: x.Q.max(axis=1) + x.Q.min(axis=1) + x.Q.sum(axis=1) + x.Q.sum(),
    "where": lambda x: x.xp.where(x.Q > 0, x.Q, 0.0),
    "where with arrays": lambda x: x.xp.where(x.Q > x.r, x.Q, x.r),
    "masks": lambda x: x.xp.where((x.Q > 0) & ~(x.r < 0) | (x.Q <= -1), x.Q, -x.r),
    "maximum": lambda x: x.xp.maximum(x.Q, x.r),
    "maximum of number": lambda x: x.xp.maximum(x.Q, 0.0),
    "minimum": lambda x: x.xp.minimum(x.Q, x.r),
    "log": lambda x: x.xp.log(1 + abs(x.Q)),
    "exp": lambda x: x.xp.exp(x.Q),
    "sqrt": lambda x: x.xp.sqrt(abs(x.Q)),
    "tanh": lambda x: x.xp.tanh(x.Q),
    "sin": lambda x: x.xp.sin(x.Q),
    "cos": lambda x: x.xp.cos(x.Q),
    "stack": lambda x: x.xp.stack([x.Q, x.r], axis=1),
    "concat": lambda x: x.xp.concat([x.Q, x.r], axis=0),
    "eye": lambda x: x.xp.eye(4) - x.gamma * x.P[:, 0],
    "zeros": lambda x: x.xp.zeros((4, 3)) + x.Q,
    "ones": lambda x: x.xp.ones((4, 3)) - x.Q,
    "zeros_like": lambda x: x.xp.zeros_like(x.Q),
    "asarray": lambda x: x.xp.asarray(x.Q) * x.xp.asarray(0.5),
    "broadcast_to": lambda x: x.xp.broadcast_to(x.V, (3, 4)),
    "argmax": lambda x: x.xp.argmax(x.Q, axis=1),
    "argmax of all": lambda x: x.xp.argmax(x.Q),
    "take_along_axis": lambda x: x.xp.take_along_axis(x.Q, x.xp.argmax(x.Q, axis=1)[:, None], axis=1),
    "any": lambda x: x.xp.any(x.Q > 0, axis=1),
    "all": lambda x: x.xp.all(x.Q > -5),
    "inf": lambda x: x.xp.where(x.Q > -x.xp.inf, x.Q, 0.0),
    "solve": lambda x: x.xp.linalg.solve(x.xp.eye(4) - x.gamma * x.P[:, 0], x.V),
    "solve of matrix": lambda x: x.xp.linalg.solve(x.xp.eye(4) - x.gamma * x.P[:, 0], x.r),
    "operators": lambda x: (-x.Q + 2 * x.r - 1) / (3 + abs(x.Q)) * (1 - x.gamma) + 1 / (2 + x.gamma) - (+x.Q) ** 2,
    "products": lambda x: (x.P @ x.V) @ x.r.T + x.rho @ x.Q @ x.r[0],
    "shapes": lambda x: x.P[..., None, :, 0].mT.reshape(-1, 4)[1:, ::2] + len(x.Q) + x.Q.ndim + x.Q.shape[1],
    "rows": lambda x: sum(row[0] for row in x.Q),
}
BOTH = EQUATIONS | FUNCTIONS


def numbers(x) -> np.ndarray:
    return x if isinstance(x, np.ndarray) else np.asarray(x)


def in_exact(equation):
    """The exact answer: in rationals, or in balls where it is irrational."""
    try:
        return equation(instance(exact.asarray))
    except arithmetic.Irrational:
        return equation(instance(lambda x: exact.to_balls(exact.asarray(x))))


@pytest.mark.parametrize("name", BOTH)
def test_enclosures_of_an_equation_have_its_exact_answer(name):
    plain, found, truth = BOTH[name](instance(np.asarray)), BOTH[name](instance(enclosed.asarray)), in_exact(BOTH[name])
    if isinstance(found, enclosed.Enclosed):
        assert found.shape == truth.shape == np.shape(plain)
        assert has(found, truth if truth.rational else exact.middles(truth))
        assert np.all(found.rad <= 1e-10 * (1 + abs(found.mid)))
        assert found.mid == pytest.approx(numbers(plain), rel=1e-11, abs=1e-11)
    elif isinstance(found, Partial):
        assert not np.any(found.true & ~plain | found.false & plain)
    else:
        assert np.array_equal(found, plain)
    if not isinstance(truth, exact.Exact):
        assert np.array_equal(truth, plain)


def test_jax_agrees_with_numpy_on_every_equation():
    """All of them in one compilation."""
    import jax

    fields = {name: value for name, value in vars(instance(jax_array)).items() if name not in ("xp", "mdp")}
    traced = jax.jit(lambda fields: {name: equation(gathered(fields)) for name, equation in BOTH.items()})(fields)
    for name, equation in BOTH.items():
        plain = equation(instance(np.asarray))
        assert traced[name].shape == np.shape(plain), name
        assert np.asarray(traced[name]) == pytest.approx(numbers(plain), rel=1e-11, abs=1e-11), name


@pytest.mark.parametrize("namespace", [enclosed, exact])
def test_every_public_name_is_there(namespace):
    assert all(hasattr(namespace, name) for name in namespace.__all__)
