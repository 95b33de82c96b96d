"""Small formulas written out number by number.

XLA compiles straight-line arithmetic on vectors far better than loops, gathers and reductions over axes of length 2. So
the formulas of small problems work on NumPy arrays of dtype object whose *entries* are JAX scalars, or vectors over a
batch: `r + (P * V).sum(-1)` is then NumPy's doing, once, while JAX traces, and reads as it always does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def entries(array: jax.Array, axes: int | None = None) -> np.ndarray:
    """The entries of `array` along its first `axes` axes (all, if not given); each holds what the other axes hold."""
    shape = array.shape[:axes]
    split = np.empty(shape, dtype=object)
    for index in np.ndindex(shape):
        split[index] = array[index]
    return split


def stack(split: np.ndarray, axis: int = 0) -> jax.Array:
    """One JAX array from an array of entries, whose axes come first (`axis=0`) or last (`axis=-1`)."""
    flat = jnp.stack(list(split.ravel()), axis=axis)
    return flat.reshape(*split.shape, *flat.shape[1:]) if axis == 0 else flat.reshape(*flat.shape[:-1], *split.shape)


def each(function: Callable, *arrays, outputs: int = 1) -> Any:
    """`function` applied entry by entry, with NumPy's broadcasting."""
    return np.frompyfunc(function, len(arrays), outputs)(*arrays)


def fold(function: Callable, array: np.ndarray) -> Any:
    """All entries combined by a function of two, such as `jnp.maximum`."""
    return reduce(function, array.ravel())


def best(Q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest entry of each row, and its column (the first, if several tie)."""
    value, column = Q[:, 0], each(lambda x: jnp.zeros(x.shape, jnp.int32), Q[:, 0])
    for k in range(1, Q.shape[1]):
        better = each(lambda new, old: new > old, Q[:, k], value)
        value, column = each(jnp.where, better, Q[:, k], value), each(jnp.where, better, k, column)
    return value, column


def chosen(options: np.ndarray, column: np.ndarray) -> np.ndarray:
    """`options[s, column[s]]` for each s."""
    picked = options[:, 0]
    for k in range(1, options.shape[1]):
        picked = each(jnp.where, each(lambda c, k=k: c == k, column), options[:, k], picked)
    return picked


def eliminated(M: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Solve `M x = b` by Gaussian elimination without pivoting. Needs a diagonally dominant M."""
    S = len(b)
    W = np.concatenate([M, b[:, None]], axis=1)
    for k in range(S):
        factors = W[k + 1 :, [k]] / W[[k], k]
        W[k + 1 :, k + 1 :] = W[k + 1 :, k + 1 :] - factors * W[[k], k + 1 :]
    x = W[:, S]
    for k in reversed(range(S)):
        x[[k]] = x[[k]] / W[[k], k]
        x[:k] = x[:k] - W[:k, k] * x[[k]]
    return x
