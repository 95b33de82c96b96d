"""The compiled loop: many fits side by side, a step of each at a time, and what is measured of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from tabular.device import policy_return, soft_q
from tabular.models import seed_key
from tabular.operators import soft_bellman, softmax_policy


class Lane(NamedTuple):
    """One fit under way. Batched: every array has a leading axis of kappas times seeds."""

    theta: Any
    before: Any
    """Parameters before the last update."""
    moments: Any
    state: Any
    loss: jax.Array
    step: jax.Array
    kappa: jax.Array
    active: jax.Array
    converged: jax.Array


def start(true, objective, model_class, optimizer, seeds, kappas) -> Lane:
    """All lanes at their random starts: those of one kappa, then those of the next."""
    keys = jnp.stack([seed_key(seed) for seed in seeds])
    drawn = jax.vmap(lambda key: (model_class.init(true, key), objective.init(true, key)))(keys)
    thetas, states = jax.tree.map(lambda x: jnp.concatenate([x] * len(kappas)), drawn)
    return lanes_of(optimizer, thetas, states, jnp.repeat(jnp.asarray(kappas), len(seeds)))


@partial(jax.jit, static_argnames="optimizer")
def lanes_of(optimizer, thetas, states, kappas) -> Lane:
    def one(theta, state, kappa):
        moments = optimizer(0.0).init(theta)
        loss, step, active = jnp.asarray(jnp.nan, float), jnp.asarray(0, int), jnp.asarray(True)
        lane = Lane(theta, theta, moments, state, loss, step, kappa, active, ~active)
        return jax.tree.map(lambda x: jnp.asarray(x, x.dtype), lane)

    return jax.vmap(one)(thetas, states, kappas)


@partial(jax.jit, static_argnames="optimizer")
def advance(true, objective, model_class, optimizer, lr, tol, lanes: Lane, stop) -> Lane:
    """Take steps until every lane has ended or taken `stop` of them. Compiled once for each kind and shape of fit."""
    step = jax.vmap(partial(_step, true, objective, model_class, optimizer(lr), tol))
    return lax.while_loop(lambda lanes: jnp.any(lanes.active & (lanes.step < stop)), step, lanes)


@jax.jit
def resumed(model_class, lanes: Lane, kappas) -> Lane:
    """The lanes at other norm bounds, moving again unless they failed."""
    theta = jax.vmap(model_class.project)(lanes.theta, kappas)
    sound = lanes.active | lanes.converged
    return lanes._replace(theta=theta, kappa=kappas, active=sound, converged=jnp.zeros_like(sound))


def _step(true, objective, model_class, optimizer, tol, lane: Lane) -> Lane:
    """One projected step of one lane; a lane that has ended stays as it is."""

    def loss(theta):
        return objective.loss(true, model_class.mdp(true, theta), lane.state, lane.step)

    (value, state), slope = jax.value_and_grad(loss, has_aux=True)(lane.theta)
    with jax.numpy_dtype_promotion("standard"):  # optax needs it, whatever the caller's setting
        change, moments = optimizer.update(slope, lane.moments, lane.theta)
    theta = model_class.project(optax.apply_updates(lane.theta, change), lane.kappa)
    sound = lane.active & _all(jnp.isfinite, (value, theta))
    still = sound & _all(partial(_still, tol), (theta, state), (lane.theta, lane.state))
    moved = lane._replace(theta=theta, before=lane.theta, moments=moments, state=state)
    return jax.tree.map(partial(jnp.where, sound), moved, lane)._replace(
        loss=jnp.where(lane.active, value, lane.loss),
        step=jnp.where(lane.active, lane.step + 1, lane.step),
        active=sound & ~still,
        converged=lane.converged | still,
    )


def _still(tol, new: jax.Array, old: jax.Array) -> jax.Array:
    """Whether `max |new - old| < tol max |new| + tol`, infinite entries that stay left out. NaN is movement."""
    if not jnp.issubdtype(new.dtype, jnp.inexact):
        return jnp.asarray(True)
    moved = jnp.where(new == old, 0.0, abs(new - old))
    size = jnp.max(jnp.where(jnp.isfinite(new), abs(new), 0.0))
    return jnp.max(moved) < tol * size + tol


def _all(test: Callable, *trees) -> jax.Array:
    """Whether a test holds for all entries of all arrays."""
    tests = jax.tree.leaves(jax.tree.map(lambda *leaves: jnp.all(test(*leaves)), *trees))
    return jnp.all(jnp.stack(tests))


@jax.jit
def models(true, model_class, theta) -> tuple[jax.Array, jax.Array]:
    """Transitions and rewards of every lane's model."""

    def one(theta):
        model = model_class.mdp(true, theta)
        return model.P, model.r

    return jax.vmap(one)(theta)


@jax.jit
def measure(true, alpha, planner, P_hat, r_hat) -> dict[str, jax.Array]:
    """What becomes of an agent that plans in each of the models, or in what the objective `planner` makes of them."""
    optimal = soft_q(true, alpha)

    def one(P, r):
        model = replace(true, P=P, r=r)
        Q = soft_q(model, alpha)
        agent = Q if planner is None else soft_q(planner.imagined(true, model), alpha)
        pi = softmax_policy(agent, alpha)
        error = jnp.where(true.feasible, soft_bellman(true, Q, alpha) - Q, 0.0)
        return {
            "Q": Q,
            "pi": pi,
            "J": policy_return(true, pi),
            "bellman_mse": jnp.mean(error**2, where=true.feasible),
            "q_error": jnp.max(jnp.where(true.feasible, abs(Q - optimal), 0.0)),
        }

    return jax.vmap(one)(P_hat, r_hat)
