"""Losses fed one-hot tables are the tabular objectives.

States are one-hot vectors and values linear in them, so a row P[s, a] stands for the expectation over next states: each
batch holds every (s, a) once and all expectations are exact. Values and gradients agree to 1e-6 (here 1e-12) with
`tabular.objectives`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tabular.objectives as exact
from deep.models import Prediction
from deep.objectives import itervaml, mle, vep, weighted
from deep.replay import Transitions
from tabular.device import to_device
from tabular.mdp import MDP
from tabular.operators import soft_value
from tabular.worlds.random import garnet

KEY = jax.random.key(0)
ALPHA = 0.1
TRUE = to_device(garnet(5, 3, 5, 0.9, seed=1).to_dense())
S, A = TRUE.r.shape


class Table(NamedTuple):
    """A model: logits and rewards."""

    logits: jax.Array
    r: jax.Array


class Categorical(NamedTuple):
    """A prediction whose `surprise` is that of a distribution over one-hot states."""

    mean: jax.Array
    log_std: None
    r: jax.Array

    def draw(self, key):
        return self.mean

    def surprise(self, s_next):
        return -jnp.sum(s_next * jnp.log(self.mean), axis=-1)


def table(seed=0):
    rng = np.random.default_rng(seed)
    return Table(jnp.asarray(rng.normal(size=(S, A, S))), TRUE.r + jnp.asarray(rng.normal(size=(S, A))))


def predictor(theta, kind):
    """The table as a function of one-hot states and numbers of actions."""
    P_hat = jax.nn.softmax(theta.logits)

    def predict(s, a):
        at = jnp.argmax(s, axis=-1), a
        return kind(P_hat[at], None, theta.r[at])

    return predict


def as_mdp(theta):
    return MDP(jax.nn.softmax(theta.logits), theta.r, TRUE.gamma, TRUE.rho)


def pairs():
    """Every (s, a) once; its next state is the expected one."""
    s, a = (x.ravel() for x in np.indices((S, A)))
    return Transitions(jnp.eye(S)[s], jnp.asarray(a), TRUE.r.ravel(), TRUE.P.reshape(S * A, S), jnp.ones(S * A))


def triples():
    """Every (s, a, s') once, and its probability."""
    s, a, t = (x.ravel() for x in np.indices((S, A, S)))
    eye = jnp.eye(S)
    return Transitions(eye[s], jnp.asarray(a), TRUE.r[s, a], eye[t], jnp.ones(len(s))), TRUE.P[s, a, t]


def agree(ours, theirs, constant=0.0, scale=1.0, fixed_reward=False):
    """`ours = scale * theirs + constant`, and their gradients by the table."""
    theta = table()
    theta = theta._replace(r=TRUE.r) if fixed_reward else theta
    (x, slope), (y, other) = (jax.jit(jax.value_and_grad(loss))(theta) for loss in (ours, theirs))
    np.testing.assert_allclose(x, scale * y + constant, rtol=1e-12)
    np.testing.assert_allclose(slope.logits, scale * other.logits, atol=1e-12)
    if not fixed_reward:
        np.testing.assert_allclose(slope.r, scale * other.r, atol=1e-12)
    assert abs(slope.logits).max() > 1e-4


def entropy(P):
    return -jnp.sum(jnp.where(P > 0, P * jnp.log(jnp.where(P > 0, P, 1.0)), 0.0), axis=-1)


def test_mle_is_the_tabular_one_up_to_the_entropy_of_the_truth():
    objective, batch = exact.mle(ALPHA), pairs()
    agree(
        lambda theta: mle(predictor(theta, Categorical), batch),
        lambda theta: objective.loss(TRUE, as_mdp(theta), None, jnp.int32(0))[0],
        constant=entropy(TRUE.P).mean(),
    )


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_itervaml_is_the_tabular_one(weight):
    """With the values planned in the model, a constant in both derivatives; the mixture up to the same entropy."""
    objective, batch = exact.itervaml(ALPHA, mle_weight=weight), pairs()
    Q = objective.loss(TRUE, as_mdp(table()), jnp.zeros((S, A)), jnp.int32(0))[1]
    V = soft_value(Q, ALPHA)
    agree(
        lambda theta: itervaml(predictor(theta, Categorical), batch, lambda x: x @ V, KEY, mle_weight=weight),
        lambda theta: objective.loss(TRUE, as_mdp(theta), Q, jnp.int32(0))[0],
        constant=weight * entropy(TRUE.P).mean(),
    )


def test_vep_is_the_tabular_one_for_constant_policies_and_known_rewards():
    """One policy for each action: the mean over them is the mean over actions. Ours is a sum over V, without gamma."""
    values = np.random.default_rng(1).normal(size=(4, S))
    policies = np.broadcast_to(np.eye(A)[:, None, :], (A, S, A))
    objective, batch = exact.vep(policies, values, ALPHA), pairs()
    agree(
        lambda theta: vep(predictor(theta, Prediction), batch, lambda x: jnp.asarray(values) @ x.T, KEY),
        lambda theta: objective.loss(TRUE, as_mdp(theta), None, jnp.int32(0))[0],
        scale=len(values) / TRUE.gamma**2,
        fixed_reward=True,
    )


def test_weighted_is_the_tabular_one_with_weights_of_pairs():
    w = np.random.default_rng(2).exponential(size=(S, A))
    w /= w.mean()
    objective, batch = exact.value_weighted_mle(w, ALPHA), pairs()
    agree(
        lambda theta: weighted(predictor(theta, Categorical), batch, lambda batch: jnp.asarray(w.ravel())),
        lambda theta: objective.loss(TRUE, as_mdp(theta), None, jnp.int32(0))[0],
        constant=(jnp.asarray(w) * entropy(TRUE.P)).mean(),
    )


def test_weighted_by_value_is_the_tabular_one_up_to_its_least_value():
    """Weights |V(s')| of successors, which the truth draws with probability P."""
    objective, (batch, p) = exact.value_weighted_mle(alpha=ALPHA), triples()
    Q = objective.loss(TRUE, as_mdp(table()), jnp.zeros((S, A)), jnp.int32(0))[1]
    V = soft_value(Q, ALPHA)
    tilted = TRUE.P * abs(V)[None, None]
    share = tilted.sum(-1) / tilted.sum(-1).mean()
    agree(
        lambda theta: weighted(predictor(theta, Categorical), batch, lambda batch: p * abs(batch.s_next @ V)),
        lambda theta: objective.loss(TRUE, as_mdp(theta), Q, jnp.int32(0))[0],
        constant=(share * entropy(tilted / tilted.sum(-1, keepdims=True))).mean(),
    )
