"""Confidence sets miss the truth no more often than they say, and closed forms of their radii."""

import numpy as np
import pytest
from scipy import stats

from tabular.counts import bernstein_radius, confidence, from_transitions, hoeffding_radius, weissman_radius

FALSE_ALARM = 1e-6


def most_misses(trials: int, delta: float) -> float:
    """More misses than this have probability FALSE_ALARM at most if each has probability `delta` at most (binomial)."""
    return float(stats.binom.isf(FALSE_ALARM, trials, delta))


@pytest.mark.parametrize(("outcomes", "n"), [(2, 100), (5, 30), (8, 1000)])
def test_weissman_radius_misses_with_probability_delta_at_most(outcomes, n):
    rng = np.random.default_rng(outcomes)
    for p in (np.full(outcomes, 1 / outcomes), rng.dirichlet(np.ones(outcomes))):
        error = abs(rng.multinomial(n, p, size=4000) / n - p).sum(-1)
        assert (error > weissman_radius(np.array(n), outcomes, 0.1)).sum() <= most_misses(4000, 0.1)


def test_weissman_radius_could_not_be_half_as_large():
    """The control: two outcomes of probability 1/2, where half the radius is missed by 22% instead of 10%."""
    error = abs(np.random.default_rng(0).multinomial(100, [0.5, 0.5], size=4000) / 100 - 0.5).sum(-1)
    assert (error > weissman_radius(np.array(100), 2, 0.1) / 2).sum() > most_misses(4000, 0.1)


@pytest.mark.parametrize("radius", [hoeffding_radius, bernstein_radius])
@pytest.mark.parametrize("kind", ["fair", "rare"])
def test_reward_radius_misses_with_probability_delta_at_most(radius, kind):
    rng = np.random.default_rng(1)
    p = {"fair": 0.5, "rare": 0.02}[kind]
    r = rng.random((4000, 200)) < p
    mean = r.mean(1)
    squares = ((r - mean[:, None]) ** 2).sum(1)
    misses = abs(mean - p) > radius(np.full(4000, 200), squares, 1.0, 0.1)
    assert misses.sum() <= most_misses(4000, 0.1)


def test_radii_closed_forms():
    n = np.array([0, 1, 200])
    assert weissman_radius(n, 2, 0.1).tolist() == [2, 2, pytest.approx(np.sqrt(2 * np.log(20) / 200))]
    assert weissman_radius(n, 1, 0.1).tolist() == [0, 0, 0]
    many = weissman_radius(np.array(10**6), 2000, 0.1)  # 2^2000 overflows
    assert many == pytest.approx(np.sqrt(2 * (2000 * np.log(2) - np.log(0.1)) / 10**6))
    zero = np.zeros(3)
    assert hoeffding_radius(n, zero, 3.0, 0.1).tolist() == [3, 3, pytest.approx(3 * np.sqrt(np.log(20) / 400))]
    assert bernstein_radius(n, zero, 3.0, 0.1).tolist() == [3, 3, pytest.approx(7 * np.log(40) / 199)]


def data(seed: int, n: int = 400, S: int = 3, A: int = 2):
    rng = np.random.default_rng(seed)
    return from_transitions(rng.integers(S, size=n), rng.integers(A, size=n), rng.random(n), rng.integers(S, size=n))


def test_confidence_shares_delta_among_rows_and_visits():
    counts = data(0)
    fixed = confidence(counts, 0.1, (0, 1), adaptive=False)
    np.testing.assert_allclose(fixed.P_radius, weissman_radius(counts.n, 3, 0.1 / 12))
    mean = counts.reward_sum / counts.n
    np.testing.assert_allclose(fixed.r_high - mean, hoeffding_radius(counts.n, mean, 1.0, 0.1 / 12))
    adaptive = confidence(counts, 0.1, (0, 1))
    np.testing.assert_allclose(adaptive.P_radius, weissman_radius(counts.n, 3, 0.1 / 12 / counts.n / (counts.n + 1)))


def test_confidence_covers_along_trajectories():
    """All rows of a chain at once, over 400 data sets of 300 steps each: at most delta of them miss (binomial)."""
    P = np.array([[0.9, 0.1, 0.0], [0.2, 0.3, 0.5], [0.5, 0.0, 0.5]])
    rng, misses = np.random.default_rng(2), 0
    for _ in range(400):
        s = [0]
        for u in rng.random(300):
            s.append(int(np.searchsorted(P[s[-1]].cumsum(), u)))
        r = (rng.random(300) < 0.3).astype(float)
        counts = from_transitions(s[:-1], np.zeros(300, int), r, s[1:], S=3)
        found = confidence(counts, 0.2, (0, 1))
        frequencies = counts.outcomes[:, 0] / np.maximum(counts.n, 1)
        missed = (abs(frequencies - P).sum(-1) > found.P_radius[:, 0]) & (counts.n[:, 0] > 0)
        misses += missed.any() or (found.r_low > 0.3).any() or (found.r_high < 0.3).any()
    assert misses <= most_misses(400, 0.2)


def test_confidence_knows_rewards_that_are_a_function_of_state_and_action():
    counts = from_transitions([0, 0, 1], [0, 0, 0], [0.1, 0.1, 2], [1, 0, 0])
    found = confidence(counts, 0.1, None)
    np.testing.assert_allclose(found.r_low, [[0.1], [2]])
    np.testing.assert_array_equal(found.r_low, found.r_high)
    assert (found.P_radius <= confidence(counts, 0.1, (0, 2)).P_radius).all()


def test_confidence_of_unseen_pairs_is_everything():
    counts = from_transitions([0], [0], [0.5], [1], A=2)
    found = confidence(counts, 0.1, (0, 1))
    assert (found.P_radius[1, 0], found.r_low[0, 1], found.r_high[0, 1]) == (2, 0, 1)


def test_confidence_refuses_what_proves_nothing():
    counts = data(0)
    for delta in (0, 1, -0.1, np.nan):
        with pytest.raises(ValueError, match=r"delta = .*, expected a probability between 0 and 1"):
            confidence(counts, delta, (0, 1))
    with pytest.raises(ValueError, match=r"reward_range = \(0, 0.5\), but a reward in the data is 0.99"):
        confidence(counts, 0.1, (0, 0.5))
    with pytest.raises(ValueError, match=r"reward_range = \(1, 0\), expected two finite numbers"):
        confidence(counts, 0.1, (1, 0))
    with pytest.raises(ValueError, match=r"state 0, action 0 has rewards that vary. Give reward_range"):
        confidence(counts, 0.1, None)
    with pytest.raises(ValueError, match=r"state 1, action 0 has no data. Give reward_range"):
        confidence(from_transitions([0], [0], [0.5], [1]), 0.1, None)
