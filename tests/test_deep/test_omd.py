"""OMD's derivative through the critic: finite differences of a solved inner loop, and one unrolled step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from deep.critics import critic, critic_loss
from deep.envs.base import Discrete
from deep.models import imagined, model
from deep.objectives import omd
from deep.replay import Transitions
from tabular.device.hypergradient import cg, dense, gmres, identity

KEY = jax.random.key(0)
RNG = np.random.default_rng(1)
BATCH = Transitions(
    s=jnp.asarray(RNG.normal(size=(40, 3))),
    a=jnp.asarray(RNG.integers(2, size=40), jnp.int32),
    r=jnp.asarray(RNG.normal(size=40)),
    s_next=jnp.asarray(RNG.normal(size=(40, 3))),
    m=jnp.ones(40),
)
MODEL = jax.tree.map(lambda x: x + 0.1, model(KEY, 3, Discrete(2), (5,), jnp.float64))
TARGET = jax.tree.map(lambda x: 30 * x, critic(jax.random.key(1), (3, 2), jnp.float64))


def loss(w, batch):
    return critic_loss(w, TARGET, batch, 0.9, 0.2, False)


def inner(theta, w):
    return loss(w, imagined(theta, BATCH, KEY))


@jax.jit
def solved(theta):
    """The linear critic that minimises the inner loss, a quadratic: one Newton step from anywhere."""
    w, back = ravel_pytree(critic(jax.random.key(2), (3, 2), jnp.float64))
    f = lambda w: inner(theta, back(w))  # noqa: E731
    return back(w - jnp.linalg.solve(jax.hessian(f)(w), jax.grad(f)(w)))


@jax.jit
def outer(theta):
    """The true loss of the solved critic, by the model's parameters in one vector."""
    return loss(solved(ravel_pytree(MODEL)[1](theta)), BATCH)


@pytest.mark.parametrize("inverse", [dense(), cg(200), gmres(16)], ids=["dense", "cg", "gmres"])
def test_omd_is_the_slope_of_the_solved_problem(inverse):
    w = solved(MODEL)
    theta, _ = ravel_pytree(MODEL)
    found, _ = ravel_pytree(jax.jit(lambda w: omd(inner, MODEL, w, jax.grad(loss)(w, BATCH), inverse))(w))
    for direction in RNG.normal(size=(3, len(theta))):
        h = 1e-5 * jnp.asarray(direction)
        slope = (outer(theta + h) - outer(theta - h)) / 2e-5
        np.testing.assert_allclose(found @ direction, slope, rtol=1e-6)


def test_omd_with_the_identity_is_one_unrolled_step_of_gradient_descent():
    """`L_true(w - lr dL/dw)`, derived by the model, is lr times OMD's slope with the outer slope after the step."""
    w, lr = critic(jax.random.key(3), (3, 6, 2), jnp.float64), 0.05

    def stepped(theta):
        return jax.tree.map(lambda w, d: w - lr * d, w, jax.grad(inner, argnums=1)(theta, w))

    unrolled = jax.jit(jax.grad(lambda theta: loss(stepped(theta), BATCH)))(MODEL)
    found = jax.jit(lambda theta: omd(inner, theta, w, jax.grad(loss)(stepped(theta), BATCH), identity))(MODEL)
    for a, b in zip(*map(jax.tree.leaves, (unrolled, found)), strict=True):
        np.testing.assert_allclose(a, lr * b, atol=1e-14)
    assert max(abs(leaf).max() for leaf in jax.tree.leaves(found)) > 1e-4
