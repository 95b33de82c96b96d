"""Networks: their initialisation, and that padding changes nothing, ever."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from deep.nets import mlp, padded, stacked

KEY = jax.random.key(0)


def test_mlp_has_orthogonal_weights_and_zero_biases():
    net = mlp(KEY, (4, 16, 16, 2), jnp.float64)
    for layer, gain in zip(net.layers, (2, 2, 1e-4), strict=True):
        W = np.asarray(layer.W)
        gram = W @ W.T if W.shape[0] <= W.shape[1] else W.T @ W
        np.testing.assert_allclose(gram, gain * np.eye(len(gram)), atol=1e-12)
        assert not layer.b.any()


def test_mlp_is_the_composition_of_its_layers():
    net = mlp(KEY, (3, 5, 1), jnp.float64, last_gain=1.0)
    x = np.random.default_rng(0).normal(size=(7, 3))
    first, last = net.layers
    expected = np.maximum(x @ np.asarray(first.W), 0) @ np.asarray(last.W)
    np.testing.assert_allclose(net(jnp.asarray(x)), expected, atol=1e-14)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_mlp_keeps_its_type(dtype):
    net = mlp(KEY, (3, 5, 2), dtype)
    assert {leaf.dtype for leaf in jax.tree.leaves(net)} == {jnp.dtype(dtype)}
    assert net(jnp.ones((2, 3), dtype)).dtype == dtype


def test_padded_network_learns_the_same():
    """After 50 steps of Adam a network and its padded copy still agree, and the padding is still zero."""
    small, large = mlp(KEY, (3, 4, 4, 2), jnp.float64), mlp(KEY, (5, 9, 9, 3), jnp.float64)
    wide = padded(small, large)
    x = jax.random.normal(KEY, (20, 3))
    y = jnp.sin(x[:, :2])
    adam = optax.adam(0.01)

    def learned(net, x, y) -> Any:
        def step(carry, _):
            net, moments = carry
            slope = jax.grad(lambda net: jnp.mean(jnp.sum((net(x) - y) ** 2, axis=1)))(net)
            with jax.numpy_dtype_promotion("standard"):
                change, moments = adam.update(slope, moments)
            return (optax.apply_updates(net, change), moments), None

        return jax.lax.scan(step, (net, adam.init(net)), length=50)[0][0]

    narrow = learned(small, x, y)
    wide = learned(wide, jnp.pad(x, ((0, 0), (0, 2))), jnp.pad(y, ((0, 0), (0, 1))))
    assert abs(np.asarray(narrow.layers[0].W) - np.asarray(small.layers[0].W)).max() > 0.01
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12), padded(narrow, large), wide)


def test_padded_refuses_a_smaller_shape():
    small, large = mlp(KEY, (3, 4, 2), jnp.float32), mlp(KEY, (3, 9, 2), jnp.float32)
    with pytest.raises(ValueError, match=r"shape \(3, 9\) doesn't fit into \(3, 4\)"):
        padded(large, small)


def test_stacked_adds_a_leading_axis():
    both = stacked([mlp(key, (3, 4, 2), jnp.float32) for key in jax.random.split(KEY, 2)])
    assert both.layers[0].W.shape == (2, 3, 4)
    assert (both.layers[0].W[0] != both.layers[0].W[1]).any()
