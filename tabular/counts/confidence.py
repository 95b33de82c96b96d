"""Confidence sets of what was estimated from counts: an L1 ball for each row, an interval for each expected reward."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tabular.counts.counting import Counts, label_of


def weissman_radius(n: np.ndarray, outcomes: int, delta) -> np.ndarray:
    """L1 error of the frequencies of `n` independent draws among `outcomes`, exceeded with probability `delta` at most.

    `sqrt(2 log((2^outcomes - 2) / delta) / n)`, at most 2 (Weissman et al. 2003). Broadcasts; 2 where n = 0.
    """
    if outcomes == 1:
        return np.zeros(np.broadcast(n, delta).shape)
    subsets = outcomes * np.log(2) + np.log1p(-(2.0 ** (1 - outcomes)))
    return np.where(n > 0, np.minimum(np.sqrt(2 * (subsets - np.log(delta)) / np.maximum(n, 1)), 2.0), 2.0)


def hoeffding_radius(n: np.ndarray, squares: np.ndarray, width: float, delta) -> np.ndarray:
    """Error of the mean of `n` independent rewards in an interval of this width, exceeded with probability `delta`.

    `width sqrt(log(2 / delta) / (2 n))`, at most `width` (Hoeffding 1963). `squares`, the sum of squared deviations,
    isn't used.
    """
    return np.where(n > 0, np.minimum(width * np.sqrt(np.log(2 / delta) / (2 * np.maximum(n, 1))), width), width)


def bernstein_radius(n: np.ndarray, squares: np.ndarray, width: float, delta) -> np.ndarray:
    """The same from the empirical variance: `sqrt(2 v log(4 / delta) / n) + 7 width log(4 / delta) / (3 (n - 1))`.

    Maurer & Pontil 2009, Theorem 4, on both sides; v = squares / (n - 1). Narrower than Hoeffding's where rewards vary
    little.
    """
    log, free = np.log(4 / delta), np.maximum(n - 1, 1)
    radius = np.sqrt(2 * squares / free * log / np.maximum(n, 1)) + 7 * width * log / (3 * free)
    return np.where(n > 1, np.minimum(radius, width), width)


@dataclass(frozen=True, eq=False)
class Confidence:
    """A set that holds the probabilities and expected rewards of the true MDP, with probability 1 - delta at least."""

    P_radius: np.ndarray
    """L1 distance from the frequencies in `Counts.outcomes`, shape (S, A), at most 2."""
    r_low: np.ndarray
    """Smallest expected reward, shape (S, A)."""
    r_high: np.ndarray
    """Largest expected reward, shape (S, A)."""
    delta: float


def confidence(
    counts: Counts,
    delta: float,
    reward_range: tuple[float, float] | None,
    *,
    reward_radius: Callable[..., np.ndarray] = hoeffding_radius,
    adaptive: bool = True,
) -> Confidence:
    """A confidence set for all rows at once: an L1 ball for the transitions, an interval for the expected reward.

    Half of `delta` goes to the transitions and half to the rewards, in equal shares for all S A rows (union bound).
    Given (s, a), successors and rewards must be independent draws from the same distribution each time, the reward in
    `reward_range`.

    Args:
      delta: probability, in (0, 1), with which the set may miss the truth.
      reward_range: what a reward can be at least and at most, known beforehand and not from the data; None if the
        reward is a function of (s, a) alone, which the data then show exactly.
      reward_radius: `hoeffding_radius` or `bernstein_radius`.
      adaptive: whether the numbers of visits depend on what was observed, as along trajectories. Then the union bound
        also runs over the number of visits, with share 1 / (n (n + 1)). False for numbers fixed beforehand.

    Raises:
      ValueError for `delta` outside (0, 1), a reward outside `reward_range`, or without a range, rewards that vary or
      a state-action pair without data.
    """
    if not 0 < delta < 1:
        raise ValueError(f"delta = {delta!r}, expected a probability between 0 and 1, both excluded.")
    _check_reward_range(counts, reward_range)
    seen = np.maximum(counts.n, 1)
    share = delta / counts.n.size / (seen * (seen + 1.0) if adaptive else 1.0)
    known = reward_range is None
    P_radius = weissman_radius(counts.n, counts.S + counts.terminating, share if known else share / 2)
    mean = counts.reward_sum / seen
    if reward_range is None:
        return Confidence(P_radius, mean, mean, delta)
    low, high = reward_range
    radius = reward_radius(counts.n, counts.reward_squares, high - low, share / 2)
    r_low = np.where(counts.unseen, low, np.maximum(mean - radius, low))
    r_high = np.where(counts.unseen, high, np.minimum(mean + radius, high))
    return Confidence(P_radius, r_low, r_high, delta)


def _check_reward_range(counts: Counts, reward_range: tuple[float, float] | None) -> None:
    smallest, largest = counts.reward_range
    if reward_range is None:
        varying = counts.reward_squares > 1e-20 * counts.n * max(abs(smallest), abs(largest)) ** 2
        for wrong, what in ((varying, "rewards that vary"), (counts.unseen, "no data")):
            if wrong.any():
                s, a = np.argwhere(wrong)[0].tolist()
                raise ValueError(
                    f"state {label_of(counts.states, s)}, action {label_of(counts.actions, a)} has {what}. Give "
                    "reward_range=(low, high), what a reward can be at least and at most."
                )
        return
    low, high = reward_range
    if not -np.inf < low <= high < np.inf:
        raise ValueError(f"reward_range = {reward_range!r}, expected two finite numbers, the smaller first.")
    if smallest < low or largest > high:
        wrong = smallest if smallest < low else largest
        raise ValueError(f"reward_range = ({low:g}, {high:g}), but a reward in the data is {wrong:g}.")
