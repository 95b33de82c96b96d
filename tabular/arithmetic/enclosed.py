"""Float64 arrays with a rigorous radius: midpoint-radius arithmetic in NumPy.

An `Enclosed` array stands for all arrays within `rad` of `mid`. Every operation encloses the true result of every
choice of its arguments, rounding included, so that `lower` and `upper` of an answer are facts about real numbers:

    |fl(x + y) - (x + y)|  <=  u |fl(x + y)|,      |fl(A @ B) - A @ B|  <=  (n + 2) u |A| @ |B|,      u = 2^-53,

whatever the order of summation (Higham 2002, sec. 3.1 and 3.5; Rump 1999 for the arithmetic). Logarithms,
exponentials, sines and the like of the C library are trusted to `TRANSCENDENTAL` units of the last place.

The module is also the array-API namespace of its arrays (`x.__array_namespace__()`), so that equations written for
NumPy and JAX, such as those of `tabular.operators` and `tabular.mismatch`, are evaluated with their error.
"""

from __future__ import annotations

import builtins
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from tabular.arithmetic.ambiguous import Ambiguous

UNIT = 2.0**-53
INFLATE = 1 + 2.0**-48
"""Covers the rounding of a radius itself, which is a sum and product of few non-negative terms."""
TRANSCENDENTAL = 8 * UNIT
SMALL, UNDERFLOW = 2.0**-900, 2.0**-1000
"""A product of numbers other than 0 that is below SMALL may have underflowed, by less than UNDERFLOW."""

inf = np.inf


class Enclosed:
    """Real arrays known to lie within `rad` of `mid`; both float64 arrays of one shape."""

    __slots__ = ("mid", "rad")
    __array_ufunc__ = None  # so that NumPy hands mixed operations to this class

    def __init__(self, mid, rad=None):
        self.mid = np.asarray(mid, dtype=float)
        self.rad = np.zeros_like(self.mid) if rad is None else np.broadcast_to(rad, self.mid.shape)

    def __array_namespace__(self, api_version=None) -> ModuleType:
        import sys

        return sys.modules[__name__]

    def __repr__(self) -> str:
        return f"Enclosed({self.mid}, within {self.rad})"

    def __array__(self, *_, **__):
        raise TypeError(
            "a NumPy function was called on an enclosed array, which would lose its error. Use the functions of "
            "xp = x.__array_namespace__(), such as xp.max, xp.sum, xp.log, xp.where, xp.linalg.solve."
        )

    @property
    def shape(self) -> tuple[int, ...]:
        return self.mid.shape

    @property
    def ndim(self) -> int:
        return self.mid.ndim

    @property
    def T(self) -> Enclosed:
        return Enclosed(self.mid.T, self.rad.T)

    @property
    def mT(self) -> Enclosed:
        return Enclosed(self.mid.mT, self.rad.mT)

    @property
    def lower(self) -> np.ndarray:
        """A lower bound, exact where the radius is 0."""
        low = self.mid - self.rad
        return low - np.where(self.rad > 0, 2 * UNIT * abs(low), 0.0)

    @property
    def upper(self) -> np.ndarray:
        """An upper bound, exact where the radius is 0."""
        high = self.mid + self.rad
        return high + np.where(self.rad > 0, 2 * UNIT * abs(high), 0.0)

    def __len__(self) -> int:
        return len(self.mid)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key) -> Enclosed:
        return Enclosed(self.mid[key], self.rad[key])

    def reshape(self, *shape) -> Enclosed:
        return Enclosed(self.mid.reshape(*shape), self.rad.reshape(*shape))

    def __pos__(self) -> Enclosed:
        return self

    def __neg__(self) -> Enclosed:
        return Enclosed(-self.mid, self.rad)

    def __abs__(self) -> Enclosed:
        return Enclosed(abs(self.mid), self.rad)  # | |x| - |m| | <= |x - m|

    def __add__(self, other) -> Enclosed:
        other = asarray(other)
        mid = self.mid + other.mid
        return Enclosed(mid, _up(self.rad + other.rad, UNIT * abs(mid)))

    __radd__ = __add__

    def __sub__(self, other) -> Enclosed:
        return self + (-asarray(other))

    def __rsub__(self, other) -> Enclosed:
        return asarray(other) + (-self)

    def __mul__(self, other) -> Enclosed:
        other = asarray(other)
        mid = self.mid * other.mid
        rad = abs(self.mid) * other.rad + self.rad * (abs(other.mid) + other.rad)
        lost = (abs(mid) < SMALL) & (self.mid != 0) & (other.mid != 0)
        return Enclosed(mid, _up(rad, UNIT * abs(mid) + UNDERFLOW * lost))

    __rmul__ = __mul__

    def __truediv__(self, other) -> Enclosed:
        other = asarray(other)
        if not np.all((other.lower > 0) | (other.upper < 0)):
            raise Ambiguous("division by a number that can't be told from 0")
        mid = self.mid / other.mid
        rad = (self.rad + abs(mid) * other.rad) / (abs(other.mid) - other.rad)
        lost = (abs(mid) < SMALL) & (self.mid != 0)
        return Enclosed(mid, _up(rad, 2 * UNIT * abs(mid) + UNDERFLOW * lost))

    def __rtruediv__(self, other) -> Enclosed:
        return asarray(other) / self

    def __pow__(self, n: int) -> Enclosed:
        if not (isinstance(n, int) and n >= 0):
            raise TypeError(f"the exponent is {n}, expected a whole number of 0 or more. Use xp.exp(n * xp.log(x)).")
        power = asarray(np.ones(self.shape))
        for _ in range(n):
            power = power * self
        return power

    def __matmul__(self, other) -> Enclosed:
        other = asarray(other)
        size_a, size_b = abs(self.mid), abs(other.mid)
        mid, size = self.mid @ other.mid, size_a @ size_b
        rad = size_a @ other.rad + self.rad @ (size_b + other.rad)
        rounding = (self.shape[-1] + 2) * UNIT * size + self.shape[-1] * UNDERFLOW * (size < SMALL) * (size > 0)
        return Enclosed(mid, _up(rad * (1 + (self.shape[-1] + 2) * UNIT), rounding))

    def __rmatmul__(self, other) -> Enclosed:
        return asarray(other) @ self

    # Comparisons are true where they hold for certain.

    def __lt__(self, other) -> np.ndarray:
        return self.upper < asarray(other).lower

    def __le__(self, other) -> np.ndarray:
        return self.upper <= asarray(other).lower

    def __gt__(self, other) -> np.ndarray:
        return self.lower > asarray(other).upper

    def __ge__(self, other) -> np.ndarray:
        return self.lower >= asarray(other).upper

    def __eq__(self, other) -> Any:
        other = asarray(other)
        return (self.rad == 0) & (other.rad == 0) & (self.mid == other.mid)

    def __ne__(self, other) -> Any:
        return (self > other) | (self < other)

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def max(self, axis=None) -> Enclosed:
        return max(self, axis=axis)

    def min(self, axis=None) -> Enclosed:
        return min(self, axis=axis)

    def sum(self, axis=None) -> Enclosed:
        return sum(self, axis=axis)

    def argmax(self, axis=None) -> np.ndarray:
        return argmax(self, axis=axis)


def _up(rad, more) -> np.ndarray:
    """A radius, rounded up."""
    return (rad + more) * INFLATE


def hull(low, high) -> Enclosed:
    """All numbers from `low` to `high`."""
    mid = low + (high - low) / 2
    return Enclosed(mid, np.maximum(high - mid, mid - low) * INFLATE)


def asarray(x) -> Enclosed:
    """An enclosed array as it is; anything else as exact floats."""
    if isinstance(x, Enclosed):
        return x
    if isinstance(x, list | tuple) and builtins.any(isinstance(part, Enclosed) for part in x):
        return stack([asarray(part) for part in x])
    return Enclosed(x)


def midpoint(x) -> np.ndarray:
    """Plain floats near an array, for decisions that need no proof."""
    return asarray(x).mid


def around(x: Enclosed, radius) -> Enclosed:
    """Everything within `radius` of x."""
    return Enclosed(x.mid, _up(x.rad, asarray(abs(radius)).upper))


def zeros(shape) -> Enclosed:
    return Enclosed(np.zeros(shape))


def ones(shape) -> Enclosed:
    return Enclosed(np.ones(shape))


def eye(n: int) -> Enclosed:
    return Enclosed(np.eye(n))


def zeros_like(x: Enclosed) -> Enclosed:
    return Enclosed(np.zeros(x.shape))


def stack(arrays, axis: int = 0) -> Enclosed:
    arrays = [asarray(array) for array in arrays]
    return Enclosed(np.stack([a.mid for a in arrays], axis), np.stack([a.rad for a in arrays], axis))


def concat(arrays, axis: int = 0) -> Enclosed:
    arrays = [asarray(array) for array in arrays]
    return Enclosed(np.concat([a.mid for a in arrays], axis), np.concat([a.rad for a in arrays], axis))


def broadcast_to(x, shape) -> Enclosed:
    x = asarray(x)
    return Enclosed(np.broadcast_to(x.mid, shape), np.broadcast_to(x.rad, shape))


def where(condition: np.ndarray, x, y) -> Enclosed:
    x, y = asarray(x), asarray(y)
    return Enclosed(np.where(condition, x.mid, y.mid), np.where(condition, x.rad, y.rad))


def sum(x, axis=None) -> Enclosed:
    x = asarray(x)
    size = np.sum(abs(x.mid), axis=axis)
    terms = x.mid.size if axis is None else np.prod([x.shape[a] for a in np.atleast_1d(axis)])
    return Enclosed(np.sum(x.mid, axis=axis), _up(np.sum(x.rad, axis=axis) * (1 + terms * UNIT), terms * UNIT * size))


def max(x, axis=None) -> Enclosed:
    x = asarray(x)
    return hull(np.max(x.lower, axis=axis), np.max(x.upper, axis=axis))


def min(x, axis=None) -> Enclosed:
    x = asarray(x)
    return hull(np.min(x.lower, axis=axis), np.min(x.upper, axis=axis))


def maximum(x, y) -> Enclosed:
    x, y = asarray(x), asarray(y)
    return hull(np.maximum(x.lower, y.lower), np.maximum(x.upper, y.upper))


def minimum(x, y) -> Enclosed:
    x, y = asarray(x), asarray(y)
    return hull(np.minimum(x.lower, y.lower), np.minimum(x.upper, y.upper))


def argmax(x, axis=None) -> np.ndarray:
    """Where the largest entry is. Raises Ambiguous if the enclosures of two differing candidates overlap."""
    x = asarray(x)
    best = np.argmax(x.mid, axis=axis)
    chosen = np.expand_dims(best, axis) if axis is not None else best
    if axis is None:
        low, others = x.lower.flat[best], np.delete(x.upper.ravel(), best)
        certain = others.size == 0 or low >= others.max()
    else:
        low = np.take_along_axis(x.lower, chosen, axis)
        upper = x.upper.copy()
        np.put_along_axis(upper, chosen, -np.inf, axis)
        certain = np.all(low >= upper)
    if not certain:
        raise Ambiguous("the largest of several entries can't be told in float64")
    return best


def take_along_axis(x: Enclosed, indices, axis: int = -1) -> Enclosed:
    return Enclosed(np.take_along_axis(x.mid, indices, axis), np.take_along_axis(x.rad, indices, axis))


def any(condition, axis=None):
    return np.any(condition, axis=axis)


def all(condition, axis=None):
    return np.all(condition, axis=axis)


def _monotone(function, x) -> Enclosed:
    """An increasing function of the C library, whose values are off by TRANSCENDENTAL of their size."""
    x = asarray(x)
    low, high = function(x.lower), function(x.upper)
    return hull(low - TRANSCENDENTAL * abs(low) - UNDERFLOW, high + TRANSCENDENTAL * abs(high) + UNDERFLOW)


def log(x) -> Enclosed:
    x = asarray(x)
    if not np.all(x.lower > 0):
        raise Ambiguous("the logarithm of a number that can't be told from 0 or below")
    return _monotone(np.log, x)


def exp(x) -> Enclosed:
    return _monotone(np.exp, x)


def tanh(x) -> Enclosed:
    return _monotone(np.tanh, x)


def sqrt(x) -> Enclosed:
    """Square root; of an enclosure that reaches below 0, that of its other part."""
    x = asarray(x)
    if np.any(x.upper < 0):
        raise Ambiguous("the square root of a negative number")
    low, high = np.sqrt(np.maximum(x.lower, 0.0)), np.sqrt(x.upper)
    return hull(low * (1 - TRANSCENDENTAL), high * (1 + TRANSCENDENTAL))


def _lipschitz(function, x) -> Enclosed:
    x = asarray(x)
    return Enclosed(function(x.mid), _up(x.rad, TRANSCENDENTAL))


def sin(x) -> Enclosed:
    return _lipschitz(np.sin, x)


def cos(x) -> Enclosed:
    return _lipschitz(np.cos, x)


def solve(A, b) -> Enclosed:
    """The solution of `A x = b`, b of shape (n,) or (n, k), with a rigorous radius.

    With an approximate inverse C and `|I - C A| <= G < 1` in the infinity norm, an approximate solution x is off by at
    most `|C (b - A x)| + G / (1 - G) max |C (b - A x)|` (Rump 2010, sec. 10.5).

    Raises:
      Ambiguous if A can't be told from a singular matrix.
    """
    A, b = asarray(A), asarray(b)
    try:
        C = np.linalg.inv(A.mid)
    except np.linalg.LinAlgError as error:
        raise Ambiguous("a singular matrix") from error
    x = C @ b.mid
    x = x + C @ (b.mid - A.mid @ x)
    correction = abs(asarray(C) @ (b - A @ asarray(x))).upper
    contraction = np.max(np.sum(abs(eye(len(C)) - asarray(C) @ A).upper, axis=1)) * INFLATE
    if not contraction < 1:
        raise Ambiguous("a matrix that can't be told from a singular one")
    largest = np.max(correction, axis=0)
    return Enclosed(x, _up(correction, contraction / (1 - contraction) * largest * INFLATE))


linalg = SimpleNamespace(solve=solve)
