"""One step of an optimiser, for weights in any tree of arrays."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax


def descend(optimiser: optax.GradientTransformation, theta: Any, slope: Any, moments: Any) -> tuple[Any, Any]:
    """The new weights, and what the optimiser remembers."""
    with jax.numpy_dtype_promotion("standard"):  # optax needs it, whatever the caller's setting
        change, moments = optimiser.update(slope, moments)
    return jax.tree.map(jnp.add, theta, change), moments
