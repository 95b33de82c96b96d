"""Counting transitions against loops over them, labels and tables, bad data, and what the counts estimate."""

import time

import numpy as np
import pytest

import tabular as tb
from tabular.counts import from_table, from_transitions


def transitions(seed: int, n: int, S: int, A: int):
    """Random columns s, a, r, s_next and terminated."""
    rng = np.random.default_rng(seed)
    return (
        rng.integers(S, size=n),
        rng.integers(A, size=n),
        rng.normal(size=n),
        rng.integers(S, size=n),
        rng.random(n) < 0.1,
    )


@pytest.mark.parametrize("ends", [False, True])
def test_from_transitions_counts_what_a_loop_counts(ends):
    s, a, r, t, end = transitions(0, 500, 5, 3)
    end = end if ends else np.zeros(500, bool)
    N, n, total = np.zeros((5, 3, 5)), np.zeros((5, 3), int), np.zeros((5, 3))
    for i in range(500):
        n[s[i], a[i]] += 1
        total[s[i], a[i]] += r[i]
        N[s[i], a[i], t[i]] += not end[i]
    squares = [
        [((r[(s == i) & (a == j)] - r[(s == i) & (a == j)].mean()) ** 2).sum() for j in range(3)] for i in range(5)
    ]
    counts = from_transitions(s, a, r, t, end if ends else None)
    np.testing.assert_array_equal(counts.N.toarray().reshape(5, 3, 5), N)
    np.testing.assert_array_equal(counts.n, n)
    np.testing.assert_allclose(counts.reward_sum, total, atol=1e-12)
    np.testing.assert_allclose(counts.reward_squares, squares, atol=1e-12)
    assert (counts.total, counts.terminating, counts.reward_range) == (500, ends, (r.min(), r.max()))
    assert counts.outcomes.shape == (5, 3, 5 + ends)
    np.testing.assert_array_equal(counts.outcomes.sum(-1), n)


def test_reward_squares_survive_a_large_mean():
    """The textbook formula, sum of squares minus n times the squared mean, would be off by 2 here."""
    counts = from_transitions([0, 0, 0], [0, 0, 0], 1e9 + np.array([0.0, 1, 2]), [0, 0, 0])
    assert counts.reward_squares[0, 0] == 2


def test_from_transitions_maps_labels_in_the_order_they_appear():
    counts = from_transitions(["b", "a", "b"], ["up", "down", "up"], [1, 2, 3], ["a", "c", "a"])
    assert (counts.states, counts.actions) == (("b", "a", "c"), ("up", "down"))
    np.testing.assert_array_equal(counts.n, [[2, 0], [0, 1], [0, 0]])
    np.testing.assert_array_equal(counts.N.toarray().reshape(3, 2, 3)[0, 0], [0, 2, 0])
    fixed = from_transitions(["b", "a"], [0, 0], [1, 2], ["a", "c"], states=("a", "b", "c", "d"), A=2)
    assert (fixed.states, fixed.S, fixed.A) == (("a", "b", "c", "d"), 4, 2)
    np.testing.assert_array_equal(fixed.n[:, 0], [1, 1, 0, 0])


def test_from_transitions_takes_tuples_and_integer_labels():
    cells = from_transitions([(0, 0), (0, 1)], [0, 1], [0, 0], [(0, 1), (1, 1)])
    assert cells.states == ((0, 0), (0, 1), (1, 1))
    numbers = from_transitions([30, 10], [0, 0], [0, 0], [10, 30], states=[10, 30])
    assert numbers.states == (10, 30)
    np.testing.assert_array_equal(numbers.N.toarray(), [[0, 1], [1, 0]])


def test_from_transitions_does_not_look_at_the_state_after_the_end():
    counts = from_transitions([0, 1, 1], [0, 0, 0], [0, 0, 1], [1, np.nan, 0], [False, True, 0])
    assert counts.S == 2
    np.testing.assert_array_equal(counts.outcomes[1, 0], [1, 0, 1])
    assert counts.mdp(0.9).stop_probability[1, 0] == 0.5
    named = from_transitions(["x"], ["go"], [1.0], [None], [True])
    assert named.states == ("x",)


def test_from_table_reads_named_columns():
    s, a, r, t, end = transitions(1, 50, 4, 2)
    expected = from_transitions(s, a, r, t, end)
    table = {"obs": s.tolist(), "act": a, "reward": r, "obs2": t, "done": end}
    counts = from_table(table, state="obs", action="act", next_state="obs2", terminated="done")
    np.testing.assert_array_equal(counts.outcomes, expected.outcomes)
    np.testing.assert_array_equal(counts.reward_sum, expected.reward_sum)
    structured = np.rec.fromarrays([s, a, r, t], names=["state", "action", "reward", "next_state"])
    np.testing.assert_array_equal(from_table(structured, S=6).n[:4], from_transitions(s, a, r, t).n)
    with pytest.raises(ValueError, match=r"table has no column 'state'. Name the columns"):
        from_table(table)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"s": [0]}, r"columns differ in length: s 1, a 3, r 3, s_next 3"),
        ({name: [] for name in ("s", "a", "r", "s_next")}, r"there are no transitions: the columns are empty"),
        ({"s": [0, -1, 1]}, r"s\[1\] = -1, expected a state from 0; 1 of 3 entries are wrong"),
        ({"s_next": [0, 1, 2], "S": 2}, r"s_next\[2\] = 2, expected a state from 0 to 1, since S = 2"),
        ({"a": [0, 3, 0], "A": 2}, r"a\[1\] = 3, expected an action from 0 to 1, since A = 2"),
        ({"s": [0, 1.5, 1]}, r"s\[1\] = 1.5, expected an integer; 1 of 3 entries"),
        ({"s_next": [0, 1, np.nan]}, r"s_next\[2\] = nan, expected an integer"),
        ({"r": [0, np.nan, np.inf]}, r"r\[1\] = nan, expected a finite reward; 2 of 3 entries are wrong"),
        ({"r": ["a", "b", "c"]}, r"r is not a column of numbers"),
        ({"terminated": [0, 2, 1]}, r"terminated\[1\] = .*2.*, expected True or False"),
        ({"states": [0, 2]}, r"s\[1\] = .*1.*, expected a state listed in states"),
        ({"states": [0, 1, 1]}, r"states holds a label twice: 3 labels, 2 different"),
        (
            {"s": ["x", "y", "x"], "s_next": ["x", "y", "x"], "S": 3},
            r"S = 3, but there are 2 different labels. List all as states=",
        ),
        ({"r": [[1], [2], [3]]}, r"r has shape \(3, 1\), expected a column"),
    ],
)
def test_from_transitions_names_what_is_wrong(changes, message):
    good = {"s": [0, 1, 0], "a": [0, 0, 1], "r": [0.0, 1, 2], "s_next": [1, 0, 1]}
    with pytest.raises(ValueError, match=message):
        from_transitions(**(good | changes))


def test_mdp_is_the_maximum_likelihood_one():
    """Any move of probability between observed successors lowers the log-likelihood."""
    s, a, r, t, _ = transitions(2, 400, 3, 2)
    counts = from_transitions(s, a, r, t)
    mdp = counts.mdp(0.9, rho=[1, 0, 0])
    assert (mdp.r[0, 0], mdp.gamma, mdp.rho[0]) == (pytest.approx(r[(s == 0) & (a == 0)].mean()), 0.9, 1)
    N = counts.outcomes
    for i, j in ((0, 1), (1, 2), (0, 2)):
        moved = mdp.to_dense().P.copy()
        moved[..., i] += 1e-3
        moved[..., j] -= 1e-3
        assert ((N * np.log(moved)).sum(-1) < (N * np.log(mdp.to_dense().P)).sum(-1)).any()
    np.testing.assert_allclose(mdp.to_dense().P, N / N.sum(-1, keepdims=True), rtol=1e-15)


def test_mdp_of_many_transitions_tends_to_the_true_one():
    """Multinomial frequencies: each within 6 standard errors of its probability, false alarm below 1e-6 in all."""
    true, rng, n = tb.worlds.two_state(), np.random.default_rng(3), 40_000
    s, a = rng.integers(2, size=n), rng.integers(2, size=n)
    t = (rng.random(n) < true.P[s, a, 1]).astype(int)
    counts = from_transitions(s, a, true.r[s, a], t)
    P = counts.mdp(0.9).to_dense().P
    assert (abs(P - true.P) <= 6 * np.sqrt(true.P * (1 - true.P) / counts.n[..., None])).all()
    np.testing.assert_allclose(counts.mdp(0.9).r, true.r, rtol=1e-12)


def test_mdp_treats_unseen_pairs_as_asked_and_names_them():
    counts = from_transitions(["x", "y", "y"], ["l", "l", "r"], [1, 2, 3], ["y", "x", "z"])
    message = (
        "3 of 6 state-action pairs have no data: state 'x', action 'r'; state 'z', action 'l'; state 'z', action 'r'"
    )
    with pytest.raises(ValueError, match=message):
        counts.mdp(0.9)
    uniform = counts.mdp(0.9, unseen="uniform", unseen_reward=-5)
    np.testing.assert_allclose(uniform.to_dense().P[0, 1], 1 / 3)
    assert (uniform.r[0, 1], uniform.states) == (-5, ("x", "y", "z"))
    loop = counts.mdp(0.9, unseen="self_loop").to_dense()
    np.testing.assert_array_equal(loop.P[2], [[0, 0, 1], [0, 0, 1]])
    assert loop.r[2, 0] == 0
    np.testing.assert_array_equal(loop.P[1, 1], [0, 0, 1])
    prior = counts.mdp(0.9, unseen="prior", prior=[1.0, 2.0, 5.0]).to_dense()
    np.testing.assert_allclose(prior.P[0, 1], [1 / 8, 2 / 8, 5 / 8])
    np.testing.assert_array_equal(prior.P[0, 0], [0, 1, 0])
    with pytest.raises(ValueError, match=r"state 2 has no feasible action"):
        counts.mdp(0.9, unseen="infeasible")
    seen = from_transitions([0, 1, 1], [0, 0, 1], [1, 2, 3], [1, 0, 1]).mdp(0.9, unseen="infeasible")
    np.testing.assert_array_equal(seen.feasible, [[True, False], [True, True]])
    with pytest.raises(ValueError, match=r"unseen = 'zero', expected one of .*self_loop, prior, infeasible"):
        counts.mdp(0.9, unseen="zero")


def test_mdp_of_many_states_is_sparse():
    s = np.arange(1000)
    mdp = from_transitions(s, np.zeros(1000, int), np.ones(1000), (s + 1) % 1000).mdp(0.5)
    assert isinstance(mdp, tb.SparseMDP)
    assert tb.solve(mdp).J == pytest.approx(2)


@pytest.mark.parametrize("prior", [1.0, 0.5, 1e-3])
def test_sample_has_the_mean_and_variance_of_the_dirichlet_distribution(prior):
    """Means within 6 standard errors, variances within 30%: false alarm below 1e-5 by normal approximation.

    At prior 1e-3 gamma variates themselves underflow; the row without data is then nearly deterministic.
    """
    counts = from_transitions([0, 0, 0, 1], [0, 0, 0, 0], [1.0, 1, 1, 2], [0, 0, 1, 1], S=3)
    n = 4000
    P = np.stack([mdp.to_dense().P[:, 0] for mdp in counts.sample(n, seed=4, gamma=0.9, prior=prior)])
    weights = counts.outcomes[:, 0] + prior
    total = weights.sum(-1, keepdims=True)
    mean = weights / total
    variance = mean * (1 - mean) / (total + 1)
    np.testing.assert_allclose(counts.posterior_mean(0.9, prior=prior).to_dense().P[:, 0], mean, rtol=1e-14)
    assert (abs(P.mean(0) - mean) <= 6 * np.sqrt(variance / n)).all()
    large = variance > 0.01
    np.testing.assert_allclose(P.var(0)[large], variance[large], rtol=0.3)


def test_sample_counts_the_end_as_an_outcome_and_is_replayable():
    counts = from_transitions([0, 0], [0, 0], [1.0, 2.0], [0, 0], [False, True])
    first, again = (counts.sample(200, seed=5, gamma=0.9, unseen_reward=3) for _ in range(2))
    stop = np.array([mdp.stop_probability[0, 0] for mdp in first])
    assert abs(stop.mean() - 0.5) < 6 * np.sqrt(0.05 / 200)  # Beta(2, 2) has variance 1 / 20
    assert [mdp.stop_probability[0, 0] for mdp in again] == stop.tolist()
    assert first[0].r[0, 0] == 1.5


def test_sample_refuses_a_prior_that_is_none():
    counts = from_transitions([0, 1], [0, 0], [0, 0], [1, 0])
    with pytest.raises(ValueError, match=r"prior is 0 at \[0, 0, 0\], expected a positive Dirichlet parameter"):
        counts.sample(1, seed=0, gamma=0.9, prior=0)
    with pytest.raises(ValueError, match=r"prior has shape \(3,\), expected a number or \(2, 1, 2\)"):
        counts.posterior_mean(0.9, prior=[1, 1, 1])
    with pytest.raises(ValueError, match=r"n = -1, expected the number of MDPs"):
        counts.sample(-1, seed=0, gamma=0.9)


@pytest.mark.slow
def test_from_transitions_takes_a_million_in_about_a_second():
    """Measured: 0.5 s for integers, 1.2 s for labels; the test allows for a busy machine."""
    s, a, r, t, end = transitions(6, 10**6, 1000, 4)
    begin = time.process_time()
    from_transitions(s, a, r, t, end)
    assert time.process_time() - begin < 3
