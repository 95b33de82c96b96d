"""Networks: perceptrons with ReLU, initialised as published, whose leaves are arrays and nothing else.

Widths are shapes, and shapes can't be batched. `padded` gives networks of different widths one shape: what it adds is
zero, stays zero under any gradient step, and changes no output, because relu(0) = 0 with slope 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, PRNGKeyArray

Tree = TypeVar("Tree")

HIDDEN_GAIN = 2**0.5
LAST_GAIN = 0.01
"""Gains of the orthogonal initialisation in the code published with Nikishin et al. 2021."""


class Linear(eqx.Module):
    """`y = x W + b`."""

    W: Float[Array, "inputs outputs"]
    b: Float[Array, " outputs"]

    def __call__(self, x: Float[Array, "*batch inputs"]) -> Float[Array, "*batch outputs"]:
        y = x @ self.W
        return y + jnp.broadcast_to(self.b, y.shape)


class MLP(eqx.Module):
    """Linear layers with ReLU between them."""

    layers: tuple[Linear, ...]

    def __call__(self, x: Float[Array, "*batch inputs"]) -> Float[Array, "*batch outputs"]:
        for layer in self.layers[:-1]:
            x = jax.nn.relu(layer(x))
        return self.layers[-1](x)


def mlp(key: PRNGKeyArray, sizes: Sequence[int], dtype, *, last_gain: float = LAST_GAIN) -> MLP:
    """Orthogonal weights, zero biases (Saxe et al. 2014). Call it outside `jit` and `vmap`: see `stacked`.

    Args:
      sizes: numbers of inputs, of each hidden layer's units, and of outputs.
      last_gain: gain of the last layer; that of the others is sqrt 2.
    """
    keys = jax.random.split(key, len(sizes) - 1)
    gains = [HIDDEN_GAIN] * (len(sizes) - 2) + [last_gain]
    layers = [
        Linear(orthogonal(key, (inputs, outputs), dtype, gain), jnp.zeros(outputs, dtype))
        for key, gain, inputs, outputs in zip(keys, gains, sizes[:-1], sizes[1:], strict=True)
    ]
    return MLP(tuple(layers))


def orthogonal(key: PRNGKeyArray, shape: tuple[int, int], dtype, gain: float) -> Float[Array, "inputs outputs"]:
    """`gain` times a uniformly random matrix whose shorter side is orthonormal.

    The QR decomposition is NumPy's: JAX would compile one for every shape. Where only shapes are asked for
    (`jax.eval_shape`), the values are left out.
    """
    if isinstance(key, Tracer):
        return jnp.zeros(shape, dtype)
    seed = np.asarray(jax.random.key_data(key)).tolist()
    normal = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed))).standard_normal(sorted(shape)[::-1])
    Q, R = np.linalg.qr(normal)
    Q = Q * np.sign(np.diagonal(R))
    return jnp.asarray(gain * (Q if shape[0] >= shape[1] else Q.T), dtype)


def stacked(trees: Sequence[Tree]) -> Tree:
    """Trees of one shape as one with a new leading axis.

    Many QR decompositions in one compiled batch can block a CPU for ever, so networks are made one by one.
    """
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def padded(tree: Tree, like: Tree) -> Tree:
    """Every array filled with zeros, at the end of each axis, up to the shape of the one in `like`.

    Raises:
      ValueError if one is larger than in `like`.
    """

    def fill(small: Array, large: Array) -> Array:
        if small.ndim != large.ndim or any(a > b for a, b in zip(small.shape, large.shape, strict=True)):
            raise ValueError(f"an array of shape {small.shape} doesn't fit into {large.shape}: pad to the widest.")
        wider = [(0, b - a) for a, b in zip(small.shape, large.shape, strict=True)]
        return jnp.pad(small, wider) if small.shape != large.shape else small

    return jax.tree.map(fill, tree, like)
