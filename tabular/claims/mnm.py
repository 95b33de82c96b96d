"""Claims of Eysenbach et al. 2021, Mismatched No More: Joint Model-Policy Optimization for Model-Based RL (MnM).

What all of them are about is the return in a model q that pays for its divergence from the truth,

    L_w(q, pi)  =  E_q,pi sum_t gamma^t [ (1 - gamma) log(r_t / (1 - gamma)) - w KL(q(.|s_t, a_t) || p(.|s_t, a_t)) ],

with w = 1 in the paper's eq. 2 and 3. Bounds on log J are stated as bounds on J itself, `e^L <= J` from every state, so
that a ratio says how near they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from tabular import mismatch
from tabular.arithmetic import action_values, occupancy, optimal_q, policy_chain, policy_values
from tabular.claims.claim import Hypothesis, Instance, Sides, at_most, claim, equal
from tabular.claims.families import SA, SAS, mdp, pair, policy, rewards_from_zero, start
from tabular.claims.fields import Box, Discount, Positive, Rows, Whole
from tabular.claims.lower_bounds import (
    TIMES,
    Optimism,
    best_stopping,
    best_value,
    discounted,
    kl,
    learned_time,
    log_mean_exp,
    log_rewards,
    lower_bound,
    one_hot,
    rescaled,
    returns,
    sharp_optimism,
    simple_optimism,
    stopping_value,
    tilted,
    time_terms,
)

PAPER = "Eysenbach et al. 2021"
DERIVED = f"derived here, for {PAPER}"
TABLE = f"{PAPER}, Table 1"


# hypotheses


def within_support(model: str, truth: str, drawn: Rows) -> Hypothesis:
    """The model goes nowhere where the truth doesn't; else its divergence is infinite, and the bound -infinity."""

    def holds(x: Instance) -> Sides:
        q, p = getattr(x, model), getattr(x, truth)
        return at_most(x.xp.where(p > 0, 0.0, q), x.xp.zeros_like(q))

    return Hypothesis(f"{model} within the support of {truth}", holds, {model: drawn})


def rewards_to_one() -> Hypothesis:
    """No reward is above 1."""
    return Hypothesis("r <= 1", lambda x: at_most(x.r, x.xp.ones(x.r.shape)), {"r": Box(SA, 1 / 1024, 1.0)})


def deterministic_policy() -> Hypothesis:
    """The policy takes one action in each state."""

    def holds(x: Instance) -> Sides:
        taken = x.xp.sum(x.xp.where(x.pi > 0, 1.0, 0.0), axis=1)
        return at_most(taken, 1.5)  # whole numbers, clear of their rounding

    return Hypothesis("deterministic policy", holds, {"pi": OneHot(SA)})


def near_the_data() -> Hypothesis:
    """The policy is within total variation `delta` of the one that collected the data."""

    def holds(x: Instance) -> Sides:
        return at_most(x.xp.sum(abs(x.pi - x.pi_ref), axis=1) / 2, x.delta)

    return Hypothesis("policy within delta of the data's", holds, {"pi": Rows(SA, near="pi_ref")})


@dataclass(frozen=True)
class OneHot(Rows):
    """Rows with a single 1."""

    attacked = False

    def draw(self, rng, shape, drawn):
        return np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])]

    def rounded(self, value, denominator):
        return np.vectorize(Fraction, otypes=[object])(np.asarray(value, dtype=float))

    def allowed(self, value):
        return bool(super().allowed(value) and ((value == 0) | (value == 1)).all())


REWARD = Positive(SA, 1e-1, 1e1)
SUPPORT = within_support("q", "P", Rows(SAS, near="P", support_of="P"))


def family(**more):
    """A random MDP with positive rewards, a policy, and further fields."""
    return mdp(REWARD, **policy(), **more)


def modelled(**more):
    """The same with a model q."""
    return family(q=Rows(SAS), **more)


# Theorem 3.1


@claim("mnm.thm31", "M1", source=f"{PAPER}, Theorem 3.1", fields=modelled(), hypotheses=(SUPPORT,))
def thm31(x: Instance) -> Sides:
    """Return in the model, of log rewards and less its divergence, is a lower bound on the log of the true return.

        L_1(q, pi)  <=  log J(pi)      for every model q and policy pi

    (1 - gamma) J is the mean of r(s_H, a_H) over a geometric H. The evidence lower bound over H and the path up to it
    pays for the transition out of s_t only if H > t, with probability gamma^(t+1): that is L_gamma <= log J. As
    printed, one transition too many is paid for, and KL >= 0.
    """
    return at_most(x.xp.exp(lower_bound(x, 1)), returns(x))


BRANCH: dict[str, Any] = {
    "gamma": Fraction(9, 10),
    "P": [[[0, Fraction(1, 2), Fraction(1, 2)]], [[0, 1, 0]], [[0, 0, 1]]],
    "r": [[Fraction(5, 2)], [1], [4]],
    "pi": [[1], [1], [1]],
    "q": [[[0, Fraction(1, 5), Fraction(4, 5)]], [[0, 1, 0]], [[0, 0, 1]]],
}
"""A start that pays the mean of what follows, then 1 or 4 for ever; the model is q ~ p r."""


@claim(
    "mnm.thm31.sharp",
    "M1b",
    source=f"{DERIVED}, Theorem 3.1",
    fields=modelled(),
    hypotheses=(SUPPORT,),
    sharp=True,
    equality=BRANCH,
)
def thm31_sharp(x: Instance) -> Sides:
    """Theorem 3.1 with the divergence weighted by gamma, the smallest weight that is valid.

        L_gamma(q, pi)  <=  log J(pi)

    See mnm.thm31 for the proof. Equality: a start with the mean reward, a branch to rewards 1 or 4 for ever, q ~ p r.
    """
    return at_most(x.xp.exp(lower_bound(x, x.gamma)), returns(x))


@claim(
    "mnm.thm31.recovered",
    "M1c",
    source=f"{DERIVED}, Theorem 3.1",
    fields=modelled(),
    hypotheses=(SUPPORT,),
    attackable=False,
)
def thm31_recovered(x: Instance) -> Sides:
    """What the weight gamma gains over the printed weight 1.

        L_gamma - L_1  =  (1 - gamma) E_q,pi sum_t gamma^t KL_t

    Both are linear in the weight.
    """
    spent = policy_values(x.q, kl(x.q, x.P), x.gamma, x.pi)
    return equal(lower_bound(x, x.gamma) - lower_bound(x, 1), (1 - x.gamma) * spent)


@claim(
    "mnm.thm31.too_light",
    "M1x",
    source=f"{DERIVED}, Theorem 3.1",
    fields=modelled(),
    hypotheses=(SUPPORT,),
    control=True,
    corrected="mnm.thm31.sharp",
)
def thm31_too_light(x: Instance) -> Sides:
    """A control: Theorem 3.1 with the divergence of step t weighted by gamma^(t+2), which is too little.

        L_{gamma^2}(q, pi)  <=  log J(pi)

    False where L_gamma is attained and q isn't p: a start with the mean reward, a branch to 1 or 4 for ever, q ~ p r.
    """
    return at_most(x.xp.exp(lower_bound(x, x.gamma * x.gamma)), returns(x))


# other forms of the bound


def eq5_bound(x: Instance):
    """`E_q sum_t gamma^t (log r - KL)`, shape (S,)."""
    return policy_values(x.q, x.xp.log(x.r) - kl(x.q, x.P), x.gamma, x.pi)


@claim(
    "mnm.eq5",
    "M2x",
    source=f"{PAPER}, eq. 5 read as the reward of the bound of eq. 2",
    fields=mdp(Positive(SA, 1e-3, 1e2), **policy(), q=Rows(SAS)),
    hypotheses=(SUPPORT,),
    corrected="mnm.eq5.small_rewards",
)
def eq5(x: Instance) -> Sides:
    """The reward of eq. 5, without the factor 1 - gamma and the constant of eq. 3, taken for that of a lower bound.

        E_q,pi sum_t gamma^t (log r_t - KL_t)  <=  log J(pi)

    False for rewards above 1: a constant reward c has log c / (1 - gamma) on the left, log c - log(1 - gamma) on the
    right. Against eq. 3 it also divides the price of divergence by 1 / (1 - gamma), which moves the best model.
    """
    return at_most(x.xp.exp(eq5_bound(x)), returns(x))


@claim(
    "mnm.eq5.small_rewards",
    "M2",
    source=f"{DERIVED}, eq. 5",
    fields=mdp(Positive(SA, 1e-3, 1e2), **policy(), q=Rows(SAS)),
    hypotheses=(SUPPORT, rewards_to_one()),
)
def eq5_small_rewards(x: Instance) -> Sides:
    """The reward of eq. 5 gives a lower bound where no reward is above 1.

        E_q,pi sum_t gamma^t (log r_t - KL_t)  <=  log J(pi)      for 0 < r <= 1

    Then log r <= (1 - gamma) log r <= (1 - gamma) log(r / (1 - gamma)), and mnm.thm31 applies.
    """
    return at_most(x.xp.exp(eq5_bound(x)), returns(x))


START = modelled(**start(), q0=Rows(("S",)))
START_SUPPORT = (SUPPORT, within_support("q0", "rho", Rows(("S",), support_of="rho")))


@claim("mnm.start", "M3", source=f"{DERIVED}, Theorem 3.1", fields=START, hypotheses=START_SUPPORT)
def start_paid(x: Instance) -> Sides:
    """A model with a start distribution q0 of its own must pay for that as well.

        E_q0 L_1(q, pi) - KL(q0 || p0)  <=  log E_p0 J(pi)

    The start is on every path, so its divergence has weight 1.
    """
    return at_most(x.xp.exp(x.q0 @ lower_bound(x, 1) - kl(x.q0, x.rho)), x.rho @ returns(x))


@claim(
    "mnm.start.free",
    "M3x",
    source=f"{PAPER}, Theorem 3.1 for a model with its own start",
    fields=START,
    hypotheses=START_SUPPORT,
    outside=("the model starts as the MDP does",),
    corrected="mnm.start",
)
def start_free(x: Instance) -> Sides:
    """Theorem 3.1 for a model that starts elsewhere, without paying for it.

        E_q0 L_1(q, pi)  <=  log E_p0 J(pi)

    False: a model that starts in the better of two states that are never left promises that state's return.
    """
    return at_most(x.xp.exp(x.q0 @ lower_bound(x, 1)), x.rho @ returns(x))


def gap(x: Instance, r):
    """`L_1 - log J` for a reward r, shape (S,)."""
    x = Instance({**x.arrays, "r": r})
    return lower_bound(x, 1) - x.xp.log(returns(x))


SCALED = modelled(c=Positive(low=1e-2, high=1e2))


@claim("mnm.gap.scale", "M4", source=f"{DERIVED}, Theorem 3.1", fields=SCALED, hypotheses=(SUPPORT,), attackable=False)
def gap_scale(x: Instance) -> Sides:
    """The gap of the bound doesn't depend on the scale of the rewards.

        (L_1 - log J)(c r)  =  (L_1 - log J)(r)      for c > 0

    log c is added to both: it is multiplied by (1 - gamma) and summed with gamma^t on the left.
    """
    return equal(gap(x, x.c * x.r), gap(x, x.r))


@claim(
    "mnm.gap.shift",
    "M4x",
    source=f"{DERIVED}, Theorem 3.1",
    fields=SCALED,
    hypotheses=(SUPPORT,),
    control=True,
    corrected="mnm.gap.scale",
    attackable=False,
)
def gap_shift(x: Instance) -> Sides:
    """A control: the gap of the bound doesn't depend on a constant added to the rewards.

        (L_1 - log J)(r + c)  =  (L_1 - log J)(r)

    False: shifting rewards to make them positive changes the bound, the best model and the policy that it chooses.
    """
    return equal(gap(x, x.c + x.r), gap(x, x.r))


@claim("mnm.constant_reward", "M11", source=f"{DERIVED}, Theorem 3.1", attackable=False,
       fields={"gamma": Discount(), "P": Rows(SAS), "c": Positive(low=1e-2, high=1e2), **policy()})  # fmt: skip
def constant_reward(x: Instance) -> Sides:
    """The bound is tight for a constant reward and the true model.

    L_1(p, pi)  =  log J(pi)  =  log(c / (1 - gamma))
    """
    x = Instance({**x.arrays, "r": x.c + x.xp.zeros_like(x.pi), "q": x.P})
    return equal(lower_bound(x, 1), x.xp.log(returns(x)))


# the best model


@claim("mnm.best_model", "M5", source=f"{DERIVED}, eq. 2", fields=modelled(), hypotheses=(SUPPORT,))
def best_model(x: Instance) -> Sides:
    """No model has a larger bound of eq. 2 than q ~ p e^{gamma V}.

        L_1(q, pi)  <=  V,      V = E_pi [ (1 - gamma) log(r / (1 - gamma)) + log E_p e^{gamma V} ]

    Donsker and Varadhan: E_q gamma V - KL(q || p) is at most log E_p e^{gamma V}, at q ~ p e^{gamma V}.
    """
    return at_most(x.xp.exp(lower_bound(x, 1)), x.xp.exp(best_value(simple_optimism(x))))


@claim("mnm.best_model.sharp", "M5b", source=f"{DERIVED}, eq. 9", fields=modelled(), hypotheses=(SUPPORT,))
def best_model_sharp(x: Instance) -> Sides:
    """No model has a larger bound with weight gamma than q ~ p e^V, which is the update of eq. 9.

    L_gamma(q, pi)  <=  V,      V = E_pi [ (1 - gamma) log(r / (1 - gamma)) + gamma log E_p e^V ]
    """
    return at_most(x.xp.exp(lower_bound(x, x.gamma)), x.xp.exp(best_value(sharp_optimism(x))))


@claim("mnm.best_model.attained", "M5c", source=f"{DERIVED}, eq. 2 and 9", fields=family(), attackable=False)
def best_model_attained(x: Instance) -> Sides:
    """The best models attain their values.

    L_1(q ~ p e^{gamma V_1})  =  V_1,      L_gamma(q ~ p e^{V_gamma})  =  V_gamma
    """
    simple, sharp = best_value(simple_optimism(x)), best_value(sharp_optimism(x))
    reached = lower_bound(x, 1, tilted(x.P, x.gamma * simple)), lower_bound(x, x.gamma, tilted(x.P, sharp))
    return equal(x.xp.stack(reached), x.xp.stack([simple, sharp]))


@claim("mnm.eq9", "M5x", source=f"{PAPER}, eq. 9 as an update of eq. 2", fields=family(), corrected="mnm.best_model")
def eq9(x: Instance) -> Sides:
    """The model update of eq. 9, q ~ p e^V, is an argmax of the bound of eq. 2.

        max_q L_1(q, pi)  <=  L_1(q ~ p e^V, pi),      V = max_q L_1

    False wherever a transition is random and leads to different values: the argmax is q ~ p e^{gamma V}. Eq. 9 is the
    argmax of the bound with weight gamma (mnm.best_model.sharp).
    """
    V = best_value(simple_optimism(x))
    return at_most(x.xp.exp(V), x.xp.exp(lower_bound(x, 1, tilted(x.P, V))))


TREE = {"gamma": Discount(), "r0": Positive(), "r": Positive(("n",), 1e-1, 1e1), "p": Rows(("n",))}


def tree_bound(x: Instance, q):
    """L_1 from a start that pays r0 and leads to state i, which pays r[i] for ever, with probability p[i]."""
    xp, stop = x.xp, 1 - x.gamma
    return stop * xp.log(x.r0 / stop) + xp.sum(q * x.gamma * xp.log(x.r / stop)) - kl(q, x.p)


@claim(
    "mnm.posterior",
    "M13x",
    source=f"{PAPER}, section 3 (proof in appendix B.4)",
    fields=TREE,
    sizes={"n": (2, 4)},
    corrected="mnm.best_model",
)
def posterior(x: Instance) -> Sides:
    """The model that optimises the bound of eq. 2 is q*(tau) ~ p(tau) R(tau).

        max_q L_1(q)  <=  L_1(q*)

    Stated for a start that pays r0 and a branch to states that are never left, where q* is a model: q*_i ~ p_i (r0 +
    gamma r_i / (1 - gamma)). False: the argmax of eq. 2 is q ~ p e^{gamma V}, here p_i r_i^gamma. What q* maximises is
    the bound over whole paths, E_q log R - KL(q || p), before Jensen's inequality over time (mnm.trajectories).
    """
    xp = x.xp
    best = rescaled(x.p * xp.exp(x.gamma * xp.log(x.r)))
    claimed = rescaled(x.p * (x.r0 + x.gamma * x.r / (1 - x.gamma)))
    return at_most(xp.exp(tree_bound(x, best)), xp.exp(tree_bound(x, claimed)))


# learned time


@claim(
    "mnm.eq10", "M6", source=f"{PAPER}, eq. 10 as in the published notebook", fields=modelled(), hypotheses=(SUPPORT,)
)
def eq10(x: Instance) -> Sides:
    """The bound with a learned distribution over times is a lower bound.

        log sum_t gamma^t e^{l_t}  <=  log J(pi),      l_t = E_q log r_t - sum_{k < t} E_q KL_k

    It holds time by time: l_t <= log E_p r_t by Jensen's inequality over paths of t steps. From time 12 on, the sum is
    replaced by its own lower bound with geometric times.
    """
    return at_most(learned_time(x), returns(x))


@claim("mnm.eq10.above", "M6b", source=f"{DERIVED}, eq. 10", fields=modelled(), hypotheses=(SUPPORT,))
def eq10_above(x: Instance) -> Sides:
    """Learned times are no worse than geometric ones.

        L_gamma(q, pi)  <=  log sum_t gamma^t e^{l_t}

    The logarithm of an average with weights (1 - gamma) gamma^t is at least the average of logarithms.
    """
    return at_most(x.xp.exp(lower_bound(x, x.gamma)), learned_time(x))


@claim(
    "mnm.eq10.tight",
    "M7x",
    source=f"{PAPER}, section 3 and Table 1: eq. 10 is tight at optimality",
    fields=family(),
    hypotheses=(deterministic_policy(),),
    corrected="mnm.stopping",
)
def eq10_tight(x: Instance) -> Sides:
    """The bound with learned times is tight at the model that is optimal for the tight bound, q ~ p V^pi.

        sum_{t < n} gamma^t E_p r_t  <=  sum_{t < n} gamma^t e^{l_t}

    Each term on the right is at most the one on the left (mnm.eq10), so what is missing after n = 12 steps is missing
    in the limit. Equal only if the path to every time t has the probability p times r_t: if one branch pays early and
    the other late, no model of the state alone does that for all t. Stopping must be learned in each state
    (mnm.stopping).
    """
    P_pi, now, returned = policy_chain(x.P, x.pi), x.xp.sum(x.pi * x.r, axis=1), []
    for _ in range(TIMES):
        returned.append(now)
        now = P_pi @ now
    terms, _ = time_terms(x, tilted(x.P, x.xp.log(returns(x))), TIMES)
    none = x.xp.zeros_like(now)
    return at_most(discounted(returned, x.gamma, none), discounted(terms, x.gamma, none))


@claim(
    "mnm.stopping",
    "M7",
    source=f"{DERIVED}, eq. 10",
    fields=family(),
    hypotheses=(deterministic_policy(),),
    attackable=False,
)
def stopping(x: Instance) -> Sides:
    """With a stopping probability in every state and action the bound is tight for a deterministic policy.

        V  =  log J(pi),      V = E_pi [ kappa log(r / kappa) + (1 - kappa) (log(gamma / (1 - kappa)) - KL + E_q V) ]

    at kappa = r / Q^pi and q ~ p V^pi: the maximum over kappa and q is W(s, a) = log(r + gamma E_p e^V), so e^W = Q^pi.
    """
    V = returns(x)
    kappa = x.r / action_values(x.P, x.r, x.gamma, V)
    return equal(x.xp.exp(stopping_value(x, kappa, rescaled(x.P * V[None, None, :]))), V)


@claim("mnm.stopping.stochastic", "M7b", source=f"{DERIVED}, eq. 10", fields=family())
def stopping_stochastic(x: Instance) -> Sides:
    """For a stochastic policy the stopping bound is still a lower bound, at its best stopping probabilities and model.

        V  <=  log J(pi),      V = E_pi log(r + gamma E_p e^V)

    By Jensen's inequality over actions; only a model that may change the policy too would be tight. The maximum is
    searched in plain floats; its stopping probabilities and model are then evaluated as given numbers.
    """
    return at_most(x.xp.exp(stopping_value(x, *best_stopping(x))), returns(x))


@claim(
    "mnm.best_policy", "M12", source=f"{PAPER}, section 5.1", fields=mdp(REWARD), corrected="mnm.stopping.best_policy"
)
def best_policy(x: Instance) -> Sides:
    """Optimising the bound of eq. 2 over models and policies yields a policy of largest return.

        J*  <=  J(pi),      pi greedy for the largest L_1

    False: L averages logarithms over time, so it is averse to risk. A loop of rewards .01 and 3 returns 271/19 at gamma
    = .9 and has L = .40; a steady reward of 1 returns 10 and has L = log 10 = 2.30.
    """
    operator = Optimism(x.P, log_rewards(x), x.gamma, 1, x.gamma)
    pi = one_hot(operator.q_values(best_value(operator)))
    return at_most(x.xp.max(optimal_q(x.P, x.r, x.gamma), axis=1), policy_values(x.P, x.r, x.gamma, pi))


@claim("mnm.stopping.best_policy", "M12c", source=f"{DERIVED}, section 5.1", fields=mdp(REWARD), attackable=False)
def stopping_best_policy(x: Instance) -> Sides:
    """The largest stopping bound over policies is log J*, reached by the optimal policy.

        V  =  log V*      at pi greedy for Q*, kappa = r / Q*, q ~ p V*

    The bound is V = max_a log(r + gamma E_p e^V): value iteration in the space of logarithms.
    """
    Q = optimal_q(x.P, x.r, x.gamma)
    V = x.xp.max(Q, axis=1)
    x = Instance({**x.arrays, "pi": one_hot(Q)})
    return equal(x.xp.exp(stopping_value(x, x.r / Q, rescaled(x.P * V[None, None, :]))), V)


# whole trajectories


def trajectories(x: Instance):
    """Probabilities and returns of all paths of three steps, each of shape (S, A, S, A, S, A)."""
    step = x.P[..., None] * x.pi[None, None]
    p = x.rho[:, None] * x.pi
    p = p[..., None, None] * step
    p = p[..., None, None] * step[None, None]
    r, g = x.r, x.gamma
    return p, r[:, :, None, None, None, None] + g * (r[None, None, :, :, None, None] + g * r[None, None, None, None])


def path_bound(p, R, q):
    """`E_q log R - KL(q || p)` over all paths."""
    xp = p.__array_namespace__()
    return xp.sum(q * xp.log(R)) - kl(q.reshape(-1), p.reshape(-1))


def two_coins() -> dict[str, Any]:
    """Two states at random that pay 1 and 2; the path's weight is its return, gamma = 1/2."""
    half = Fraction(1, 2)
    R = [[[[[[a + b * half + c * half**2] for c in (1, 2)]] for b in (1, 2)]] for a in (1, 2)]
    return {
        "gamma": half,
        "P": [[[half, half]], [[half, half]]],
        "r": [[1], [2]],
        "pi": [[1], [1]],
        "rho": [half, half],
        "weight": R,
    }


PATHS = mdp(REWARD, **policy(), **start())
PATH_SIZES = {"S": (2, 3), "A": (1, 2)}


@claim(
    "mnm.trajectories",
    "M8",
    source=f"{PAPER}, section 3: the evidence lower bound",
    fields={**PATHS, "weight": Positive((*SA, *SA, *SA), 1e-2, 1e2)},
    sizes=PATH_SIZES,
    sharp=True,
    equality=two_coins(),
)
def path_elbo(x: Instance) -> Sides:
    """The evidence lower bound over whole paths, for every distribution q over them.

        E_q log R - KL(q || p)  <=  log E_p R

    By Jensen's inequality. Here all paths of three steps; q is p times any positive weight of a path.
    """
    p, R = trajectories(x)
    weights = p * x.weight
    return at_most(x.xp.exp(path_bound(p, R, weights / x.xp.sum(weights))), x.xp.sum(p * R))


@claim(
    "mnm.trajectories.attained",
    "M8b",
    source=f"{PAPER}, section 3: q*(tau)",
    fields=PATHS,
    sizes=PATH_SIZES,
    attackable=False,
)
def path_attained(x: Instance) -> Sides:
    """q*(tau) ~ p(tau) R(tau) attains the evidence lower bound over whole paths.

    E_q* log R - KL(q* || p)  =  log E_p R
    """
    p, R = trajectories(x)
    J = x.xp.sum(p * R)
    return equal(path_bound(p, R, p * R / J), x.xp.log(J))


# VMBPO


RISK = Positive(low=1e-2, high=1e1)
RISKY = mdp(Box(SA, -1, 1), **policy(), eta=RISK)


@claim("mnm.vmbpo", "M9", source=f"{PAPER}, section 2: VMBPO maximises an upper bound", fields=RISKY)
def vmbpo(x: Instance) -> Sides:
    """The optimum of VMBPO over distributions of paths is an upper bound on the return.

        E R  <=  (1 / eta) log E e^{eta R},      R = sum_t gamma^t r_t

    Jensen's inequality. Computed backward, U_k = log E exp(eta gamma^k r + U_{k+1}), from U_12 = eta gamma^12 V, which
    is too small by Jensen's inequality again.
    """
    V, rates = returns(x), [x.eta]
    for _ in range(TIMES):
        rates.append(rates[-1] * x.gamma)
    U = rates.pop() * V
    for rate in reversed(rates):
        Q = rate * x.r + log_mean_exp(x.P, U[None, None, :])
        U = log_mean_exp(x.pi, Q)
    return at_most(V, U / x.eta)


@claim("mnm.vmbpo.best_model", "M9b", source=f"{PAPER}, section 2 and Figure 3b", fields=RISKY)
def vmbpo_best_model(x: Instance) -> Sides:
    """The largest return in a model less its divergence is at least the true return.

        J(pi)  <=  max_q E_q,pi sum_t gamma^t (r_t - KL_t / eta)

    The true model is among the models. The maximum is V = E_pi [r + (1 / eta) log E_p e^{eta gamma V}].
    """
    best = Optimism(x.P, x.r, x.gamma, 1 / x.eta, x.eta * x.gamma, x.pi)
    return at_most(returns(x), best_value(best))


@claim(
    "mnm.vmbpo.any_model",
    "M9x",
    source=f"{PAPER}, section 5.1 and Figure 3b",
    fields={**RISKY, "q": Rows(SAS)},
    hypotheses=(SUPPORT,),
    corrected="mnm.vmbpo.best_model",
)
def vmbpo_any_model(x: Instance) -> Sides:
    """The objective of VMBPO is an upper bound on the return at every model, such as that of MnM in Figure 3b.

        J(pi)  <=  E_q,pi sum_t gamma^t (r_t - KL_t / eta)

    False: a model that goes to worse states than the true one is lower twice. Only the maximum over q is a bound.
    """
    return at_most(returns(x), policy_values(x.q, x.r - kl(x.q, x.P) / x.eta, x.gamma, x.pi))


LOTTERY = {"p": Rows(("n",)), "R": Box(("n",), 0.0, 1.0), "eta": RISK}


def risky_value(x: Instance):
    """`(1 / eta) log E e^{eta R}` of a lottery."""
    return log_mean_exp(x.p, x.eta * x.R) / x.eta


def moments(x: Instance):
    """Mean and variance of a lottery."""
    mean = x.xp.sum(x.p * x.R)
    return mean, x.xp.sum(x.p * (x.R - mean) ** 2)


@claim(
    "mnm.vmbpo.variance",
    "M14x",
    source=f"{PAPER}, section 2: the expected return plus the variance of the return",
    fields=LOTTERY,
    sizes={"n": (2, 4)},
    corrected="mnm.vmbpo.second_order",
    attackable=False,
)
def vmbpo_variance(x: Instance) -> Sides:
    """VMBPO's objective is the expected return plus the variance of the return.

        (1 / eta) log E e^{eta R}  =  E R + eta Var R

    False already at second order, where the variance has the factor eta / 2: for R = 0 or 1 with probability 1/2 and
    eta = 1 it is .6201, not .75.
    """
    mean, variance = moments(x)
    return equal(risky_value(x), mean + x.eta * variance)


@claim(
    "mnm.vmbpo.half_variance",
    "M14y",
    source=f"{DERIVED}, section 2",
    fields=LOTTERY,
    sizes={"n": (2, 4)},
    control=True,
    corrected="mnm.vmbpo.second_order",
    attackable=False,
)
def vmbpo_half_variance(x: Instance) -> Sides:
    """A control: VMBPO's objective is exactly the mean plus eta / 2 times the variance.

        (1 / eta) log E e^{eta R}  =  E R + (eta / 2) Var R

    The expansion goes on with the higher cumulants: for R = 0 or 1 with probability 1/2 and eta = 1 it is .6201, not
    .625.
    """
    mean, variance = moments(x)
    return equal(risky_value(x), mean + x.eta * variance / 2)


@claim("mnm.vmbpo.second_order", "M14", source=f"{DERIVED}, section 2", fields=LOTTERY, sizes={"n": (2, 4)})
def vmbpo_second_order(x: Instance) -> Sides:
    """VMBPO's objective is the mean plus eta / 2 times the variance up to second order in eta.

        |(1 / eta) log E e^{eta R} - E R - (eta / 2) Var R|  <=  eta^2 D^3 / (36 sqrt 3),      D = max R - min R

    Both of its inequalities are stated multiplied by eta and exponentiated.
    What is left is eta^2 / 6 times the third cumulant of a tilted lottery, which is a third central moment: at most
    D^3 / (6 sqrt 3), that of a coin of bias (1 - 1 / sqrt 3) / 2.
    """
    xp, (mean, variance) = x.xp, moments(x)
    rest = (x.eta * (xp.max(x.R) - xp.min(x.R))) ** 3 / (36 * xp.sqrt(3 + 0 * mean))
    expansion = x.eta * mean + x.eta**2 * variance / 2
    low, value, high = xp.exp(expansion - rest), xp.sum(x.p * xp.exp(x.eta * x.R)), xp.exp(expansion + rest)
    return at_most(xp.stack([low, value]), xp.stack([value, high]))


# the classifier


CLASSIFIED = {"p": Rows(("n",)), "q": Rows(("n",)), "odds": Positive(low=1e-1, high=1e1)}
"""`odds`: real transitions shown for every imagined one."""


def balanced() -> Hypothesis:
    """As many real transitions are shown as imagined ones."""
    return Hypothesis("balanced classes", lambda x: equal(x.odds, x.xp.ones(())), {"odds": Whole((), 1, 1)})


def logits(x: Instance, factor):
    """Logit of the Bayes-optimal classifier `C = n_real p / (n_real p + n_model q)`, and `log(factor p / q)`; both are
    0 where p or q is."""
    xp, both = x.xp, (x.p > 0) & (x.q > 0)
    p, q = xp.where(both, x.p, 1.0), xp.where(both, x.q, 1.0)
    C = x.odds * p / (x.odds * p + q)
    return xp.where(both, xp.log(C / (1 - C)), 0.0), xp.where(both, xp.log(factor * p / q), 0.0)


@claim(
    "mnm.classifier",
    "M10",
    source=f"{PAPER}, eq. 4 and 5",
    fields=CLASSIFIED,
    sizes={"n": (2, 4)},
    hypotheses=(balanced(),),
    attackable=False,
)
def classifier(x: Instance) -> Sides:
    """The logit of the Bayes-optimal classifier of real and imagined transitions is their log ratio of probabilities.

        log C / (1 - C)  =  log p / q      where as many of both are shown

    C = p / (p + q) maximises the cross entropy of eq. 4 (mnm.classifier.bayes).
    """
    return equal(*logits(x, 1))


classifier_skewed = classifier.without(
    "balanced classes", name="mnm.classifier.skewed", id="M10x", corrected="mnm.classifier.odds"
)


@claim(
    "mnm.classifier.odds",
    "M10b",
    source=f"{DERIVED}, eq. 4",
    fields=CLASSIFIED,
    sizes={"n": (2, 4)},
    attackable=False,
)
def classifier_odds(x: Instance) -> Sides:
    """Where n_real real transitions are shown for n_model imagined ones, the logit has an offset.

    log C / (1 - C)  =  log p / q + log(n_real / n_model)
    """
    return equal(*logits(x, x.odds))


@claim(
    "mnm.classifier.bayes",
    "M10c",
    source=f"{PAPER}, eq. 4",
    fields={**CLASSIFIED, "C": Box(("n",), 1 / 1024, 1023 / 1024)},
    sizes={"n": (2, 4)},
)
def classifier_bayes(x: Instance) -> Sides:
    """No classifier has a smaller cross entropy (eq. 4) than C = n_real p / (n_real p + n_model q).

        -n_real E_p log C* - n_model E_q log(1 - C*)  <=  -n_real E_p log C - n_model E_q log(1 - C)

    In each point it is the cross entropy of a coin, which is least at the coin's own bias (Gibbs' inequality).
    """
    xp, real, model = x.xp, x.odds * x.p, x.q
    total = real + model
    shown = xp.where(total > 0, total, 1.0)
    best = -xlogx(real / shown) - xlogx(model / shown)
    return at_most(xp.sum(total * best), -xp.sum(real * xp.log(x.C) + model * xp.log(1 - x.C)))


def xlogx(x):
    """`x log x`, 0 at 0."""
    xp = x.__array_namespace__()
    return xp.where(x > 0, x * xp.log(xp.where(x > 0, x, 1.0)), 0.0)


# Table 1


@claim(
    "mnm.table1.kearns_singh",
    "T1a",
    source=f"{TABLE}: holds globally, Kearns and Singh",
    fields=pair(**policy()),
    hypotheses=(rewards_from_zero(),),
)
def kearns_singh(x: Instance) -> Sides:
    """The simulation lemma of Kearns and Singh 2002 bounds the true value for every model and policy.

        V_hat^pi - eps_r / (1 - gamma) - gamma eps_p r_max / (2 (1 - gamma)^2)  <=  V^pi

    In the form of Nikishin et al. 2021, Theorem 2, for the values of a policy. It needs the largest error of the model
    over all states, which only a table has: not efficient to compute.
    """
    errors = mismatch.reward_error(x.r, x.r_hat), mismatch.transition_error(x.P, x.P_hat)
    loss = mismatch.likelihood_bound(*errors, mismatch.largest_reward(x.r), x.gamma)
    return at_most(policy_values(x.P_hat, x.r_hat, x.gamma, x.pi) - loss, returns(x))


DATA = mdp(
    Box(SA, 0, 1),
    P_hat=Rows(SAS, near="P"),
    **policy("pi_ref"),
    **policy(),
    **start(),
    delta=Positive(low=1e-4, high=1.0),
)


@claim(
    "mnm.table1.luo",
    "T1b",
    source=f"{TABLE}: Luo et al., near the data-collecting policy",
    fields=DATA,
    hypotheses=(near_the_data(),),
)
def luo(x: Instance) -> Sides:
    """The discrepancy bound of Luo et al. 2019 holds within delta of the policy that collected the data.

        J_hat(pi) - gamma E_{d_ref,pi} |G| - 2 (gamma / (1 - gamma))^2 delta max_s E_pi |G|  <=  J(pi),
        G = (P_hat - P) V_hat

    J_hat - J = gamma E_{d_pi,pi} G exactly (telescoping); and the visits of policies within delta in total variation
    differ by at most 2 gamma delta / (1 - gamma)^2 in all. The reward is known, as in their paper.
    """
    V_hat = policy_values(x.P_hat, x.r, x.gamma, x.pi)
    wrong = x.xp.sum(x.pi * abs((x.P_hat - x.P) @ V_hat), axis=1)
    seen = x.gamma * (occupancy(x.P, x.gamma, x.pi_ref, x.rho) @ wrong)
    unseen = 2 * (x.gamma / (1 - x.gamma)) ** 2 * x.delta * x.xp.max(wrong)
    return at_most(x.rho @ V_hat - seen - unseen, x.rho @ returns(x))


luo_far = luo.without(
    "policy within delta of the data's", name="mnm.table1.luo.far", id="T1bx", corrected="mnm.table1.luo"
)


@claim("mnm.table1.unified", "T1c", source=f"{TABLE}: unified objective", fields=modelled(), hypotheses=(SUPPORT,))
def unified(x: Instance) -> Sides:
    """One objective for model and policy: a step of either never lowers the bound of eq. 2.

        L_1(q, pi)  <=  L_1(q', pi)  for q' ~ p e^{gamma L_1},      L_1(q, pi)  <=  L_1(q, pi')  for pi' greedy in q

    Policy improvement, in the MDP whose actions are an action and a model of its outcome.
    """
    L = lower_bound(x, 1)
    c = log_rewards(x) - kl(x.q, x.P)
    better_model = lower_bound(x, 1, tilted(x.P, x.gamma * L))
    better_policy = lower_bound(x, 1, pi=one_hot(action_values(x.q, c, x.gamma, L)))
    return at_most(x.xp.exp(x.xp.stack([L, L])), x.xp.exp(x.xp.stack([better_model, better_policy])))


@claim(
    "mnm.table1.unified.eq9",
    "T1cx",
    source=f"{PAPER}, section 3 and eq. 9: updating the model increases the objective",
    fields=modelled(),
    hypotheses=(SUPPORT,),
    corrected="mnm.table1.unified",
)
def unified_eq9(x: Instance) -> Sides:
    """The model update of eq. 9 never lowers the bound of eq. 2.

        L_1(q, pi)  <=  L_1(q', pi)      for q' ~ p e^{L_1}

    False near the best model, p e^{gamma V}: eq. 9 overshoots it.
    """
    L = lower_bound(x, 1)
    return at_most(x.xp.exp(L), x.xp.exp(lower_bound(x, 1, tilted(x.P, L))))


@claim(
    "mnm.table1.tight.kearns_singh",
    "T1d",
    source=f"{TABLE}: tight at optimality, Kearns and Singh",
    fields=mdp(Box(SA, 0, 1), **policy()),
    attackable=False,
)
def tight_kearns_singh(x: Instance) -> Sides:
    """The simulation lemma is tight at the true model, where both errors are 0.

    V_hat^pi - eps_r / (1 - gamma) - gamma eps_p r_max / (2 (1 - gamma)^2)  =  V^pi      for P_hat = P, r_hat = r
    """
    errors = mismatch.reward_error(x.r, x.r), mismatch.transition_error(x.P, x.P)
    loss = mismatch.likelihood_bound(*errors, mismatch.largest_reward(x.r), x.gamma)
    return equal(returns(x) - loss, returns(x))


@claim(
    "mnm.table1.tight.simple",
    "T1e",
    source=f"{TABLE}: not tight at optimality, MnM eq. 2",
    fields=family(),
    control=True,
    corrected="mnm.stopping",
)
def tight_simple(x: Instance) -> Sides:
    """A control, for the table says no: the bound of eq. 2 is tight at its best model.

        log J(pi)  <=  max_q L_1(q, pi)

    False unless the reward is constant: Jensen's inequality over time is strict.
    """
    return at_most(returns(x), x.xp.exp(best_value(simple_optimism(x))))


@claim(
    "mnm.table1.tight.luo",
    "T1f",
    source=f"{TABLE}: not tight at optimality, Luo et al.",
    fields=mdp(Box(SA, 0, 1), **policy()),
    control=True,
    corrected="mnm.table1.tight.kearns_singh",
)
def tight_luo(x: Instance) -> Sides:
    """A control, for the table says no: the discrepancy of Luo et al. is 0 at the true model.

        E_{s' ~ p, t ~ p} |V(s') - V(t)|  <=  0

    False where transitions are random: it compares single samples, whose distance isn't 0 in the mean.
    """
    V = returns(x)
    apart = abs(V[:, None] - V[None, :])
    return at_most(x.xp.sum((x.P @ apart) * x.P, axis=-1), x.xp.zeros_like(x.r))
