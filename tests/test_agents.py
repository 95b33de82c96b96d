"""Sampled agents: the published experiment number by number, a plain loop over transitions, closed forms, chance."""

import dataclasses
import json
from functools import cache
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chisquare

from tabular import agents as room
from tabular.agents import (
    AGENTS,
    MNM,
    Q_LEARNING,
    VMBPO,
    Agent,
    Learning,
    learn,
    mersenne_twister,
    threefry,
)
from tabular.errors import NotConverged
from tabular.evaluate import evaluate
from tabular.mdp import make_mdp, one_hot, with_changes
from tabular.optimism import published_values
from tabular.probability import kl_rows, tilt
from tabular.worlds.papers import maze10

REFERENCE = json.loads((Path(__file__).parent / "reference/tabular_figures.json").read_text())["mnm_fig2a_left"]
KEYS = {"Q-learning": "Q_learning", "MnM": "MnM", "VMBPO": "VMBPO"}
ROUNDED = 5.1e-6
"""The reference is rounded to five decimals."""


def small() -> room.AnyMDP:
    """Three states, three actions of which one is infeasible in the second state, two possible starts."""
    rng = np.random.default_rng(5)
    P = rng.dirichlet([0.5] * 3, size=(3, 3))
    P[0, 0] = [0.0, 0.25, 0.75]
    r = rng.uniform(0.1, 2.0, size=(3, 3))
    r[1, 2] = -np.inf
    return make_mdp(P, r, gamma=0.8, rho=[0.3, 0.7, 0.0])


def kernel() -> np.ndarray:
    """Other dynamics for `small`, on the same support."""
    P = np.asarray(small().to_dense().P) ** 2
    return P / np.maximum(P.sum(-1, keepdims=True), 1e-300)


ALL = (
    *AGENTS.values(),
    Agent("log", log=True),
    Agent("optimistic", optimistic=True, Q0=1.5),
    Agent("other dynamics", kernel=kernel(), Q0=-3.0),
    Agent("other dynamics, penalised", kernel=kernel(), kl=True),
)


# the published experiment


@cache
def published() -> Learning:
    return learn(maze10(), AGENTS, seeds=range(3), stream=mersenne_twister)


def published_returns(actions: np.ndarray) -> np.ndarray:
    """Returns of recorded policies as the published code evaluates them."""
    mdp = maze10()
    start = int(mdp.rho.argmax())
    return np.array([published_values(mdp, one_hot(action, mdp.A))[start, action[start]] for action in actions])


@pytest.mark.parametrize("place", range(3), ids=list(AGENTS))
def test_learn_repeats_the_published_runs_to_the_last_digit_given(place):
    """With the authors' random numbers and their evaluation of policies, which stops 1e-5 short of the exact one."""
    name = KEYS[list(AGENTS)[place]]
    finals = published_returns(published().actions[place, :, -1])
    np.testing.assert_allclose(finals, REFERENCE["exact_rng_final"][name][:3], rtol=0, atol=ROUNDED)
    curve = published_returns(published().actions[place, 0])
    np.testing.assert_allclose(curve, REFERENCE["exact_rng_curve_first_seed"][name], rtol=0, atol=ROUNDED)
    np.testing.assert_allclose(published().returns[place, 0], curve, rtol=0, atol=1e-5)


def test_learn_ends_at_the_returns_of_the_published_notebook():
    assert [round(J, 4) for J in published().returns[:, 0, -1]] == [1.2902, 1.3734, 0.5244]


def test_learn_records_the_true_return_of_the_greedy_policy():
    found = published()
    for g, n, k in [(0, 0, 0), (1, 2, 40), (2, 1, 75)]:
        assert found.returns[g, n, k] == pytest.approx(evaluate(maze10(), found.actions[g, n, k]).J, rel=1e-12)
    np.testing.assert_array_equal(found.Q.argmax(-1), found.actions[:, :, -1])
    assert (found.visits.sum((2, 3)) == 1501 * 200).all()


@cache
def population() -> Learning:
    return learn(maze10(), AGENTS, seeds=range(100))


@pytest.mark.slow
def test_learn_has_the_published_law_over_a_hundred_seeds():
    """Final mean, share above 1 and its median iteration, within what another implementation's hundred seeds allow.

    A mean of 100 has standard error 0.002, 0.052 and 0.034; a share at most 0.05. Each tolerance is at least 1.6
    standard errors of the difference of two such samples; as the bits are pinned, it holds once and for all.
    """
    final, first = population().returns[..., -1], population().first_above(1.0)
    expected = {"Q-learning": (0.675, 0.1, 0.41), "MnM": (1.361, 0.02, 1.0), "VMBPO": (0.296, 0.08, 0.04)}
    for g, (mean, tolerance, share) in enumerate(expected.values()):
        assert final[g].mean() == pytest.approx(mean, abs=tolerance)
        assert (final[g] > 1).mean() == pytest.approx(share, abs=0.12)
    assert np.median(first[1]) == pytest.approx(920, abs=60)


@pytest.mark.slow
@pytest.mark.parametrize("place", range(3), ids=list(AGENTS))
def test_learn_has_the_published_mean_curve_over_a_hundred_seeds(place):
    """Within six standard errors of the difference (error probability 3e-7 for 114 normal means) and 0.002 for skew."""
    reference = REFERENCE["population100"][KEYS[list(AGENTS)[place]]]
    every = np.isin(population().iteration, reference["iteration"])
    ours = population().returns[place][:, every]
    error = np.sqrt((ours.var(0) + np.square(reference["std"])) / 100)
    assert (abs(ours.mean(0) - reference["mean"]) <= 6 * error + 0.002).all()


# a plain loop over transitions


def plain(mdp, agent: Agent, uniforms, steps: int, lr: float, epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    """Q and visits after one pass over a growing list of transitions for each row of `uniforms`."""
    P, feasible = mdp.P, mdp.feasible
    Q, buffer = np.where(feasible, agent.Q0, -np.inf), []
    pi = feasible / feasible.sum(1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        base = (1 - mdp.gamma) * np.log(mdp.r) if agent.log else mdp.r
    for numbers in uniforms:
        V = Q.max(1)
        q = P if agent.kernel is None else agent.kernel
        if agent.optimistic:
            q = np.where(feasible[..., None], tilt(np.where(feasible[..., None], P, 1 / 3), V), 0.0)
        reward = base - kl_rows(q, P) if agent.kl else base
        s = np.searchsorted(np.cumsum(mdp.rho), numbers[0], side="right")
        for u, v in numbers[1:].reshape(steps, 2):
            a = np.searchsorted(np.cumsum(pi[s]) / pi[s].sum(), u, side="right")
            t = np.searchsorted(np.cumsum(q[s, a]) / q[s, a].sum(), v, side="right")
            buffer.append((s, a, reward[s, a], t))
            s = t
        increment, visits = np.zeros(Q.shape), np.zeros(Q.shape, dtype=int)
        for s, a, r, t in buffer:
            increment[s, a] += r + mdp.gamma * V[t] - Q[s, a]
            visits[s, a] += 1
        Q = Q + lr / steps * increment
        pi = epsilon * feasible / feasible.sum(1, keepdims=True) + (1 - epsilon) * one_hot(Q.argmax(1), mdp.A)
    return Q, visits


def test_learn_equals_a_plain_loop_over_all_transitions():
    """Seven kinds of agents on an MDP with an infeasible action and two starts, one stream of numbers after another."""
    how = {"steps": 6, "lr": 0.3, "epsilon": 0.4}
    found = learn(small(), ALL, seeds=[3, 8], iterations=25, record_every=4, stream=mersenne_twister, **how)
    for n, seed in enumerate([3, 8]):
        uniforms = np.random.RandomState(seed).random_sample((len(ALL), 25, 13))
        for g, agent in enumerate(ALL):
            Q, visits = plain(small(), agent, uniforms[g], **how)
            np.testing.assert_array_equal(found.visits[g, n], visits)
            np.testing.assert_allclose(found.Q[g, n], Q, rtol=1e-12, atol=1e-14, err_msg=agent.name)


def test_learn_follows_the_closed_form_of_one_state():
    """With one state that pays r for ever, (1 - gamma) Q = r - r prod_k (1 - lr k (1 - gamma)): after k iterations an
    action was seen k times `steps`."""
    mdp = make_mdp([[[1.0]]], [[2.0]], gamma=0.9)
    left = np.prod(1 - 0.05 * np.arange(1, 31) * 0.1)
    agents = [Q_LEARNING, MNM, VMBPO, Agent("from above", Q0=50.0)]
    found = learn(mdp, agents, seeds=0, iterations=30, steps=4, lr=0.05)
    expected = [20 * (1 - left), np.log(2) * (1 - left), 20 * (1 - left), 20 + 30 * left]
    np.testing.assert_allclose(found.Q[:, 0, 0, 0], expected, rtol=1e-12)
    assert found.step_size == pytest.approx(np.full((4, 1), 0.05 * 30))
    np.testing.assert_allclose(found.returns, 20, rtol=1e-12)


def test_learn_finds_the_optimal_policy_where_it_can_try_everything():
    """Uniform behaviour on `small`: Q approaches Q*, since the passes make it the fixed point of the observed MDP."""
    mdp = with_changes(small(), rho=[0.3, 0.4, 0.3])
    found = learn(mdp, ["Q-learning"], seeds=range(4), iterations=300, steps=200, lr=0.02, epsilon=1.0)
    optimal = max(
        evaluate(mdp, np.array(action)).J for action in np.ndindex(3, 3, 3) if mdp.feasible[range(3), action].all()
    )
    np.testing.assert_allclose(found.returns[0, :, -1], optimal, rtol=1e-12)


# chance


def test_learn_walks_by_the_policy_and_dynamics_it_says():
    """First steps of 2000 seeds against exact probabilities: six chi-squared tests that err with probability 1e-6 each.

    One step from the start visits (s, a) with probability rho(s) times 1 over the number of feasible actions. Two steps
    begin with the same numbers, so that the visits they add are those of the second state, whose law is that of the
    dynamics (the first two agents have q = p, where V is constant).
    """
    mdp, N = small().to_dense(), 2000
    uniform = mdp.feasible / mdp.feasible.sum(1, keepdims=True)
    agents = [Q_LEARNING, MNM, Agent("other", kernel=kernel())]
    one, two = (learn(mdp, agents, seeds=range(N), iterations=1, steps=steps).visits.sum(1) for steps in (1, 2))
    for g, q in enumerate((mdp.P, mdp.P, kernel())):
        law = (mdp.rho[:, None] * uniform).ravel()
        assert (one[g].ravel()[law == 0] == 0).all()
        assert chisquare(one[g].ravel()[law > 0], N * law[law > 0]).pvalue > 1e-6
        second = np.einsum("s,sa,sat->t", mdp.rho, uniform, q)
        assert chisquare((two - one)[g].sum(1), N * second).pvalue > 1e-6


@pytest.mark.parametrize("stream", [threefry, mersenne_twister], ids=lambda stream: stream.__name__)
def test_learn_gives_the_same_whatever_the_blocks(stream, monkeypatch):
    how = {"seeds": [1, 2], "iterations": 11, "steps": 5, "lr": 0.2, "stream": stream}
    whole = learn(small(), ["MnM"], record_every=11, **how)
    monkeypatch.setattr(room, "BLOCK_BYTES", 1)
    single = learn(small(), ["MnM"], record_every=3, **how)
    np.testing.assert_array_equal(whole.Q, single.Q)
    assert single.iteration.tolist() == [0, 3, 6, 9] and single.returns.shape == (1, 2, 4)
    np.testing.assert_array_equal(single.returns[..., 0], whole.returns[..., 0])


def test_threefry_gives_an_agent_the_same_run_in_any_company():
    how = {"iterations": 30, "steps": 5, "lr": 0.2}
    together = learn(small(), ALL, seeds=[4, 7], **how)
    alone = learn(small(), ["MnM"], seeds=7, **how)
    np.testing.assert_array_equal(together.Q[1, 1], alone.Q[0, 0])
    assert together.agents[1] is MNM
    assert not np.array_equal(together.Q[1, 0], together.Q[1, 1])


# the tilt


def test_tilted_agrees_with_the_definition():
    rng = np.random.default_rng(0)
    for size in (1e-3, 1.0, 30.0, 2000.0):
        p = rng.dirichlet(np.full(5, 0.4), size=(6, 3)) * (rng.random((6, 3, 5)) < 0.8)
        p[..., 0] += 1e-3
        p /= p.sum(-1, keepdims=True)
        V = size * rng.normal(size=p.shape)
        q, kl = room._tilted(jnp.asarray(p), jnp.asarray(V))
        np.testing.assert_allclose(q, tilt(p, V), rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(kl, kl_rows(tilt(p, V), p), rtol=1e-9, atol=1e-14)


def test_tilted_divergence_keeps_its_digits_where_the_tilt_is_slight():
    """KL = Var_p(V) / 2 + O(V^3). The sum of q log(q / p) has an error of 1e-17, half of it all at V = 1e-8."""
    p, V = np.array([0.125, 0.625, 0.25]), 1e-8 * np.array([1.0, -2.0, 0.5])
    expected = (p @ V**2 - (p @ V) ** 2) / 2
    assert float(room._tilted(jnp.asarray(p), jnp.asarray(V))[1]) == pytest.approx(expected, rel=1e-6)


# arguments, progress, trouble


def test_learn_reports_its_progress_and_hears_ctrl_c():
    told = []
    learn(small(), ["MnM"], seeds=0, iterations=45, steps=2, progress=told.append)
    assert sum(told) == 45 and len(told) == 3

    def stop(count):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn(small(), ["MnM"], seeds=0, iterations=45, steps=2, progress=stop)


def test_learn_says_when_values_overflow():
    mdp = make_mdp([[[1.0]]], [[2.0]], gamma=0.9)
    with pytest.raises(NotConverged, match=r"Q-learning with seed 5, whose largest step size lr n / steps is 1.2e\+04"):
        learn(mdp, ["Q-learning"], seeds=[5], iterations=400, steps=1, lr=30.0)


def test_first_above_is_the_first_recorded_iteration_or_infinite():
    found = dataclasses.replace(
        published(), iteration=np.array([0, 5, 10]), returns=np.array([[[0.0, 2.0, 3.0], [0.0, 1.0, 0.5]]])
    )
    np.testing.assert_array_equal(found.first_above(1.0), [[5.0, np.inf]])


WRONG = kernel()
WRONG[0, 1] *= 1.1
OUTSIDE = kernel()
OUTSIDE[0, 0] = [0.1, 0.2, 0.7]
BAD = [
    ({"agents": ["Q-lerning"]}, r"there is no agent 'Q-lerning'\. Did you mean Q-learning\?"),
    ({"agents": []}, "agents has the names"),
    ({"agents": ["MnM", MNM]}, "expected one or more agents with different names"),
    ({"agents": [3]}, "there is no agent 3"),
    ({"agents": [Agent("x", Q0=np.inf)]}, "Q0 = inf of the agent 'x', expected a finite value"),
    ({"agents": [Agent("x", kernel=np.ones((2, 2)))]}, r"kernel of the agent 'x' has shape \(2, 2\)"),
    ({"agents": [Agent("x", kernel=WRONG)]}, r"kernel\[0, 1\] of the agent 'x' is no distribution: it sums to 1\.1 "),
    ({"agents": [Agent("x", kernel=OUTSIDE, kl=True)]}, r"kernel\[0, 0\] of the agent 'x' reaches states"),
    ({"agents": [Agent("x", kernel=kernel(), optimistic=True)]}, "one of the two at most"),
    ({"seeds": []}, "expected one or more integers"),
    ({"seeds": [-1]}, r"seeds = \(-1,\)"),
    ({"seeds": [2**32]}, "from 0 to 2\\^32 - 1"),
    ({"epsilon": 1.1}, "epsilon = 1.1, expected a probability"),
    ({"epsilon": -0.1}, "epsilon = -0.1, expected a probability"),
    ({"epsilon": np.nan}, "epsilon = nan, expected a probability"),
    ({"lr": 0.0}, "lr = 0.0, expected a positive step size"),
    ({"iterations": 0}, "iterations = 0, expected a whole number"),
    ({"steps": 2.5}, "steps = 2.5, expected a whole number"),
    ({"record_every": 0}, "record_every = 0"),
    ({"mdp": make_mdp([[[0.5]]], [[1.0]], gamma=0.9, terminating=True)}, "mdp.terminating is True"),
]


@pytest.mark.parametrize(("wrong", "message"), BAD, ids=[" ".join(wrong) + str(k) for k, (wrong, _) in enumerate(BAD)])
def test_learn_refuses_a_bad_argument(wrong, message):
    arguments = {"mdp": small(), "agents": ["MnM"], "seeds": 0, "iterations": 2, "steps": 2} | wrong
    with pytest.raises(ValueError, match=message):
        learn(**arguments)


def test_learn_refuses_the_logarithm_of_a_reward_that_is_not_positive():
    r = small().r.copy()
    r[2, 1] = 0.0
    mdp = with_changes(small(), r=r)
    with pytest.raises(ValueError, match=r"r\[2, 1\] = 0, expected a positive reward, since the agent 'MnM'"):
        learn(mdp, AGENTS, seeds=0)
    learn(mdp, ["VMBPO"], seeds=0, iterations=2, steps=2)


def test_learn_refuses_a_discount_of_one():
    mdp = make_mdp([[[0.0, 1.0]], [[0.0, 1.0]]], [[1.0], [0.0]], gamma=1.0)
    with pytest.raises(ValueError, match=r"mdp.gamma = 1, expected a discount below 1"):
        learn(mdp, ["Q-learning"], seeds=0)
