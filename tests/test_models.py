"""Model classes: the pinned random starts, the softmax table and the norms that bound it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tabular.device import to_device
from tabular.mdp import make_mdp
from tabular.models import (
    SoftmaxTable,
    Theta,
    authors_balls,
    norm_ball,
    pinned_bits,
    random_start,
    seed_key,
    softmax_table,
)
from tabular.worlds.papers import two_state

TRUE = to_device(two_state())
NAMES = ("authors", "paper_raw", "paper_scaled", "none")


def table(seed: int, S: int = 2, A: int = 2, size: float = 1.0) -> Theta:
    rng = np.random.default_rng(seed)
    return Theta(jnp.asarray(size * rng.normal(size=(S, A, S))), jnp.asarray(size * rng.normal(size=(S, A))))


# Draws of seed 1 by the code published with Nikishin et al. 2021, logits in its layout (a, s, s').
PUBLISHED_L0 = [[0.912668, 0.514528], [0.431383, 0.958271]]
PUBLISHED_R = [[0.029934, 0.60868], [0.528373, 0.076419]]
PUBLISHED_Q0 = [0.903107, 0.959974]


@pytest.mark.parametrize("flag", [True, False])
def test_random_start_has_the_bits_of_the_published_code_whatever_the_global_flag(flag):
    with jax.threefry_partitionable(flag):
        start = random_start(TRUE, seed_key(1))
    np.testing.assert_allclose(start.logits.transpose(1, 0, 2)[0], PUBLISHED_L0, atol=1e-6)
    np.testing.assert_allclose(start.reward, PUBLISHED_R, atol=1e-6)
    np.testing.assert_allclose(start.Q[0], PUBLISHED_Q0, atol=1e-6)
    assert {x.dtype for x in start} == {jnp.dtype("float64")}


def test_random_start_differs_under_the_new_bits():
    """So the test above can fail: the two kinds of bits are different streams."""
    with jax.threefry_partitionable(True):
        keys = jax.random.split(seed_key(1), 3)
        assert abs(jax.random.uniform(keys[2], (2, 2)) - jnp.asarray(PUBLISHED_R)).max() > 0.1


def test_random_start_is_the_same_batched_and_compiled():
    keys = jnp.stack([seed_key(seed) for seed in range(1, 6)])
    with pinned_bits():
        batched = jax.vmap(lambda key: random_start(TRUE, key))(keys)
        compiled = jax.jit(lambda key: random_start(TRUE, key))(keys[3])
    for many, one, jitted in zip(batched, random_start(TRUE, keys[3]), compiled, strict=True):
        np.testing.assert_array_equal(many[3], one)
        np.testing.assert_array_equal(jitted, one)


@pytest.mark.parametrize("name", NAMES)
def test_softmax_table_is_a_model_with_the_true_discount_and_start(name):
    model_class = softmax_table(name, alpha=0.5)
    theta = table(0)
    model = model_class.mdp(TRUE, theta)
    scale = 1.0 if name == "paper_scaled" else 0.5
    weights = np.exp(np.asarray(theta.logits) / scale)
    np.testing.assert_allclose(model.P, weights / weights.sum(-1, keepdims=True), rtol=1e-14)
    np.testing.assert_array_equal(model.r, theta.reward)
    assert model.gamma == TRUE.gamma and model.rho is TRUE.rho


def test_softmax_table_keeps_infeasible_actions_and_the_probability_of_the_end():
    P = np.array([[[0.3, 0.2], [0, 0]], [[0, 1.0], [0.5, 0.5]]])
    true = to_device(make_mdp(P, [[1.0, -np.inf], [0, 0]], gamma=0.9, terminating=True))
    model_class = SoftmaxTable()
    model = model_class.mdp(true, model_class.init(true, seed_key(0)))
    np.testing.assert_allclose(model.P.sum(-1), [[0.5, 0], [1, 1]], atol=1e-15)
    assert model.r[0, 1] == -jnp.inf and jnp.isfinite(model.r[1]).all()


def test_softmax_table_complains():
    with pytest.raises(
        ValueError, match="projection = 'paper', expected one of authors, paper_raw, paper_scaled, none"
    ):
        softmax_table("paper")
    with pytest.raises(ValueError, match="alpha = 0, expected a positive temperature"):
        softmax_table(alpha=0)


# the norms


def norm(theta: Theta, temperature: float) -> float:
    return np.sqrt(np.sum((np.asarray(theta.logits) / temperature) ** 2) + np.sum(np.asarray(theta.reward) ** 2))


@pytest.mark.parametrize("temperature", [0.01, 1.0])
def test_norm_ball_scales_to_the_norm_of_eq_8(temperature):
    theta, kappa = table(1, S=3, A=4), 0.7
    inside = norm_ball(theta, kappa, temperature)
    assert norm(inside, temperature) == pytest.approx(kappa, rel=1e-14)
    scale = kappa / norm(theta, temperature)
    np.testing.assert_allclose(inside.logits, scale * theta.logits, rtol=1e-14)
    np.testing.assert_allclose(np.asarray(inside.reward), scale * np.asarray(theta.reward), rtol=1e-14)


def authors_code(L, r, kappa, alpha):
    """The projection as the published code does it, arrays in its layouts: L (a, s, s') and r (s, a)."""

    def project(params):
        size = np.sqrt(np.sum((params[0] / alpha) ** 2) + np.sum(params[1] ** 2))
        return params * kappa / size if size > kappa else params

    return project(L), project(r)


@pytest.mark.parametrize("kappa", [0.0, 0.05, 1.0, 40.0, 200.0])
def test_authors_balls_equals_the_published_code(kappa):
    for seed in range(5):
        theta = table(seed)
        L, r = authors_code(np.asarray(theta.logits).transpose(1, 0, 2), np.asarray(theta.reward), kappa, 0.01)
        inside = authors_balls(theta, kappa, 0.01)
        np.testing.assert_allclose(inside.logits.transpose(1, 0, 2), L, rtol=1e-14, atol=0)
        np.testing.assert_allclose(np.asarray(inside.reward), r, rtol=1e-14, atol=0)


@pytest.mark.parametrize("ball", [norm_ball, authors_balls])
def test_projection_leaves_the_inside_and_the_border_to_the_last_bit(ball):
    theta = Theta(jnp.zeros((2, 2, 2)).at[0, 0, 0].set(3.0), jnp.zeros((2, 2)).at[1, 1].set(0.25))
    border = 3.0 if ball is authors_balls else float(np.sqrt(9 + 0.0625))
    for kappa in (border, 1e3, np.inf):
        jax.tree.map(np.testing.assert_array_equal, ball(theta, kappa, 1.0), theta)
    just_below = ball(theta, np.nextafter(border, 0), 1.0)
    assert just_below.logits[0, 0, 0] <= 3.0


@partial(jax.jit, static_argnums=0)
def total_and_slopes(ball, theta, kappa):
    """Sum of all projected parameters, and its derivatives in the parameters and kappa."""
    total = lambda theta, kappa: sum(jnp.sum(x) for x in ball(theta, kappa, 0.01))  # noqa: E731
    return jax.value_and_grad(total, argnums=(0, 1))(theta, kappa)


@pytest.mark.parametrize("ball", [norm_ball, authors_balls])
@pytest.mark.parametrize("kappa", [0.0, 1.0, np.inf])
@pytest.mark.parametrize("size", [0.0, 1e-100, 1.0])
def test_projection_has_finite_values_and_derivatives_at_every_corner(ball, kappa, size):
    theta = table(2, size=size)

    value, slopes = total_and_slopes(ball, theta, kappa)
    assert jnp.isfinite(value)
    assert all(jnp.isfinite(slope).all() for slope in jax.tree.leaves(slopes))
    if kappa == 0 or size == 0:
        assert value == 0


@pytest.mark.parametrize("ball", [norm_ball, authors_balls])
def test_projection_derivative_matches_differences(ball):
    theta = table(3)
    weights = table(4)

    @jax.jit
    def weighed(flat):
        L, r = ball(Theta(flat[:8].reshape(2, 2, 2), flat[8:].reshape(2, 2)), 0.5, 0.1)
        return jnp.sum(L * weights.logits) + jnp.sum(r * weights.reward)

    flat, h = jnp.concatenate([theta.logits.ravel(), theta.reward.ravel()]), 1e-6
    differences = [(weighed(flat + h * e) - weighed(flat - h * e)) / (2 * h) for e in jnp.eye(12)]
    np.testing.assert_allclose(jax.grad(weighed)(flat), differences, atol=1e-9)


def test_paper_raw_and_paper_scaled_bound_the_same_models():
    raw, scaled = softmax_table("paper_raw", alpha=0.01), softmax_table("paper_scaled", alpha=0.01)
    phi = table(5, size=3.0)
    L = Theta(0.01 * phi.logits, phi.reward)
    for kappa in (0.3, 2.0, 1e3):
        one, other = raw.mdp(TRUE, raw.project(L, kappa)), scaled.mdp(TRUE, scaled.project(phi, kappa))
        np.testing.assert_allclose(one.P, other.P, rtol=1e-12)
        np.testing.assert_allclose(one.r, other.r, rtol=1e-12)
