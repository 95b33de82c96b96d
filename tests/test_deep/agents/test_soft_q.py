"""The agents: what an update moves, and that float32 stays float32."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deep.agents import METHODS, Hyper, SoftQ
from deep.critics import critic_loss
from deep.envs import CartPole
from deep.loop import begin, chunk
from deep.models import imagined
from deep.replay import Transitions
from tabular.operators import softmax_policy

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
ENV = CartPole(dtype=jnp.float64)
SMALL = {"critic_hidden": (6, 6), "model_hidden": (3, 3), "vep_values": 2}
BATCH = Transitions(
    s=jnp.asarray(RNG.normal(size=(16, 4))),
    a=jnp.asarray(RNG.integers(2, size=16), jnp.int32),
    r=jnp.ones(16),
    s_next=jnp.asarray(RNG.normal(size=(16, 4))),
    m=jnp.ones(16),
)
PARTS = ("critic", "target", "model", "values", "first")
MOVED = {"model_free": {"critic", "target"}} | {name: {"critic", "target", "model"} for name in METHODS}
MOVED["model_free"] = {"critic", "target"}


def sample(key):
    """The same batch, however it is asked for."""
    return BATCH


@partial(jax.jit, static_argnums=0)
def once(agent, learner):
    """One update."""
    return agent.update(agent, Hyper(), learner, sample, KEY)


def updated(method, **settings):
    agent = SoftQ(METHODS[method], **SMALL | settings)
    learner = agent.init(KEY, ENV)
    return agent, learner, *once(agent, learner)


def differ(a, b) -> bool:
    return any(np.any(x != y) for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True))


@pytest.mark.parametrize("method", METHODS)
def test_update_moves_what_it_should_and_nothing_else(method):
    _, before, after, losses = updated(method)
    assert {part for part in PARTS if differ(getattr(before, part), getattr(after, part))} == MOVED[method]
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(after))
    assert np.isfinite(losses.critic) and (method == "model_free" or np.isfinite(losses.model))


@pytest.mark.parametrize("method", METHODS)
def test_update_in_float32_stays_in_float32(method):
    """No array of float64 in the compiled program, although JAX would allow it; single numbers are (Adam's powers)."""
    env, agent = CartPole(), SoftQ(METHODS[method], **SMALL)
    runs = begin(agent, env, (0,), 8)
    hyper = jax.tree.map(lambda x: jnp.full(1, x, jnp.float32), Hyper())
    program = chunk.trace(agent, env, runs, hyper, jnp.int32(0), length=2, batch=2, learning=True).jaxpr
    assert "f32" in str(program) and set(re.findall(r"f64\[.*?\]", str(program))) <= {"f64[]", "f64[1]"}


def test_update_repeats_the_inner_step():
    """Two inner steps are two of Adam on one batch, the target following each."""
    agent, before, after, _ = updated("model_free", inner_steps=2)
    once = SoftQ(METHODS["model_free"], **SMALL)
    step = jax.jit(partial(once.improve, Hyper()))
    twice = step(step(before, BATCH)[0], BATCH)[0]
    for a, b in zip(*map(jax.tree.leaves, (after.target, twice.target)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-14)
    assert agent.inner_steps == 2


def test_adam_step_without_memory_has_the_size_of_its_rate():
    """With moments made anew an inner step of OMD moves weights by lr, however small their slope is (above 1e-8)."""
    agent, _, first, _ = updated("omd", warm_moments=False)
    again = once(agent, first)[0]
    moves = np.concatenate(
        [abs(a - b).ravel() for a, b in zip(*map(jax.tree.leaves, (again.critic, first.critic)), strict=True)]
    )
    moved = moves[moves > 0]
    assert np.median(moved) == pytest.approx(3e-4, rel=1e-3) and moved.max() < 3.0001e-4 and len(moved) > 50


def test_cold_critic_starts_from_its_first_weights():
    agent, before, first, _ = updated("omd", warm_critic=False, warm_moments=False)
    again = once(agent, first)[0]
    for a, b in zip(*map(jax.tree.leaves, (again.critic, before.critic)), strict=True):
        assert abs(a - b).max() <= 3.001e-4


def test_omd_critic_learns_in_the_model_and_the_model_from_the_truth():
    agent, before, _, losses = updated("omd")
    told = imagined(before.model, BATCH, KEY)
    expected = critic_loss(before.critic, before.target, told, 0.99, 0.01, False)
    np.testing.assert_allclose(losses.critic, expected, rtol=1e-12)
    after = agent.improve(Hyper(), before, told)[0]
    outer = critic_loss(after.critic, after.target, BATCH, 0.99, 0.01, False)
    np.testing.assert_allclose(losses.model, outer, rtol=1e-12)


@pytest.mark.parametrize(("learn_reward", "same"), [(True, False), (False, True)])
def test_rewards_may_be_the_true_ones(learn_reward, same):
    agent = SoftQ(METHODS["mle"], **SMALL, learn_reward=learn_reward)
    told = agent.imagined(agent.init(KEY, ENV).model, BATCH, KEY)
    assert np.array_equal(told.r, BATCH.r) == same


def test_policy_is_the_softmax_of_the_mean_of_the_heads():
    agent = SoftQ(METHODS["mle"], **SMALL)
    w = jax.tree.map(lambda x: 3 * x, agent.init(KEY, ENV).critic)
    expected = softmax_policy(w(BATCH.s).mean(0), 0.01)
    np.testing.assert_allclose(agent.policy(Hyper(), w, BATCH.s), expected, rtol=1e-12)
    hard = SoftQ(METHODS["mle"], **SMALL, hard=True).policy(Hyper(), w, BATCH.s)
    np.testing.assert_array_equal(hard.argmax(1), expected.argmax(1))
    assert set(np.unique(hard)) == {0, 1}


def test_single_critic_has_one_head():
    assert SoftQ(METHODS["mle"], **SMALL, double=False).init(KEY, ENV).critic(BATCH.s).shape == (1, 16, 2)
