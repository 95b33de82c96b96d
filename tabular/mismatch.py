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

import numpy as np

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
    """Range `max r - min r` of one or several reward tables together, over feasible actions.

    Shapes (..., S, A) to (...).
    """
    xp = rewards[0].__array_namespace__()
    high = [xp.max(r, axis=(-2, -1)) for r in rewards]
    low = [xp.min(xp.where(r > -xp.inf, r, xp.inf), axis=(-2, -1)) for r in rewards]
    return xp.max(xp.stack(high), axis=0) - xp.min(xp.stack(low), axis=0)


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
