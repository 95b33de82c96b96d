"""Supervised fits of models: minibatches of Adam, a part of the data held out, the best weights kept.

`fit` trains several members at once, each on its own rows, and stops when none of them gets better any more
(Janner et al. 2019). It is a pure function: `vmap` it over seeds and settings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from deep.descent import descend
from deep.replay import Transitions

Loss = Callable[[Any, Transitions, PRNGKeyArray], Array]
"""Of a model on a batch, a scalar; the key is for what the model draws."""

BETTER = 0.01
"""A loss counts as better if it is lower by this share of its size."""


class Schedule(NamedTuple):
    """How long and how fast. Plain numbers: they decide about shapes."""

    epochs: int = 100
    """At most."""
    steps: int = 100
    """Minibatches in an epoch."""
    batch: int = 256
    lr: float = 1e-3
    patience: int = 5
    """Epochs without any member getting better, after which all stop."""

    def checked(self) -> Schedule:
        """Itself. Raises ValueError for a number that isn't positive."""
        for name, value in self._asdict().items():
            if not value > 0:
                raise ValueError(f"{name} = {value}, expected a positive number.")
        return self


SCHEDULE = Schedule()


class Fitted(NamedTuple):
    """What came out, for each member."""

    best: Any
    """Weights with the least loss on the held-out rows; a leading axis of members on every array."""
    loss: Float[Array, " members"]
    """That loss."""
    epoch: Int[Array, ""]
    """Epochs that were run."""
    history: Float[Array, "epochs members"]
    """Losses on the held-out rows after each epoch; NaN where it had stopped."""


class _State(NamedTuple):
    members: Any
    moments: Any
    best: Any
    loss: Array
    waited: Array
    epoch: Array
    key: PRNGKeyArray
    history: Array


def fit(
    loss: Loss,
    members: Any,
    train: Transitions,
    rows: Int[Array, "members rows"],
    held_out: Transitions,
    key: PRNGKeyArray,
    schedule: Schedule = SCHEDULE,
) -> Fitted:
    """Minimise the mean loss of each member over its own rows.

    Args:
      members: models with a leading axis of members on every array.
      train: transitions, leading axis: all rows.
      rows: which rows each member learns from, with repetitions as in a bootstrap; minibatches are drawn from them with
        replacement.
      held_out: transitions that decide which weights are best and when to stop, the same for all members.
    """
    adam = optax.adam(schedule.lr)
    count = rows.shape[0]
    score = jax.vmap(loss, in_axes=(0, None, 0))

    def better_epoch(state: _State) -> _State:
        key, of_train, of_score = jax.random.split(state.key, 3)
        learn = _learner(loss, adam, train, schedule)
        members, moments = jax.vmap(learn)(state.members, state.moments, rows, jax.random.split(of_train, count))
        now = score(members, held_out, jax.random.split(of_score, count))
        improved = now < state.loss - BETTER * abs(state.loss)
        best = _chosen(improved, members, state.best)
        waited = jnp.where(improved.any(), 0, state.waited + 1).astype(jnp.int32)
        least, history = jnp.where(improved, now, state.loss), state.history.at[state.epoch].set(now)
        return _State(members, moments, best, least, waited, state.epoch + 1, key, history)

    def going(state: _State) -> Array:
        return (state.waited < schedule.patience) & (state.epoch < schedule.epochs)

    key, of_score = jax.random.split(key)
    first = score(members, held_out, jax.random.split(of_score, count))
    history = jnp.full((schedule.epochs, count), jnp.nan, first.dtype)
    zero = jnp.zeros((), jnp.int32)
    begun = _State(members, jax.vmap(adam.init)(members), members, first, zero, zero, key, history)
    end = lax.while_loop(going, better_epoch, begun)
    return Fitted(end.best, end.loss, end.epoch, end.history)


def _learner(loss: Loss, adam: optax.GradientTransformation, train: Transitions, schedule: Schedule):
    """A function that takes one member through an epoch."""

    def learn(theta: Any, moments: Any, rows: Array, key: PRNGKeyArray) -> tuple[Any, Any]:
        def step(carry: tuple[Any, Any], key: PRNGKeyArray) -> tuple[tuple[Any, Any], None]:
            of_rows, of_loss = jax.random.split(key)
            at = rows[jax.random.randint(of_rows, (schedule.batch,), 0, rows.shape[0], dtype=jnp.int32)]
            batch = jax.tree.map(lambda column: column[at], train)
            slope = jax.grad(loss)(carry[0], batch, of_loss)
            return descend(adam, carry[0], slope, carry[1]), None

        return lax.scan(step, (theta, moments), jax.random.split(key, schedule.steps))[0]

    return learn


def _chosen(which: Array, new: Any, old: Any) -> Any:
    """Leaf by leaf, the new members where `which`, the old ones elsewhere."""

    def choose(a: Array, b: Array) -> Array:
        return jnp.where(which.reshape(-1, *[1] * (a.ndim - 1)), a, b)

    return jax.tree.map(choose, new, old)
