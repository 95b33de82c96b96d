"""What a model's errors can cost: bounds on the error of its Q and on the return of its policy.

For a true MDP (P, r) and a model (P_hat, r_hat) with the same discount, the errors are

    eps_r = max |r - r_hat|,    eps_p = max_{s, a} sum_s' |P - P_hat|,    eps = max |r - r_hat + gamma (P - P_hat) V|

and with R the range of rewards

    max |Q* - Q_hat|  <=  eps_r / (1 - gamma) + gamma eps_p R / (2 (1 - gamma)^2)             `likelihood_bound`
    max |Q* - Q_hat|  <=  (eps_r + gamma eps_p R / (2 (1 - gamma))) / (1 - gamma + gamma eps_p / 2)   `sharp_bound`
    eps / (1 + gamma)  <=  max |Q* - Q_hat|  <=  eps / (1 - gamma)                               `bellman_bound`

The first line is the first part of Theorem 2 of Nikishin et al. 2021 with their r_max replaced by R: r_max is right for
rewards in [0, r_max] only. The third is its second part where V are the values of Q_hat, and holds as well where V are
those of Q*. All hold for the soft operators too.

The equations are written once, for arrays of NumPy or JAX with any leading axes (in JAX of equal rank): many learned
models in one call. The functions on MDPs call them and return records.

An infeasible action has `r = -inf` and counts in no error. Where a row sums to less than 1, the missing mass goes to an
end of value and reward 0, and the difference of that mass counts in eps_p like any other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce

import numpy as np
import scipy.sparse as sp

from tabular.bounds import UNIT
from tabular.evaluate import evaluate
from tabular.mdp import MDP, AnyMDP, policy_matrix
from tabular.operators import backup, policy_reward
from tabular.soft import soft_solve
from tabular.solve import Solution, solve

# Equations on arrays


def reward_error(r, r_hat):
    """Largest reward error `eps_r = max_{s, a} |r - r_hat|` over the actions feasible in both.

    Shapes (..., S, A) to (...), in units of reward.
    """
    xp = r.__array_namespace__()
    feasible = (r > -xp.inf) & (r_hat > -xp.inf)
    return xp.max(abs(xp.where(feasible, r, 0.0) - xp.where(feasible, r_hat, 0.0)), axis=(-2, -1))


def transition_error(P, P_hat):
    """Largest transition error `eps_p = max_{s, a} sum_s' |P - P_hat|`, from 0 to 2.

    Shapes (..., S, A, S) to (...). Mass missing from a row is counted as the probability of the end.
    """
    xp = P.__array_namespace__()
    change = P - P_hat
    return xp.max(xp.sum(abs(change), axis=-1) + abs(xp.sum(change, axis=-1)), axis=(-2, -1))


def backup_error(P, r, P_hat, r_hat, V, gamma):
    """Difference of one backup of V, `eps = max_{s, a} |r - r_hat + gamma sum_s' (P - P_hat) V|`.

    With V the values of Q_hat this is `max |B Q_hat - B_hat Q_hat|` of Nikishin et al. 2021, Theorem 2.

    Shapes (..., S, A, S), (..., S, A) and (..., S) to (...), in units of return.
    """
    xp = V.__array_namespace__()
    feasible = (r > -xp.inf) & (r_hat > -xp.inf)
    change = xp.where(feasible, r, 0.0) - xp.where(feasible, r_hat, 0.0)
    change = change + gamma * ((P - P_hat) @ V[..., None, :, None])[..., 0]
    return xp.max(xp.where(feasible, abs(change), 0.0), axis=(-2, -1))


def reward_span(*rewards):
    """Range `max r - min r` of one or several reward tables taken together, over feasible actions.

    Shapes (..., S, A) to (...).
    """
    xp = rewards[0].__array_namespace__()
    high = [xp.max(r, axis=(-2, -1)) for r in rewards]
    low = [xp.min(xp.where(r > -xp.inf, r, xp.inf), axis=(-2, -1)) for r in rewards]
    return reduce(xp.maximum, high) - reduce(xp.minimum, low)


def largest_reward(r):
    """The `r_max = max |r|` of the published code of Nikishin et al. 2021, over feasible actions.

    Equal to the span only if the rewards reach from 0 to r_max; with signed rewards the printed bound fails.
    Shapes (..., S, A) to (...).
    """
    xp = r.__array_namespace__()
    return xp.max(xp.where(r > -xp.inf, abs(r), 0.0), axis=(-2, -1))


def likelihood_bound(eps_r, eps_p, size, gamma):
    """Error of Q from those of rewards and transitions: `eps_r / (1 - gamma) + gamma eps_p size / (2 (1 - gamma)^2)`.

    Nikishin et al. 2021, Theorem 2, first part (`size` is their r_max); for a policy the simulation lemma of Kearns &
    Singh 2002. `size` is the range of the true rewards (`reward_span`); r_hat is free.
    """
    return eps_r / (1 - gamma) + gamma * eps_p * size / (2 * (1 - gamma) ** 2)


def sharp_bound(eps_r, eps_p, size, gamma):
    """Error of Q, sharp: `(eps_r + gamma eps_p size / (2 (1 - gamma))) / (1 - gamma + gamma eps_p / 2)`.

    `size` is the range of true and learned rewards together. Never above the trivial size / (1 - gamma), and attained:
    two absorbing states with rewards `size` and 0, and a state whose model leaks from one to the other.
    """
    return (eps_r + gamma * eps_p * size / (2 * (1 - gamma))) / (1 - gamma + gamma * eps_p / 2)


def bellman_bound(eps, gamma):
    """Error of Q from the difference of one backup: `eps / (1 - gamma)` (Nikishin et al. 2021, Theorem 2, second part).

    Sharp: r_hat = r + c attains it.
    """
    return eps / (1 - gamma)


def bellman_lower_bound(eps, gamma):
    """The error of Q that a difference `eps` of one backup proves: `eps / (1 + gamma)`."""
    return eps / (1 + gamma)


def greedy_loss_bound(error, gamma):
    """Value lost by acting greedily on a Q that is wrong by `error`: `2 error / (1 - gamma)` (Singh & Yee 1994)."""
    return 2 * error / (1 - gamma)


def divergence_bound(kl, S, A):
    """Transition error that a mean divergence allows: `eps_p <= sqrt(2 S A kl)`, Pinsker's inequality in the worst row.

    `kl` is the mean of KL(P || P_hat) over all S A rows: what maximum likelihood minimises (Nikishin et al. 2021,
    sec. 4.2).
    """
    return (2 * S * A * kl) ** 0.5


# Records on MDPs


@dataclass(frozen=True)
class Bound:
    """An inequality `lhs <= rhs` with both sides computed."""

    name: str
    """What bounds what."""
    lhs: float
    rhs: float
    radius: float
    """How far rounding and the certified errors of the solutions can have moved `rhs - lhs`."""
    source: str
    """Where it is from."""

    @property
    def slack(self) -> float:
        """`rhs - lhs`."""
        return self.rhs - self.lhs

    @property
    def holds(self) -> bool:
        """Whether `lhs <= rhs`, up to `radius`."""
        return self.slack >= -self.radius


@dataclass(frozen=True)
class Mismatch:
    """How a model differs from the true MDP, and what that does to Q and to the return."""

    eps_r: float
    """Largest reward error, in units of reward."""
    eps_p: float
    """Largest L1 error of a row of transition probabilities, from 0 to 2."""
    eps_true: float
    """Difference of one backup of the true values, `max |B Q* - B_hat Q*|`."""
    eps_model: float
    """Difference of one backup of the model's values, `max |B Q_hat - B_hat Q_hat|`."""
    size: float
    """Range of the true rewards. It counts 0 if an episode can end and, for soft values in MDPs whose states differ in
    their number of actions, the difference of their largest entropy bonuses."""
    joint_size: float
    """The same for the rewards of both taken together."""
    q_error: float
    """`max |Q* - Q_hat|`."""
    loss: float
    """Return in the true MDP that following the model's policy loses, `J* - J(pi_hat)`."""
    gamma: float
    q_radius: float
    """Certified error of `q_error`."""
    eps_radius: float
    """Certified error of `eps_true` and `eps_model`."""
    loss_radius: float
    """Certified error of `loss`."""


def optimum(mdp: AnyMDP, alpha: float | None) -> Solution:
    """The optimal values, or the soft-optimal ones at temperature `alpha`."""
    return solve(mdp) if alpha is None else soft_solve(mdp, alpha)


def mismatch(true: AnyMDP, model: AnyMDP, alpha: float | None = None) -> Mismatch:
    """Errors of a model, of its Q, and the return that its policy loses in the true MDP.

    Args:
      alpha: temperature: Q* and Q_hat are then the soft ones, and the policy is softmax(Q_hat / alpha). The return it
        loses is the plain one, against the best policy of all.

    Raises:
      ValueError if the two differ in shape, discount or feasible actions, or at gamma = 1.
    """
    _require_comparable(true, model)
    best, planned = optimum(true, alpha), optimum(model, alpha)
    ceiling = best if alpha is None else solve(true)
    followed = evaluate(true, planned.pi)
    feasible = true.feasible
    eps_p = _transition_error(_rows(true), _rows(model))
    q_radius = best.error + planned.error
    return Mismatch(
        eps_r=float(reward_error(true.r, model.r)),
        eps_p=eps_p,
        eps_true=_backup_error(true, model, best.V),
        eps_model=_backup_error(true, model, planned.V),
        size=_size(true, model, alpha, true),
        joint_size=_size(true, model, alpha, true, model),
        q_error=float(abs(best.Q[feasible] - planned.Q[feasible]).max()),
        loss=ceiling.J - followed.J,
        gamma=true.gamma,
        q_radius=q_radius,
        eps_radius=(1 - true.gamma + true.gamma * eps_p) * q_radius,
        loss_radius=ceiling.error + followed.error,
    )


def bounds(true: AnyMDP, model: AnyMDP, alpha: float | None = None) -> tuple[Bound, ...]:
    """What the errors of a model say about the error of its Q and about the return that its policy loses.

    In a fixed order, first for `max |Q* - Q_hat|`, hard or soft:

      1. from below, `eps / (1 + gamma)` with eps the difference of one backup of Q_hat;
      2. `eps / (1 - gamma)` (Nikishin et al. 2021, Theorem 2, second part);
      3. the same with eps the difference of one backup of Q*;
      4. the sharp bound by eps_r and eps_p;
      5. the looser one (Nikishin et al. 2021, Theorem 2, first part, with the range of rewards for r_max);

    then for the loss `J* - J(pi_hat)`, to which `alpha log A / (1 - gamma)` is added for a soft policy:

      6. `2 max |Q* - Q_hat| / (1 - gamma)` (Singh & Yee 1994);
      7. `2 eps / (1 - gamma)` with the eps of 2, since Q_hat is both the model's optimum and its value of pi_hat;
      8. twice 4, and 9. twice 5 (the simulation lemma for pi* and for pi_hat).

    Raises:
      ValueError as `mismatch`.
    """
    found = mismatch(true, model, alpha)
    return (*_q_bounds(found, true.S), *_loss_bounds(found, true, alpha))


def paper_bound(true: AnyMDP, model: AnyMDP, alpha: float | None = None) -> Bound:
    """Nikishin et al. 2021, Theorem 2, first part, with `r_max = max |r|` as in their code.

    Theirs is a theorem about rewards in [0, r_max]. With signed rewards `holds` can be False: use `bounds`.
    """
    found = mismatch(true, model, alpha)
    rhs = likelihood_bound(found.eps_r, found.eps_p, true.largest_reward, found.gamma)
    radius = found.q_radius + _rounding(rhs, true.S)
    return Bound("Q error <= likelihood, r_max", found.q_error, rhs, radius, "Nikishin et al. 2021, Theorem 2 (i)")


def policy_bounds(true: AnyMDP, model: AnyMDP, pi) -> tuple[Bound, ...]:
    """The simulation lemma: how wrong a model's values of one policy are, `max |V^pi - V_hat^pi|`.

    In order: `eps / (1 - gamma)` with eps the difference of one backup of V_hat^pi; the sharp bound by the errors of
    r_pi and P_pi, with the range of both rewards; the lemma as usual (Kearns & Singh 2002), with that of the true ones.

    Args:
      pi: probabilities of shape (S, A), or integer actions of shape (S,).

    Raises:
      ValueError as `mismatch`, or if `pi` is no policy of these MDPs.
    """
    _require_comparable(true, model)
    pi = policy_matrix(true, pi)
    real, planned = evaluate(true, pi), evaluate(model, pi)
    r, r_hat = (policy_reward(mdp, pi)[:, None] for mdp in (true, model))
    chain, chain_hat = true.chain(pi), model.chain(pi)
    gamma = true.gamma
    ends = [np.zeros((1, 1))] if true.terminating or model.terminating else []  # they pay 0
    eps_r, eps_p = float(reward_error(r, r_hat)), _transition_error(chain, chain_hat)
    eps = float(abs(r[:, 0] - r_hat[:, 0] + gamma * (chain @ planned.V - chain_hat @ planned.V)).max())
    lhs = float(abs(real.V - planned.V).max())
    radius = real.error + planned.error
    sharp = sharp_bound(eps_r, eps_p, float(reward_span(r, r_hat, *ends)), gamma)
    lemma = likelihood_bound(eps_r, eps_p, float(reward_span(r, *ends)), gamma)
    backed_up = radius + (1 + gamma * eps_p / (1 - gamma)) * radius
    return (
        Bound("V error <= backup of V_hat", lhs, bellman_bound(eps, gamma), backed_up, "residual bound"),
        Bound("V error <= simulation, sharp", lhs, sharp, radius + _rounding(sharp, true.S), "simulation lemma, sharp"),
        Bound("V error <= simulation", lhs, lemma, radius + _rounding(lemma, true.S), "Kearns & Singh 2002"),
    )


def require_alike(true: AnyMDP, model: AnyMDP) -> None:
    """Raises ValueError unless both have the same shape, discount and feasible actions."""
    if model.r.shape != true.r.shape:
        raise ValueError(f"model has (S, A) = {model.r.shape}, expected {true.r.shape}, those of the true MDP.")
    if model.gamma != true.gamma:
        raise ValueError(f"model.gamma = {model.gamma:g}, expected {true.gamma:g}, the discount of the true MDP.")
    differ = true.feasible != model.feasible
    if differ.any():
        s, a = np.argwhere(differ)[0]
        raise ValueError(
            f"action {a} of state {s} is feasible in only one of the two (r[{s}, {a}] is {true.r[s, a]:g} in the true "
            f"MDP and {model.r[s, a]:g} in the model); {differ.sum()} of {differ.size} actions are wrong. An "
            "infeasible action has r = -inf: give it so in both."
        )


def _require_comparable(true: AnyMDP, model: AnyMDP) -> None:
    require_alike(true, model)
    if true.gamma == 1:
        raise ValueError("gamma = 1, expected a discount below 1: the bounds divide by 1 - gamma.")


def _q_bounds(found: Mismatch, S: int) -> tuple[Bound, ...]:
    gamma, error = found.gamma, found.q_error
    below, above = bellman_lower_bound(found.eps_model, gamma), bellman_bound(found.eps_model, gamma)
    true_backup = bellman_bound(found.eps_true, gamma)
    sharp = sharp_bound(found.eps_r, found.eps_p, found.joint_size, gamma)
    likelihood = likelihood_bound(found.eps_r, found.eps_p, found.size, gamma)
    radius = found.q_radius + bellman_bound(found.eps_radius, gamma)
    of_rows = found.q_radius + _rounding(max(sharp, likelihood), S)
    part = "Nikishin et al. 2021, Theorem 2 ({})".format
    return (
        Bound("backup of Q_hat <= Q error", below, error, radius, part("ii") + ", from below"),
        Bound("Q error <= backup of Q_hat", error, above, radius, part("ii")),
        Bound("Q error <= backup of Q*", error, true_backup, radius, "Bellman residual of Q* in the model"),
        Bound("Q error <= likelihood, sharp", error, sharp, of_rows, part("i") + ", sharp form"),
        Bound("Q error <= likelihood", error, likelihood, of_rows, part("i") + ", range of rewards"),
    )


def _loss_bounds(found: Mismatch, true: AnyMDP, alpha: float | None) -> tuple[Bound, ...]:
    gamma, loss = found.gamma, found.loss
    entropy = 0.0 if alpha is None else alpha * math.log(true.feasible.sum(1).max()) / (1 - gamma)
    greedy = greedy_loss_bound(found.q_error, gamma) + entropy
    planned = 2 * bellman_bound(found.eps_model, gamma) + entropy
    sharp = 2 * sharp_bound(found.eps_r, found.eps_p, found.joint_size, gamma) + entropy
    likelihood = 2 * likelihood_bound(found.eps_r, found.eps_p, found.size, gamma) + entropy
    of_values = found.loss_radius + 2 * bellman_bound(found.q_radius + found.eps_radius, gamma)
    of_rows = found.loss_radius + 2 * found.q_radius + _rounding(max(sharp, likelihood), true.S)
    return (
        Bound("loss <= Q error", loss, greedy, of_values, "Singh & Yee 1994"),
        Bound("loss <= backup of Q_hat", loss, planned, of_values, "residual bound for the optimum and for pi_hat"),
        Bound("loss <= likelihood, sharp", loss, sharp, of_rows, "simulation lemma, sharp, for pi* and pi_hat"),
        Bound("loss <= likelihood", loss, likelihood, of_rows, "Kearns & Singh 2002, for pi* and pi_hat"),
    )


def _backup_error(true: AnyMDP, model: AnyMDP, V: np.ndarray) -> float:
    """`backup_error` of two MDPs, in whatever storage."""
    if isinstance(true, MDP) and isinstance(model, MDP):
        return float(backup_error(true.P, true.r, model.P, model.r, V, true.gamma))
    feasible = true.feasible
    return float(abs(backup(true, V)[feasible] - backup(model, V)[feasible]).max())


def _rows(mdp: AnyMDP):
    """Transition probabilities as a matrix of shape (S A, S)."""
    return mdp.P.reshape(-1, mdp.S) if isinstance(mdp, MDP) else mdp.P


def _transition_error(rows, rows_hat) -> float:
    """`transition_error` of two matrices of rows, dense or sparse."""
    if not (sp.issparse(rows) or sp.issparse(rows_hat)):
        return float(transition_error(rows[:, None], rows_hat[:, None]))
    change = sp.csr_matrix(rows) - sp.csr_matrix(rows_hat)
    return float((abs(change).sum(axis=1) + abs(change.sum(axis=1))).max())


def _size(true: AnyMDP, model: AnyMDP, alpha: float | None, *counted: AnyMDP) -> float:
    """Range of what one step can pay in the MDPs `counted`: rewards with the largest entropy bonus of their states.

    Optimal values then lie in an interval of this length over 1 - gamma. The bonus `alpha log A` is the same in all
    states, and drops out, if all have the same number of actions and no episode ends; an end pays 0.
    """
    bonus = np.zeros(1) if alpha is None else alpha * np.log(true.feasible.sum(1))
    high = max(float(mdp.r.max()) for mdp in counted) + float(bonus.max())
    low = min(float(mdp.r[mdp.feasible].min()) for mdp in counted) + float(bonus.min())
    if true.terminating or model.terminating:
        high, low = max(high, 0.0), min(low, 0.0)
    return high - low


def _rounding(rhs: float, S: int) -> float:
    """Rounding of a bound by eps_r and eps_p: sums over S states, and a few operations more."""
    return (S + 16) * 2 * UNIT * rhs
