"""Soft Q-learning in a learned model: the agents of Nikishin et al. 2021, sec. 6, and their value-aware relatives.

All of them act by the softmax of the same kind of critic; they differ in what the critic learns from and in what makes
the model good:

    model_free      the critic learns from real transitions
    dyna(loss)      the model descends its own loss; the critic learns from the model's next states and rewards
    omd             the critic learns from the model's; the model descends the critic's loss on real ones, through the
                    critic's solution

An update is a pure function `(agent, hyper, learner, sample, key) -> (learner, losses)` of arrays, `sample(key)` a
batch of real transitions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Float, PRNGKeyArray

from deep.critics import Critic, critic, critic_loss, towards
from deep.descent import descend
from deep.envs.base import Discrete, Env
from deep.models import Model, imagined, model
from deep.nets import MLP, mlp, stacked
from deep.objectives import omd as omd_slope
from deep.replay import Transitions
from tabular.device.hypergradient import Inverse, identity
from tabular.operators import softmax_policy

MOMENTS: Callable[[Any], Any] = optax.adam(0.0).init
"""Of Adam before its first step; its step size is one of the numbers in `Hyper`."""


class Hyper(NamedTuple):
    """Numbers that may differ between the runs of one batch."""

    gamma: Any = 0.99
    alpha: Any = 0.01
    """Temperature, in units of return."""
    tau: Any = 0.01
    """How far the target network moves towards the critic after each step of the critic."""
    epsilon: Any = 0.1
    """Probability of a random action."""
    model_lr: Any = 1e-3
    critic_lr: Any = 3e-4
    mle_weight: Any = 0.0
    """Of the likelihood in `itervaml`."""


class Learner(NamedTuple):
    """All that is learned, and what the optimisers remember."""

    critic: Critic
    target: Critic
    critic_moments: Any
    model: Model
    model_moments: Any
    first: Critic
    """The critic as it began."""
    values: MLP
    """Value functions that never learn (VEP), a leading axis of them on every array."""


class Losses(NamedTuple):
    """Means over the steps of one update; NaN for what an agent doesn't have."""

    critic: Float[Array, ""]
    model: Float[Array, ""]


Sample = Callable[[PRNGKeyArray], Transitions]
Update = Callable[["SoftQ", Hyper, Learner, Sample, PRNGKeyArray], tuple[Learner, Losses]]


@dataclass(frozen=True)
class SoftQ:
    """What an agent is made of, everything that decides about shapes or code."""

    update: Update
    critic_hidden: tuple[int, ...] = (32, 32)
    model_hidden: tuple[int, ...] = (32, 32)
    """Units of the model's hidden layers: how much it can express."""
    double: bool = True
    hard: bool = False
    """Whether the maximum stands in place of the soft value, and the best action is taken."""
    gaussian: bool = False
    learn_reward: bool = True
    inner_steps: int = 1
    """Steps of the critic for each of the model."""
    model_steps: int = 1
    """Steps of the model for each of the environment."""
    warm_moments: bool = True
    """Whether the optimiser of OMD's inner loop keeps its moments from one update to the next."""
    warm_critic: bool = True
    """Whether OMD's inner loop goes on from the critic it had, or each time from the one it began with."""
    inverse: Inverse = identity
    """For the Hessian in OMD's slope."""
    vep_values: int = 5

    def init(self, key: PRNGKeyArray, env: Env) -> Learner:
        """Random weights. Call it outside `jit` and `vmap`: see `nets.stacked`."""
        if not isinstance(env.actions, Discrete):
            raise TypeError(f"soft Q-learning needs finitely many actions, the environment's are {env.actions}.")
        of_critic, of_model, of_values = jax.random.split(key, 3)
        n, dtype = env.observation_size, env.dtype
        q = critic(of_critic, (n, *self.critic_hidden, env.actions.n), dtype, heads=2 if self.double else 1)
        learned = model(of_model, n, env.actions, self.model_hidden, dtype, gaussian=self.gaussian)
        keys = jax.random.split(of_values, self.vep_values)
        values = stacked([mlp(key, (n, *self.critic_hidden, 1), dtype) for key in keys])
        return Learner(q, q, MOMENTS(q), learned, MOMENTS(learned), q, values)

    def policy(
        self, hyper: Hyper, critic: Critic, s: Float[Array, "batch observation"]
    ) -> Float[Array, "batch actions"]:
        """`softmax(Q / alpha)` of the mean of the heads; all on the best action if `hard`."""
        Q = critic(s).mean(axis=0)
        return jax.nn.one_hot(Q.argmax(1), Q.shape[1], dtype=Q.dtype) if self.hard else softmax_policy(Q, hyper.alpha)

    def loss(self, hyper: Hyper, critic: Critic, target: Critic, batch: Transitions) -> Float[Array, ""]:
        """The critic's error on a batch, real or imagined."""
        return critic_loss(critic, target, batch, hyper.gamma, hyper.alpha, self.hard)

    def imagined(self, model: Model, batch: Transitions, key: PRNGKeyArray) -> Transitions:
        """The batch as the model has it."""
        told = imagined(model, batch, key)
        return told if self.learn_reward else told._replace(r=batch.r)

    def improve(self, hyper: Hyper, learner: Learner, batch: Transitions) -> tuple[Learner, Float[Array, ""]]:
        """`inner_steps` steps of the critic on a batch, its target following each."""

        def step(learner: Learner, _: None) -> tuple[Learner, Float[Array, ""]]:
            loss, slope = jax.value_and_grad(partial(self.loss, hyper))(learner.critic, learner.target, batch)
            critic, moments = descend(optax.adam(hyper.critic_lr), learner.critic, slope, learner.critic_moments)
            target = towards(learner.target, critic, hyper.tau)
            return learner._replace(critic=critic, target=target, critic_moments=moments), loss

        learner, losses = lax.scan(step, learner, length=self.inner_steps)
        return learner, losses.mean()


ModelLoss = Callable[[SoftQ, Hyper, Learner, Model, Transitions, PRNGKeyArray], Array]
"""Of a model (the fourth argument) on a batch, the key for what it draws."""


def model_free(agent: SoftQ, hyper: Hyper, learner: Learner, sample: Sample, key: PRNGKeyArray):
    """The critic learns from a batch of real transitions."""
    learner, loss = agent.improve(hyper, learner, sample(key))
    return learner, Losses(loss, jnp.full_like(loss, jnp.nan))


def dyna(model_loss: ModelLoss) -> Update:
    """The model descends its own loss on a batch, then the critic learns from what it makes of another."""

    def update(agent: SoftQ, hyper: Hyper, learner: Learner, sample: Sample, key: PRNGKeyArray):
        def step(learner: Learner, key: PRNGKeyArray) -> tuple[Learner, Array]:
            choose, draw = jax.random.split(key)
            objective = partial(model_loss, agent, hyper, learner)
            loss, slope = jax.value_and_grad(objective)(learner.model, sample(choose), draw)
            theta, moments = descend(optax.adam(hyper.model_lr), learner.model, slope, learner.model_moments)
            return learner._replace(model=theta, model_moments=moments), loss

        of_model, choose, draw = jax.random.split(key, 3)
        learner, losses = lax.scan(step, learner, jax.random.split(of_model, agent.model_steps))
        learner, loss = agent.improve(hyper, learner, agent.imagined(learner.model, sample(choose), draw))
        return learner, Losses(loss, losses.mean())

    return update


def omd(agent: SoftQ, hyper: Hyper, learner: Learner, sample: Sample, key: PRNGKeyArray):
    """The critic learns in the model, then the model from the critic's error on the same batch of real transitions."""

    def step(learner: Learner, key: PRNGKeyArray) -> tuple[Learner, Losses]:
        choose, draw = jax.random.split(key)
        batch = sample(choose)
        solved, inner_loss = agent.improve(hyper, _begun(agent, learner), agent.imagined(learner.model, batch, draw))
        target = lax.stop_gradient(solved.target)

        def inner(theta: Model, w: Critic) -> Array:
            return agent.loss(hyper, w, target, agent.imagined(theta, batch, draw))

        outer, slope = jax.value_and_grad(partial(agent.loss, hyper))(solved.critic, target, batch)
        steepest = omd_slope(inner, learner.model, solved.critic, slope, agent.inverse)
        theta, moments = descend(optax.adam(hyper.model_lr), learner.model, steepest, learner.model_moments)
        return solved._replace(model=theta, model_moments=moments), Losses(inner_loss, outer)

    learner, losses = lax.scan(step, learner, jax.random.split(key, agent.model_steps))
    return learner, jax.tree.map(jnp.mean, losses)


def _begun(agent: SoftQ, learner: Learner) -> Learner:
    """Where OMD's inner loop starts."""
    if not agent.warm_critic:
        learner = learner._replace(critic=learner.first, target=learner.first)
    if not agent.warm_moments:
        learner = learner._replace(critic_moments=MOMENTS(learner.critic))
    return learner
