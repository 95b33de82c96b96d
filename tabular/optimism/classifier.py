"""What a perfect classifier of real and imagined transitions says, and what its limits do to the divergence.

MnM never sees p. It trains C(s, a, s') to tell real transitions from the model's, with the cross entropy of eq. 4 of
Eysenbach et al. 2021, and takes `log C / (1 - C)` for log p / q. The best classifier is

    C = n_real p / (n_real p + n_model q),      log C / (1 - C) = log p / q + log(n_real / n_model),

so that the logit is log p / q only where both kinds are shown equally often. Label smoothing with eps replaces C by
`(1 - eps) C + eps (1 - C)`: its logit never leaves +-log((1 - eps) / eps). Clipping the logits at `limit` is the other
way to bound them; eps = 1 / (1 + e^limit) has the same bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Classifier:
    """The Bayes-optimal classifier of transitions (s, a, s')."""

    C: np.ndarray
    """Probability that a transition is real, shape (S, A, S); NaN where neither real nor imagined ones go."""
    logit: np.ndarray
    """`log C / (1 - C)`, shape (S, A, S), also where C is 1 to the last digit; NaN as C is."""
    offset: float
    """`log(n_real / n_model)`: what the logit has above log p / q, label smoothing aside."""

    @property
    def log_ratio(self) -> np.ndarray:
        """The estimate of log p / q, the offset taken off; exact without label smoothing."""
        return self.logit - self.offset


def bayes_classifier(
    p: np.ndarray, q: np.ndarray, *, n_real: float = 1.0, n_model: float = 1.0, label_smoothing: float = 0.0
) -> Classifier:
    """The classifier that minimises the expected cross entropy (Eysenbach et al. 2021, eq. 4).

    Args:
      p, q: true and learned dynamics, shape (S, A, S).
      n_real, n_model: how many transitions of each kind it is shown for every (s, a).
      label_smoothing: eps in [0, 1/2): the label of a real transition is 1 - eps, of an imagined one eps.

    Raises:
      ValueError for counts that aren't positive, a label smoothing out of range, or shapes that differ.
    """
    if not (n_real > 0 and n_model > 0):
        raise ValueError(f"n_real = {n_real!r}, n_model = {n_model!r}, expected positive counts.")
    if not 0 <= label_smoothing < 0.5:
        raise ValueError(f"label_smoothing = {label_smoothing!r}, expected eps in [0, 0.5).")
    if p.shape != q.shape:
        raise ValueError(f"q has shape {q.shape}, expected {p.shape}, that of p.")
    known = (p > 0) | (q > 0)
    real, model = np.where(known, n_real * p, np.nan), np.where(known, n_model * q, np.nan)
    ones = (1 - label_smoothing) * real + label_smoothing * model
    zeros = (1 - label_smoothing) * model + label_smoothing * real
    with np.errstate(divide="ignore"):
        return Classifier(ones / (ones + zeros), np.log(ones) - np.log(zeros), math.log(n_real / n_model))


def logit_limit(label_smoothing: float) -> float:
    """The largest logit that label smoothing allows, `log((1 - eps) / eps)`. Raises ValueError unless 0 < eps < 1/2."""
    if not 0 < label_smoothing < 0.5:
        raise ValueError(f"label_smoothing = {label_smoothing!r}, expected eps in (0, 0.5).")
    return math.log1p(-label_smoothing) - math.log(label_smoothing)


def smoothing_for(limit: float) -> float:
    """The label smoothing whose logits stay within +-limit, `1 / (1 + e^limit)`. Raises ValueError for limit <= 0."""
    check_limit(limit)
    return 1 / (1 + math.exp(limit))


def estimated_divergence(q: np.ndarray, log_ratio: np.ndarray, *, limit: float | None = None) -> np.ndarray:
    """`-E_q log(p / q)` from a classifier's estimate, shape (S, A): KL(q || p) if that is exact.

    Args:
      limit: clip the estimate to [-limit, limit]. The result is then at most `limit`, and above KL by no more than
        `E_q max(log p/q - limit, 0) <= e^-limit`. Clipping KL itself (`in_model(clip=...)`) is yet another thing: a row
        with a little mass outside the support of p counts `limit` there, and only in proportion to that mass here.

    Raises:
      ValueError for a limit that is not positive.
    """
    if limit is not None:
        check_limit(limit)
        log_ratio = np.clip(log_ratio, -limit, limit)
    return -np.where(q > 0, q * np.where(q > 0, log_ratio, 0.0), 0.0).sum(-1)


def check_limit(limit: float) -> None:
    """Raises ValueError unless a limit of logits is positive."""
    if not limit > 0:
        raise ValueError(f"limit = {limit!r}, expected a positive number of nats.")
