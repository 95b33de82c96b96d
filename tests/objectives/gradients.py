"""Losses and their derivatives against an independent formula: a complex step, or differences along directions.

A `reference(true, P, r)` gets the true MDP and the model as host arrays and returns the loss as a function of (P, r)
written in NumPy, fit for complex arrays; what the objective takes as a constant is computed from that model.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

import tabular as tb
from tabular.device import to_device
from tabular.mdp import MDP, make_mdp
from tabular.models import ModelClass, SoftmaxTable, Theta, pinned_bits, seed_key
from tabular.objectives import Objective
from tests.instances import random_mdp

Loss = Callable[[np.ndarray, np.ndarray], complex]
Reference = Callable[[MDP, np.ndarray, np.ndarray], Loss]
COMPLEX_STEP = 1e-30
TABLE = SoftmaxTable()


@jax.jit
def loss_and_slope(objective, true, model_class, theta):
    """Value of the loss and its derivative in the parameters, from a state drawn by the objective."""
    state = objective.init(true, seed_key(7))

    def loss(theta):
        return objective.loss(true, model_class.mdp(true, theta), state, jnp.asarray(0))[0]

    return jax.value_and_grad(loss)(theta)


def loss_at(objective: Objective, true: MDP, P, r) -> float:
    """The loss of a model given by its arrays."""
    return float(_loss(objective, true, MDP(jnp.asarray(P), jnp.asarray(r), true.gamma, true.rho, true.terminating)))


@jax.jit
def _loss(objective, true, model):
    return objective.loss(true, model, objective.init(true, seed_key(7)), jnp.asarray(0))[0]


def bare(mdp) -> MDP:
    """The MDP on the device without labels and geometry."""
    dense = to_device(mdp)
    return MDP(dense.P, dense.r, dense.gamma, dense.rho, dense.terminating)


def problem(i: int, S: int = 4, A: int = 2, seed: int = 51) -> tuple[MDP, Theta]:
    """A random MDP with rewards in [-1, 1], and parameters of a softmax table."""
    true = random_mdp(seed, i, S=S, A=A, gamma=0.9)
    rng = np.random.default_rng(i)
    theta = Theta(jnp.asarray(rng.normal(size=(S, A, S))), jnp.asarray(rng.normal(size=(S, A))))
    return bare(make_mdp(true.P, true.r / abs(true.r).max(), gamma=0.9, rho=true.rho)), theta


def infeasible_problem() -> tuple[MDP, Theta]:
    """An MDP of the shape of `problem`, in which action 1 of state 0 doesn't exist."""
    true, theta = problem(0)
    P, r = np.array(true.P), np.array(true.r)
    P[0, 1], r[0, 1] = 0, -np.inf
    return bare(make_mdp(P, r, gamma=0.9, rho=np.asarray(true.rho))), theta


def host(true: MDP) -> MDP:
    """The MDP with NumPy arrays."""
    return make_mdp(
        np.asarray(true.P), np.asarray(true.r), gamma=float(true.gamma), rho=np.asarray(true.rho)
    ).to_dense()


def soft_values(true: MDP, P: np.ndarray, r: np.ndarray, alpha: float) -> np.ndarray:
    """Soft-optimal V of a model by the host engine."""
    return tb.soft_solve(make_mdp(P, r, gamma=float(true.gamma)), alpha).V


def magnitude(z: np.ndarray) -> np.ndarray:
    """|z|, continued from the real axis."""
    return np.where(np.real(z) < 0, -z, z)


def assert_table_slope(objective: Objective, reference: Reference, true: MDP, theta: Theta) -> None:
    """The loss of a softmax table, and its slope by all parameters, are those of a complex step of the reference."""
    value, slope = loss_and_slope(objective, true, TABLE, theta)
    L, r = np.asarray(theta.logits), np.asarray(theta.reward)
    loss = reference(host(true), softmax(L), r)
    np.testing.assert_allclose(value, np.real(loss(softmax(L), r)), rtol=1e-10)
    flat, n = np.concatenate([L.ravel(), r.ravel()]), L.size
    stepped = []
    for k in range(len(flat)):
        at = flat.astype(complex)
        at[k] += COMPLEX_STEP * 1j
        stepped.append(loss(softmax(at[:n].reshape(L.shape)), at[n:].reshape(r.shape)).imag / COMPLEX_STEP)
    found = np.concatenate([np.asarray(x).ravel() for x in slope])
    np.testing.assert_allclose(found, stepped, rtol=1e-9, atol=1e-13 * abs(found).max() + 1e-15)


def assert_class_slope(objective: Objective, reference: Reference, true: MDP, model_class: ModelClass) -> None:
    """The slope along random directions is the fourth-order central difference of the reference."""
    with pinned_bits():
        theta = model_class.init(true, seed_key(5))
    value, slope = loss_and_slope(objective, true, model_class, theta)
    model = jax.jit(lambda theta: (lambda mdp: (mdp.P, mdp.r))(model_class.mdp(true, theta)))
    loss = reference(host(true), *(np.asarray(x) for x in model(theta)))
    np.testing.assert_allclose(value, loss(*(np.asarray(x) for x in model(theta))), rtol=1e-9)
    rng = np.random.default_rng(11)
    for _ in range(3):
        way = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape)), theta)

        def along(h, way=way):
            moved = jax.tree.map(lambda x, d: x + h * d, theta, way)
            return np.real(loss(*(np.asarray(x) for x in model(moved))))

        h = 2e-3
        difference = (8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h)
        terms = [np.asarray(x).ravel() for x in jax.tree.leaves(jax.tree.map(jnp.multiply, slope, way))]
        found = np.concatenate(terms)
        np.testing.assert_allclose(found.sum(), difference, atol=2e-7 * abs(found).sum())


def assert_leaves_infeasible_actions_out(objective: Objective) -> None:
    """Loss and slope are finite, and the slope by what describes an infeasible action is 0."""
    true, theta = infeasible_problem()
    value, slope = loss_and_slope(objective, true, TABLE, theta)
    assert np.isfinite(value) and value > 0
    assert all(np.isfinite(x).all() for x in slope)
    assert slope.reward[0, 1] == 0 and (np.asarray(slope.logits)[0, 1] == 0).all()
    assert abs(np.asarray(slope.reward)).max() > 0


def softmax(L: np.ndarray) -> np.ndarray:
    weights = np.exp(L - np.real(L).max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)
