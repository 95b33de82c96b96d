"""What instances are made of: the kinds of arrays a claim may ask for.

Each kind knows how to be drawn at random, how to be written with free parameters (so that an attack can climb or
mutate them), how to be rounded to simple fractions, and what an array of floats means exactly: floats are dyadic
rationals, and rows of probabilities are understood divided by their exact sum.

Random MDPs that are uniform miss most violations. Drawn here are: Dirichlet rows of concentration 10^U(-1.5, 1), one in
seven kernels deterministic; three in ten boxes with all entries at an end; perturbations of size 10^U(-4, 0).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from tabular.arithmetic import enclosed, exact

NEGLIGIBLE = 1e-9
"""Probabilities below this are drawn as 0: whether q may be 0 where p is positive should be seen, not underflow."""
DETERMINISTIC, EXTREME = 0.15, 0.3
"""Shares of kernels that are deterministic, and of boxes with all entries at an end."""
EDGE = 1e-6
"""How near to the boundary free parameters may start."""


@dataclass(frozen=True)
class Field(ABC):
    """An array of an instance. `axes` are names of sizes, such as ("S", "A"), or whole numbers; () is a scalar."""

    axes: tuple[str | int, ...] = ()

    attacked = True
    """Whether an attack may change it; structure such as a horizon stays as drawn."""

    def shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        return tuple(sizes[axis] if isinstance(axis, str) else axis for axis in self.axes)

    @abstractmethod
    def draw(self, rng: np.random.Generator, shape: tuple[int, ...], drawn: Mapping[str, np.ndarray]) -> np.ndarray:
        """A random array of floats; `drawn` holds the fields before this one."""

    def free(self, value: np.ndarray) -> np.ndarray:
        """Unconstrained parameters of a float array, of its shape."""
        return np.asarray(value, dtype=float)

    def bound(self, theta, xp) -> Any:
        """The array that unconstrained parameters stand for, in NumPy or JAX (`xp`)."""
        return theta

    def rounded(self, value: np.ndarray, denominator: int) -> np.ndarray:
        """A float array as fractions with at most this denominator, an object array."""
        return np.vectorize(lambda x: Fraction(float(x)).limit_denominator(denominator), otypes=[object])(value)

    def allowed(self, value: np.ndarray) -> bool:
        """Whether fractions are what the field may hold."""
        return True

    def enclosed(self, value: np.ndarray) -> enclosed.Enclosed:
        """What floats or fractions mean, as floats with a radius."""
        if value.dtype != object:
            return enclosed.asarray(value)
        mid = value.astype(float)
        return enclosed.Enclosed(mid, enclosed.UNIT * abs(mid) * enclosed.INFLATE)

    def exact(self, value: np.ndarray) -> exact.Exact:
        """What floats or fractions mean, as rationals."""
        return exact.asarray(value)


@dataclass(frozen=True)
class Rows(Field):
    """Rows of probabilities along the last axis. `near`: a field of which they are a random perturbation, or None.

    `support_of`: a field outside the support of which they are 0, or None.
    """

    near: str | None = None
    support_of: str | None = None

    def draw(self, rng, shape, drawn):
        if self.near is not None:
            size = 10 ** rng.uniform(-4, 0)
            rows = (1 - size) * drawn[self.near] + size * dirichlet(rng, shape)
        elif rng.random() < DETERMINISTIC:
            rows = np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])]
        else:
            rows = dirichlet(rng, shape)
        if self.support_of is not None:
            support = drawn[self.support_of] > 0
            rows = np.where(support, rows, 0.0) + 1e-3 * support
        rows = np.where(rows < NEGLIGIBLE, 0.0, rows)
        return rows / rows.sum(-1, keepdims=True)

    def free(self, value):
        return np.log(np.maximum(np.asarray(value, dtype=float), EDGE))

    def bound(self, theta, xp):
        weights = xp.exp(theta - xp.max(theta, axis=-1)[..., None])
        return weights / xp.sum(weights, axis=-1)[..., None]

    def rounded(self, value, denominator):
        rows = np.asarray(value, dtype=float).reshape(-1, np.shape(value)[-1])
        return np.array([fractions_of_one(row, denominator) for row in rows], dtype=object).reshape(np.shape(value))

    def allowed(self, value):
        return bool(np.all(value >= 0) and np.all(value.sum(-1) == 1))

    def enclosed(self, value):
        mid = value.astype(float)
        off = abs(1 - mid.sum(-1, keepdims=True)) + (value.shape[-1] + 2) * enclosed.UNIT
        return enclosed.Enclosed(mid, 2 * off * mid)

    def exact(self, value):
        rows = exact.asarray(value)
        return rows / exact.sum(rows, axis=-1)[..., None]


@dataclass(frozen=True)
class Box(Field):
    """Numbers from `low` to `high`, three times in ten all at one of the ends. `near` as for `Rows`."""

    low: float = 0.0
    high: float = 1.0
    near: str | None = None

    def draw(self, rng, shape, drawn):
        if self.near is not None:
            size = 10 ** rng.uniform(-4, 0) * (self.high - self.low)
            return np.clip(drawn[self.near] + size * rng.uniform(-1, 1, size=shape), self.low, self.high)
        if rng.random() < EXTREME:
            return rng.choice([float(self.low), float(self.high)], size=shape)
        return rng.uniform(self.low, self.high, size=shape)

    def free(self, value):
        share = (np.asarray(value, dtype=float) - self.low) / (self.high - self.low)
        share = np.clip(share, EDGE, 1 - EDGE)
        return np.log(share / (1 - share))

    def bound(self, theta, xp):
        return self.low + (self.high - self.low) / (1 + xp.exp(-theta))

    def allowed(self, value):
        return bool((value >= Fraction(self.low)).all() and (value <= Fraction(self.high)).all())


@dataclass(frozen=True)
class Real(Field):
    """Any numbers, normal of standard deviation `scale` times 10^U(-1, 0). `near` as for `Rows`."""

    scale: float = 1.0
    near: str | None = None

    def draw(self, rng, shape, drawn):
        if self.near is not None:
            return drawn[self.near] + 10 ** rng.uniform(-4, 0) * self.scale * rng.normal(size=shape)
        return self.scale * 10 ** rng.uniform(-1, 0) * rng.normal(size=shape)

    def free(self, value):
        return np.asarray(value, dtype=float) / self.scale

    def bound(self, theta, xp):
        return theta * self.scale


@dataclass(frozen=True)
class Positive(Field):
    """Positive numbers, log-uniform from `low` to `high`."""

    low: float = 1e-2
    high: float = 1e2

    def draw(self, rng, shape, drawn):
        return np.exp(rng.uniform(np.log(self.low), np.log(self.high), size=shape))

    def free(self, value):
        return np.log(np.asarray(value, dtype=float))

    def bound(self, theta, xp):
        return xp.exp(theta)

    def rounded(self, value, denominator):
        """Fractions with few digits relative to their size."""
        return np.vectorize(lambda x: simple_positive(float(x), denominator), otypes=[object])(value)

    def allowed(self, value):
        return bool((value > 0).all())


@dataclass(frozen=True)
class Discount(Field):
    """A discount from `choices`; an attack may take any from 0 to the largest."""

    choices: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99)

    def draw(self, rng, shape, drawn):
        return np.full(shape, rng.choice(self.choices))

    def free(self, value):
        share = np.clip(np.asarray(value, dtype=float) / max(self.choices), EDGE, 1 - 1e-3)
        return np.log(share / (1 - share))

    def bound(self, theta, xp):
        return max(self.choices) / (1 + xp.exp(-theta))

    def allowed(self, value):
        return bool((value >= 0).all() and (value < 1).all())


@dataclass(frozen=True)
class Whole(Field):
    """Whole numbers from `low` to `high`, both included: indices, horizons, numbers of steps."""

    low: int = 0
    high: int = 1

    attacked = False

    def draw(self, rng, shape, drawn):
        return rng.integers(self.low, self.high + 1, size=shape).astype(float)

    def allowed(self, value):
        return bool(all(Fraction(x).denominator == 1 and self.low <= x <= self.high for x in value.flat))


def dirichlet(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Rows of probabilities with one random concentration; near-deterministic ones are common."""
    weights = rng.standard_gamma(10 ** rng.uniform(-1.5, 1), size=shape) + 1e-300
    return weights / weights.sum(-1, keepdims=True)


def fractions_of_one(row: np.ndarray, denominator: int) -> list[Fraction]:
    """A row of probabilities in whole parts of `denominator`: the largest remainders get what rounding down leaves."""
    parts = np.asarray(row) / np.sum(row) * denominator
    whole = np.floor(parts + 1e-12).astype(int)
    for i in np.argsort(whole - parts, kind="stable")[: max(denominator - whole.sum(), 0)]:
        whole[i] += 1
    return [Fraction(int(n), denominator) for n in whole]


def simple_positive(x: float, denominator: int) -> Fraction:
    """A positive fraction near x: x or 1 / x with at most this denominator."""
    if x >= 1:
        return Fraction(x).limit_denominator(denominator)
    return 1 / Fraction(1 / x).limit_denominator(denominator)
