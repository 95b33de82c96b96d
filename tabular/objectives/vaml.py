"""Value-aware models: transitions may be wrong where no value function of a class can tell (Farahmand et al. 2017)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tabular.mdp import MDP, AnyMDP
from tabular.objectives.base import Objective, check_alpha
from tabular.objectives.mle import mle


class ValueClass(ABC):
    """A set of value functions over which the worst error of a model is known in closed form."""

    def check(self, true: AnyMDP, /) -> None:
        """Raise ValueError if these are no value functions of the MDP."""
        return None

    @abstractmethod
    def worst(self, shift: jax.Array, /) -> jax.Array:
        """`sup_V |sum_t shift[s, a, t] V(t)|^2` over the set, from shape (S, A, S) to (S, A)."""


@partial(jax.tree_util.register_dataclass, data_fields=["values"], meta_fields=[])
@dataclass(frozen=True, eq=False)
class FiniteValues(ValueClass):
    """Finitely many value functions; see `finite_values`."""

    values: jax.Array
    """Shape (m, S)."""

    def __repr__(self) -> str:
        return f"finite_values(shape={self.values.shape})"

    def check(self, true: AnyMDP) -> None:
        check_states("values", self.values.shape, true)

    def worst(self, shift: jax.Array) -> jax.Array:
        """The largest of the m squared errors."""
        return jnp.max(jnp.einsum("sat,mt->sam", shift, self.values) ** 2, axis=-1)


@partial(jax.tree_util.register_dataclass, data_fields=["features", "radius"], meta_fields=[])
@dataclass(frozen=True, eq=False)
class LinearValues(ValueClass):
    """Linear value functions with bounded weights; see `linear_values`."""

    features: jax.Array
    """Shape (S, d)."""
    radius: float

    def __repr__(self) -> str:
        return f"linear_values(shape={self.features.shape}, radius={self.radius})"

    def check(self, true: AnyMDP) -> None:
        check_states("features", self.features.shape[::-1], true)

    def worst(self, shift: jax.Array) -> jax.Array:
        """`radius^2 ||features' shift||_2^2`, by Cauchy and Schwarz."""
        return self.radius**2 * jnp.sum(jnp.einsum("sat,td->sad", shift, self.features) ** 2, axis=-1)


@partial(jax.tree_util.register_dataclass, data_fields=["radius"], meta_fields=[])
@dataclass(frozen=True)
class BoundedValues(ValueClass):
    """All value functions of bounded size; see `bounded_values`."""

    radius: float

    def worst(self, shift: jax.Array) -> jax.Array:
        """`radius^2 ||shift||_1^2`, attained at V = radius sign(shift)."""
        return self.radius**2 * jnp.sum(abs(shift), axis=-1) ** 2


@partial(jax.tree_util.register_dataclass, data_fields=["values", "alpha", "mle_weight"], meta_fields=[])
@dataclass(frozen=True)
class VAML(Objective):
    """`mean_{s,a} sup_V |sum_t (p - p_hat)(t) V(t)|^2 + mean_{s,a} (r_hat - r)^2`; see `vaml`."""

    values: ValueClass
    alpha: float
    mle_weight: float

    def check(self, true: AnyMDP, model: MDP) -> None:
        self.values.check(true)

    def loss(self, true: MDP, model: MDP, state: None, step: jax.Array) -> tuple[jax.Array, None]:
        """The loss, in units of return squared; with a mixture, plus nats."""
        return mixture(true, model, self.values.worst(model.P - true.P), self.mle_weight), None


def vaml(values: ValueClass, alpha: float = 0.01, *, mle_weight: float = 0.0) -> VAML:
    """Value-aware model learning, Farahmand et al. 2017: the worst error of an expected next value,

        mean_{s,a} sup_{V in F} |sum_t (p - p_hat)(t | s, a) V(t)|^2 + mean_{s,a} (r_hat - r)^2

    over feasible actions. The supremum is taken for each (s, a) and is exact. With the mixture of Lovatto et al. 2020,
    eq. 10, the loss is `mle_weight MLE + (1 - mle_weight) VAML`; both parts hold the error of rewards.

    Args:
      values: the class F: `finite_values`, `linear_values` or `bounded_values`.
      alpha: temperature of the agent that plans with the learned model. The loss doesn't depend on it.
      mle_weight: weight of the likelihood, 0 to 1 (Lovatto's alpha). Where it is 0, a model may rule out what happens.

    Raises:
      ValueError for a temperature that isn't positive or a weight out of range; TypeError if `values` is no class of
      value functions. `fit` refuses values of another number of states.
    """
    if not isinstance(values, ValueClass):
        raise TypeError(f"values is a {type(values).__name__}, expected a class of them: finite_values(array), ...")
    return VAML(values, check_alpha(alpha), check_weight(mle_weight))


def finite_values(values: Any) -> FiniteValues:
    """The value functions in the rows of an array of shape (m, S). One row makes `vaml` the error of a given V.

    Raises ValueError for another number of axes, or entries that aren't finite.
    """
    return FiniteValues(finite_matrix("values", values, "(m, S), a value function in each row"))


def linear_values(features: Any, radius: float = 1.0) -> LinearValues:
    """The value functions `{features @ w : ||w||_2 <= radius}` for features of shape (S, d).

    Then `sup_V |<p - p_hat, V>| = radius ||features' (p - p_hat)||_2`: the loss compares expected features (Farahmand
    et al. 2017, section 3).

    Raises ValueError for another number of axes, entries that aren't finite, or a radius that isn't positive.
    """
    return LinearValues(finite_matrix("features", features, "(S, d), features of each state"), check_radius(radius))


def bounded_values(radius: float) -> BoundedValues:
    """All value functions with `|V| <= radius`; `sup_V |<p - p_hat, V>| = radius ||p - p_hat||_1`.

    Only the span of a V matters, since p - p_hat sums to 0: for values between `low` and `high` the radius is
    (high - low) / 2, and the bound of Pinsker's inequality `radius sqrt(2 KL(p || p_hat))` is where likelihood comes
    from (Farahmand et al. 2017; printed without the 2 in Voelcker et al. 2022, section 2.2).

    Raises ValueError for a radius that isn't positive.
    """
    return BoundedValues(check_radius(radius))


# what the value-aware objectives share


def mixture(true: MDP, model: MDP, errors: jax.Array, mle_weight: Any) -> jax.Array:
    """`mle_weight MLE + (1 - mle_weight) (mean errors + mean (r_hat - r)^2)`, Lovatto et al. 2020, eq. 10.

    `errors` has shape (S, A). Where the weight is 0, an infinite divergence counts nothing.
    """
    safe = replace(model, P=jnp.where(mle_weight > 0, model.P, true.P))
    likelihood, _ = mle().loss(true, safe, None, jnp.asarray(0))
    value_aware = jnp.mean(errors + reward_errors(true, model), where=true.feasible)
    return mle_weight * likelihood + (1 - mle_weight) * value_aware


def reward_errors(true: MDP, model: MDP) -> jax.Array:
    """`(r_hat - r)^2`, shape (S, A), 0 where infeasible."""
    return jnp.where(true.feasible, model.r - true.r, 0.0) ** 2


def check_weight(mle_weight: float) -> float:
    """The weight as a float. Raises ValueError unless it lies in [0, 1]."""
    if not 0 <= mle_weight <= 1:
        raise ValueError(f"mle_weight = {mle_weight}, expected a weight of the likelihood from 0 to 1.")
    return float(mle_weight)


def check_radius(radius: float) -> float:
    """The radius as a float. Raises ValueError unless it is positive and finite."""
    if not 0 < radius < np.inf:
        raise ValueError(f"radius = {radius}, expected a positive number in units of return.")
    return float(radius)


def finite_matrix(name: str, array: Any, expected: str) -> jax.Array:
    """The array on the device. Raises ValueError unless it is a non-empty matrix of finite numbers."""
    array = np.asarray(array, dtype=float)
    if array.ndim != 2 or not array.size:
        raise ValueError(f"{name} has shape {array.shape}, expected {expected}.")
    wrong = ~np.isfinite(array)
    if wrong.any():
        where = ", ".join(map(str, np.argwhere(wrong)[0]))
        raise ValueError(f"{name}[{where}] = {array[wrong][0]}, expected a finite number; {wrong.sum()} are wrong.")
    return jnp.asarray(array)


def check_states(name: str, shape: tuple[int, ...], true: AnyMDP) -> None:
    """Raise ValueError unless the last of these sizes is the number of states."""
    if shape[-1] != true.S:
        raise ValueError(f"{name} are for {shape[-1]} states, expected {true.S}, those of the true MDP.")
