"""Classic results on discounted MDPs: contractions, bounds of value iteration, greedy policies, policy improvement,
gradients, the simulation lemma and the geometry of values."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from tabular import mismatch
from tabular.arithmetic import (
    action_values,
    deterministic,
    occupancy,
    optimal_q,
    policy_chain,
    policy_q,
    policy_values,
)
from tabular.bounds import UNIT
from tabular.claims.claim import Hypothesis, Instance, Sides, at_most, claim, equal
from tabular.claims.families import SA, mdp, pair, policy, start, temperature
from tabular.claims.fields import Box, Field, Positive, Real, Rows
from tabular.operators import policy_value, soft_value, softmax_policy

HORIZON = 5
"""Sweeps of value iteration that its a-priori bound is checked for."""
STEP = 1e-20
"""Step of a complex derivative: its square is far below rounding."""
PUTERMAN = "Puterman 1994"


def values(name: str) -> dict[str, Field]:
    """Any values of the states."""
    return {name: Real(("S",), scale=10.0)}


def backup(x: Instance, V):
    """One backup by the optimality operator, `TV = max_a (r + gamma P V)`."""
    return x.xp.max(action_values(x.P, x.r, x.gamma, V), axis=1)


def policy_backup(x: Instance, pi, V):
    """One backup by a policy, `T_pi V = sum_a pi (r + gamma P V)`."""
    return x.xp.sum(pi * action_values(x.P, x.r, x.gamma, V), axis=1)


def optimal_values(x: Instance):
    """`V*`."""
    return x.xp.max(optimal_q(x.P, x.r, x.gamma), axis=1)


def value(x: Instance, pi):
    """`V^pi`."""
    return policy_values(x.P, x.r, x.gamma, pi)


def distance(x: Instance, a, b):
    """`max |a - b|`."""
    return x.xp.max(abs(a - b))


def span(V):
    """`max V - min V`."""
    xp = V.__array_namespace__()
    return xp.max(V) - xp.min(V)


# A policy that is greedy with respect to given values: a field, since the worst cases are ties broken the wrong way.


@dataclass(frozen=True, kw_only=True)
class Greedy(Field):
    """A deterministic policy, greedy with respect to action values that follow from the fields before it."""

    q: Callable[[Instance], Any]

    attacked = False

    def draw(self, rng, shape, drawn):
        return deterministic(np.argmax(self.q(Instance(drawn)), axis=1), shape[-1])


def greedy(of: str, q: Callable[[Instance], Any], name: str = "pi") -> Hypothesis:
    """A policy takes only actions that are best under the action values `q(x)`."""

    def holds(x: Instance) -> Sides:
        Q, pi = q(x), getattr(x, name)
        better = Q[:, None, :] - Q[:, :, None]
        compared = (pi > 0)[:, :, None] & ~np.eye(Q.shape[1], dtype=bool)
        return at_most(x.xp.where(compared, better, 0 * better), x.xp.zeros(()))

    return Hypothesis(f"{name} is greedy with respect to {of}", holds, {name: Greedy(SA, q=q)})


GREEDY_IN_V = greedy("V", lambda x: action_values(x.P, x.r, x.gamma, x.V))


# Instances at which a bound is attained


GAMMA, HALF, QUARTER = Fraction(9, 10), Fraction(1, 2), Fraction(1, 4)
STAY = np.eye(2, dtype=int)[[[0, 0], [1, 1]]].tolist()
"""Two absorbing states."""
FIRST = np.eye(2, dtype=int)[[[0, 0], [0, 0]]].tolist()
"""Everything leads to the first of two states."""
ANY = [[1, 0], [1, 0]]
"""A policy, where all actions are alike."""


def rewards(*by_state) -> list[list]:
    """Rewards of two actions that are alike."""
    return [[r, r] for r in by_state]


def example(P=STAY, r=None, **more) -> dict[str, Any]:
    """An MDP with two states and two actions, and further fields."""
    return {"gamma": GAMMA, "P": P, "r": r or rewards(0, 0), **more}


# Contractions


@claim(
    "classics.contraction",
    "C01",
    source=f"Denardo 1967; {PUTERMAN}, Proposition 6.2.4",
    fields=mdp(**values("V"), **values("W")),
    sharp=True,
    equality=example(FIRST, V=[1, 0], W=[0, 0]),
)
def contraction(x: Instance) -> Sides:
    """The optimality operator is a contraction in the maximum norm.

        max |TV - TW|  <=  gamma max |V - W|

    |max_a x - max_a y| <= max_a |x - y|, and an expectation of V - W is at most its largest entry. Attained where all
    transitions lead to the state where V and W differ most.
    """
    return at_most(distance(x, backup(x, x.V), backup(x, x.W)), x.gamma * distance(x, x.V, x.W))


@claim(
    "classics.contraction.policy",
    "C02",
    source=f"Denardo 1967; {PUTERMAN}, Proposition 6.2.4",
    fields=mdp(**policy(), **values("V"), **values("W")),
    sharp=True,
    equality=example(FIRST, pi=ANY, V=[1, 0], W=[0, 0]),
)
def contraction_policy(x: Instance) -> Sides:
    """The operator of a policy is a contraction in the maximum norm.

        max |T_pi V - T_pi W|  <=  gamma max |V - W|

    T_pi V - T_pi W = gamma P_pi (V - W), and the rows of P_pi are probabilities.
    """
    backups = (policy_backup(x, x.pi, V) for V in (x.V, x.W))
    return at_most(distance(x, *backups), x.gamma * distance(x, x.V, x.W))


@claim(
    "classics.contraction.soft",
    "C03",
    source="Fox, Pakman & Tishby 2016; Haarnoja et al. 2017, appendix",
    fields=mdp(**temperature(), Q=Real(SA), U=Real(SA)),
    sharp=True,
    equality=example(FIRST, alpha=1, Q=rewards(1, 0), U=rewards(0, 0)),
)
def contraction_soft(x: Instance) -> Sides:
    """The soft optimality operator is a contraction in the maximum norm, at every temperature.

        max |B_alpha Q - B_alpha U|  <=  gamma max |Q - U|

    The derivative of alpha log sum exp(Q / alpha) is the softmax policy, whose entries sum to 1.
    """
    backups = (action_values(x.P, x.r, x.gamma, soft_value(Q, x.alpha)) for Q in (x.Q, x.U))
    return at_most(distance(x, *backups), x.gamma * distance(x, x.Q, x.U))


@claim(
    "classics.contraction.l2",
    "C03x",
    source="negative control",
    fields=mdp(**values("V"), **values("W")),
    control=True,
    corrected="classics.contraction",
)
def contraction_l2(x: Instance) -> Sides:
    """False: the optimality operator is a contraction in the Euclidean norm.

        sum (TV - TW)^2  <=  gamma^2 sum (V - W)^2

    If all S states lead to the one where V and W differ, the left side is S times the right one.
    """
    gap = backup(x, x.V) - backup(x, x.W)
    return at_most(x.xp.sum(gap * gap), x.gamma**2 * x.xp.sum((x.V - x.W) * (x.V - x.W)))


@claim(
    "classics.contraction.span",
    "C04",
    source=f"{PUTERMAN}, sec. 6.6",
    fields=mdp(**values("V"), **values("W")),
    sharp=True,
    equality=example(V=[1, 0], W=[0, 0]),
)
def contraction_span(x: Instance) -> Sides:
    """The optimality operator is a contraction in the span, `span V = max V - min V`.

        span(TV - TW)  <=  gamma span(V - W)

    gamma min (V - W) <= TV - TW <= gamma max (V - W) in every state.
    """
    return at_most(span(backup(x, x.V) - backup(x, x.W)), x.gamma * span(x.V - x.W))


@claim(
    "classics.contraction.span.dobrushin",
    "C04b",
    source=f"Dobrushin 1956; {PUTERMAN}, sec. 6.6",
    fields=mdp(**values("V"), **values("W")),
    sharp=True,
    equality=example([[[1 - QUARTER, QUARTER]] * 2, [[QUARTER, 1 - QUARTER]] * 2], V=[1, 0], W=[0, 0]),
)
def contraction_span_dobrushin(x: Instance) -> Sides:
    """In the span, it contracts by what any two rows of the kernel have not in common as well.

        span(TV - TW)  <=  gamma delta span(V - W),    delta = 1 - min over two rows p, q of sum min(p, q)

    TV - TW is at most p (V - W) in one state and at least q (V - W) in another, and (p - q) (V - W) is at most the
    total variation of p and q times the span.
    """
    rows = x.P.reshape(-1, x.P.shape[-1])
    delta = 1 - x.xp.min(x.xp.sum(x.xp.minimum(rows[:, None, :], rows[None, :, :]), axis=-1))
    return at_most(span(backup(x, x.V) - backup(x, x.W)), x.gamma * delta * span(x.V - x.W))


# Value iteration


@claim(
    "classics.value_iteration.posterior",
    "C05",
    source=f"Denardo 1967; {PUTERMAN}, sec. 6.3",
    fields=mdp(**values("V")),
    sharp=True,
    equality=example(r=rewards(1, 1), V=[0, 0]),
)
def value_iteration_posterior(x: Instance) -> Sides:
    """The last step of value iteration bounds the distance to go.

        max |TV - V*|  <=  gamma / (1 - gamma) max |TV - V|

    TV - V* = TV - TTV + TTV - TTTV + ..., and each term is at most gamma times the one before. Attained where all
    steps point the same way: constant rewards.
    """
    V1 = backup(x, x.V)
    return at_most(distance(x, V1, optimal_values(x)), x.gamma / (1 - x.gamma) * distance(x, V1, x.V))


@claim(
    "classics.value_iteration.prior",
    "C06",
    source=f"Denardo 1967; {PUTERMAN}, sec. 6.3",
    fields=mdp(**values("V")),
    sharp=True,
    equality=example(r=rewards(1, 1), V=[0, 0]),
)
def value_iteration_prior(x: Instance) -> Sides:
    """The first step of value iteration bounds the distance after k steps, for k = 1 to 5.

        max |T^k V - V*|  <=  gamma^k / (1 - gamma) max |TV - V|

    The bound of the last step, which has shrunk by gamma k - 1 times.
    """
    V_star, iterates = optimal_values(x), [x.V]
    for _ in range(HORIZON):
        iterates.append(backup(x, iterates[-1]))
    first = distance(x, iterates[1], x.V) / (1 - x.gamma)
    errors = [distance(x, V, V_star) for V in iterates[1:]]
    return at_most(x.xp.stack(errors), x.xp.stack([x.gamma**k * first for k in range(1, HORIZON + 1)]))


@claim(
    "classics.macqueen_porteus.lower",
    "C07",
    source="MacQueen 1966; Porteus 1971",
    fields=mdp(**values("V")),
    sharp=True,
    equality=example(r=rewards(0, -1), V=[0, 0]),
)
def macqueen_porteus_lower(x: Instance) -> Sides:
    """The least change in a step of value iteration bounds V* from below.

        TV + gamma / (1 - gamma) min (TV - V)  <=  V*

    Written as TV - V* <= gamma / (1 - gamma) max (V - TV). V* - TV = (TTV - TV) + (TTTV - TTV) + ..., and the least
    entry of each term is at least gamma times that of the one before. Attained in an absorbing state of least change.
    """
    V1 = backup(x, x.V)
    return at_most(V1 - optimal_values(x), x.gamma / (1 - x.gamma) * x.xp.max(x.V - V1))


@claim(
    "classics.macqueen_porteus.upper",
    "C07b",
    source="MacQueen 1966; Porteus 1971",
    fields=mdp(**values("V")),
    sharp=True,
    equality=example(r=rewards(0, 1), V=[0, 0]),
)
def macqueen_porteus_upper(x: Instance) -> Sides:
    """The largest change in a step of value iteration bounds V* from above.

        V*  <=  TV + gamma / (1 - gamma) max (TV - V)

    The largest entry of each further step is at most gamma times that of the one before.
    """
    V1 = backup(x, x.V)
    return at_most(optimal_values(x) - V1, x.gamma / (1 - x.gamma) * x.xp.max(V1 - x.V))


@claim(
    "classics.span_stopping",
    "C08",
    source=f"{PUTERMAN}, sec. 6.6, from the bounds of MacQueen 1966 and Porteus 1971",
    fields=mdp(**values("V"), **policy()),
    hypotheses=(GREEDY_IN_V,),
    sharp=True,
    equality={
        "gamma": GAMMA,
        "P": np.eye(3, dtype=int)[[[1, 2], [1, 1], [2, 2]]].tolist(),
        "r": rewards(0, 1, -1),
        "V": [0, 0, 0],
        "pi": [[0, 1], [1, 0], [1, 0]],
    },
)
def span_stopping(x: Instance) -> Sides:
    """A greedy policy loses at most the width of the bounds of MacQueen and Porteus.

        max (V* - V^pi)  <=  gamma / (1 - gamma) span(TV - V),    pi greedy with respect to V

    Both V* and V^pi lie between TV + gamma / (1 - gamma) min (TV - V) and the same with max. Attained by a tie between
    a way to the state of largest change and one to that of least change, broken the wrong way.
    """
    loss = x.xp.max(optimal_values(x) - value(x, x.pi))
    return at_most(loss, x.gamma / (1 - x.gamma) * span(backup(x, x.V) - x.V))


# Greedy policies


@claim(
    "classics.greedy_loss",
    "C09",
    source="Singh & Yee 1994",
    fields=mdp(**values("V"), **policy()),
    hypotheses=(GREEDY_IN_V,),
    sharp=True,
    equality=example(
        np.eye(2, dtype=int)[[[0, 1], [0, 1]]].tolist(), [[0, -GAMMA]] * 2, V=[-HALF, HALF], pi=[[0, 1], [0, 1]]
    ),
)
def greedy_loss(x: Instance) -> Sides:
    """What a policy loses that is greedy with respect to wrong values.

        max (V* - V^pi)  <=  2 gamma / (1 - gamma) max |V - V*|,    pi greedy with respect to V

    V* - V^pi = (TV* - T_pi V*) + gamma P_pi (V* - V^pi), and TV* - T_pi V* <= TV* - TV + T_pi V - T_pi V*. Attained by
    two copies of a state, V = (-eps, eps), with the reward -2 gamma eps for going to the wrong copy: a tie, broken the
    wrong way.
    """
    loss = x.xp.max(optimal_values(x) - value(x, x.pi))
    return at_most(loss, 2 * x.gamma / (1 - x.gamma) * distance(x, x.V, optimal_values(x)))


@claim(
    "classics.greedy_loss.q",
    "C09b",
    source="Singh & Yee 1994, Corollary 2",
    fields=mdp(Q=Real(SA), **policy()),
    hypotheses=(greedy("Q", lambda x: x.Q),),
    sharp=True,
    equality=example(r=[[1, 0], [1, 0]], Q=[[9 + HALF] * 2] * 2, pi=[[0, 1], [0, 1]]),
)
def greedy_loss_q(x: Instance) -> Sides:
    """What a policy loses that is greedy with respect to wrong action values.

        max (V* - V^pi)  <=  2 / (1 - gamma) max |Q - Q*|,    pi greedy with respect to Q

    The action taken is worse than the best one by 2 max |Q - Q*| at most, in every step. Attained by one state with two
    actions whose rewards differ by 2 eps, and Q wrong by eps in either direction.
    """
    best = optimal_q(x.P, x.r, x.gamma)
    loss = x.xp.max(x.xp.max(best, axis=1) - value(x, x.pi))
    return at_most(loss, mismatch.greedy_loss_bound(distance(x, x.Q, best), x.gamma))


# Policy improvement


@claim(
    "classics.policy_improvement",
    "C10",
    source="Howard 1960",
    fields=mdp(**policy(), **policy("other")),
)
def policy_improvement(x: Instance) -> Sides:
    """A policy that is no worse for one step is no worse for ever.

        T_new V^pi >= V^pi   implies   V^new - V^pi  >=  T_new V^pi - V^pi  >=  0

    V^new - V^pi = (I - gamma P_new)^-1 (T_new V^pi - V^pi), and the inverse is I + gamma P_new + ... Here `new` follows
    `other` in the states where that is no worse for one step, and pi elsewhere.
    """
    V = value(x, x.pi)
    no_worse = policy_backup(x, x.other, V) >= V
    new = x.xp.where(no_worse[:, None], x.other, x.pi)
    return at_most(policy_backup(x, new, V) - V, value(x, new) - V)


@claim(
    "classics.policy_iteration.newton",
    "C11",
    source="Puterman & Brumelle 1979",
    fields=mdp(**values("V"), **policy()),
    hypotheses=(GREEDY_IN_V,),
    attackable=False,
)
def policy_iteration_newton(x: Instance) -> Sides:
    """A step of policy iteration is a step of Newton's method on V - TV = 0.

        V^pi  =  V - (I - gamma P_pi)^-1 (V - TV),    pi greedy with respect to V

    I - gamma P_pi is the derivative of V - TV, and TV = r_pi + gamma P_pi V.
    """
    return equal(value(x, x.pi), x.V - newton_step(x, x.pi, x.V - backup(x, x.V)))


def newton_step(x: Instance, pi, residual):
    """`(I - gamma P_pi)^-1 residual`."""
    return x.xp.linalg.solve(x.xp.eye(x.P.shape[0]) - x.gamma * policy_chain(x.P, pi), residual)


@claim(
    "classics.soft_policy_iteration.newton",
    "C12",
    source="derived here; the hard case is Puterman & Brumelle 1979",
    fields=mdp(V=Real(("S",)), alpha=Positive(low=1e-1, high=10.0)),
    attackable=False,
)
def soft_policy_iteration_newton(x: Instance) -> Sides:
    """A step of soft policy iteration is a step of Newton's method on V - T_alpha V = 0.

        V^pi + alpha H^pi  =  V - (I - gamma P_pi)^-1 (V - T_alpha V),    pi = softmax((r + gamma P V) / alpha)

    The left side is (I - gamma P_pi)^-1 sum_a pi (r - alpha log pi). The derivative of T_alpha is gamma P_pi, and
    T_alpha V = sum_a pi (r + gamma P V - alpha log pi).
    """
    Q = action_values(x.P, x.r, x.gamma, x.V)
    pi = softmax_policy(Q, x.alpha)
    soft_values = policy_values(x.P, x.r - x.alpha * x.xp.log(pi), x.gamma, pi)
    return equal(soft_values, x.V - newton_step(x, pi, x.V - soft_value(Q, x.alpha)))


@claim(
    "classics.policy_iteration.faster",
    "C13",
    source=f"{PUTERMAN}, sec. 6.4",
    fields=mdp(**policy(), **policy("improved")),
    hypotheses=(greedy("V^pi", lambda x: policy_q(x.P, x.r, x.gamma, x.pi), "improved"),),
)
def policy_iteration_faster(x: Instance) -> Sides:
    """From the values of a policy, a step of policy iteration gets at least as near to V* as one of value iteration.

        V* - V^improved  <=  V* - T V^pi,    improved greedy with respect to V^pi

    T V^pi = T_improved V^pi >= V^pi, and repeated backups by `improved` rise to its values. Hence policy iteration
    contracts by gamma, too.
    """
    V_star = optimal_values(x)
    return at_most(V_star - value(x, x.improved), V_star - backup(x, value(x, x.pi)))


# Differences and gradients of the return


@claim(
    "classics.performance_difference",
    "C14",
    source="Kakade & Langford 2002, Lemma 6.1",
    fields=mdp(**policy(), **policy("other"), **start()),
    attackable=False,
)
def performance_difference(x: Instance) -> Sides:
    """The returns of two policies differ by the advantages of one where the other goes.

        J(other) - J(pi)  =  sum_s d_other(s) sum_a other(a|s) (Q^pi - V^pi)(s, a)

    with the discounted visits d, which sum to 1 / (1 - gamma).
    """
    d = occupancy(x.P, x.gamma, x.other, x.rho)
    V = value(x, x.pi)
    return equal(x.rho @ (value(x, x.other) - V), d @ (policy_backup(x, x.other, V) - V))


@claim(
    "classics.policy_gradient",
    "C15",
    source="Sutton et al. 2000, Theorem 1",
    fields=mdp(theta=Real(SA), direction=Real(SA), **start()),
    arithmetic="float",
    attackable=False,
)
def policy_gradient(x: Instance) -> Sides:
    """The policy gradient theorem, for a softmax policy.

        d/dt J(softmax(theta + t direction))  =  sum_s d(s) sum_a (d pi(a|s) / dt) Q^pi(s, a)

    The left side is the imaginary part of J at a complex step, with an error far below rounding. Rounding: three
    factors 1 / (1 - gamma), of the values, of the visits and of the condition of the linear systems. It is not measured
    by the answer, which may be tiny by cancellation.
    """
    xp = x.xp
    pi = softmax_policy(x.theta, 1)
    change = pi * (x.direction - policy_value(x.direction, pi)[:, None])
    visits = occupancy(x.P, x.gamma, pi, x.rho)
    right = visits @ xp.sum(change * policy_q(x.P, x.r, x.gamma, pi), axis=1)
    left = complex_return(x, x.theta + 1j * STEP * x.direction).imag / STEP
    size = xp.max(abs(x.direction)) * xp.max(abs(x.r)) / (1 - x.gamma) ** 3
    return equal(left, right, radius=16 * sum(x.r.shape) * UNIT * size)


def complex_return(x: Instance, theta):
    """Return of a softmax policy with complex parameters."""
    weights = x.xp.exp(theta - x.xp.max(theta.real, axis=1)[:, None])
    return x.rho @ value(x, weights / x.xp.sum(weights, axis=1)[:, None])


@claim(
    "classics.trust_region",
    "C20",
    source="Schulman et al. 2015, Theorem 1; Kakade & Langford 2002",
    fields=mdp(**policy(), pi_new=Rows(SA, near="pi"), **start()),
)
def trust_region(x: Instance) -> Sides:
    """The return of a new policy is at least the surrogate minus a penalty for leaving the old one.

        J(new)  >=  L(new) - 4 gamma eps tau^2 / (1 - gamma)^2
        L(new)  =  J(pi) + sum_s d_pi(s) sum_a new(a|s) A^pi(s, a),    eps = max |A^pi|

    with tau the largest total variation of pi and new. Written as L(new) - J(new) <= penalty. The visits of the two
    policies differ by 2 gamma tau / (1 - gamma)^2 in total, and the advantage of new is at most 2 tau eps in a state.
    Two states reach the ratio 1 - gamma, so that no smaller constant serves all gamma.
    """
    V = value(x, x.pi)
    advantages = policy_q(x.P, x.r, x.gamma, x.pi) - V[:, None]
    gain = occupancy(x.P, x.gamma, x.pi, x.rho) @ x.xp.sum(x.pi_new * advantages, axis=1)
    tau = x.xp.max(x.xp.sum(abs(x.pi_new - x.pi), axis=1)) / 2
    penalty = 4 * x.gamma * x.xp.max(abs(advantages)) * tau**2 / (1 - x.gamma) ** 2
    return at_most(x.rho @ (V - value(x, x.pi_new)) + gain, penalty)


# The simulation lemma


def simulation_error(x: Instance):
    """Largest error of the values of a policy in the model."""
    return distance(x, value(x, x.pi), policy_values(x.P_hat, x.r_hat, x.gamma, x.pi))


@claim(
    "classics.simulation",
    "C16",
    source="Kearns & Singh 2002, Lemma 4, for discounted returns",
    fields=pair(**policy()),
)
def simulation(x: Instance) -> Sides:
    """The simulation lemma: a model with small errors has a small error of the values of every policy.

        max |V^pi - V_hat^pi|  <=  eps_r / (1 - gamma) + gamma eps_p R / (2 (1 - gamma)^2),    R = max r - min r

    V - V_hat = (r - r_hat) + gamma (P - P_hat) V + gamma P_hat (V - V_hat), and (P - P_hat) V is at most half of eps_p
    times the range of V, which is at most R / (1 - gamma). Loose: more than the trivial R / (1 - gamma) once
    eps_p > 2 (1 - gamma) / gamma.
    """
    errors = mismatch.reward_error(x.r, x.r_hat), mismatch.transition_error(x.P, x.P_hat)
    return at_most(simulation_error(x), mismatch.likelihood_bound(*errors, mismatch.reward_span(x.r), x.gamma))


@claim(
    "classics.simulation.sharp",
    "C16b",
    source="derived here; compare Lobel & Parr 2024",
    fields=pair(**policy()),
    sharp=True,
    equality=example(r=rewards(1, 0), P_hat=[[[1 - QUARTER, QUARTER]] * 2, [[0, 1]] * 2], r_hat=rewards(1, 0), pi=ANY),
)
def simulation_sharp(x: Instance) -> Sides:
    """The simulation lemma made sharp.

        max |V^pi - V_hat^pi|  <=  (eps_r + gamma eps_p R / (2 (1 - gamma))) / (1 - gamma + gamma eps_p / 2)

    with R the range of the rewards of both. Couple the successors with probability 1 - eps_p / 2: where they agree the
    error is the same again, and where they don't it is R / (1 - gamma) at most. Attained by two absorbing states with
    rewards R and 0, one of which leaks into the other in the model.
    """
    errors = mismatch.reward_error(x.r, x.r_hat), mismatch.transition_error(x.P, x.P_hat)
    return at_most(simulation_error(x), mismatch.sharp_bound(*errors, mismatch.reward_span(x.r, x.r_hat), x.gamma))


# The geometry of values


LINE = mdp(**policy(), row=Rows(("A",)), share=Box())
"""Two policies that differ in state 0 only, pi and pi with the distribution `row` there, and the share of the first."""


def with_row(x: Instance, row):
    """The policy pi with another distribution in state 0."""
    return x.xp.concat([row[None, :], x.pi[1:]])


def line(x: Instance):
    """Values of the two policies, and of their mixture."""
    other = with_row(x, x.row)
    return value(x, x.pi), value(x, other), value(x, x.share * x.pi + (1 - x.share) * other)


@claim("classics.line.collinear", "C17", source="Dadashi et al. 2019, Theorem 1", fields=LINE, attackable=False)
def line_collinear(x: Instance) -> Sides:
    """The values of the mixtures of two policies that differ in one state lie on a line.

        (V_mix - V_2)(s) (V_1 - V_2)(t)  =  (V_mix - V_2)(t) (V_1 - V_2)(s)   for all s, t

    One row of I - gamma P_pi changes, so that every change of V is a multiple of one column of its inverse.
    """
    V1, V2, V = line(x)
    product = (V - V2)[:, None] * (V1 - V2)[None, :]
    return equal(product, product.T)


@claim("classics.line.monotone", "C17b", source="Dadashi et al. 2019, Theorem 1", fields=LINE)
def line_monotone(x: Instance) -> Sides:
    """The values of a mixture of two policies that differ in one state lie between theirs, in all states alike.

        (V_mix - V_2)(s) (V_1 - V_mix)(t)  >=  0   for all s, t

    The changes are non-negative multiples of one column of (I - gamma P_pi)^-1, whose entries are non-negative.
    """
    V1, V2, V = line(x)
    product = (V - V2)[:, None] * (V1 - V)[None, :]
    return at_most(-product, x.xp.zeros(()))


@claim("classics.line.ends", "C17c", source="Dadashi et al. 2019, Theorem 1", fields=mdp(**policy()))
def line_ends(x: Instance) -> Sides:
    """Among the policies that agree outside one state, one that is deterministic there is best, and one is worst.

        min_a max_s (V^pi - V^a)(s) <= 0,    min_a max_s (V^a - V^pi)(s) <= 0,    V^a: action a in state 0, else pi

    The values of all of them lie on one line, ordered by the advantage of what they do in state 0, which is linear in
    the probabilities.
    """
    V, A = value(x, x.pi), x.pi.shape[1]
    gaps = x.xp.stack([V - value(x, with_row(x, x.xp.eye(A)[a])) for a in range(A)])
    nearest = [x.xp.min(x.xp.max(gap, axis=1)) for gap in (gaps, -gaps)]
    return at_most(x.xp.stack(nearest), x.xp.zeros(()))


@claim("classics.line.position", "C17d", source="derived here, from Dadashi et al. 2019", fields=LINE, attackable=False)
def line_position(x: Instance) -> Sides:
    """Where on the segment the values of a mixture lie: a projective function of the share, not an affine one.

        V_mix = w V_1 + (1 - w) V_2,    w = share d_2 / (share d_2 + (1 - share) d_1)

    with d_i the discounted visits to state 0 of policy i from state 0, [(I - gamma P_i)^-1]_00 (Sherman-Morrison).
    """
    V1, V2, V = line(x)
    d1, d2 = (visits_to_first(x, pi) for pi in (x.pi, with_row(x, x.row)))
    weight = x.share * d2 / (x.share * d2 + (1 - x.share) * d1)
    return equal(V, weight * V1 + (1 - weight) * V2)


def visits_to_first(x: Instance, pi):
    """Discounted visits of a policy to state 0 from state 0."""
    return occupancy(x.P, x.gamma, pi, x.xp.eye(x.P.shape[0])[0])[0]


@claim(
    "classics.deterministic_optimum",
    "C18",
    source=f"Blackwell 1962; {PUTERMAN}, Theorem 6.2.10",
    fields=mdp(),
    sizes={"S": (2, 3), "A": (2, 3)},
    attackable=False,
)
def deterministic_optimum(x: Instance) -> Sides:
    """Some deterministic policy attains the optimal values in all states at once.

        min over deterministic pi of max |V* - V^pi|  =  0

    By enumeration of all A^S policies; V* is the fixed point of the optimality operator.
    """
    (S, A), V_star = x.r.shape, optimal_values(x)
    policies = (x.xp.asarray(deterministic(actions, A)) for actions in itertools.product(range(A), repeat=S))
    return equal(x.xp.min(x.xp.stack([distance(x, V_star, value(x, pi)) for pi in policies])), x.xp.zeros(()))


@claim(
    "classics.return.quasi_concave",
    "C19",
    source="negative control",
    fields=mdp(Box(SA), **policy(), **policy("other"), **start()),
    control=True,
)
def return_quasi_concave(x: Instance) -> Sides:
    """False: the return is quasi-concave in the policy.

        min(J(pi), J(other))  <=  J((pi + other) / 2)

    Two policies that each stick to a good plan can mix to one that never finishes either. Along a line in one state the
    return is monotone (`classics.line.monotone`), so that it takes two states.
    """
    J, J_other, J_mix = (x.rho @ value(x, pi) for pi in (x.pi, x.other, (x.pi + x.other) / 2))
    return at_most(x.xp.minimum(J, J_other), J_mix)
