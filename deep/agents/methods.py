"""The agents by name."""

from __future__ import annotations

from collections.abc import Callable

import jax
from jax import lax
from jaxtyping import Array

from deep.agents.soft_q import Hyper, Learner, SoftQ, Update, dyna, model_free, omd
from deep.critics import value
from deep.objectives import itervaml, mle, taylor, vagram, vep, weighted
from deep.objectives.weighted import by_inverse_value, by_value


def value_of(agent: SoftQ, hyper: Hyper, learner: Learner) -> Callable[[Array], Array]:
    """The value function that value-aware objectives use: that of the target network, a constant."""
    target = lax.stop_gradient(learner.target)
    return lambda s: value(target, s, hyper.alpha, agent.hard)


def _mle(agent, hyper, learner, model, batch, key) -> Array:
    return mle(model, batch)


def _vep(agent, hyper, learner, model, batch, key) -> Array:
    return vep(model, batch, lambda s: jax.vmap(lambda net: net(s)[..., 0])(learner.values), key)


def _itervaml(agent, hyper, learner, model, batch, key) -> Array:
    return itervaml(model, batch, value_of(agent, hyper, learner), key, mle_weight=hyper.mle_weight)


def _vagram(agent, hyper, learner, model, batch, key) -> Array:
    return vagram(model, batch, value_of(agent, hyper, learner))


def _taylor(agent, hyper, learner, model, batch, key) -> Array:
    return taylor(model, batch, value_of(agent, hyper, learner))


def _by_value(agent, hyper, learner, model, batch, key) -> Array:
    return weighted(model, batch, by_value(value_of(agent, hyper, learner)))


def _by_inverse_value(agent, hyper, learner, model, batch, key) -> Array:
    return weighted(model, batch, by_inverse_value(value_of(agent, hyper, learner)))


METHODS: dict[str, Update] = {
    "model_free": model_free,
    "omd": omd,
    "mle": dyna(_mle),
    "vep": dyna(_vep),
    "itervaml": dyna(_itervaml),
    "vagram": dyna(_vagram),
    "taylor": dyna(_taylor),
    "weighted": dyna(_by_value),
    "weighted_inverse": dyna(_by_inverse_value),
}
"""What may stand for `method` in a configuration."""
