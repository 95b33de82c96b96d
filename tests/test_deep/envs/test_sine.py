"""The sine dynamics, step by step in NumPy as the paper writes them and as the published code computes them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deep.envs import CartPole, sine_distractors

KEY = jax.random.key(3)


def path(form, size=5, steps=200, key=KEY):
    """The distractors and their successors over an episode, shapes (steps, size), and the weights."""
    env = sine_distractors(CartPole(jnp.float64), size, seed=1, form=form)
    (state, first), shown = env.reset(key)
    np.testing.assert_array_equal(shown[4:], first)

    def step(state, key):
        after = env.step(key, state, jnp.int32(0))
        return after.state, after.observation[4:]

    _, seen = jax.lax.scan(step, (state, first), jax.random.split(key, steps))
    seen = np.concatenate([np.asarray(first)[None], np.asarray(seen)])
    return seen[:-1], seen[1:], jax.tree.map(np.asarray, env.weights)


def test_paper_adds_the_sine_and_goes_back_to_the_start():
    z, after, weights = path("paper", size=30, steps=400)
    free = z + np.sin(z @ weights.sine.T)
    far = abs(free) >= 20
    np.testing.assert_allclose(after, np.where(far, weights.first, free), atol=1e-9)
    assert far.any() and not far.all()
    np.testing.assert_array_equal(z[0], weights.first)


def test_code_maps_linearly_adds_a_tenth_and_jumps():
    z, after, weights = path("code")
    x = z @ weights.linear.T
    free = x + 0.1 * np.sin(x @ weights.sine.T)
    far = abs(free) > 20
    np.testing.assert_allclose(after, np.where(far, weights.again, free), atol=1e-8)
    assert far.any() and not far.all()


def test_starts_are_fixed_in_the_paper_and_drawn_anew_in_the_code():
    other = jax.random.key(4)
    np.testing.assert_array_equal(path("paper", steps=1)[0], path("paper", steps=1, key=other)[0])
    assert (path("code", steps=1)[0] != path("code", steps=1, key=other)[0]).all()


def test_the_task_is_untouched_and_types_are_kept():
    env, plain = sine_distractors(CartPole(), 3, seed=0, form="code"), CartPole()
    state, observation = env.reset(KEY)
    assert observation.shape == (env.observation_size,) == (7,) and observation.dtype == jnp.float32
    np.testing.assert_array_equal(state[0], plain.reset(jax.random.split(KEY)[0])[0])
    step, theirs = env.step(KEY, state, jnp.int32(1)), plain.step(KEY, state[0], jnp.int32(1))
    np.testing.assert_array_equal(step.observation[:4], theirs.observation)
    assert (step.reward, env.actions, env.time_limit) == (theirs.reward, plain.actions, plain.time_limit)


def test_unknown_form_and_no_numbers_are_refused():
    with pytest.raises(ValueError, match="form = 'both', expected one of paper, code"):
        sine_distractors(CartPole(), 3, seed=0, form="both")
    with pytest.raises(ValueError, match="size = 0"):
        sine_distractors(CartPole(), 0, seed=0)
