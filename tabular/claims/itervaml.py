"""Claims about iterative value-aware model learning (IterVAML, Farahmand 2018), as Lovatto et al. 2020 restate them.

Value iteration with a model that is learned anew in each iteration and a regression that isn't exact:

    Q_{k+1} = r + gamma P_hat_{k+1} V_k - eps_k,      V_k = max_a Q_k,      e_k = (P - P_hat_{k+1}) V_k,

for k = 0 ... K - 1. K is the number of kernels and regression errors in an instance.
"""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np

from tabular.arithmetic import action_values, optimal_q, policy_q
from tabular.claims.claim import Instance, Sides, at_most, claim, equal
from tabular.claims.families import SA, SAS, mdp
from tabular.claims.fields import Box, Positive, Real, Rows

PAPER = "Lovatto et al. 2020"
HALF = Fraction(1, 2)
TERMS = 20
"""Terms of the series of C that are computed; the rest is bounded."""


# Distributions over states and actions, errors, and value iteration


def visits(x: Instance):
    """The distribution `rho(s) rho_pi(a | s)`."""
    return x.rho[:, None] * x.rho_pi


def weighting(x: Instance):
    """The distribution nu, positive everywhere."""
    return x.nu / x.xp.sum(x.nu)


def value_error(x: Instance):
    """`(P - P_hat) V`, shape (S, A)."""
    return (x.P - x.P_hat) @ x.V


def mean(x: Instance, numbers):
    """Expectation over `visits` of numbers (S, A)."""
    return x.xp.sum(visits(x) * numbers)


def variance(x: Instance, P):
    """Variance of the next value under a kernel, shape (S, A)."""
    spread = x.V[None, None, :] - (P @ x.V)[:, :, None]
    return x.xp.sum(P * spread**2, axis=2)


def greedy(Q):
    """The policy that takes the best action, shape (S, A)."""
    xp = Q.__array_namespace__()
    return xp.eye(Q.shape[1])[xp.argmax(Q, axis=1)]


def iterates(x: Instance) -> list:
    """`Q_0 ... Q_K`; Q_0 is `start` times its bound `R_max / (1 - gamma)`."""
    xp = x.xp
    Qs = [x.start * xp.max(abs(x.r)) / (1 - x.gamma)]
    for P_hat, eps in zip(x.P_hat, x.eps, strict=True):
        Qs.append(action_values(P_hat, x.r, x.gamma, xp.max(Qs[-1], axis=1)) - eps)
    return Qs


def model_errors(x: Instance, Qs: list) -> list:
    """`e_0 ... e_{K-1}`."""
    return [(x.P - P_hat) @ x.xp.max(Q, axis=1) for P_hat, Q in zip(x.P_hat, Qs[:-1], strict=True)]


# Concentrability


def reach(P, first, terms: int):
    """Largest probabilities `u_k(s)` of being in s after k = 1 ... terms steps, over all policies, shape (terms, S).

    `first` is the distribution of the first next state. Each is an optimal value: of being rewarded once, in s.
    """
    xp = P.__array_namespace__()
    values = [xp.eye(P.shape[0])]
    for _ in range(terms - 1):
        values.append(xp.max(P @ values[-1], axis=1))
    return first @ xp.stack(values)


def norm_bound(reached, least):
    """Upper bound of `sum_s m(s)^2 / least(s)` over distributions m <= u, for rows u of `reached`; exact for S = 2.

    With two states m(0) lies in an interval and the largest value of a convex function at one of its ends.
    """
    xp = reached.__array_namespace__()
    least = least[None, :]
    if reached.shape[1] == 2:
        ends = [
            xp.stack([reached[:, 0], 1 - reached[:, 0]], axis=1),
            xp.stack([1 - reached[:, 1], reached[:, 1]], axis=1),
        ]
        return xp.maximum(*(xp.sum(end**2 / least, axis=1) for end in ends))
    return xp.minimum(xp.max(reached / least, axis=1), xp.sum(reached**2 / least, axis=1))


def concentrability(x: Instance):
    """`C = (1 - gamma)^2 sum_{k >= 1} k gamma^{k-1} c(k)`, an upper bound.

    c(k) is the largest L2(nu) norm of the density of the k-th state and action with respect to nu. Terms beyond
    `TERMS` have c(k)^2 <= 1 / min nu and weights that sum to `gamma^n (1 + n (1 - gamma))`.
    """
    xp = x.xp
    least = xp.min(weighting(x), axis=1)
    first = xp.sum(visits(x)[:, :, None] * x.P, axis=(0, 1))
    norms = xp.sqrt(norm_bound(reach(x.P, first, TERMS), least))
    powers = [xp.ones(())]
    for _ in range(TERMS):
        powers.append(powers[-1] * x.gamma)
    weights = (1 - x.gamma) ** 2 * xp.stack(powers[:-1]) * np.arange(1.0, TERMS + 1)
    tail = powers[-1] * (1 + TERMS * (1 - x.gamma)) * xp.sqrt(1 / xp.min(least))
    return xp.sum(weights * norms) + tail


def reached_by_all(P, first, terms: int) -> list:
    """State distributions after k = 1 ... terms steps of every sequence of deterministic policies, each (n, S)."""
    S, A = P.shape[:2]
    actions = np.array(list(itertools.product(range(A), repeat=S)))
    chains = P[np.arange(S)[None, :], actions]
    found = [first[None, :]]
    for _ in range(terms - 1):
        found.append((found[-1][:, None, None, :] @ chains[None, ...]).reshape(-1, S))
    return found


# Theorem 1

RUN = {
    "P_hat": Rows(("K", "S", "A", "S"), near="P"),
    "eps": Real(("K", "S", "A")),
    "start": Box(SA, -1, 1),
}
SIZES = {"S": (2, 4), "A": (2, 3), "K": (1, 4)}
JOINT = {"rho": Rows(("S",)), "rho_pi": Rows(SA)}
NORMS = {**JOINT, "nu": Positive(SA, high=1.0)}


def theorem(x: Instance, C) -> Sides:
    """Both sides of Theorem 1 for a given constant."""
    xp, Qs = x.xp, iterates(x)
    nu, K = weighting(x), x.eps.shape[0]
    loss = mean(x, abs(optimal_q(x.P, x.r, x.gamma) - policy_q(x.P, x.r, x.gamma, greedy(Qs[-1]))))
    norm = [[xp.sqrt(xp.sum(nu * f**2)) for f in both] for both in zip(x.eps, model_errors(x, Qs), strict=True)]
    worst = xp.max(xp.stack([regression + x.gamma * model for regression, model in norm]))
    forgotten = 2 * x.gamma**K * xp.max(abs(x.r))
    return at_most(loss, 2 * x.gamma / (1 - x.gamma) ** 2 * (C * worst + forgotten))


@claim(
    "itervaml.thm1",
    "I1",
    source=f"{PAPER}, Theorem 1 (of Farahmand 2018), with the constant that its proof needs",
    fields=mdp(**RUN, **NORMS),
    sizes=SIZES,
)
def thm1(x: Instance) -> Sides:
    """Small value-aware errors make a good policy.

        |Q* - Q^{pi_K}|_{1, rho}  <=  2 gamma / (1 - gamma)^2
                                      [C max_k (|eps_k|_{2, nu} + gamma |e_k|_{2, nu}) + 2 gamma^K R_max]

    with C = (1 - gamma)^2 sum_{k >= 1} k gamma^{k-1} c(k), where c(k) is the largest L2(nu) norm, over all policies, of
    the density of rho P^{pi_1} ... P^{pi_k} with respect to nu. The text leaves C open. In the bound iteration by
    iteration a product of n kernels occurs n times with the factor gamma^n, once for pi* and once for the greedy
    policies; Cauchy-Schwarz changes its measure to nu. Whether it can be attained is open: errors that hide the better
    of two equally weighted actions come to 1 / sqrt(2) of it as gamma goes to 0.
    """
    return theorem(x, concentrability(x))


@claim(
    "itervaml.thm1.no_concentrability",
    "I1x",
    source=f"{PAPER}, Theorem 1 with C = 1",
    fields=mdp(**RUN, **NORMS),
    sizes=SIZES,
    control=True,
    corrected="itervaml.thm1",
)
def thm1_no_concentrability(x: Instance) -> Sides:
    """Theorem 1 as if the data were where the policies go: C = 1, the least that it can be.

    Fails where the errors lie in states that nu hardly sees and rho starts from.
    """
    return theorem(x, 1)


@claim(
    "itervaml.iterations",
    "I2",
    source=f"{PAPER}, Theorem 1, from its proof (Farahmand 2018): iteration by iteration",
    fields=mdp(**RUN),
    sizes=SIZES,
    sharp=True,
    equality={
        "gamma": HALF,
        "P": [[[0, 1], [0, 1]], [[0, 1], [1, 0]]],
        "r": [[-1, 0], [0, 0]],
        "P_hat": [[[[0, 1], [0, 1]], [[0, 1], [1, 0]]]],
        "eps": [[[-HALF, HALF], [0, 0]]],
        "start": [[-HALF, 0], [0, 0]],
    },
)
def iterations(x: Instance) -> Sides:
    """What each iteration's error costs, without a constant of concentrability.

        |Q* - Q^{pi_K}|  <=  sum_k gamma^{K-k} (I - gamma P_K)^-1 [(P*)^{K-k} + P_K P_{K-1} ... P_{k+1}] |eta_k|
                             + gamma^{K+1} (I - gamma P_K)^-1 [(P*)^{K+1} + P_K P_{K-1} ... P_0] |Q* - Q_0|

    with eta_k = eps_k + gamma e_k, P* the chain of an optimal policy and P_k that of the policy greedy for Q_k. From
    gamma P_k (Q* - Q_k) + eta_k <= Q* - Q_{k+1} <= gamma P* (Q* - Q_k) + eta_k, and Q* - Q^{pi_K} <= (I - gamma
    P_K)^-1 gamma (P* - P_K) (Q* - Q_K). Equality in an entry that leads to two actions whose errors just make up for
    their difference, with the tie broken the wrong way.
    """
    xp, Qs = x.xp, iterates(x)
    optimal = optimal_q(x.P, x.r, x.gamma)
    best, policies = greedy(optimal), [greedy(Q) for Q in Qs]

    def discounted(pi, f):
        return x.gamma * (x.P @ xp.sum(pi * f, axis=1))

    ahead = discounted(best, abs(optimal - Qs[0]))
    behind = discounted(policies[0], abs(optimal - Qs[0]))
    for pi, eps, e in zip(policies[1:], x.eps, model_errors(x, Qs), strict=True):
        eta = abs(eps + x.gamma * e)
        ahead, behind = discounted(best, ahead + eta), discounted(pi, behind + eta)
    loss = optimal - policy_q(x.P, x.r, x.gamma, policies[-1])
    return at_most(abs(loss), policy_q(x.P, ahead + behind, x.gamma, policies[-1]))


@claim(
    "itervaml.concentrability",
    "I7",
    source="derived here; the constant of Theorem 1 in polynomial time",
    fields={"P": Rows(SAS), **NORMS},
    sizes={"S": (2, 4), "A": (2, 2)},
    sharp=True,
    equality={
        "P": [[[0, 1], [1, 0]], [[1, 0], [0, 1]]],
        "rho": [1, 0],
        "rho_pi": [[1, 0], [1, 0]],
        "nu": [[1, 1], [1, 1]],
    },
)
def concentrability_bound(x: Instance) -> Sides:
    """Dynamic programming bounds c(k), which all sequences of deterministic policies give exactly.

        c(k)^2 = max_m sum_s m(s)^2 / min_a nu(s, a)  <=  min(max_s u_k(s) / nu(s), sum_s u_k(s)^2 / nu(s))

    with nu(s) = min_a nu(s, a), m the state distributions after k steps and u_k(s) = max m(s). The sum is convex in m,
    so that the last action is the least likely under nu and m a vertex of what can be reached, the work of
    deterministic policies. For S = 2 u_k gives the ends of the interval of m(0), and the bound is c(k)^2 itself.
    Checked for k = 2 and 3; k = 1 has no choice.
    """
    xp = x.xp
    least = xp.min(weighting(x), axis=1)
    first = xp.sum(visits(x)[:, :, None] * x.P, axis=(0, 1))
    exact = [xp.max(xp.sum(m**2 / least[None, :], axis=1)) for m in reached_by_all(x.P, first, 3)]
    return at_most(xp.stack(exact[1:]), norm_bound(reach(x.P, first, 3)[1:], least))


# One iteration


@claim(
    "itervaml.split",
    "I3",
    source=f"{PAPER}, Theorem 1, the errors that it names",
    fields=mdp(P_hat=Rows(SAS, near="P"), Q=Real(SA), Q_next=Real(SA)),
    attackable=False,
)
def split(x: Instance) -> Sides:
    """The error of one iteration is that of the regression plus that of the model.

    T* Q_k - Q_{k+1}  =  eps_k + gamma e_k,      eps_k = T*_{P_hat} Q_k - Q_{k+1},    e_k = (P - P_hat) V_k
    """
    V = x.xp.max(x.Q, axis=1)
    regression = action_values(x.P_hat, x.r, x.gamma, V) - x.Q_next
    return equal(action_values(x.P, x.r, x.gamma, V) - x.Q_next, regression + x.gamma * ((x.P - x.P_hat) @ V))


@claim(
    "itervaml.evaluation",
    "I6",
    source=f"{PAPER}, Algorithm 1 and eq. 7; their Theorem 1 for the evaluation of a policy",
    fields=mdp(pi=Rows(SA), **RUN),
    sizes=SIZES,
    sharp=True,
    equality={
        "gamma": HALF,
        "P": [[[1, 0], [1, 0]], [[0, 1], [0, 1]]],
        "r": [[1, 1], [1, 1]],
        "pi": [[1, 0], [1, 0]],
        "P_hat": [[[[1, 0], [1, 0]], [[0, 1], [0, 1]]]] * 2,
        "eps": [[[2, 2], [2, 2]]] * 2,
        "start": [[-1, -1], [-1, -1]],
    },
)
def evaluation(x: Instance) -> Sides:
    """The critic of an actor-critic that is trained in a model.

        max |Q^pi - Q_K|  <=  sum_k gamma^{K-1-k} (max |eps_k| + gamma max |e_k|) + gamma^K max |Q^pi - Q_0|

    for Q_{k+1} = r + gamma P_hat_{k+1} V_k - eps_k with V_k = sum_a pi Q_k: each iteration contracts what is there and
    adds its own error. Equality if all errors are constants of one sign.
    """
    xp = x.xp
    Q = x.start * xp.max(abs(x.r)) / (1 - x.gamma)
    target = policy_q(x.P, x.r, x.gamma, x.pi)
    bound = xp.max(abs(target - Q))
    for P_hat, eps in zip(x.P_hat, x.eps, strict=True):
        V = xp.sum(x.pi * Q, axis=1)
        Q = action_values(P_hat, x.r, x.gamma, V) - eps
        bound = x.gamma * bound + xp.max(abs(eps)) + x.gamma * xp.max(abs((x.P - P_hat) @ V))
    return at_most(xp.max(abs(target - Q)), bound)


# The loss

LOSS = {"P": Rows(SAS), "P_hat": Rows(SAS, near="P"), "V": Real(("S",)), **JOINT}


@claim(
    "itervaml.eq8",
    "I4",
    source=f"{PAPER}, eq. 8, against eq. 5",
    fields=LOSS,
    sharp=True,
    equality={
        "P": [[[1, 0], [1, 0]], [[0, 1], [0, 1]]],
        "P_hat": [[[0, 1], [0, 1]], [[1, 0], [1, 0]]],
        "V": [0, 2],
        "rho": [Fraction(1, 3), Fraction(2, 3)],
        "rho_pi": [[1, 0], [HALF, HALF]],
    },
)
def eq8(x: Instance) -> Sides:
    """The square is outside in a norm, and inside what it is compared with.

        (E |(P - P_hat) V|)^2  <=  E ((P - P_hat) V)^2

    Jensen's inequality; equality if the error has the same size everywhere.
    """
    error = abs(value_error(x))
    return at_most(mean(x, error) ** 2, mean(x, error**2))


@claim(
    "itervaml.eq5.printed",
    "I4x",
    source=f"{PAPER}, eq. 5 as printed",
    fields=LOSS,
    corrected="itervaml.eq8",
)
def eq5_printed(x: Instance) -> Sides:
    """The squared norm as it is printed, without its square.

        |(P - P_hat) V|_{2, nu}^2  =  E |(P - P_hat) V|

    Fails wherever errors are other than 0 and 1; the two sides have different minimisers. Eq. 8 has the square.
    """
    error = abs(value_error(x))
    return equal(mean(x, error**2), mean(x, error))


@claim(
    "itervaml.eq9",
    "I5",
    source=f"{PAPER}, eq. 9 against eq. 8",
    fields=LOSS,
    attackable=False,
)
def eq9(x: Instance) -> Sides:
    """The loss on samples estimates the value-aware error up to a variance that no model can change.

    E (V(s') - E_{P_hat} V)^2  =  E ((P - P_hat) V)^2 + E Var_P V      for s' from P
    """
    V, expected = x.V[None, None, :], (x.P_hat @ x.V)[:, :, None]
    loss = x.xp.sum(x.P * (V - expected) ** 2, axis=2)
    return equal(mean(x, loss), mean(x, value_error(x) ** 2 + variance(x, x.P)))


@claim(
    "itervaml.eq9.one_sample",
    "I5b",
    source=f"{PAPER}, eq. 9 with one sample of the model",
    fields=LOSS,
    attackable=False,
)
def eq9_one_sample(x: Instance) -> Sides:
    """With a single sample of the model its own variance is added, and minimised: why it collapses.

    E (V(s') - V(s_hat))^2  =  E ((P - P_hat) V)^2 + E Var_P V + E Var_{P_hat} V
    """
    pairs = (x.V[:, None] - x.V[None, :]) ** 2
    loss = x.xp.sum((x.P @ pairs) * x.P_hat, axis=2)
    return equal(mean(x, loss), mean(x, value_error(x) ** 2 + variance(x, x.P) + variance(x, x.P_hat)))
