"""Exact rational solutions of small MDPs: the independent route that certificates are held against.

Every float is a dyadic rational, so an MDP's arrays convert without error; rows are then made to sum to exactly 1.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from flint import fmpq, fmpq_mat, fmpz


def rational(x: float) -> fmpq:
    """The rational number that a float is."""
    numerator, denominator = float(x).as_integer_ratio()
    return fmpq(fmpz(numerator), fmpz(denominator))


def exact_arrays(mdp) -> tuple[list, list, fmpq]:
    """`P[s][a]` as rational rows that sum to exactly 1, `r[s][a]` (None where infeasible), gamma."""
    P, r = [], []
    for s in range(mdp.S):
        P.append([normalised([rational(p) for p in mdp.P[s, a]]) for a in range(mdp.A)])
        r.append([rational(x) if np.isfinite(x) else None for x in mdp.r[s]])
    return P, r, rational(mdp.gamma)


def normalised(row: list[fmpq]) -> list[fmpq]:
    total = sum(row, fmpq(0))
    return [p / total for p in row] if total else row


def exact_evaluation(P: list, r: list, gamma: fmpq, action: list[int]) -> list[fmpq]:
    """Values of a deterministic policy by an exact linear solve."""
    S = len(r)
    matrix = fmpq_mat(S, S, [(fmpq(s == t) - gamma * P[s][action[s]][t]) for s in range(S) for t in range(S)])
    values = matrix.solve(fmpq_mat(S, 1, [r[s][action[s]] for s in range(S)]))
    return [values[s, 0] for s in range(S)]


def exact_q(P: list, r: list, gamma: fmpq, V: list[fmpq]) -> list[list]:
    """`r + gamma P V`, None where infeasible."""

    def value(s: int, a: int) -> fmpq | None:
        return None if r[s][a] is None else r[s][a] + gamma * dot(P[s][a], V)

    return [[value(s, a) for a in range(len(r[s]))] for s in range(len(r))]


def dot(p: list[fmpq], v: list[fmpq]) -> fmpq:
    return sum((x * y for x, y in zip(p, v, strict=True)), fmpq(0))


def exact_solution(mdp) -> list[list]:
    """Optimal `Q[s][a]` as rationals, by Howard's policy iteration in exact arithmetic."""
    P, r, gamma = exact_arrays(mdp)
    action = [feasible(row)[0] for row in r]
    while True:
        V = exact_evaluation(P, r, gamma, action)
        Q = exact_q(P, r, gamma, V)
        better = [max(feasible(r[s]), key=lambda a, s=s: Q[s][a]) for s in range(mdp.S)]
        improved = [b if Q[s][b] > Q[s][action[s]] else action[s] for s, b in enumerate(better)]
        if improved == action:
            return Q
        action = improved


def feasible(row: list) -> list[int]:
    return [a for a, reward in enumerate(row) if reward is not None]


def largest_gap(Q: np.ndarray, exact: list[list]) -> float:
    """`max |Q - exact|` over feasible pairs, the difference taken in rationals."""
    gaps = [abs(rational(Q[s, a]) - q) for s, row in enumerate(exact) for a, q in enumerate(row) if q is not None]
    return to_float(max(gaps))


def to_float(x: fmpq) -> float:
    """The float nearest to a rational, however long its numerator and denominator are."""
    return float(Fraction(int(x.numer()), int(x.denom())))
