"""What a model estimated from counts can cost: bounds on the error of its Q and on the return its policy loses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tabular.bounds import Size, middle, rounding_floor
from tabular.counts.confidence import Confidence, confidence, hoeffding_radius
from tabular.counts.counting import Counts
from tabular.mdp import AnyMDP
from tabular.mismatch import bellman_bound, sharp_bound
from tabular.solve import Solution, solve

ROUNDS = 1000
"""Policy improvements in the confidence set at most; what is missing is added to the bounds."""

SETTLED = 1e-11
"""Values have settled when they move by no more than this times the largest."""


def extreme_rows(P: np.ndarray, V: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Of all distributions p with `|p - P|_1 <= radius`, the one with the largest `p @ V`, in every row.

    Half the radius is added to the best outcome and taken from the worst ones, in their order (Strehl & Littman 2008).
    For the smallest, give -V. Shapes (..., K), (K,) and (...) to (..., K).
    """
    order = np.argsort(V, kind="stable")
    best, others = order[-1], order[:-1]
    moved = np.minimum(radius / 2, 1 - P[..., best])[..., None]
    worst_first = P[..., others]
    taken = np.clip(moved - (np.cumsum(worst_first, -1) - worst_first), 0.0, worst_first)
    rows = np.empty_like(P)
    rows[..., others] = worst_first - taken
    rows[..., best] = P[..., best] + taken.sum(-1)
    return rows


@dataclass(frozen=True, eq=False)
class Certificate:
    """What holds, with probability 1 - delta at least, of the true MDP: all of it together.

    Assumes that given (s, a), successors and rewards are independent draws from the same distribution each time, that
    rewards lie in the range given, and that the start distribution is known.
    """

    model: AnyMDP
    """The maximum-likelihood MDP; pairs without data lead anywhere alike, for the middle of the reward range."""
    solution: Solution
    """Its optimum: Q_hat and the policy pi_hat."""
    confidence: Confidence
    """The set in which the true MDP lies."""
    Q_low: np.ndarray
    """At most Q*, shape (S, A): the best values that a policy has in its worst MDP of the set."""
    Q_high: np.ndarray
    """At least Q*, shape (S, A): the best values in the best MDP of the set."""
    J_low: float
    """At most the return of pi_hat in the true MDP: its return in the worst MDP of the set."""
    J_high: float
    """At least the optimal return of the true MDP."""
    q_error_likelihood: float
    """Bound on `max |Q* - Q_hat|` from eps_r and eps_p (`tabular.mismatch.sharp_bound`)."""
    q_error_backup: float
    """The same from the largest difference of one backup of Q_hat (`tabular.mismatch.bellman_bound`)."""
    q_error_robust: float
    """The same from `Q_low` and `Q_high`."""
    delta: float

    @property
    def q_error(self) -> float:
        """Bound on `max |Q* - Q_hat|`: the smallest of the three."""
        return min(self.q_error_likelihood, self.q_error_backup, self.q_error_robust)

    @property
    def loss(self) -> float:
        """Bound on the return that pi_hat loses, `J* - J(pi_hat)`: the smallest of the four."""
        return min(self.loss_likelihood, self.loss_backup, self.loss_robust)

    @property
    def loss_likelihood(self) -> float:
        """Twice the bound from eps_r and eps_p: for pi* and for pi_hat."""
        return 2 * self.q_error_likelihood

    @property
    def loss_backup(self) -> float:
        """Twice the bound from a backup: Q_hat is both the model's optimum and its value of pi_hat."""
        return 2 * self.q_error_backup

    @property
    def loss_robust(self) -> float:
        """`J_high - J_low`."""
        return self.J_high - self.J_low


def certificate(
    counts: Counts,
    gamma: float,
    delta: float,
    reward_range: tuple[float, float] | None,
    *,
    rho=None,
    reward_radius: Callable[..., np.ndarray] = hoeffding_radius,
    adaptive: bool = True,
) -> Certificate:
    """How far Q* can be from that of the maximum-likelihood MDP, and what its policy can lose, at level 1 - delta.

    Three routes, valid together: the errors of rows (`sharp_bound`), the difference of one backup of Q_hat maximised
    over the confidence set (`bellman_bound`), and the best and the worst MDP of the set themselves, by policy iteration
    with the exact inner optimisation of `extreme_rows`. The certified errors of all solutions are added. Dense: needs a
    few times 8 S^2 A bytes.

    Args:
      gamma: discount below 1.
      delta, reward_range, reward_radius, adaptive: as for `confidence`.
      rho: start distribution; uniform if not given.

    Raises:
      ValueError for gamma = 1, else as `confidence` and `make_mdp`.
    """
    if gamma == 1:
        raise ValueError("gamma = 1, expected a discount below 1: the bounds divide by 1 - gamma.")
    limits = confidence(counts, delta, reward_range, reward_radius=reward_radius, adaptive=adaptive)
    middle_reward = 0.0 if reward_range is None else sum(reward_range) / 2
    model = counts.mdp(gamma, rho=rho, unseen="uniform", unseen_reward=middle_reward)
    solution = solve(model)
    robust = _Robust(_frequencies(counts), limits, gamma, counts.S)
    best, worst, followed = robust.best(solution), robust.optimum(solution), robust.of_policy(solution.action, solution)
    Q_high, Q_low = best.Q + best.error, worst.Q - worst.error
    likelihood, backup = _row_bounds(robust, model, solution, _widest(counts, limits, reward_range))
    return Certificate(
        model=model,
        solution=solution,
        confidence=limits,
        Q_low=Q_low,
        Q_high=Q_high,
        J_low=float(model.rho @ followed.V) - followed.error,
        J_high=float(model.rho @ best.V) + best.error,
        q_error_likelihood=likelihood,
        q_error_backup=backup,
        q_error_robust=float(max((Q_high - solution.Q).max(), (solution.Q - Q_low).max())) + solution.error,
        delta=delta,
    )


def _frequencies(counts: Counts) -> np.ndarray:
    """Frequencies of the outcomes, uniform over the states where there are no data: shape of `Counts.outcomes`."""
    P = counts.outcomes / np.maximum(counts.n, 1)[..., None]
    P[counts.unseen, : counts.S] = 1 / counts.S
    return P


def _widest(counts: Counts, limits: Confidence, reward_range: tuple[float, float] | None) -> float:
    """Range of all rewards, true and estimated, with that of the end where episodes can end."""
    low, high = (float(limits.r_low.min()), float(limits.r_high.max())) if reward_range is None else reward_range
    return max(high, 0.0) - min(low, 0.0) if counts.terminating else high - low


def _row_bounds(robust: _Robust, model: AnyMDP, solution: Solution, width: float) -> tuple[float, float]:
    """Bounds on `max |Q* - Q_hat|` by the errors of rows and by the largest difference of one backup."""
    limits, gamma = robust.limits, robust.gamma
    eps_r = float(np.maximum(limits.r_high - model.r, model.r - limits.r_low).max())
    likelihood = sharp_bound(eps_r, float(limits.P_radius.max()), width, gamma)
    backup = model.r + gamma * model.expect(solution.V)
    above = robust.backup(solution.V, 1) - backup
    below = backup - robust.backup(solution.V, -1)
    eps = float(max(above.max(), below.max())) + 2 * solution.error
    return likelihood + solution.error, bellman_bound(eps, gamma) + solution.error


@dataclass(frozen=True)
class _Extreme:
    """Values in an extreme MDP of the set, with a bound on their distance from the exact ones, rounding included."""

    Q: np.ndarray
    V: np.ndarray
    error: float


@dataclass(frozen=True)
class _Robust:
    """The best and the worst that the MDPs of a confidence set allow.

    `sign` is 1 for the best MDP and -1 for the worst one.
    """

    P: np.ndarray
    """Frequencies, shape (S, A, K): K = S + 1 where episodes can end."""
    limits: Confidence
    gamma: float
    S: int

    def rows(self, V: np.ndarray, sign: int) -> np.ndarray:
        """The transition probabilities of the set that are best or worst for V, shape (S, A, S)."""
        with_end = np.append(V, np.zeros(self.P.shape[-1] - self.S))
        return extreme_rows(self.P, sign * with_end, self.limits.P_radius)[..., : self.S]

    def backup(self, V: np.ndarray, sign: int) -> np.ndarray:
        """`r + gamma p V` with the best or worst r and p of the set, shape (S, A)."""
        return self._reward(sign) + self.gamma * self.rows(V, sign) @ V

    def best(self, start: Solution) -> _Extreme:
        """Optimal values in the best MDP: of actions and rows at once, by policy iteration."""
        V = start.V
        for _ in range(ROUNDS):
            rows = self.rows(V, 1)
            action = (self._reward(1) + self.gamma * rows @ V).argmax(1)
            V, previous = self._values(rows, action, 1), V
            if self._settled(V, previous):
                break
        return self._certified(V, 1, None)

    def optimum(self, start: Solution) -> _Extreme:
        """The best that a policy can have in its worst MDP, by robust policy iteration (Iyengar 2005)."""
        action, V = start.action, start.V
        for _ in range(ROUNDS):
            V, previous = self._worst(action, V), V
            if self._settled(V, previous):
                break
            action = self.backup(V, -1).argmax(1)
        return self._certified(V, -1, None)

    def of_policy(self, action: np.ndarray, start: Solution) -> _Extreme:
        """Values of a deterministic policy in its worst MDP."""
        return self._certified(self._worst(action, start.V), -1, action)

    def _worst(self, action: np.ndarray, V: np.ndarray) -> np.ndarray:
        """The same, by policy iteration of the adversary who chooses the rows."""
        for _ in range(ROUNDS):
            V, previous = self._values(self.rows(V, -1), action, -1), V
            if self._settled(V, previous):
                break
        return V

    def _values(self, rows: np.ndarray, action: np.ndarray, sign: int) -> np.ndarray:
        states = np.arange(self.S)
        chain, reward = rows[states, action], self._reward(sign)[states, action]
        return np.linalg.solve(np.eye(self.S) - self.gamma * chain, reward)

    def _reward(self, sign: int) -> np.ndarray:
        return self.limits.r_high if sign > 0 else self.limits.r_low

    @staticmethod
    def _settled(V: np.ndarray, previous: np.ndarray) -> bool:
        return bool(abs(V - previous).max() <= SETTLED * abs(V).max())

    def _certified(self, V: np.ndarray, sign: int, action: np.ndarray | None) -> _Extreme:
        """One more backup and the bounds it gives, which hold for whatever V (`tabular.bounds`)."""
        Q = self.backup(V, sign)
        TV = Q.max(1) if action is None else Q[np.arange(self.S), action]
        terminating = self.P.shape[-1] > self.S
        shift, error = middle(float((TV - V).min()), float((TV - V).max()), self.gamma, terminating)
        largest = float(max(abs(self.limits.r_low).max(), abs(self.limits.r_high).max()))
        floor = rounding_floor(Size(2 * self.P.shape[-1], largest, 0.0), self.gamma, float(abs(TV).max()) + abs(shift))
        return _Extreme(Q + shift, TV + shift, error + floor)
