"""Bootstrap ensembles: several models that disagree where the data doesn't settle what is true.

Each member learns from its own bootstrap sample; a part of the data is held out for all, decides when they stop, and
which of them are the elites (Chua et al. 2018; Janner et al. 2019). Inputs are normalised while learning; afterwards
the normalisation is folded into the first layers, so that a trained member is a plain `Model`.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from deep.fitting import SCHEDULE, Fitted, Loss, Schedule, fit
from deep.models import Model, Prediction, inputs
from deep.nets import MLP, Linear
from deep.objectives import mle
from deep.replay import Transitions

HOLD_OUT, MOST_HELD = 0.2, 5000
"""Share of the rows that is held out, and how many at most."""
SMALLEST = 1e-6
"""Standard deviations below this count as 1: an input that never varies is left as it is."""


class Scale(NamedTuple):
    """Mean and standard deviation of a model's inputs."""

    mean: Float[Array, " inputs"]
    std: Float[Array, " inputs"]


class Ensemble(NamedTuple):
    """Members that were trained together."""

    members: Model
    """A leading axis of members on every array."""
    elites: Int[Array, " elites"]
    """The members with the least loss on the held-out rows, the best one first."""
    fitted: Fitted
    """Their losses, epochs and history. Its weights are those before the normalisation was folded in."""

    def predict(self, s: Float[Array, "*batch observation"], a: Array) -> Prediction:
        """What each elite says, a leading axis of elites on every array."""
        elites = jax.tree.map(lambda x: x[self.elites], self.members)
        return jax.vmap(lambda member: member(s, a))(elites)

    def draw(self, key: PRNGKeyArray, s: Float[Array, "batch observation"], a: Array) -> tuple[Array, Array]:
        """Next states and rewards, each from an elite chosen at random."""
        of_choice, of_noise = jax.random.split(key)
        said = self.predict(s, a)
        chosen = jax.random.randint(of_choice, s.shape[:-1], 0, len(self.elites), dtype=jnp.int32)
        pick = partial(jnp.take_along_axis, axis=0)
        return pick(said.draw(of_noise), chosen[None, ..., None])[0], pick(said.r, chosen[None])[0]


def train(
    members: Model,
    data: Transitions,
    key: PRNGKeyArray,
    *,
    elites: int,
    loss: Loss = lambda model, batch, key: mle(model, batch),
    schedule: Schedule = SCHEDULE,
    bootstrap: bool = True,
) -> Ensemble:
    """Train an ensemble on its transitions until no member gets better on the held-out fifth of them.

    A pure function of arrays for `jit`; the checks are of shapes.

    Args:
      members: stacked models (`nets.stacked`) with random weights.
      data: leading axis: all rows.
      elites: how many of the members are used in the end.
      loss: what a member minimises, any of `deep.objectives`; it also ranks the members.
      bootstrap: whether members learn from samples with replacement of the rows, or all from all rows.

    Raises:
      ValueError for fewer than 5 rows, more elites than members, or a schedule that isn't positive.
    """
    count, n = len(jax.tree.leaves(members)[0]), data.r.shape[0]
    if n < 5:
        raise ValueError(f"data has {n} rows, expected at least 5: a fifth of them is held out.")
    if not 1 <= elites <= count:
        raise ValueError(f"elites = {elites}, expected 1 to the number of members, {count}.")
    of_split, of_rows, of_fit = jax.random.split(key, 3)
    kept, held = split(of_split, data)
    rows = bootstrap_rows(of_rows, count, kept.r.shape[0]) if bootstrap else all_rows(count, kept.r.shape[0])
    scale = scale_of(members, kept)

    def in_units(theta: Model, batch: Transitions, key: PRNGKeyArray) -> Array:
        return loss(folded(theta, scale), batch, key)

    found = fit(in_units, members, kept, rows, held, of_fit, schedule.checked())
    best = jnp.argsort(found.loss)[:elites].astype(jnp.int32)
    return Ensemble(jax.vmap(lambda member: folded(member, scale))(found.best), best, found)


def split(key: PRNGKeyArray, data: Transitions) -> tuple[Transitions, Transitions]:
    """The rows to learn from, and the fifth (5,000 at most) that is held out, at random."""
    n = data.r.shape[0]
    held = min(int(HOLD_OUT * n), MOST_HELD)
    order = jax.random.permutation(key, n)
    return Transitions(*(column[order[held:]] for column in data)), Transitions(
        *(column[order[:held]] for column in data)
    )


def bootstrap_rows(key: PRNGKeyArray, members: int, n: int) -> Int[Array, "members n"]:
    """For each member n row numbers, drawn with replacement."""
    return jax.random.randint(key, (members, n), 0, n, dtype=jnp.int32)


def all_rows(members: int, n: int) -> Int[Array, "members n"]:
    """All row numbers for each member."""
    return jnp.broadcast_to(jnp.arange(n, dtype=jnp.int32), (members, n))


def scale_of(model: Model, data: Transitions) -> Scale:
    """Mean and standard deviation of the inputs over the rows."""
    x = inputs(model.actions, data.s, data.a)
    std = x.std(0)
    return Scale(x.mean(0), jnp.where(std < SMALLEST, jnp.ones_like(std), std))


def folded(model: Model, scale: Scale) -> Model:
    """The model of raw inputs x that says what this one says of `(x - mean) / std`: only the first layers change."""
    fold = partial(_folded, scale=scale)
    return eqx.tree_at(lambda m: (m.dynamics, m.reward), model, (fold(model.dynamics), fold(model.reward)))


def _folded(net: MLP, scale: Scale) -> MLP:
    first, *rest = net.layers
    W = first.W / scale.std[:, None]
    return MLP((Linear(W, first.b - scale.mean @ W), *rest))


def disagreement(prediction: Prediction) -> Float[Array, "*batch"]:
    """Variance of the members' means about their mean, summed over the parts of a state: what more data would settle.

    Args:
      prediction: of an ensemble, members as the leading axis.
    """
    return prediction.mean.var(0).sum(-1)
