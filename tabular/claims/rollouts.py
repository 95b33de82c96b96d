"""Rollouts of smooth systems with derivatives, and what bounds the error of a gradient along them: MAAC, Lemma 4.1.

The systems are those of `tabular.worlds.continuous`; the bounds are the printed one and its correction.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from tabular.claims.claim import Hypothesis, Instance, Sides, at_most
from tabular.claims.fields import Box, Discount, Field, Real
from tabular.worlds.continuous import (
    Rollout,
    Smooth,
    expanded_gradient,
    rollout,
    size,
)

# Instances


def smooth(name: str, rows: str | int) -> dict[str, Field]:
    """Parameters of a smooth map of (s, a), `A s + B a + C tanh(U s + V a)`, and of one that differs in A, B and C."""
    outer = {f"{name}_A": (rows, "n"), f"{name}_B": (rows, 1), f"{name}_C": (rows, "k")}
    inner = {f"{name}_U": ("k", "n"), f"{name}_V": ("k", 1)}
    fields: dict[str, Field] = {part: Real(axes) for part, axes in (outer | inner).items()}
    return fields | {part.replace("_", "_hat_"): Real(axes, near=part) for part, axes in outer.items()}


SYSTEMS: dict[str, Field] = {
    "gamma": Discount(),
    **smooth("f", "n"),
    **smooth("Q", 1),
    "r_A": Real((1, "n")),
    "r_C": Real((1, "k")),
    "r_U": Real(("k", "n")),
    "pi_A": Real((1, "n")),
    "pi_C": Real((1, "k")),
    "pi_U": Box(("k", "n"), -1, 1),
    "start": Real(("n",)),
    "noise": Real(("H", "n")),
}
"""A smooth system, a model of it, a reward, a critic and a wrong one, a policy, and one realisation of the noise."""

OFFSET: dict[str, Field] = {"offset": Real(("n",))}
"""A constant that the model is off by."""

SIZES = {"n": (1, 2), "k": (1, 2), "H": (1, 3)}

CONSTANT_ERROR: dict[str, Any] = {
    **{name: np.zeros(kind.shape(dict.fromkeys(SIZES, 1)), dtype=int).tolist() for name, kind in SYSTEMS.items()},
    **{"gamma": Fraction(1, 2), "Q_B": [[1]], "Q_hat_B": [[1]], "offset": [1]},
}
"""The true system stays at 0, the model goes to 1, Q(s, a) = a, a = theta s: no slope is wrong, but dQ/dtheta = s."""


def smooth_map(x: Instance, name: str, suffix: str = "", b: Any = 0) -> Smooth:
    """A map of (s, a) from its fields; with the suffix `_hat`, the one that differs."""
    A, B, C = (getattr(x, f"{name}{suffix}_{part}") for part in "ABC")
    U, V = (getattr(x, f"{name}_{part}") for part in "UV")
    return Smooth(x.xp.concat([A, B], axis=1), C, x.xp.concat([U, V], axis=1), b)


@dataclass(frozen=True)
class Paths:
    """What Lemma 4.1 is about: the same policy and noise in a system and in a model of it."""

    f: Any
    f_hat: Any
    pi: Any
    r: Any
    Q: Any
    Q_hat: Any
    gamma: Any
    true: Rollout
    model: Rollout

    @property
    def both(self) -> list[Rollout]:
        return [self.true, self.model]

    def difference(self):
        """`|dJ/dtheta - dJ_hat/dtheta|`."""
        true = expanded_gradient(self.true, self.r, self.Q, self.gamma)
        return size(true - expanded_gradient(self.model, self.r, self.Q_hat, self.gamma))


def paths(x: Instance, offset: Any = 0) -> Paths:
    """Both rollouts of a random smooth system."""
    f, f_hat = smooth_map(x, "f"), smooth_map(x, "f", "_hat", offset)
    Q, Q_hat = smooth_map(x, "Q"), smooth_map(x, "Q", "_hat")
    pi, r = Smooth(x.pi_A, x.pi_C, x.pi_U), Smooth(x.r_A, x.r_C, x.r_U)
    return followed(f, f_hat, pi, r, Q, Q_hat, x)


def followed(f, f_hat, pi, r, Q, Q_hat, x: Instance) -> Paths:
    """Both rollouts from `start` with `noise`; the reward is one of states."""
    n = len(x.start)
    true, model = (rollout(system, pi, x.start, x.noise) for system in (f, f_hat))
    return Paths(f, f_hat, pi, OfStates(r, n), Q, Q_hat, x.gamma, true, model)


@dataclass(frozen=True)
class OfStates:
    """A map of states as a map of (s, a)."""

    of: Any
    n: int

    def value(self, x):
        return self.of.value(x[: self.n])

    def jacobian(self, x):
        slopes = self.of.jacobian(x[: self.n])
        return slopes.__array_namespace__().concat([slopes, 0 * slopes[:, :1]], axis=1)


# What is in the bounds


@dataclass(frozen=True)
class Slopes:
    """Bounds of first and second derivatives that hold along both rollouts and between them."""

    f_s: Any
    f_a: Any
    pi_theta: Any
    pi_s: Any
    pi_theta_s: Any
    """Lipschitz constant of the derivative of the policy by its parameters, as a map of states."""
    pi_ss: Any
    """Lipschitz constant of the derivative of the policy by the state."""
    r: Any
    r_s: Any
    """Lipschitz constant of the derivative of the reward."""
    Q: Any


@dataclass(frozen=True)
class ModelErrors:
    """Errors of the model and the critic along the rollouts."""

    delta: Any
    """`max_t |f_hat - f|` at the states and actions of the model's rollout."""
    eps_f: Any
    """`max_t |f_hat'(x_hat_t) - f'(x_t)|`, as printed."""
    eps_Q: Any
    """`|Q_hat'(x_hat_H) - Q'(x_H)|`, as printed."""


def largest(values: list):
    """The largest of several scalars."""
    xp = values[0].__array_namespace__()
    return xp.max(xp.stack(values))


def parameter_slope(p: Paths):
    """`max |dpi/dtheta|` along both rollouts."""
    n = len(p.true.x[0]) - 1
    return largest([size(p.pi.features(x[:n])) for steps in p.both for x in steps.x])


def smooth_slopes(p: Paths) -> Slopes:
    """Global bounds for a smooth system; the derivative by the parameters has none."""
    n, xp = len(p.true.x[0]) - 1, p.true.x[0].__array_namespace__()
    states, actions = slice(0, n), slice(n, None)
    return Slopes(
        f_s=xp.maximum(p.f.of(states).slope, p.f_hat.of(states).slope),
        f_a=xp.maximum(p.f.of(actions).slope, p.f_hat.of(actions).slope),
        pi_theta=parameter_slope(p),
        pi_s=p.pi.slope,
        pi_theta_s=xp.sqrt(1 + xp.sum(p.pi.U * p.pi.U)),
        pi_ss=p.pi.curvature,
        r=p.r.of.slope,
        r_s=p.r.of.curvature,
        Q=p.Q_hat.slope,
    )


def model_errors(p: Paths) -> ModelErrors:
    pairs = list(zip(p.true.x, p.model.x, strict=True))
    return ModelErrors(
        delta=largest([size(p.f_hat.value(x) - p.f.value(x)) for _, x in pairs[:-1]]),
        eps_f=largest([size(p.f_hat.jacobian(x_hat) - p.f.jacobian(x)) for x, x_hat in pairs[:-1]]),
        eps_Q=size(p.Q_hat.jacobian(pairs[-1][1]) - p.Q.jacobian(pairs[-1][0])),
    )


def hypot(x, y):
    return (x * x + y * y).__array_namespace__().sqrt(x * x + y * y)


def corrected_bound(L: Slopes, errors: ModelErrors, gamma, H: int):
    """What the error of the gradient is at most, by one recursion along the rollout.

    e bounds |s_hat - s|, D bounds |ds|, d bounds |ds_hat - ds|; A and a are the last two for actions.
    """
    e = d = D = total = 0 * gamma
    for t in range(H + 1):
        A = L.pi_theta + L.pi_s * D
        a = L.pi_theta_s * e + L.pi_ss * e * D + L.pi_s * d
        if t == H:
            return total + gamma**H * (errors.eps_Q * hypot(D, A) + L.Q * hypot(d, a))
        total = total + gamma**t * (L.r * d + L.r_s * e * D)
        e, d, D = (
            errors.delta + (L.f_s + L.f_a * L.pi_s) * e,
            errors.eps_f * hypot(D, A) + L.f_s * d + L.f_a * a,
            L.f_s * D + L.f_a * A,
        )


def geometric(q, n: int):
    """`1 + q + ... + q^(n-1)`: `(q^n - 1) / (q - 1)`, whatever q."""
    return sum((q**k for k in range(n)), 0 * q)


@dataclass(frozen=True)
class Printed:
    """Constants of the printed bound, read so that it is as large as it can be."""

    K: Any
    """Largest |dx_t| on both rollouts, or 1: `|dx_t| <= K^t` for t >= 1."""
    L: Any
    """`L_f + L_f L_pi`, L_f the larger of the largest slope and twice the largest change of slope."""
    L_r: Any
    L_Q: Any


def printed_constants(p: Paths) -> Printed:
    xp = p.true.x[0].__array_namespace__()

    def constant(*maps):
        return largest([bound for f in maps for bound in (f.slope, 2 * f.curvature)])

    K = xp.maximum(1 + 0 * p.gamma, largest([size(dx) for steps in p.both for dx in steps.dx]))
    return Printed(K, constant(p.f, p.f_hat) * (1 + p.pi.slope), constant(p.r.of), constant(p.Q, p.Q_hat))


def printed_bound(p: Paths, reward_sum):
    """`c_1(H) eps_f + c_2(H) eps_Q` of the appendix, given the part of c_1 that is due to rewards."""
    H, errors, c = len(p.true.x) - 1, model_errors(p), printed_constants(p)
    c_2 = (p.gamma * c.K) ** H
    return errors.eps_f * (reward_sum(c, p.gamma, H) + c.L_Q * geometric(c.L, H) * c_2) + errors.eps_Q * c_2


def printed_sum(c: Printed, gamma, H: int):
    """`L / (L - 1) (((gamma K L)^H - 1) / (gamma K L - 1) - ((gamma K)^H - 1) / (gamma K - 1))`."""
    return c.L * sum(((gamma * c.K) ** t * geometric(c.L, t) for t in range(H)), 0 * gamma)


def repaired_sum(c: Printed, gamma, H: int):
    """The sum that the printed line starts from, `sum_{t<H} gamma^t L_r (L^(t+1) - 1) / (L - 1) K^t`."""
    return c.L_r * sum(((gamma * c.K) ** t * geometric(c.L, t + 1) for t in range(H)), 0 * gamma)


def _starts_small(x: Instance) -> Sides:
    return at_most(size(Smooth(x.pi_A, x.pi_C, x.pi_U).features(x.start)), 1 + 0 * x.gamma)


small_start = Hypothesis("|d_theta x_0| <= 1", _starts_small, {"start": Box(("n",), -0.3, 0.3)})
"""What the print assumes without saying: `|d_theta x_t| <= K^t` at t = 0."""
