"""Divergences, tilts and logarithms of rewards that stay right where the textbook formula gives NaN.

Written for NumPy and JAX arrays; distributions lie along the last axis.
"""

from __future__ import annotations

import numpy as np


def kl_rows(q, p, clip: float | None = None):
    """Divergence `KL(q || p) = sum_t q_t log(q_t / p_t)` along the last axis, in nats.

    A term with q = 0 counts 0; a term with q > 0 and p = 0 makes the row +inf. NaN in either argument stays NaN: a
    row is never quietly dropped.

    Args:
      clip: if given, rows are limited to [0, clip]. Without it, +inf in a NumPy result raises.

    Raises:
      ValueError if a row is infinite and no clip was asked for (NumPy only; JAX results carry the +inf).
    """
    xp = q.__array_namespace__()
    both = (q > 0) & (p > 0)
    terms = xp.where(both, q * xp.log(xp.where(both, q, 1.0) / xp.where(both, p, 1.0)), 0.0)
    terms = xp.where((q > 0) & (p == 0), xp.inf, terms)
    terms = xp.where(xp.isnan(q) | xp.isnan(p), xp.nan, terms)
    rows = xp.sum(terms, axis=-1)
    if clip is not None:
        return xp.clip(rows, 0.0, clip)
    if isinstance(rows, np.ndarray | np.floating) and np.isposinf(rows).any():
        where = np.argwhere(np.isposinf(np.atleast_1d(rows)))[0]
        raise ValueError(
            f"KL(q || p) is infinite in row {tuple(where.tolist())}: q puts mass where p has none. "
            "Give q the support of p, or limit the divergence with clip=..."
        )
    return rows


def limited_kl_rows(q, p, limit):
    """`sum_t q_t min(log(q_t / p_t), limit)` along the last axis: the divergence that limited logits report, in nats.

    At most KL(q || p), and finite everywhere: mass of q where p has none pays `limit` a unit, and so keeps a slope.
    """
    xp = q.__array_namespace__()
    both = (q > 0) & (p > 0)
    ratio = xp.where(both, xp.log(xp.where(both, q, 1.0) / xp.where(both, p, 1.0)), limit)
    return xp.sum(xp.where(q > 0, q * xp.minimum(ratio, limit), 0.0), axis=-1)


def tilt(p, V):
    """Optimistic dynamics (Eysenbach et al. 2021, eq. 9), along the last axis:

        q(t) = p(t) e^{V(t)} / sum_t' p(t') e^{V(t')}

    The largest V *on the support of p* is subtracted row by row, so that neither a large V elsewhere nor V > 709
    overflows.

    Args:
      p: transition probabilities, shape (..., S).
      V: values, shape (S,), in units of the exponent.
    """
    xp = p.__array_namespace__()
    on_support = xp.where(p > 0, V, -xp.inf)
    top = xp.max(on_support, axis=-1)[..., None]
    weights = xp.where(p > 0, p * xp.exp(xp.where(p > 0, V - top, 0.0)), 0.0)
    return weights / xp.sum(weights, axis=-1)[..., None]


def log_reward(r: np.ndarray, floor: float | None = None) -> np.ndarray:
    """Logarithm of positive rewards, `log r[s, a]`; infeasible actions (-inf) stay -inf.

    Args:
      floor: replace rewards below this positive number by it, a change of the problem that belongs on the label.

    Raises:
      ValueError if a feasible reward is 0 or negative and there is no floor, or the floor isn't positive.
    """
    if floor is not None and not floor > 0:
        raise ValueError(f"floor = {floor:g}, expected a positive number.")
    feasible = r > -np.inf
    wrong = feasible & ~(r > 0)
    if wrong.any() and floor is None:
        s, a = np.argwhere(wrong)[0]
        raise ValueError(
            f"r[{s}, {a}] = {r[s, a]:g}, expected a positive reward since its logarithm is taken; {wrong.sum()} of "
            f"{r.size} entries are wrong. Shift the rewards, or pass floor=... and say so."
        )
    positive = np.where(feasible, r, 1.0) if floor is None else np.maximum(np.where(feasible, r, 1.0), floor)
    return np.where(feasible, np.log(positive), -np.inf)
