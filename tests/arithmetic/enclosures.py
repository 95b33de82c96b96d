"""Random numbers that are hard on floating point, and whether an enclosure has the true answer."""

from __future__ import annotations

from collections.abc import Callable

import flint
import numpy as np

from tabular.arithmetic import Ambiguous, enclosed, exact

BITS = 600
"""Precision of the truth where it is irrational: far more than the 192 bits of the package."""


def ordinary(rng: np.random.Generator, shape) -> np.ndarray:
    return rng.normal(size=shape)


def extreme(rng: np.random.Generator, shape) -> np.ndarray:
    """Magnitudes from 1e-150 to 1e150, and zeros."""
    numbers = rng.normal(size=shape) * 10 ** rng.uniform(-150, 150, size=shape)
    return np.where(rng.random(shape) < 0.15, 0.0, numbers)


def tiny(rng: np.random.Generator, shape) -> np.ndarray:
    """Down to the smallest floats: products underflow to 0."""
    numbers = rng.normal(size=shape) * 10 ** rng.uniform(-323, -140, size=shape)
    return np.where(rng.random(shape) < 0.15, 0.0, numbers)


def cancelling(rng: np.random.Generator, shape) -> np.ndarray:
    """Nearly the same number up to sign: sums lose all digits but a few."""
    return rng.choice([-1.0, 1.0], size=shape) * (1 + 2.0 ** -rng.integers(20, 53, size=shape)) * rng.normal()


FAMILIES = {f.__name__: f for f in (ordinary, extreme, tiny, cancelling)}


def drawn(rng: np.random.Generator, numbers: Callable, shape: tuple[int, ...]) -> enclosed.Enclosed:
    """An array with radii from 0 to 1e-3 of its size: none in half of the arrays, now and then more than its size."""
    mid = numbers(rng, shape)
    relative = 10.0 ** rng.integers(-17, -2, size=shape) * (rng.random(shape) < rng.choice([0.0, 0.7]))
    return enclosed.Enclosed(mid, relative * abs(numbers(rng, shape) if rng.random() < 0.1 else mid))


def member(rng: np.random.Generator, x: enclosed.Enclosed) -> exact.Exact:
    """Rational numbers that an enclosure stands for: at an end of it, or inside."""
    share = rng.choice([-1.0, 1.0, 0.0, 0.5, -0.25], size=x.shape)
    return exact.asarray(x.mid) + exact.asarray(x.rad) * exact.asarray(share)


def has(found: enclosed.Enclosed, truth: exact.Exact) -> bool:
    """Whether every true number lies within the radius, for certain. What overflowed says nothing, and is right."""
    known = np.isfinite(found.mid) & np.isfinite(found.rad)
    error = abs(truth[known] - exact.asarray(found.mid[known]))
    return bool(exact.all(error <= exact.asarray(found.rad[known])))


def misses(operation: Callable, numbers: Callable, shapes, trials: int, *, balls: bool = False, seed: int = 0) -> int:
    """How often the enclosure of `operation` lacks the answer for a member of its arguments."""
    rng, missed, done, bits = np.random.default_rng(seed), 0, 0, flint.ctx.prec
    flint.ctx.prec = BITS
    try:
        while done < trials:
            args = [drawn(rng, numbers, shape) for shape in shapes]
            try:
                with np.errstate(all="ignore"):
                    found = operation(enclosed, *args)
            except Ambiguous:
                done += 0.1
                continue
            done += 1
            for _ in range(3):
                points = [member(rng, x) for x in args]
                points = [exact.to_balls(x) for x in points] if balls else points
                missed += not has(found, operation(exact, *points))
    finally:
        flint.ctx.prec = bits
    return missed
