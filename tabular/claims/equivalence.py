"""Claims about models that plan alike: value equivalence (Grimm et al. 2020).

A model (P_hat, r_hat) is value equivalent to (P, r) on a set of values for all policies if one backup of each of the
values is the same in every state and action, r_hat + gamma P_hat v = r + gamma P v.
"""

from __future__ import annotations

from fractions import Fraction

import flint
import numpy as np

from tabular.arithmetic import action_values, optimal_q, policy_values
from tabular.arithmetic.exact import Exact
from tabular.claims.claim import Instance, Sides, at_most, claim, equal
from tabular.claims.families import SA, SAS, mdp, pair, policy
from tabular.claims.fields import Box, Discount, Real, Rows

GRIMM = "Grimm et al. 2020 (from memory)"
SPANS = mdp(values=Real(("K", "S")), direction=Real(SAS), weights=Real(("K",)), **policy())
"""K values, a direction in which the model leaves the true kernel, weights of a combination of the values, a policy."""
SPAN_SIZES = {"S": (5, 6), "A": (2, 3), "K": (2, 3)}
"""More states than values, or no other model is equivalent."""


def policy_backup(x: Instance, P, r, v):
    """One backup of the policy pi, `T_pi v = sum_a pi (r + gamma P v)`."""
    return x.xp.sum(x.pi * action_values(P, r, x.gamma, v), axis=1)


# Models that are value equivalent by construction


def moved(P, change):
    """`P` plus a multiple of `change` in each row, small enough that probabilities stay 0 or more."""
    xp = P.__array_namespace__()
    reach = xp.min(xp.where(change < 0, P / (1 + abs(change)), 1 + 0 * P), axis=-1)
    return P + reach[..., None] * change


def orthogonal(direction, equations):
    """The part of the last axis of `direction`, (S, A, S), that is orthogonal to all rows of `equations`, (k, S)."""
    xp = direction.__array_namespace__()
    flat = direction.reshape(-1, direction.shape[-1])
    coefficients = xp.linalg.solve(equations @ equations.T, equations @ flat.T)
    return (flat - coefficients.T @ equations).reshape(*direction.shape)


def with_own_reward(x: Instance):
    """A model that is value equivalent on `values` with a reward of its own: kernel and reward.

    Its kernel changes no difference of values, and its reward makes up for what it changes of the first.
    """
    one = x.xp.ones((1, x.values.shape[1]))
    P_hat = moved(x.P, orthogonal(x.direction, x.xp.concat([one, x.values[1:] - x.values[0]])))
    return P_hat, x.r + x.gamma * ((x.P - P_hat) @ x.values[0])


def with_true_reward(x: Instance):
    """A model that is value equivalent on `values` with the true reward: its kernel."""
    one = x.xp.ones((1, x.values.shape[1]))
    return moved(x.P, orthogonal(x.direction, x.xp.concat([one, x.values])))


@claim("equivalence.construction", "V1", source="derived here", fields=SPANS, sizes=SPAN_SIZES, attackable=False)
def construction(x: Instance) -> Sides:
    """Any kernel that keeps the differences of the expected values has a reward that makes it value equivalent.

        P_hat (v_i - v_1) = P (v_i - v_1) for all i,    r_hat = r + gamma (P - P_hat) v_1
        imply   T_hat_pi v_i = T_pi v_i   for all policies pi and all i

    r_hat + gamma P_hat v_i = r + gamma P v_1 + gamma P_hat (v_i - v_1).
    """
    model = with_own_reward(x)
    backups = [[policy_backup(x, *mdp, v) for v in x.values] for mdp in (model, (x.P, x.r))]
    return equal(*map(x.xp.stack, backups))


@claim("equivalence.span.affine", "V2", source=GRIMM, fields=SPANS, sizes=SPAN_SIZES, attackable=False)
def span_affine(x: Instance) -> Sides:
    """Value equivalence on some values extends to their affine span.

        T_hat_pi v_i = T_pi v_i for all i   implies   T_hat_pi v = T_pi v,    v = v_1 + sum_i w_i (v_i - v_1)

    T_pi is affine. The model here has a reward of its own, see `equivalence.construction`.
    """
    v = x.values[0] + x.weights @ (x.values - x.values[0])
    return equal(policy_backup(x, *with_own_reward(x), v), policy_backup(x, x.P, x.r, v))


@claim("equivalence.span.linear", "V2b", source=GRIMM, fields=SPANS, sizes=SPAN_SIZES, attackable=False)
def span_linear(x: Instance) -> Sides:
    """With the true reward, value equivalence on some values extends to their linear span.

        r_hat = r,  T_hat_pi v_i = T_pi v_i for all i   imply   T_hat_pi v = T_pi v,    v = sum_i w_i v_i

    Then P_hat v_i = P v_i, which is linear.
    """
    v = x.weights @ x.values
    return equal(policy_backup(x, with_true_reward(x), x.r, v), policy_backup(x, x.P, x.r, v))


@claim(
    "equivalence.span.linear.learned",
    "V2x",
    source=GRIMM,
    fields=SPANS,
    sizes={"S": (2, 5), "A": (2, 3), "K": (1, 2)},
    corrected="equivalence.span.affine",
)
def span_linear_learned(x: Instance) -> Sides:
    """False for a model with a reward of its own: value equivalence extends to the linear span.

        T_hat_pi v_i = T_pi v_i for all i   implies   T_hat_pi v = T_pi v,    v = sum_i w_i v_i

    v = 0 is in the linear span, and a backup of 0 is the reward. It holds for r_hat = r (`equivalence.span.linear`), or
    with a constant among the values.
    """
    v = x.weights @ x.values
    return equal(policy_backup(x, *with_own_reward(x), v), policy_backup(x, x.P, x.r, v))


# What equivalence on many or few values means


@claim("equivalence.identified", "V3", source=GRIMM, fields=pair())
def identified(x: Instance) -> Sides:
    """Only the true model is value equivalent for all policies on all values.

        max(eps_r, gamma / 2 max |P - P_hat|)  <=  max |T_a v - T_hat_a v|

    over the values v = 0 and the S indicators of a state, and the policies that take one action a everywhere: if the
    right side is 0, so is the left. The gap at v = 0 is r - r_hat, and at the indicator of t it is r - r_hat + gamma (P
    - P_hat)(t).
    """
    S = x.P.shape[0]
    tests = x.xp.concat([x.xp.zeros((1, S)), x.xp.eye(S)])
    gaps = [action_values(x.P, x.r, x.gamma, v) - action_values(x.P_hat, x.r_hat, x.gamma, v) for v in tests]
    reward = x.xp.max(abs(x.r - x.r_hat))
    kernel = x.gamma / 2 * x.xp.max(abs(x.P - x.P_hat))
    return at_most(x.xp.maximum(reward, kernel), x.xp.max(abs(x.xp.stack(gaps))))


@claim(
    "equivalence.optimal_planning",
    "V4",
    source=GRIMM,
    fields={
        "gamma": Discount(),
        "P": Rows(("S", "S")),
        "r": Box(("S",), -1, 1),
        "choices": Rows(SA[::-1]),
        "gains": Box(("A",), -1, 1),
        "direction": Real(SAS),
    },
    sizes={"S": (3, 5), "A": (2, 3)},
    arithmetic="exact",
    attackable=False,
)
def optimal_planning(x: Instance) -> Sides:
    """A model that is value equivalent on the values of all deterministic policies has the same optimal Q.

        T_hat_pi V^u = T_pi V^u for all pi and all deterministic u   imply   Q_hat* = Q*

    V* is one of those values, so that T_hat V* = TV* = V*. If actions matter in all states, the values span everything
    and only the true model is left. Here they matter in state 0: kernel `P` and reward `r`, but `choices` and `gains`
    for the actions there. The values then lie on a line, and the model moves in all directions but that one.
    """
    xp, (S, A) = x.xp, x.direction.shape[:2]
    P = xp.concat([x.choices[None], xp.broadcast_to(x.P[1:, None, :], (S - 1, A, S))])
    r = xp.concat([x.gains[None], xp.broadcast_to(x.r[1:, None], (S - 1, A))])
    values = xp.stack([policy_values(P, r, x.gamma, xp.broadcast_to(xp.eye(A)[a], (S, A))) for a in range(A)])
    free = null_space(xp.concat([xp.ones((1, S)), values[1:] - values[0]]))
    P_hat = moved(P, x.direction[..., : len(free)] @ free)
    r_hat = r + x.gamma * ((P - P_hat) @ values[0])
    return equal(optimal_q(P_hat, r_hat, x.gamma), optimal_q(P, r, x.gamma))


@claim(
    "equivalence.approximate",
    "V5",
    source="derived here, as in Grimm et al. 2020",
    fields=pair(**policy()),
    sharp=True,
    equality={
        "gamma": Fraction(1, 2),
        "P": [[[1, 0]] * 2, [[0, 1]] * 2],
        "r": [[0, 0], [0, 0]],
        "P_hat": [[[1, 0]] * 2, [[0, 1]] * 2],
        "r_hat": [[1, 1], [1, 1]],
        "pi": [[1, 0], [1, 0]],
    },
)
def approximate(x: Instance) -> Sides:
    """A model that is nearly value equivalent on the values of a policy nearly has its values.

        max |V^pi - V_hat^pi|  <=  eps / (1 - gamma),    eps = max |T_pi V^pi - T_hat_pi V^pi|

    V^pi - V_hat^pi = (T_pi V^pi - T_hat_pi V^pi) + gamma P_hat_pi (V^pi - V_hat^pi). Attained by r_hat = r + c.
    """
    V = policy_values(x.P, x.r, x.gamma, x.pi)
    eps = x.xp.max(abs(V - policy_backup(x, x.P_hat, x.r_hat, V)))
    return at_most(x.xp.max(abs(V - policy_values(x.P_hat, x.r_hat, x.gamma, x.pi))), eps / (1 - x.gamma))


@claim(
    "equivalence.dimension",
    "V6",
    source=GRIMM,
    fields={"gamma": Discount(), "values": Box(("K", "S"), -1, 1), "mixtures": Rows(("M", "A"))},
    sizes={"S": (2, 5), "A": (2, 3), "K": (1, 4), "M": (1, 3)},
    arithmetic="exact",
    attackable=False,
)
def dimension(x: Instance) -> Sides:
    """Dimension of the models with the true reward that are value equivalent for all policies on some values.

        A S - rank of the equations of one state  =  A (S - rank [1; v_1; ..; v_k])

    The unknowns in a state are P_hat(.|s, a) of all its actions. The equations are that rows sum to 1 and, for each
    policy, gamma sum_a pi(a|s) P_hat v = gamma sum_a pi(a|s) P v; those of mixed policies follow from those of pure
    ones, so that every row is as free as if it were alone.
    """
    xp, S, A = x.xp, x.values.shape[1], x.mixtures.shape[1]
    policies = xp.concat([xp.eye(A), x.mixtures])
    kept = (policies[:, None, :, None] * (x.gamma * x.values)[None, :, None, :]).reshape(-1, A * S)
    sums = (xp.eye(A)[:, :, None] * xp.ones((1, 1, S))).reshape(A, A * S)
    return equal(A * S - rank(xp.concat([sums, kept])), A * (S - rank(xp.concat([xp.ones((1, S)), x.values]))))


# Exact linear algebra


def matrix(rows: Exact) -> flint.fmpq_mat:
    """Rationals, shape (m, n), as a matrix of python-flint."""
    m, n = rows.shape
    return flint.fmpq_mat(m, n, list(rows.a.flat))


def rank(rows: Exact) -> int:
    """Rank of a matrix of rationals."""
    return matrix(rows).rank()


def null_space(rows: Exact) -> Exact:
    """A basis of what is orthogonal to all rows, shape (n - rank, n), from the reduced echelon form."""
    echelon, found = matrix(rows).rref()
    reduced = np.array(echelon.tolist(), dtype=object)[:found]
    pivots = [int(np.flatnonzero(row != 0)[0]) for row in reduced]
    free = [i for i in range(rows.shape[1]) if i not in pivots]
    basis = np.full((len(free), rows.shape[1]), flint.fmpq(0), dtype=object)
    for vector, i in zip(basis, free, strict=True):
        vector[i] = flint.fmpq(1)
        vector[pivots] = -reduced[:, i]
    return Exact(basis)
