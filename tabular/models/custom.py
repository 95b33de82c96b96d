"""A model class from a user's own function of the parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tabular.mdp import MDP, TOLERANCE, AnyMDP
from tabular.models.base import ModelClass, as_model
from tabular.models.starts import pinned_bits, seed_key


@partial(jax.tree_util.register_dataclass, data_fields=[], meta_fields=["function", "start"])
@dataclass(frozen=True)
class Custom(ModelClass):
    """The models `function(theta)`; see `custom`."""

    function: Callable[[Any], tuple[jax.Array, jax.Array]]
    start: Callable[[jax.Array], Any]

    def check(self, true: AnyMDP) -> None:
        with pinned_bits():
            made = self.function(self._started(seed_key(0)))
        if not (isinstance(made, tuple) and len(made) == 2):
            raise TypeError(f"function returned a {type(made).__name__}, expected a pair (P, r).")
        P, r = made
        expected = (true.S, true.A, true.S), (true.S, true.A)
        if (np.shape(P), np.shape(r)) != expected:
            raise ValueError(
                f"function returned arrays of shapes {np.shape(P)} and {np.shape(r)}, expected P of shape "
                f"{expected[0]} and r of shape {expected[1]}."
            )
        P, r = np.asarray(P), np.asarray(r)
        wrong = ~((abs(P.sum(-1) - 1) <= TOLERANCE) & (P.min(-1) >= 0)) & true.feasible
        if wrong.any():
            s, a = np.argwhere(wrong)[0]
            raise ValueError(
                f"P[{s}, {a}] of function(start(key)) sums to {P[s, a].sum():g} with least entry {P[s, a].min():g}, "
                "expected a distribution. End the function in jax.nn.softmax."
            )
        wrong = ~np.isfinite(r) & true.feasible
        if wrong.any():
            s, a = np.argwhere(wrong)[0]
            raise ValueError(f"r[{s}, {a}] of function(start(key)) is {r[s, a]:g}, expected a finite reward.")

    def init(self, true: MDP, key: jax.Array) -> Any:
        """The user's start as float64."""
        return self._started(key)

    def mdp(self, true: MDP, theta: Any) -> MDP:
        """The model with these parameters."""
        return as_model(true, *self.function(theta))

    def _started(self, key: jax.Array) -> Any:
        return jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), self.start(key))


def custom(function: Callable[[Any], tuple[Any, Any]], start: Callable[[jax.Array], Any]) -> Custom:
    """The models `(P_hat, r_hat) = function(theta)` for any function that JAX can differentiate.

    Args:
      function: from parameters, any pytree of float64 arrays, to transition probabilities (S, A, S), rows of sum 1, and
        rewards (S, A).
      start: from a JAX random key to parameters; it draws the start of each seed.

    The norm that kappa bounds is the Euclidean one of all parameters. Another function, be it of the same kind, is
    compiled anew. `fit` raises ValueError if shapes, sums of rows or rewards are wrong at the start.
    """
    for name, value in (("function", function), ("start", start)):
        if not callable(value):
            raise TypeError(f"{name} is a {type(value).__name__}, expected a function.")
    return Custom(function, start)
