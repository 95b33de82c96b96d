"""Claims of Nikishin et al. 2021, Control-Oriented Model-Based RL with Implicit Differentiation (OMD).

Rewards of the first part of Theorem 2 lie in [0, r_max]; where r_max has to be known apart from an instance, the unit
of reward is chosen so that it is 1.
"""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np

from tabular import mismatch
from tabular.arithmetic import action_values, enclosed, occupancy, optimal_q, policy_chain, policy_values, soft_q
from tabular.claims.claim import Hypothesis, Instance, Sides, at_most, claim, equal
from tabular.claims.families import mdp, pair, policy, rewards_from_zero, start, temperature
from tabular.claims.fields import Box, Discount, Positive, Real, Rows, Whole
from tabular.operators import soft_value, softmax_policy
from tabular.worlds import two_state

S_, SA, SAS = ("S",), ("S", "A"), ("S", "A", "S")
PAPER = "Nikishin et al. 2021"
HERE = "derived here; "

SIGNED = Box(SA, -1, 1)
STAY = [[[1, 0], [1, 0]], [[0, 1], [0, 1]]]
"""Two states that are never left."""
LEAK = {
    "gamma": Fraction(9, 10),
    "P": STAY,
    "r": [[1, 1], [0, 0]],
    "P_hat": [[[Fraction(9, 10), Fraction(1, 10)]] * 2, STAY[1]],
    "r_hat": [[1, 1], [0, 0]],
}
"""A state that pays 1 and one that pays 0 for ever; the model leaks from the first to the second."""
SHIFTED = {
    "gamma": Fraction(9, 10),
    "P": STAY,
    "r": [[1, 0], [0, 0]],
    "P_hat": STAY,
    "r_hat": [[Fraction(5, 4), Fraction(1, 4)], [Fraction(1, 4), Fraction(1, 4)]],
}
"""A model that is right but for 1/4 more reward everywhere."""


# What the claims are about


def hard_pair(x: Instance):
    """`Q*` and `Q_hat`, the fixed points of the optimality operators."""
    return optimal_q(x.P, x.r, x.gamma), optimal_q(x.P_hat, x.r_hat, x.gamma)


def soft_pair(x: Instance):
    """The same of the soft operators at temperature alpha."""
    return soft_q(x.P, x.r, x.gamma, x.alpha), soft_q(x.P_hat, x.r_hat, x.gamma, x.alpha)


def distance(Q, Q_hat):
    """`max |Q - Q_hat|`."""
    return Q.__array_namespace__().max(abs(Q - Q_hat))


def q_error(x: Instance):
    """`max |Q* - Q_hat|`."""
    return distance(*hard_pair(x))


def errors(x: Instance):
    """Reward error eps_r and transition error eps_p."""
    return mismatch.reward_error(x.r, x.r_hat), mismatch.transition_error(x.P, x.P_hat)


def printed_bound(x: Instance, size):
    """Right side of the first part of Theorem 2 with `size` for r_max."""
    return mismatch.likelihood_bound(*errors(x), size, x.gamma)


def backup_error(x: Instance, V):
    """`eps = max |B Q - B_hat Q|` for Q of values V."""
    return mismatch.backup_error(x.P, x.r, x.P_hat, x.r_hat, V, x.gamma)


def best(Q):
    """`max_a Q`, shape (S,)."""
    return Q.__array_namespace__().max(Q, axis=1)


def bonus(x: Instance):
    """`alpha log A`: the soft value of A values of 0."""
    return soft_value(0 * x.r[:1], x.alpha)[0]


def softmax_values(x: Instance, Q):
    """What softmax(Q / alpha) returns in the true MDP, from each state."""
    return policy_values(x.P, x.r, x.gamma, softmax_policy(Q, x.alpha))


def equivalent_reward(x: Instance, Q, V):
    """The one reward with which the kernel P_hat has the fixed point Q, of values V."""
    return Q - x.gamma * (x.P_hat @ V)


def unit_interval(name: str, field: Box) -> Hypothesis:
    """Rewards from 0 to 1, the unit being r_max."""

    def holds(x: Instance) -> Sides:
        r = getattr(x, name)
        return at_most(x.xp.stack([-r, r]), x.xp.stack([x.xp.zeros(r.shape), x.xp.ones(r.shape)]))

    return Hypothesis(f"{name} in [0, r_max]", holds, {name: field})


UNIT_REWARDS = (unit_interval("r", Box(SA)), unit_interval("r_hat", Box(SA, near="r")))


UNLIKE = mdp(SIGNED, P_hat=Rows(SAS), r_hat=Real(SA, scale=3.0))
"""An MDP and a model that has nothing to do with it, with larger rewards."""


# Theorem 1: the gradient


def return_slope(x: Instance, Q):
    """`dJ / dQ` of the policy softmax(Q / alpha): `d(s) pi(a|s) (Q^pi - V^pi)(s, a) / alpha`."""
    pi = softmax_policy(Q, x.alpha)
    V = policy_values(x.P, x.r, x.gamma, pi)
    advantage = action_values(x.P, x.r, x.gamma, V) - V[:, None]
    return occupancy(x.P, x.gamma, pi, x.rho)[:, None] * pi * advantage / x.alpha


def adjoint(x: Instance, P_hat, pi, slope):
    """`(I - gamma M)^-T slope` with the model's `M[(s, a), (t, b)] = P_hat(t|s, a) pi(b|t)`, by one solve of size S."""
    xp = slope.__array_namespace__()
    inflow = xp.sum(P_hat * slope[:, :, None], axis=(0, 1))
    visits = xp.linalg.solve((xp.eye(len(inflow)) - x.gamma * policy_chain(P_hat, pi)).mT, inflow)
    return slope + x.gamma * pi * visits[:, None]


def softmax_rows(logits):
    """Model of the paper: rows of probabilities from logits; of complex logits too."""
    weights = np.exp(logits - logits.real.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def planned_return(x: Instance, t):
    """`J(softmax(Q_hat / alpha))` of the model at `theta + t direction`; t may be complex.

    The fixed point is solved again by Newton's method, which converges in complex numbers as it does in real ones.
    """
    P_hat, r_hat = softmax_rows(x.logits + t * x.d_logits), x.r_hat + t * x.d_r
    V = soft_value(soft_q(P_hat.real, r_hat.real, x.gamma, x.alpha), x.alpha)
    for _ in range(4):
        Q = action_values(P_hat, r_hat, x.gamma, V)
        chain = policy_chain(P_hat, softmax_policy(Q, x.alpha))
        V = V + np.linalg.solve(np.eye(len(V)) - x.gamma * chain, soft_value(Q, x.alpha) - V)
    return x.rho @ softmax_values(x, action_values(P_hat, r_hat, x.gamma, V))


@dataclasses.dataclass(frozen=True)
class Slope:
    """A directional derivative of the return by formula (7), and what it is made of."""

    value: float
    scale: float
    """The same sum with all terms positive: what rounding errors are relative to."""
    condition: float
    """How much rounding of the inputs is amplified."""
    tangent: float
    """Largest rate of change of a Q along the direction."""


def implicit_slope(x: Instance) -> Slope:
    """`<dJ / dtheta, direction>` by the implicit function theorem, theta being logits and rewards of the model."""
    P_hat = softmax_rows(x.logits)
    Q = soft_q(P_hat, x.r_hat, x.gamma, x.alpha)
    V, pi = soft_value(Q, x.alpha), softmax_policy(Q, x.alpha)
    d_P = P_hat * (x.d_logits - np.sum(P_hat * x.d_logits, axis=-1)[..., None])
    change = x.d_r + x.gamma * (d_P @ V)
    size = abs(V).max() + abs(x.r).max() / (1 - x.gamma)
    most = abs(x.d_r) + x.gamma * abs(d_P).sum(axis=-1) * size
    visits = occupancy(x.P, x.gamma, pi, x.rho)[:, None] * pi * size / x.alpha
    return Slope(
        value=np.sum(adjoint(x, P_hat, pi, return_slope(x, Q)) * change),
        scale=np.sum(adjoint(x, P_hat, pi, visits) * most),
        condition=(1 + size / x.alpha) / (1 - x.gamma),
        tangent=most.max() / (1 - x.gamma),
    )


SLOPES = {
    **mdp(),
    "logits": Real(SAS, scale=3.0),
    "r_hat": Real(SA, near="r"),
    "d_logits": Real(SAS),
    "d_r": Real(SA),
    **temperature(),
    **start(),
}


@claim("omd.thm1", "O1", source=f"{PAPER}, Theorem 1", fields=SLOPES, arithmetic="float", attackable=False)
def thm1(x: Instance) -> Sides:
    """The gradient of the return by the implicit function theorem is the derivative through the fixed point.

        <dJ/dtheta, v>  =  Im J(theta + i h v) / h,    h = 1e-20

    On the left, dQ/dtheta = (I - gamma M)^-1 (dr + gamma dP V) with M[(s,a),(t,b)] = p(t|s,a) pi(b|t), used in adjoint
    form; on the right the fixed point is solved anew in complex numbers, so that nothing cancels. theta are the logits
    and rewards of the model. Both sides are divided by the sum with all terms positive, which is what rounding is
    relative to. It needs alpha > 0 and a model that is smooth in theta.
    """
    slope, step = implicit_slope(x), 1e-20
    radius = (len(x.rho) + 4) * enclosed.UNIT * slope.condition
    return equal(slope.value / slope.scale, planned_return(x, 1j * step).imag / step / slope.scale, radius)


@claim("omd.thm1.differences", "O1b", source=f"{PAPER}, Theorem 1", fields=SLOPES, arithmetic="float", attackable=False)
def thm1_differences(x: Instance) -> Sides:
    """The same gradient agrees with finite differences of fourth order as far as those go.

        |<dJ/dtheta, v> - (8 (J(h) - J(-h)) - (J(2h) - J(-2h))) / (12 h)|  <=  1e-8 scale,    J(t) = J(theta + t v)

    h moves no Q by more than alpha / 50 and no logit by more than 1 / 50; scale is the sum of the formula with all
    terms positive.
    """
    slope = implicit_slope(x)
    h = 1 / (50 * (slope.tangent / x.alpha + abs(x.d_logits).max()))
    near, far = (planned_return(x, t * h) - planned_return(x, -t * h) for t in (1, 2))
    return at_most(abs(slope.value - (8 * near - far) / (12 * h)) / slope.scale, 1e-8)


@claim(
    "omd.thm1.invertible",
    "O1c",
    source=HERE + f"the assumption of {PAPER}, Theorem 1",
    fields={"gamma": Discount(), "P": Rows(SAS), **policy()},
    attackable=False,
)
def thm1_invertible(x: Instance) -> Sides:
    """The Jacobian of the Bellman equation is always invertible; the largest row sum of its inverse is known.

        ||(I - gamma M)^-1||_inf  =  1 / (1 - gamma),    M[(s,a),(t,b)] = p(t|s,a) pi(b|t)

    M has rows of probabilities, so the inverse is sum_k gamma^k M^k: no entry is negative, and every row sums to
    1 / (1 - gamma).
    """
    n = x.pi.shape[0] * x.pi.shape[1]
    M = (x.P[:, :, :, None] * x.pi[None, None]).reshape(n, n)
    inverse = x.xp.linalg.solve(x.xp.eye(n) - x.gamma * M, x.xp.eye(n))
    return equal(x.xp.max(x.xp.sum(abs(inverse), axis=1)), 1 / (1 - x.gamma))


@claim(
    "omd.thm1.hard",
    "O1x",
    source=f"{PAPER}, Theorem 1 at alpha = 0",
    fields={"gamma": Discount(), "P": Rows(("S", "S")), "r": Box(S_, -1, 1), "d_r": Real(SA)},
    outside=("alpha > 0",),
    control=True,
    corrected="omd.thm1",
)
def thm1_hard(x: Instance) -> Sides:
    """At alpha = 0 and a tie, Q* has a kink: its slopes to both sides differ.

        Q*(r + v) - Q*(r)  =  Q*(r) - Q*(r - v),    all actions alike at r

    Q* is convex and piecewise linear in r; where actions tie, max_a makes different pieces meet.
    """
    A = x.d_r.shape[1]
    P = x.xp.stack([x.P] * A, axis=1)
    r = x.xp.stack([x.r] * A, axis=1)
    below, here, above = (optimal_q(P, reward, x.gamma) for reward in (r - x.d_r, r, r + x.d_r))
    return equal(above - here, here - below)


@claim(
    "omd.sec6.identity",
    "J1",
    source=f"{PAPER}, section 6",
    fields={
        "gamma": Discount(choices=(0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99, 0.995)),
        "P": Rows(SAS),
        "r": SIGNED,
        "P_hat": Rows(SAS),
        "r_hat": SIGNED,
        **temperature(),
        **start(),
    },
    control=True,
)
def identity(x: Instance) -> Sides:
    """With the identity in place of the inverse Jacobian, the gradient still points upwards.

        1 - cos(g, g_I)  <=  1

    g is the gradient of the return by logits and rewards of the model, g_I the same with (I - gamma M)^-1 replaced by
    I. It fails: what an action leads to can outweigh its own effect. Random models almost never show it. The ratio is
    1 - cos, and at most 2.
    """
    xp = x.xp
    Q = soft_q(x.P_hat, x.r_hat, x.gamma, x.alpha)
    V, pi = soft_value(Q, x.alpha), softmax_policy(Q, x.alpha)
    slope = return_slope(x, Q)
    weights = adjoint(x, x.P_hat, pi, slope)
    by_logits = x.gamma * x.P_hat * (V[None, None] - (x.P_hat @ V)[:, :, None])
    length = 1 + xp.sum(by_logits * by_logits, axis=-1)  # squared, of the gradient of one entry of B_hat Q
    exact, short = weights / xp.max(abs(weights)), slope / xp.max(abs(slope))
    norms = xp.sum(length * exact * exact) * xp.sum(length * short * short)
    return at_most(1 - xp.sum(length * exact * short) / xp.sqrt(norms), 1)


# Equation (10): the soft operator against the hard one


@claim(
    "omd.eq10",
    "O2",
    source=f"{PAPER}, equation (10)",
    fields={"Q": Real(SA), **temperature()},
    sharp=True,
    equality={"Q": [[0, 0], [1, 1]], "alpha": 1},
)
def eq10(x: Instance) -> Sides:
    """The soft value exceeds the hard one by at most alpha log A.

        alpha log sum_a exp(Q / alpha) - max_a Q  <=  alpha log A

    None of the A terms exp((Q - max Q) / alpha) exceeds 1; all are 1 where all Q are equal.
    """
    return at_most(soft_value(x.Q, x.alpha) - best(x.Q), soft_value(0 * x.Q, x.alpha))


@claim("omd.eq10.below", "O2b", source=f"{PAPER}, equation (10)", fields={"Q": Real(SA), **temperature()})
def eq10_below(x: Instance) -> Sides:
    """The soft value is at least the hard one.

        max_a Q  <=  alpha log sum_a exp(Q / alpha)

    One of the terms exp((Q - max Q) / alpha) is 1.
    """
    return at_most(best(x.Q), soft_value(x.Q, x.alpha))


@claim(
    "omd.eq10.gap",
    "O2c",
    source=HERE + f"equation (10) of {PAPER} made sharper",
    fields={"Q": Real(("A",)), "tied": Whole(("A",)), "alpha": Positive(low=0.2, high=10.0)},
    sharp=True,
    equality={"Q": [2, 2, 1, 1], "tied": [1, 1, 0, 0], "alpha": 1},
)
def eq10_gap(x: Instance) -> Sides:
    """The soft value exceeds the hard one by less, the further the other actions lie behind.

        alpha log sum_a exp(Q / alpha) - max_a Q  <=  alpha log(k + (A - k) exp(-D / alpha))

    k actions tie for the best and the next is D behind: k terms are 1 and the others at most exp(-D / alpha). Equal
    where all others are D behind. (`tied` actions are raised to the best.)
    """
    xp, top = x.xp, x.xp.max(x.Q)
    Q = xp.where(x.tied > 0, top, x.Q)
    behind = Q < top
    gap = xp.min(xp.where(behind, top - Q, top - xp.min(Q)))
    others = xp.sum(xp.where(behind, 1.0, 0.0))
    terms = (len(Q) - others) + others * xp.exp(-gap / x.alpha)
    return at_most(soft_value(Q[None], x.alpha)[0] - top, x.alpha * xp.log(terms))


@claim(
    "omd.eq10.q",
    "O3",
    source=HERE + f"equation (10) of {PAPER} at the fixed points",
    fields={**mdp(), **temperature()},
    sharp=True,
    equality={"gamma": Fraction(9, 10), "P": STAY, "r": [[1, 1], [0, 0]], "alpha": 1},
)
def eq10_q(x: Instance) -> Sides:
    """Soft-optimal Q exceeds optimal Q by at most the bonus of all later steps.

        Q*_alpha - Q*  <=  gamma alpha log A / (1 - gamma)

    One application of the operators differs by at most gamma alpha log A, and both are gamma-contractions. Equal where
    the actions of a state are alike.
    """
    return at_most(
        soft_q(x.P, x.r, x.gamma, x.alpha) - optimal_q(x.P, x.r, x.gamma), x.gamma * bonus(x) / (1 - x.gamma)
    )


@claim(
    "omd.eq10.q.below",
    "O3b",
    source=HERE + f"equation (10) of {PAPER} at the fixed points",
    fields={**mdp(), **temperature()},
)
def eq10_q_below(x: Instance) -> Sides:
    """Soft-optimal Q is at least optimal Q: Q*  <=  Q*_alpha.

    The soft operator is monotone and never below the hard one.
    """
    return at_most(optimal_q(x.P, x.r, x.gamma), soft_q(x.P, x.r, x.gamma, x.alpha))


@claim(
    "omd.eq10.loss",
    "O4",
    source=HERE + f"Proposition 1 of {PAPER} with a rate, for the true model",
    fields={**mdp(), **temperature()},
)
def eq10_loss(x: Instance) -> Sides:
    """The soft-optimal policy loses at most alpha log A / (1 - gamma) of return, from any state.

        V* - V^pi  <=  alpha log A / (1 - gamma),    pi = softmax(Q*_alpha / alpha)

    V* is at most the soft value of pi, which is V^pi and discounted entropies of at most log A, times alpha. No smaller
    constant will do for all gamma: a state whose actions all cost just less than alpha log A, for ever, is worth more
    than 0 to a soft agent, which leaves a state of cost 0 for it. The ratio tends to 1 as gamma does.
    """
    loss = best(optimal_q(x.P, x.r, x.gamma)) - softmax_values(x, soft_q(x.P, x.r, x.gamma, x.alpha))
    return at_most(loss, bonus(x) / (1 - x.gamma))


# Proposition 1: models that plan alike


@claim(
    "omd.prop1",
    "O5",
    source=f"{PAPER}, Proposition 1 for (6), at any temperature",
    fields={**mdp(P_hat=Rows(SAS)), **temperature()},
    attackable=False,
)
def prop1(x: Instance) -> Sides:
    """A model that backs up the soft-optimal Q to itself has it as its fixed point, at any temperature.

        B_hat Q*_alpha = Q*_alpha   implies   Q_hat_alpha = Q*_alpha

    The operator of the model is a contraction: it has one fixed point. For every kernel there is exactly one such
    reward, r_hat = Q*_alpha - gamma P_hat V*_alpha, which is the one taken here.
    """
    Q = soft_q(x.P, x.r, x.gamma, x.alpha)
    return equal(soft_q(x.P_hat, equivalent_reward(x, Q, soft_value(Q, x.alpha)), x.gamma, x.alpha), Q)


@claim(
    "omd.prop1.hard",
    "O5b",
    source=f"{PAPER}, Proposition 1",
    fields=mdp(P_hat=Rows(SAS)),
    attackable=False,
)
def prop1_hard(x: Instance) -> Sides:
    """A Q*-equivalent model has the fixed point Q*: B_hat Q* = Q* implies Q_hat = Q*.

    As at alpha > 0; here with r_hat = Q* - gamma P_hat V*.
    """
    Q = optimal_q(x.P, x.r, x.gamma)
    return equal(optimal_q(x.P_hat, equivalent_reward(x, Q, best(Q)), x.gamma), Q)


@claim(
    "omd.prop1.exact",
    "O5d",
    source=HERE + f"Proposition 1 of {PAPER} for (6), with its converse",
    fields={**pair(SIGNED), **temperature()},
)
def prop1_exact(x: Instance) -> Sides:
    """The solutions of (6) are exactly the models equivalent to the true one.

        (1 - gamma) e / (1 + gamma)  <=  eps  <=  (1 + gamma) e / (1 - gamma)
        e = max |B_hat Q*_alpha - Q*_alpha|,    eps = max |B Q_hat_alpha - Q_hat_alpha|

    e and eps are residuals of each other's fixed points, both between (1 - gamma) and (1 + gamma) times the distance
    of the two: one is 0 only if the other is.
    """
    Q, Q_hat = soft_pair(x)
    outside, residual = (backup_error(x, soft_value(q, x.alpha)) for q in (Q, Q_hat))
    factor = (1 + x.gamma) / (1 - x.gamma)
    return at_most(x.xp.stack([outside, residual]), factor * x.xp.stack([residual, outside]))


@claim(
    "omd.prop1.rate",
    "O5c",
    source=HERE + f"Proposition 1 of {PAPER} with a rate",
    fields={**mdp(P_hat=Rows(SAS)), **temperature()},
)
def prop1_rate(x: Instance) -> Sides:
    """A Q*-equivalent model that is solved at temperature alpha loses little return.

        V* - V^pi  <=  alpha log A / (1 - gamma)^2,    pi = softmax(Q_hat_alpha / alpha),   B_hat Q* = Q*

    Q_hat_alpha lies between Q* and Q* + gamma alpha log A / (1 - gamma), and pi is within alpha log A of greedy in it:
    one step of pi loses at most alpha log A / (1 - gamma) of V*, and each later step again.
    """
    Q = optimal_q(x.P, x.r, x.gamma)
    Q_hat = soft_q(x.P_hat, equivalent_reward(x, Q, best(Q)), x.gamma, x.alpha)
    return at_most(best(Q) - softmax_values(x, Q_hat), bonus(x) / (1 - x.gamma) ** 2)


@claim(
    "omd.prop1.return",
    "O5x",
    source=f"{PAPER}, Proposition 1 for (2), at alpha > 0",
    fields={**mdp(), **temperature(), **start(), "scale": Positive(low=1.0, high=10.0)},
    outside=("alpha -> 0",),
    control=True,
    corrected="omd.prop1.rate",
)
def prop1_return(x: Instance) -> Sides:
    """Among all Q that are a fixed point of some model, the soft-optimal one has the best return.

        J(softmax(c Q*_alpha / alpha))  <=  J(softmax(Q*_alpha / alpha))

    False at alpha > 0: any Q is the fixed point of a model, r_hat = Q - gamma P_hat V_alpha; c > 1 makes the policy
    greedier, and (2) has no maximiser at Q*_alpha. Only as alpha -> 0 the equivalent models solve (2).
    """
    Q = soft_q(x.P, x.r, x.gamma, x.alpha)
    return at_most(x.rho @ softmax_values(x, x.scale * Q), x.rho @ softmax_values(x, Q))


@claim(
    "omd.prop1.scaled",
    "O5e",
    source=HERE + f"Proposition 1 of {PAPER} for (2)",
    fields=mdp(scale=Positive()),
    attackable=False,
)
def prop1_scaled(x: Instance) -> Sides:
    """The model (P, c r) has Q_hat = c Q*: its greedy policies are the optimal ones, so it solves (2) as alpha -> 0."""
    return equal(optimal_q(x.P, x.scale * x.r, x.gamma), x.scale * optimal_q(x.P, x.r, x.gamma))


@claim(
    "omd.prop1.converse",
    "O5y",
    source=HERE + f"the converse of Proposition 1 of {PAPER} for (2)",
    fields=mdp(scale=Positive()),
    control=True,
    corrected="omd.prop1.exact",
)
def prop1_converse(x: Instance) -> Sides:
    """Every model that solves (2) is Q*-equivalent: B_hat Q* = Q*.

    False: the model (P, c r) acts optimally (omd.prop1.scaled) and has B_hat Q* - Q* = (c - 1) r. The equivalent models
    are only some of the solutions.
    """
    Q = optimal_q(x.P, x.r, x.gamma)
    return equal(action_values(x.P, x.scale * x.r, x.gamma, best(Q)), Q)


# Theorem 2, first part: from the errors of rewards and transitions


@claim(
    "omd.thm2.mle",
    "O6",
    source=f"{PAPER}, Theorem 2, first part",
    fields=pair(SIGNED),
    hypotheses=(rewards_from_zero(),),
)
def thm2_mle(x: Instance) -> Sides:
    """A model with small errors has a small error of Q.

        max |Q* - Q_hat|  <=  eps_r / (1 - gamma) + gamma eps_p r_max / (2 (1 - gamma)^2)

    Q* - Q_hat = (r - r_hat) + gamma (P - P_hat) V* + gamma P_hat (V* - V_hat), and (P - P_hat) V* is at most half of
    eps_p times the range of V*, which is at most r_max / (1 - gamma) for rewards in [0, r_max]. Near equality for small
    eps_p only; omd.thm2.mle.sharp is attained everywhere.
    """
    return at_most(q_error(x), printed_bound(x, mismatch.largest_reward(x.r)))


thm2_mle_signed = thm2_mle.without(
    "rewards in [0, r_max]", name="omd.thm2.mle.signed", id="O6x", control=True, corrected="omd.thm2.mle.range"
)


@claim(
    "omd.thm2.mle.soft",
    "O6b",
    source=HERE + f"{PAPER}, Theorem 2, first part, for the soft operator",
    fields={**pair(SIGNED), **temperature()},
    hypotheses=(rewards_from_zero(),),
)
def thm2_mle_soft(x: Instance) -> Sides:
    """The same bound for the soft operators, at any temperature.

        max |Q*_alpha - Q_hat_alpha|  <=  eps_r / (1 - gamma) + gamma eps_p r_max / (2 (1 - gamma)^2)

    The bonus alpha log A shifts all soft values alike, so that their range is still at most r_max / (1 - gamma).
    """
    return at_most(distance(*soft_pair(x)), printed_bound(x, mismatch.largest_reward(x.r)))


@claim(
    "omd.thm2.mle.range",
    "O6c",
    source=HERE + f"{PAPER}, Theorem 2, first part, for rewards of any sign",
    fields=pair(SIGNED),
)
def thm2_mle_range(x: Instance) -> Sides:
    """The same bound for rewards of any sign, with their range in place of r_max.

        max |Q* - Q_hat|  <=  eps_r / (1 - gamma) + gamma eps_p (max r - min r) / (2 (1 - gamma)^2)

    A constant added to both rewards changes neither side; the rewards of the model are free.
    """
    return at_most(q_error(x), printed_bound(x, mismatch.reward_span(x.r)))


def own_world(x: Instance, **given) -> Instance:
    """An instance whose true MDP is that of the paper, in exact hundredths."""
    world = two_state()

    def hundredths(array):
        return x.xp.asarray(np.rint(100 * np.asarray(array))) / 100

    true = {"gamma": hundredths(world.gamma), "P": hundredths(world.P), "r": hundredths(world.r)}
    return Instance({**true, "r_hat": true["r"], **x.arrays, **given})


OWN_SIZES = {"S": (2, 2), "A": (2, 2)}


@claim(
    "omd.thm2.mle.two_state",
    "O6d",
    source=f"{PAPER}, Theorem 2, first part, on the MDP of Figures 2 to 4",
    fields={"P_hat": Rows(SAS), "r_hat": Real(SA)},
    sizes=OWN_SIZES,
    outside=("rewards in [0, r_max]",),
)
def thm2_mle_two_state(x: Instance) -> Sides:
    """On the paper's own MDP the bound holds although its rewards have both signs: it can't be seen to fail there.

        max |Q* - Q_hat|  <=  eps_r / (1 - gamma) + gamma eps_p max |r| / (2 (1 - gamma)^2)

    What counts is the range of V*, and (1 - gamma) (max V* - min V*) = .1727 there, below max |r| = .5.
    """
    own = own_world(x)
    return at_most(q_error(own), printed_bound(own, mismatch.largest_reward(own.r)))


@claim(
    "omd.thm2.mle.two_state.kernel",
    "O6e",
    source=f"{PAPER}, Theorem 2, first part, on the MDP of Figures 2 to 4",
    fields={"P_hat": Rows(SAS)},
    sizes=OWN_SIZES,
    outside=("rewards in [0, r_max]",),
)
def thm2_mle_two_state_kernel(x: Instance) -> Sides:
    """The same with the right rewards: only transitions are wrong, and the bound is three times too large.

        max |Q* - Q_hat|  <=  gamma eps_p max |r| / (2 (1 - gamma)^2)

    No ratio exceeds (1 - gamma) (max V* - min V*) / max |r| = .345.
    """
    own = own_world(x)
    return at_most(q_error(own), printed_bound(own, mismatch.largest_reward(own.r)))


def sharp_bound(x: Instance, size):
    """Right side of the sharp form for rewards in an interval of length `size`."""
    return mismatch.sharp_bound(*errors(x), size, x.gamma)


@claim(
    "omd.thm2.mle.sharp",
    "O7c",
    source=HERE + f"Theorem 2 of {PAPER} made sharp",
    fields=pair(SIGNED),
    sharp=True,
    equality=LEAK,
)
def thm2_mle_sharp(x: Instance) -> Sides:
    """The error of Q from those of rewards and transitions, sharp.

        max |Q* - Q_hat|  <=  (eps_r + gamma eps_p R / (2 (1 - gamma))) / (1 - gamma + gamma eps_p / 2)

    R is the range of both rewards together. With d = eps_p / 2, each row of P and P_hat has a common part of weight
    1 - d, on which values differ by at most the error E itself; elsewhere they differ by at most R / (1 - gamma):
    E <= eps_r + gamma ((1 - d) E + d R / (1 - gamma)). Solve for E. Equal for two absorbing states that pay R and 0,
    where the model leaks from the first.
    """
    return at_most(q_error(x), sharp_bound(x, mismatch.reward_span(x.r, x.r_hat)))


@claim(
    "omd.thm2.mle.sharp.unit",
    "O7",
    source=HERE + f"Theorem 2 of {PAPER} made sharp",
    fields=pair(SIGNED),
    hypotheses=UNIT_REWARDS,
    sharp=True,
    equality=LEAK,
)
def thm2_mle_sharp_unit(x: Instance) -> Sides:
    """The sharp form under the paper's assumption, with r_max in place of the range of both rewards.

        max |Q* - Q_hat|  <=  (eps_r + gamma eps_p r_max / (2 (1 - gamma))) / (1 - gamma + gamma eps_p / 2)

    The values of both must lie in an interval of length r_max / (1 - gamma): the model's rewards too must be in
    [0, r_max]. The unit of reward is r_max.
    """
    return at_most(q_error(x), sharp_bound(x, 1))


thm2_mle_sharp_unclipped = thm2_mle_sharp_unit.without(
    "r_hat in [0, r_max]",
    name="omd.thm2.mle.sharp.unclipped",
    id="O7x",
    sharp=False,
    equality=None,
    fields=UNLIKE,
    control=True,
    corrected="omd.thm2.mle.sharp",
)


@claim(
    "omd.thm2.mle.sharp.soft",
    "O7b",
    source=HERE + f"Theorem 2 of {PAPER} made sharp, for the soft operator",
    fields={**pair(SIGNED), **temperature()},
    sharp=True,
    equality={**LEAK, "alpha": 1},
)
def thm2_mle_sharp_soft(x: Instance) -> Sides:
    """The sharp form for the soft operators, at any temperature.

        max |Q*_alpha - Q_hat_alpha|  <=  (eps_r + gamma eps_p R / (2 (1 - gamma))) / (1 - gamma + gamma eps_p / 2)

    As for the hard ones: soft values are 1-Lipschitz in Q, and their range is at most R / (1 - gamma) because the bonus
    alpha log A shifts all alike.
    """
    return at_most(distance(*soft_pair(x)), sharp_bound(x, mismatch.reward_span(x.r, x.r_hat)))


@claim(
    "omd.thm2.value_aware",
    "O8",
    source=HERE + f"Theorem 2 of {PAPER}, first part, before its last steps",
    fields=pair(SIGNED),
    sharp=True,
    equality=SHIFTED,
)
def thm2_value_aware(x: Instance) -> Sides:
    """The error of Q from one backup of the true values.

        max |Q* - Q_hat|  <=  max |r - r_hat + gamma (P - P_hat) V*| / (1 - gamma)

    The right side is the residual of Q* in the model. Equal for r_hat = r + c.
    """
    V = best(optimal_q(x.P, x.r, x.gamma))
    return at_most(q_error(x), mismatch.bellman_bound(backup_error(x, V), x.gamma))


# Theorem 2, second part: from the residual


@claim(
    "omd.thm2.omd",
    "O9",
    source=f"{PAPER}, Theorem 2, second part",
    fields=pair(SIGNED),
    sharp=True,
    equality=SHIFTED,
)
def thm2_omd(x: Instance) -> Sides:
    """A model with a small Bellman error has a small error of Q.

        max |Q* - Q_hat|  <=  eps / (1 - gamma),    eps = max |B Q_hat - B_hat Q_hat|

    Q_hat is the fixed point of B_hat, so eps is its residual in the true MDP, and B is a gamma-contraction. Equal for
    r_hat = r + c.
    """
    Q, Q_hat = hard_pair(x)
    return at_most(distance(Q, Q_hat), mismatch.bellman_bound(backup_error(x, best(Q_hat)), x.gamma))


@claim(
    "omd.thm2.omd.soft",
    "O9b",
    source=f"{PAPER}, Theorem 2, second part, for the soft operator",
    fields={**pair(SIGNED), **temperature()},
    sharp=True,
    equality={**SHIFTED, "alpha": 1},
)
def thm2_omd_soft(x: Instance) -> Sides:
    """The same for the soft operators, with the soft-optimal Q on the left.

    max |Q*_alpha - Q_hat_alpha|  <=  eps / (1 - gamma),    eps = max |B_alpha Q_hat_alpha - Q_hat_alpha|
    """
    Q, Q_hat = soft_pair(x)
    eps = backup_error(x, soft_value(Q_hat, x.alpha))
    return at_most(distance(Q, Q_hat), mismatch.bellman_bound(eps, x.gamma))


@claim(
    "omd.thm2.omd.below",
    "O9c",
    source=HERE + f"Theorem 2 of {PAPER}, second part, from below",
    fields=pair(SIGNED),
    sharp=True,
    equality={
        "gamma": Fraction(9, 10),
        "P": [STAY[1], STAY[0]],
        "r": [[0, 0], [0, 0]],
        "P_hat": [STAY[1], STAY[0]],
        "r_hat": [[1, 1], [-1, -1]],
    },
)
def thm2_omd_below(x: Instance) -> Sides:
    """The error of Q is at least eps / (1 + gamma).

        eps / (1 + gamma)  <=  max |Q* - Q_hat|,    eps = max |B Q_hat - B_hat Q_hat|

    Q_hat - B Q_hat = (Q_hat - Q*) + (B Q* - B Q_hat). With the bound from above, eps tells the error up to a factor
    (1 + gamma) / (1 - gamma). Equal where two states alternate and their errors are opposite.
    """
    Q, Q_hat = hard_pair(x)
    return at_most(mismatch.bellman_lower_bound(backup_error(x, best(Q_hat)), x.gamma), distance(Q, Q_hat))


def mixed(x: Instance):
    """`max |Q* - Q_hat_alpha|`, hard on the left and soft on the right, and the bound by the soft residual."""
    Q_hat = soft_q(x.P_hat, x.r_hat, x.gamma, x.alpha)
    eps = backup_error(x, soft_value(Q_hat, x.alpha))
    return distance(optimal_q(x.P, x.r, x.gamma), Q_hat), mismatch.bellman_bound(eps, x.gamma)


@claim(
    "omd.thm2.omd.mixed",
    "O9d",
    source=HERE + f"Theorem 2 of {PAPER}, second part, for a soft model",
    fields={**pair(SIGNED), **temperature()},
    sharp=True,
    equality={**SHIFTED, "r": [[1, 1], [0, 0]], "r_hat": [[Fraction(5, 4)] * 2, [Fraction(1, 4)] * 2], "alpha": 1},
)
def thm2_omd_mixed(x: Instance) -> Sides:
    """A soft Q_hat against the plain Q* needs the distance of the soft-optimal Q from it.

        max |Q* - Q_hat_alpha|  <=  (eps + gamma alpha log A) / (1 - gamma),    eps the residual in the soft operator

    The triangle inequality with omd.thm2.omd.soft and omd.eq10.q. Equal for actions that are alike and r_hat = r + c.
    """
    error, bound = mixed(x)
    return at_most(error, bound + x.gamma * bonus(x) / (1 - x.gamma))


@claim(
    "omd.thm2.omd.uncorrected",
    "O9x",
    source=f"{PAPER}, Theorem 2, second part, read with a soft model",
    fields={**pair(SIGNED), **temperature()},
    outside=("alpha -> 0",),
    control=True,
    corrected="omd.thm2.omd.mixed",
)
def thm2_omd_uncorrected(x: Instance) -> Sides:
    """A soft Q_hat against the plain Q*, without a correction.

        max |Q* - Q_hat_alpha|  <=  eps / (1 - gamma),    eps the residual in the soft operator

    False: at the true model eps = 0, while the soft Q exceeds the plain one.
    """
    return at_most(*mixed(x))


# Both parts compared


@claim(
    "omd.thm2.compared",
    "O10",
    source=f"{PAPER}, section 5.2: the tighter bound, for one model",
    fields=pair(SIGNED),
    hypotheses=UNIT_REWARDS,
    sharp=True,
    equality={
        "gamma": Fraction(9, 10),
        "P": [[[1, 0, 0]] * 2, [[0, 1, 0]] * 2, [[1, 0, 0]] * 2],
        "r": [[1, 1], [0, 0], [0, 0]],
        "P_hat": [[[1, 0, 0]] * 2, [[0, 1, 0]] * 2, [[0, 1, 0]] * 2],
        "r_hat": [[1, 1], [0, 0], [0, 0]],
    },
)
def thm2_compared(x: Instance) -> Sides:
    """For one and the same model, the second bound is at most the first.

        eps / (1 - gamma)  <=  eps_r / (1 - gamma) + gamma eps_p r_max / (2 (1 - gamma)^2)

    eps <= eps_r + gamma (eps_p / 2) (max V_hat - min V_hat), and that range is at most r_max / (1 - gamma) if the
    model's rewards are in [0, r_max]. The unit of reward is r_max.
    """
    V_hat = best(optimal_q(x.P_hat, x.r_hat, x.gamma))
    return at_most(mismatch.bellman_bound(backup_error(x, V_hat), x.gamma), printed_bound(x, 1))


thm2_compared_unclipped = thm2_compared.without(
    "r_hat in [0, r_max]",
    name="omd.thm2.compared.unclipped",
    id="O10x",
    sharp=False,
    equality=None,
    fields=UNLIKE,
    control=True,
    corrected="omd.thm2.compared",
)


CLASS = {**mdp(), "P_hats": Rows(("N", *SAS), near="P"), "r_hats": Real(("N", *SA), near="r")}


def members(x: Instance) -> list[Instance]:
    """One instance for each model of a finite class."""
    return [
        Instance({"gamma": x.gamma, "P": x.P, "r": x.r, "P_hat": P_hat, "r_hat": r_hat})
        for P_hat, r_hat in zip(x.P_hats, x.r_hats, strict=True)
    ]


def planned(models: list[Instance]) -> list:
    """Q_hat of each model."""
    return [optimal_q(model.P_hat, model.r_hat, model.gamma) for model in models]


def residuals(models: list[Instance], Q_hats: list):
    """`max |B Q_hat - Q_hat|` of each model."""
    found = [backup_error(model, best(Q_hat)) for model, Q_hat in zip(models, Q_hats, strict=True)]
    return models[0].xp.stack(found)


@claim(
    "omd.thm2.class",
    "O11",
    source=f"{PAPER}, section 5.2: the tighter bound, for the best models of a class",
    fields=CLASS,
    sizes={"N": (2, 4), "S": (2, 4), "A": (2, 3)},
    hypotheses=(
        unit_interval("r", Box(SA)),
        unit_interval("r_hats", Box(("N", *SA), near="r")),
    ),
)
def thm2_class(x: Instance) -> Sides:
    """The model of least residual has a better bound than any other of its class has by its errors.

        min_models eps / (1 - gamma)  <=  eps_r / (1 - gamma) + gamma eps_p r_max / (2 (1 - gamma)^2)   for every model

    and so for the one of maximum likelihood: omd.thm2.compared, and the least residual is at most that model's. It
    needs rewards of the models in [0, r_max], and says nothing about the errors themselves (omd.thm2.class.errors).
    """
    models = members(x)
    least = x.xp.min(residuals(models, planned(models)))
    return at_most(mismatch.bellman_bound(least, x.gamma), x.xp.stack([printed_bound(model, 1) for model in models]))


@claim(
    "omd.thm2.class.errors",
    "O11x",
    source=f"{PAPER}, Figure 4: OMD approximates Q* more accurately",
    fields=CLASS,
    sizes={"N": (2, 2), "S": (2, 4), "A": (2, 3)},
    control=True,
    corrected="omd.thm2.class",
)
def thm2_class_errors(x: Instance) -> Sides:
    """Of two models, the one of smaller residual has a smaller error of Q than the one of smaller squared errors.

        max |Q* - Q_OMD|  <=  max |Q* - Q_MLE|,    OMD: least eps,   MLE: least sum (P - P_hat)^2 + sum (r - r_hat)^2

    False: the residual tells the error only up to a factor (1 + gamma) / (1 - gamma). At gamma = 9/10 a model of
    residual 1/5 can have error 2 and one of residual 1 error 1. (Squares as in equation (1); where both criteria choose
    the same model, or tie, nothing is compared.)
    """
    xp, models = x.xp, members(x)
    Q, Q_hats = optimal_q(x.P, x.r, x.gamma), planned(models)
    off = xp.stack([distance(Q, Q_hat) for Q_hat in Q_hats])
    eps = residuals(models, Q_hats)
    squares = xp.stack([xp.sum((m.P - m.P_hat) ** 2) + xp.sum((m.r - m.r_hat) ** 2) for m in models])
    disagree = (eps < eps[::-1]) & (squares[::-1] < squares)
    return at_most(xp.where(disagree, off, 0.0), xp.where(disagree, off[::-1], 0.0))


@claim(
    "omd.mle.pinsker",
    "E2",
    source=HERE + f"the likelihood objective of {PAPER}, section 4.2",
    fields={"P": Rows(SAS), "P_hat": Rows(SAS, near="P", support_of="P")},
)
def mle_pinsker(x: Instance) -> Sides:
    """What the mean divergence that maximum likelihood minimises says about the transition error of Theorem 2.

        eps_p  <=  sqrt(2 S A KL),    KL the mean of KL(P || P_hat) over the S A rows

    Pinsker's inequality in the worst row, which may hold all of the divergence.
    """
    seen = x.P > 0
    terms = x.xp.where(seen, x.P * x.xp.log(x.xp.where(seen, x.P, 1.0) / x.xp.where(seen, x.P_hat, 1.0)), 0.0)
    return at_most(mismatch.transition_error(x.P, x.P_hat), x.xp.sqrt(2 * x.xp.sum(terms)))
