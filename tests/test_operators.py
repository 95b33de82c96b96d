"""Bellman operators: their defining properties, and one definition for NumPy and JAX."""

import numpy as np
import pytest

from tabular.mdp import MDP
from tabular.operators import (
    backup,
    bellman,
    greedy,
    hard_value,
    policy_bellman,
    policy_entropy,
    policy_value,
    soft_bellman,
    soft_value,
    softmax_policy,
    ties,
)
from tests.instances import random_mdp


def random_q(mdp, seed):
    return np.random.default_rng(seed).normal(size=(mdp.S, mdp.A)) * 3


@pytest.mark.parametrize("operator", [bellman, lambda mdp, Q: soft_bellman(mdp, Q, 0.2)], ids=["hard", "soft"])
def test_bellman_is_monotone_shift_equivariant_and_a_gamma_contraction(operator):
    for i in range(50):
        mdp = random_mdp(50, i)
        Q, other = random_q(mdp, i), random_q(mdp, 1000 + i)
        gap = abs(operator(mdp, Q) - operator(mdp, other)).max()
        assert gap <= mdp.gamma * abs(Q - other).max() + 1e-12
        assert operator(mdp, Q + 2.5) == pytest.approx(operator(mdp, Q) + 2.5 * mdp.gamma, abs=1e-10)
        assert (operator(mdp, np.maximum(Q, other)) >= operator(mdp, Q) - 1e-12).all()


def test_policy_bellman_of_the_greedy_policy_is_bellman():
    for i in range(20):
        mdp = random_mdp(51, i)
        Q = random_q(mdp, i)
        pi = np.eye(mdp.A)[greedy(Q)]
        assert policy_bellman(mdp, Q, pi) == pytest.approx(bellman(mdp, Q), abs=1e-12)


def test_soft_value_lies_between_the_maximum_and_alpha_log_A_above():
    Q = np.random.default_rng(0).normal(size=(100, 5))
    gap = soft_value(Q, 0.3) - hard_value(Q)
    assert (gap >= 0).all()
    assert (gap <= 0.3 * np.log(5)).all()
    assert soft_value(np.zeros((1, 5)), 0.3)[0] == pytest.approx(0.3 * np.log(5), abs=1e-15)


def test_policy_entropy_equals_the_textbook_formula_and_survives_its_limits():
    Q = np.random.default_rng(0).normal(size=(10, 4))
    pi = softmax_policy(Q, 0.7)
    assert policy_entropy(Q, 0.7) == pytest.approx(-(pi * np.log(pi)).sum(1), abs=1e-13)
    assert policy_entropy(np.array([[1000.0, 0.0]]), 0.01).tolist() == [0.0]


def test_policy_value_ignores_what_has_no_probability():
    assert policy_value(np.array([[1.0, -np.inf]]), np.array([[1.0, 0.0]])).tolist() == [1.0]


def test_ties_are_those_within_the_tolerance():
    Q = np.array([[1.0, 1.0 - 1e-9, 0.5]])
    assert ties(Q).tolist() == [[True, False, False]]
    assert ties(Q, 1e-8).tolist() == [[True, True, False]]


@pytest.mark.parametrize(
    "function",
    [
        bellman,
        lambda mdp, Q: soft_bellman(mdp, Q, 0.01),
        lambda mdp, Q: policy_bellman(mdp, Q, softmax_policy(Q, 0.5)),
        lambda mdp, Q: backup(mdp, policy_entropy(Q, 0.5)),
        lambda mdp, Q: mdp.expect_adjoint(Q),
        lambda mdp, Q: mdp.chain(softmax_policy(Q, 0.5)),
        lambda mdp, Q: greedy(Q),
    ],
)
def test_operators_are_the_same_in_numpy_and_jax(function):
    import tabular.device  # noqa: F401 (switches float64 on)

    jnp = pytest.importorskip("jax.numpy")
    mdp = random_mdp(52, 0, S=5, A=3, gamma=0.9)
    moved = MDP(jnp.asarray(mdp.P), jnp.asarray(mdp.r), mdp.gamma, jnp.asarray(mdp.rho))
    Q = random_q(mdp, 0)
    expected = function(mdp, Q)
    assert np.asarray(function(moved, jnp.asarray(Q))) == pytest.approx(expected, rel=1e-14, abs=1e-13)
