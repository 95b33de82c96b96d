"""The matrix-free derivative through a solution, against closed forms and against the derivative of tables."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tabular.device import policy_return, soft_q, to_device
from tabular.device.hypergradient import cg, dense, gmres, hypergradient, identity, neumann
from tabular.operators import backup, soft_value, softmax_policy
from tabular.worlds.papers import two_state

RNG = np.random.default_rng(0)
N, M = 6, 3
ANY = jnp.asarray(RNG.normal(size=(N, N)) / 4 + np.eye(N))
SYMMETRIC = jnp.asarray(np.eye(N) + (lambda A: A @ A.T)(RNG.normal(size=(N, N))) / N)
B = jnp.asarray(RNG.normal(size=(N, M)))
SLOPE = jnp.asarray(RNG.normal(size=N))


def found(A, inverse):
    """For `A w = B theta`, whose derivative is `B' A^-T slope`."""
    return hypergradient(lambda theta, w: A @ w - B @ theta, jnp.ones(M), jnp.ones(N), SLOPE, inverse)


@pytest.mark.parametrize(
    ("A", "inverse"),
    [
        (ANY, dense()),
        (ANY, gmres(N)),
        (SYMMETRIC, cg(50)),
        (SYMMETRIC, neumann(600, 0.3)),
        (ANY, neumann(600, 0.5)),
    ],
    ids=["dense", "gmres", "cg", "neumann, symmetric", "neumann, any"],
)
def test_hypergradient_of_a_linear_system_is_its_closed_form(A, inverse):
    np.testing.assert_allclose(found(A, inverse), B.T @ jnp.linalg.solve(A.T, SLOPE), rtol=1e-6)


@pytest.mark.parametrize("inverse", [dense, lambda damping: gmres(N, damping), lambda damping: cg(50, damping)])
def test_hypergradient_damping_is_added_to_the_matrix(inverse):
    expected = B.T @ jnp.linalg.solve(SYMMETRIC + 0.3 * jnp.eye(N), SLOPE)
    np.testing.assert_allclose(found(SYMMETRIC, inverse(0.3)), expected, rtol=1e-6)


def test_hypergradient_identity_leaves_the_inverse_out():
    np.testing.assert_allclose(found(ANY, identity), B.T @ SLOPE, rtol=1e-14)
    np.testing.assert_allclose(found(ANY, neumann(1, 1.0)), B.T @ SLOPE, rtol=1e-14)


def test_hypergradient_neumann_adds_one_power_a_term():
    K = jnp.eye(N) - 0.4 * ANY.T
    expected = B.T @ (0.4 * (SLOPE + K @ SLOPE + K @ K @ SLOPE))
    np.testing.assert_allclose(found(ANY, neumann(3, 0.4)), expected, rtol=1e-12)


def test_hypergradient_works_on_trees():
    def g(theta, w):
        y = ANY @ jnp.concatenate(w) - B @ theta["b"]
        return y[:2], y[2:]

    slope = (SLOPE[:2], SLOPE[2:])
    for inverse in (dense(), gmres(N), identity):
        tree = hypergradient(g, {"b": jnp.ones(M)}, (jnp.ones(2), jnp.ones(N - 2)), slope, inverse)
        np.testing.assert_allclose(tree["b"], found(ANY, inverse), rtol=1e-6)


@pytest.mark.parametrize("inverse", [dense(), gmres(4), neumann(3000, 1.0)], ids=["dense", "gmres", "neumann"])
def test_hypergradient_of_the_soft_bellman_equation_is_that_of_soft_q(inverse):
    """dJ/dr of the policy planned in the model: two derivations of one theorem."""
    true, alpha = to_device(two_state()), 0.3

    def J(Q):
        return policy_return(true, softmax_policy(Q, alpha))

    def g(r, Q):
        return Q - backup(_with(true, r), soft_value(Q, alpha))

    Q = soft_q(true, alpha)
    expected = jax.grad(lambda r: J(soft_q(_with(true, r), alpha)))(true.r)
    np.testing.assert_allclose(hypergradient(g, true.r, Q, jax.grad(J)(Q), inverse), expected, atol=1e-7)
    assert abs(expected).max() > 1e-3


def _with(mdp, r):
    return replace(mdp, r=r)
