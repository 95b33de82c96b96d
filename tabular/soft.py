"""Soft-optimal values: the fixed point of the soft Bellman operator at temperature alpha."""

from __future__ import annotations

from functools import partial

import numpy as np

from tabular.bounds import Certified, Size, certify, check_tol, size_of, sweep
from tabular.linear import PolicySystem, policy_system
from tabular.mdp import AnyMDP
from tabular.operators import backup, policy_value, soft_value, softmax_policy
from tabular.solve import Progress, Solution, conclude, starting_values, value_iteration

METHODS = ("newton", "iteration")


def soft_solve(
    mdp: AnyMDP,
    alpha: float,
    *,
    method: str = "newton",
    tol: float | None = None,
    start: Solution | np.ndarray | None = None,
    trace: bool = False,
) -> Solution:
    """Fixed point of `(B_alpha Q)[s, a] = r + gamma P V`, `V[s] = alpha log sum_a exp(Q[s, a] / alpha)`.

    Nikishin et al. 2021, eq. 10. Lies between the hard Q* and Q* + gamma alpha log A / (1 - gamma).

    Args:
      alpha: temperature, in units of reward.
      method: "newton" is Newton's method on `Q = B_alpha Q`, which is soft policy iteration: evaluate
        softmax(Q / alpha) with its entropy bonus by one linear solve, repeat; 3-7 solves. "iteration" sweeps `V <- TV`
        with the range stop of value iteration. At gamma = 1 always Newton (`tabular.soft_total`).
      tol, start, trace: as for `solve`.

    Returns:
      Solution with `pi = softmax(Q / alpha)` and `error` bounding `max |Q - Q*_alpha|`.

    Raises:
      ValueError for alpha <= 0 or an unknown method; NoFiniteValue at gamma = 1 where entropy or reward can be
      collected for ever; NotConverged if `tol` can't be certified.
    """
    if not (alpha > 0 and np.isfinite(alpha)):
        raise ValueError(f"alpha = {alpha!r}, expected a positive temperature. For alpha = 0 use solve().")
    if method not in METHODS:
        raise ValueError(f"method = {method!r}, expected one of {', '.join(METHODS)}.")
    check_tol(tol)
    value = partial(soft_value, alpha=alpha)
    size = size_of(mdp, alpha)
    V = starting_values(mdp, start)
    if mdp.gamma == 1:
        method = "newton"
        progress, certified = _soft_total(mdp, alpha, size, trace)
    elif method == "newton":
        progress, certified = newton(mdp, V, alpha, size, trace)
    else:
        progress, last = value_iteration(mdp, V, tol, size, start, trace, value)
        certified = certify(mdp, last)
    return conclude(mdp, certified, progress, tol, method, value, alpha)


def _soft_total(mdp: AnyMDP, alpha: float, size: Size, trace: bool) -> tuple[Progress, Certified]:
    from tabular.soft_total import soft_total

    found = soft_total(mdp, alpha, size)
    return Progress(len(found.history) - 1, found.history if trace else None), found.certified


def newton(mdp: AnyMDP, V: np.ndarray, alpha: float, size: Size, trace: bool) -> tuple[Progress, Certified]:
    """Soft policy iteration: from the first evaluation on, values rise to V*_alpha; stop when they no longer do."""
    value = partial(soft_value, alpha=alpha)
    history = [V] if trace else None
    Q, solves = backup(mdp, V), 0
    while True:
        system = policy_system(mdp, softmax_policy(Q, alpha))
        previous, V = V, soft_policy_values(mdp, Q, alpha, system)
        solves += 1
        if history is not None:
            history.append(V)
        certified = certify(mdp, sweep(mdp, V, value, size))
        stuck = solves > 1 and not (V - previous).max() > size.radius(float(abs(V).max()))
        if stuck or certified.error < 1.5 * certified.floor:
            return Progress(solves, history), certified
        Q = certified.Q


def soft_policy_values(mdp: AnyMDP, Q: np.ndarray, alpha: float, system: PolicySystem) -> np.ndarray:
    """Values of pi = softmax(Q / alpha) with entropy: `(I - gamma P_pi)^{-1} (r_pi + alpha H(pi))`, shape (S,).

    The entropy is `(V_alpha - sum_a pi Q) / alpha`, so that no 0 log 0 appears.
    """
    pi = softmax_policy(Q, alpha)
    bonus = soft_value(Q, alpha) - policy_value(Q, pi)
    return system.solve(policy_value(mdp.r, pi) + bonus)
