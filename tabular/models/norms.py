"""Norm bounds: projections of parameters onto the set of size kappa."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

Scalar = jax.Array | float


def ball(theta: Any, kappa: Scalar) -> Any:
    """Parameters of any pytree scaled by `min(1, kappa / ||theta||)`, with the Euclidean norm of all entries."""
    scale = shrink(square(theta), kappa)
    return jax.tree.map(lambda x: scale * x, theta)


def square(theta: Any) -> jax.Array:
    """Sum of the squares of all entries of all arrays."""
    return sum((jnp.sum(x**2) for x in jax.tree.leaves(theta)), start=jnp.zeros(()))


def shrink(square: jax.Array, kappa: Scalar) -> jax.Array:
    """`kappa / norm` if the norm is above kappa, else 1. Value and derivative are finite at norm 0, kappa 0 and inf."""
    norm = jnp.sqrt(jnp.where(square > 0, square, 1.0))
    outside = (square > 0) & (norm > kappa)
    return jnp.where(outside, kappa / jnp.where(outside, norm, 1.0), 1.0)
