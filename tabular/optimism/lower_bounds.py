"""Lower bounds on log J, one above the other, for a given model q and policy pi.

    simple  <=  gamma_kl  <=  tight  <=  stopping  <=  best_stopping  <=  log J

All are evidence lower bounds on `log J = log E_p,pi sum_t gamma^t r_t`, where a time H to collect the reward and the
path up to it are hidden. They differ in what may be adapted to them:

    bound                  the time H                               the path
    simple                 geometric                                model q, one transition too many is paid for (eq. 2)
    gamma_kl               geometric                                model q
    tight                  learned, q(H)                            model q (eq. 10, as in the published notebook)
    stopping               stops in s, a with a learned probability model q
    best_stopping          the same                                 its own best model
    horizon_conditioned    learned, q(H)                            a model that knows the time left

with the equations of Eysenbach et al. 2021.

The last two are equal to log J if the policy is deterministic: exp W of the stopping bound is then Q^pi, and its
maximum over policies is value iteration. If it isn't, only a model that may change the policy too would be tight.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tabular.bounds import check_tol
from tabular.errors import NotConverged
from tabular.evaluate import evaluate
from tabular.linear import factor
from tabular.mdp import MDP, AnyMDP, policy_matrix
from tabular.operators import policy_value
from tabular.optimism.objective import check_endless, check_model, divergence, in_model, mnm
from tabular.optimism.optimal import log_mean_exp, whole
from tabular.probability import log_reward, tilt

MOST_TIMES = 1_000_000
"""The longest horizon that the bounds over learned times are summed to."""
ROUNDS = 200
"""Linear solves of the stopping bound; 3 to 8 are usual."""


@dataclass(frozen=True)
class Ladder:
    """Lower bounds on log J from every state, each of shape (S,), in ascending order."""

    simple: np.ndarray
    """E_q sum_t gamma^t [(1 - gamma) log r - KL - (1 - gamma) log(1 - gamma)]."""
    gamma_kl: np.ndarray
    """The same with gamma KL."""
    tight: np.ndarray
    """With the best distribution over times."""
    stopping: np.ndarray
    """With the best stopping probability in every state and action."""
    best_stopping: np.ndarray
    """With the best model for it; doesn't depend on q."""
    log_return: np.ndarray
    """log J, what they bound."""


def ladder(mdp: AnyMDP, q, pi, *, tol: float = 1e-12) -> Ladder:
    """The lower bounds on log J of a policy that a model gives; see the head of the module.

    Args:
      q: model, shape (S, A, S), within the support of p.
      pi: policy, shape (S, A) or (S,) integers.
      tol: what the bound `tight` may lose by summing over finitely many times.

    Raises:
      ValueError for a reward that is not positive, a model that leaves the support of p, gamma = 1 or ending episodes;
      NotConverged if a bound's iteration doesn't get to rounding.
    """
    pi = policy_matrix(mdp, pi)
    return Ladder(
        simple=evaluate(in_model(mdp, mnm(mdp), q), pi).V,
        gamma_kl=evaluate(in_model(mdp, mnm(mdp, weight=mdp.gamma), q), pi).V if mdp.gamma else log_return(mdp, pi),
        tight=tight(mdp, q, pi, tol=tol),
        stopping=stopping(mdp, pi, q=q).V,
        best_stopping=stopping(mdp, pi).V,
        log_return=log_return(mdp, pi),
    )


def log_return(mdp: AnyMDP, pi) -> np.ndarray:
    """Logarithm of a policy's true return from every state, shape (S,)."""
    return np.log(evaluate(mdp, pi).V)


def tight(mdp: AnyMDP, q, pi, *, tol: float = 1e-12) -> np.ndarray:
    """Lower bound on log J with learned time (Eysenbach et al. 2021, eq. 10), shape (S,):

        logsumexp_t l_t,   l_t = t log gamma + E_q[log r_t] - sum_{k < t} E_q[KL_k].

    The best q(H) is softmax l. Times are summed until those left can add no more than `tol`. Raises as
    `ladder`.
    """
    check_endless(mdp)
    check_tol(tol)
    mdp, q, pi = mdp.to_dense(), check_model(mdp, q), policy_matrix(mdp, pi)
    chain = (pi[:, None, :] @ q)[:, 0]
    reward, price = policy_value(log_reward(mdp.r), pi), policy_value(divergence(mdp, q), pi)
    bound, spent = np.full(mdp.S, -np.inf), np.zeros(mdp.S)
    for t in range(times(mdp, tol)):
        bound = np.logaddexp(bound, _discount(mdp, t) + reward - spent)
        reward, spent, price = chain @ reward, spent + price, chain @ price
    return bound


def horizon_conditioned(mdp: AnyMDP, pi, *, tol: float = 1e-12) -> np.ndarray:
    """`tight` with the best model that knows how many steps are left, shape (S,):

        logsumexp_t (t log gamma + F_t),   F_0 = E_pi log r,   F_j = E_pi log E_p exp F_{j-1},   q_j ~ p exp F_{j-1}.

    Equal to log J if the policy is deterministic: exp F_j(s) is then the expected reward j steps later. Raises as
    `ladder`.
    """
    check_endless(mdp)
    check_tol(tol)
    mdp, pi = mdp.to_dense(), policy_matrix(mdp, pi)
    p, F, bound = whole(mdp), policy_value(log_reward(mdp.r), pi), np.full(mdp.S, -np.inf)
    for t in range(times(mdp, tol)):
        bound = np.logaddexp(bound, _discount(mdp, t) + F)
        F = policy_value(log_mean_exp(p, F), pi)
    return bound


def times(mdp: MDP, tol: float) -> int:
    """How many times to sum over: those left can add `gamma^H max r / (1 - gamma) <= tol min r`, at most `tol` in log.

    Raises NotConverged for more than a million.
    """
    if mdp.gamma == 0:
        return 1
    ratio = mdp.r[mdp.feasible].min() / mdp.largest_reward
    count = math.ceil(math.log(tol * (1 - mdp.gamma) * ratio) / math.log(mdp.gamma))
    if count > MOST_TIMES:
        raise NotConverged(f"tol = {tol:g} takes {count} times to sum over, more than {MOST_TIMES}. Raise tol.")
    return max(count, 1)


def _discount(mdp: MDP, t: int) -> float:
    """`t log gamma`, also at gamma = 0."""
    return 0.0 if t == 0 else t * math.log(mdp.gamma) if mdp.gamma else -math.inf


@dataclass(frozen=True)
class Stopping:
    """The stopping bound at its best, or for given stopping probabilities."""

    V: np.ndarray
    """The bound, shape (S,)."""
    W: np.ndarray
    """The bound once an action is chosen, shape (S, A)."""
    kappa: np.ndarray
    """Probability to stop in s, a: to collect the reward there, shape (S, A)."""
    q: np.ndarray
    """The model, shape (S, A, S)."""
    iterations: int
    """Linear solves."""
    residual: float
    """`max |TV - V|`."""


def stopping(mdp: AnyMDP, pi, *, q=None) -> Stopping:
    """Lower bound on log J with the best stopping probabilities, and the best model unless one is given:

        W(s, a) = log(r + gamma e^{U}),   U = log E_p e^V (best q ~ p e^V) or E_q V - KL(q || p),   V = E_pi W,
        kappa = r / (r + gamma e^U).

    By Newton's method: each round evaluates kappa and q by a linear solve, and its value is a lower bound already. It
    begins with kappa = 1 - gamma and q = p, which is the bound `gamma_kl`. Raises as `ladder`.
    """
    check_endless(mdp)
    mdp, pi = mdp.to_dense(), policy_matrix(mdp, pi)
    q = None if q is None else check_model(mdp, q)
    V = stopping_value(mdp, 1 - mdp.gamma, mdp.P if q is None else q, pi)
    for rounds in range(1, ROUNDS):
        found = _improved(mdp, pi, q, V, rounds)
        rise = stopping_value(mdp, found.kappa, found.q, pi) - V
        if not rise.max() > 1e-13 * (1 + abs(V).max()):
            break
        V = V + rise
    if not found.residual <= 1e-10 * (1 + abs(V).max()):
        raise NotConverged(f"the stopping bound changes by {found.residual:.3g} after {rounds} linear solves.", found)
    return found


def _improved(mdp: MDP, pi: np.ndarray, q: np.ndarray | None, V: np.ndarray, rounds: int) -> Stopping:
    """The best answer to V: stopping probabilities, model, and the bound one step on."""
    if q is None:
        later = log_mean_exp(mdp.P, V)
        q = np.where(mdp.feasible[:, :, None], tilt(whole(mdp), V), 0.0)
    else:
        later = q @ V - divergence(mdp, q)
    now, later = log_reward(mdp.r), later + _discount(mdp, 1)
    W = np.where(mdp.feasible, np.logaddexp(now, later), -np.inf)
    kappa = np.where(mdp.feasible, np.exp(now - np.where(mdp.feasible, W, 0.0)), 1.0)
    TV = policy_value(W, pi)
    return Stopping(TV, W, kappa, q, rounds, float(abs(TV - V).max()))


def stopping_value(mdp: AnyMDP, kappa, q, pi) -> np.ndarray:
    """The stopping bound for given stopping probabilities `kappa[s, a]` and model q, shape (S,):

        V = E_pi [ kappa log(r / kappa) + (1 - kappa) (log(gamma / (1 - kappa)) - KL(q || p) + E_q V) ].

    A lower bound on log J for every kappa and q; kappa = 1 - gamma gives `gamma_kl`.

    Raises:
      ValueError for kappa that is 0 or no probability (an episode must come to a stop), and as `ladder`.
    """
    check_endless(mdp)
    mdp, q, pi = mdp.to_dense(), check_model(mdp, q), policy_matrix(mdp, pi)
    kappa = np.broadcast_to(np.asarray(kappa, dtype=np.float64), (mdp.S, mdp.A))
    wrong = mdp.feasible & ~((kappa > 0) & (kappa <= 1))
    if wrong.any():
        s, a = np.argwhere(wrong)[0]
        raise ValueError(f"kappa[{s}, {a}] = {kappa[s, a]:g}, expected a probability to stop in (0, 1].")
    go = 1 - kappa
    surprise = -_entropy_term(kappa) - _entropy_term(go)
    moving = np.where(go > 0, go * (_discount(mdp, 1) - divergence(mdp, q)), 0.0) if mdp.gamma else 0.0 * go
    reward = kappa * log_reward(mdp.r) + surprise + moving
    solve, _ = factor(((pi * go)[:, None, :] @ q)[:, 0], 1.0)
    return solve(policy_value(reward, pi))


def _entropy_term(x: np.ndarray) -> np.ndarray:
    """x log x, 0 at 0."""
    return x * np.log(np.where(x > 0, x, 1.0))
