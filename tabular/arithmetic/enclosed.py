"""Float64 arrays with a rigorous radius: midpoint-radius arithmetic in NumPy.

An `Enclosed` array stands for all arrays within `rad` of `mid`. Every operation encloses the true result of every
choice of its arguments, rounding and underflow included, so that `lower` and `upper` of an answer are facts about real
numbers:

    |fl(x + y) - (x + y)|  <=  u |fl(x + y)|,      |fl(A @ B) - A @ B|  <=  (n + 2) u |A| @ |B|,      u = 2^-53,

whatever the order of summation (Higham 2002, sec. 3.1 and 3.5; Rump 1999 for the arithmetic). Logarithms,
exponentials, sines and the like of NumPy are trusted to `TRANSCENDENTAL`. A result that overflows has an infinite or
NaN radius: nothing is known of it, and no comparison with it is settled.

The module is also the array-API namespace of its arrays (`x.__array_namespace__()`), so that equations written for
NumPy and JAX, such as those of `tabular.operators` and `tabular.mismatch`, are evaluated with their error.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from tabular.arithmetic.ambiguous import Ambiguous
from tabular.arithmetic.array import Array
from tabular.arithmetic.partial import Partial, all, any, settled

__all__ = [
    "Enclosed",
    "all",
    "any",
    "argmax",
    "around",
    "asarray",
    "broadcast_to",
    "concat",
    "cos",
    "exp",
    "eye",
    "hull",
    "inf",
    "linalg",
    "log",
    "max",
    "maximum",
    "midpoint",
    "min",
    "minimum",
    "ones",
    "sin",
    "solve",
    "sqrt",
    "stack",
    "sum",
    "take_along_axis",
    "tanh",
    "where",
    "zeros",
    "zeros_like",
]

UNIT = 2.0**-53
INFLATE = 1 + 2.0**-48
"""Covers the rounding of a radius itself, which is a sum and product of few non-negative terms."""
TRANSCENDENTAL = 16 * UNIT
"""Relative error of a function of NumPy: 8 units of the last place, twice what its vectorised versions promise."""
UNDERFLOW = 2.0**-1000
"""More than underflow can take from a product."""
WHOLE = 2**53
"""Up to here every whole number is a float."""

inf = np.inf


class Enclosed(Array):
    """Real arrays known to lie within `rad` of `mid`; both float64 arrays of one shape."""

    __slots__ = ("mid", "rad")

    def __init__(self, mid, rad=None):
        self.mid = np.asarray(mid, dtype=float)
        rad = np.zeros(self.mid.shape) if rad is None else np.asarray(rad, dtype=float)
        self.rad = rad if rad.shape == self.mid.shape else np.broadcast_to(rad, self.mid.shape)

    def __array_namespace__(self, api_version=None) -> ModuleType:
        return sys.modules[__name__]

    def __repr__(self) -> str:
        return f"Enclosed({self.mid}, within {self.rad})"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.mid.shape

    @property
    def T(self) -> Enclosed:
        return Enclosed(self.mid.T, self.rad.T)

    @property
    def mT(self) -> Enclosed:
        return Enclosed(self.mid.mT, self.rad.mT)

    @property
    def lower(self) -> np.ndarray:
        """A lower bound, exact where the radius is 0."""
        return self.bounds()[0]

    @property
    def upper(self) -> np.ndarray:
        """An upper bound, exact where the radius is 0."""
        return self.bounds()[1]

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds, exact where the radius is 0."""
        if not self.rad.any():
            return self.mid, self.mid
        rounded = self.rad != 0
        low, high = np.nextafter(self.mid - self.rad, -inf), np.nextafter(self.mid + self.rad, inf)
        return np.where(rounded, low, self.mid), np.where(rounded, high, self.mid)

    def __getitem__(self, key) -> Enclosed:
        return Enclosed(self.mid[key], self.rad[key])

    def reshape(self, *shape) -> Enclosed:
        return Enclosed(self.mid.reshape(*shape), self.rad.reshape(*shape))

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
        other = asarray(other)
        mid = self.mid - other.mid
        return Enclosed(mid, _up(self.rad + other.rad, UNIT * abs(mid)))

    def __rsub__(self, other) -> Enclosed:
        return asarray(other) - self

    def __mul__(self, other) -> Enclosed:
        other = asarray(other)
        mid, size, other_size = self.mid * other.mid, abs(self.mid), abs(other.mid) + other.rad
        rad = size * other.rad + self.rad * other_size
        inexact = np.logical_and(size + self.rad, other_size)  # 0 times anything is 0
        return Enclosed(mid, _up(rad, UNIT * abs(mid) + UNDERFLOW * inexact))

    __rmul__ = __mul__

    def __truediv__(self, other) -> Enclosed:
        other = asarray(other)
        least, size = (abs(other.mid) - other.rad) * (1 - 4 * UNIT), abs(self.mid)
        if not (least > 0).all():
            raise Ambiguous("division by a number that can't be told from 0")
        mid = self.mid / other.mid
        rad = self.rad / least + abs(mid) * (other.rad / least)
        inexact = (size + self.rad) > 0
        return Enclosed(mid, _up(rad, 2 * UNIT * abs(mid) + UNDERFLOW * inexact))

    def __pow__(self, n) -> Enclosed:
        """Powers 0, 1, 2, ... and the square root, n = 1 / 2."""
        if n == 0.5:
            return sqrt(self)
        if not (isinstance(n, int) and n >= 0):
            raise TypeError(f"the exponent is {n}, expected a whole number of 0 or more. Use xp.exp(n * xp.log(x)).")
        power = self if n else ones(self.shape)
        for _ in range(n - 1):
            power = power * self
        return power

    def __matmul__(self, other) -> Enclosed:
        other = asarray(other)
        size, other_size, n = abs(self.mid), abs(other.mid), self.shape[-1]
        rad = size @ other.rad + self.rad @ (other_size + other.rad)
        rad = (1 + (n + 2) * UNIT) * rad + (n + 2) * UNIT * (size @ other_size)
        lost = 1.0 if np.all(rad) else np.logical_or(size, self.rad) @ np.logical_or(other_size, other.rad)
        return Enclosed(self.mid @ other.mid, _up(rad, n * UNDERFLOW * lost))

    # Comparisons: a plain mask where all entries are certain, else a Partial.

    def __lt__(self, other) -> Any:
        gap, margin = _gap(self, other)
        return settled(gap - margin > 0, gap + margin <= 0)

    def __le__(self, other) -> Any:
        gap, margin = _gap(self, other)
        return settled(gap - margin >= 0, gap + margin < 0)

    def __gt__(self, other) -> Any:
        return ~(self <= other)

    def __eq__(self, other) -> Any:
        gap, margin = _gap(self, other)
        return settled((gap == 0) & (margin == 0), abs(gap) - margin > 0)


def _up(rad, more) -> Any:
    """A radius, rounded up."""
    return (rad + more) * INFLATE


def _gap(x: Enclosed, other) -> tuple[np.ndarray, np.ndarray]:
    """`other - x` in floats, and how large it must be for its sign to be certain: it is rounded by u |gap| at most."""
    other = asarray(other)
    if np.isinf(other.mid).any():  # infinity is infinity; every number is on one side of it
        return np.where(x.mid == other.mid, 0.0, other.mid - np.where(np.isinf(x.mid), 0.0, x.mid)), x.rad + other.rad
    return other.mid - x.mid, (x.rad + other.rad) * INFLATE


def hull(low, high) -> Enclosed:
    """All numbers from `low` to `high`."""
    mid = low + (high - low) / 2
    return Enclosed(mid, np.maximum(high - mid, mid - low) * INFLATE)


def asarray(x) -> Enclosed:
    """An enclosed array as it is; floats and whole numbers exactly; fractions within their rounding."""
    if isinstance(x, Enclosed):
        return x
    if isinstance(x, float) or (isinstance(x, int) and -WHOLE <= x <= WHOLE):
        return Enclosed(x)
    if isinstance(x, list | tuple) and builtins.any(isinstance(part, Enclosed) for part in x):
        return stack([asarray(part) for part in x])
    x = np.asarray(x)
    if x.dtype.kind in "bf" and x.dtype.itemsize <= 8:
        return Enclosed(x)
    if x.dtype.kind not in "iufO":
        raise TypeError(f"{x!r} is no array of real numbers")
    x = x.astype(object)
    mid = np.array([float(number) for number in x.flat]).reshape(x.shape)
    return Enclosed(mid, (UNIT * abs(mid) + UNDERFLOW) * (x != mid.astype(object)))


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
    return zeros(x.shape)


def stack(arrays, axis: int = 0) -> Enclosed:
    arrays = [asarray(array) for array in arrays]
    return Enclosed(np.stack([a.mid for a in arrays], axis), np.stack([a.rad for a in arrays], axis))


def concat(arrays, axis: int = 0) -> Enclosed:
    arrays = [asarray(array) for array in arrays]
    return Enclosed(np.concat([a.mid for a in arrays], axis), np.concat([a.rad for a in arrays], axis))


def broadcast_to(x, shape) -> Enclosed:
    x = asarray(x)
    return Enclosed(np.broadcast_to(x.mid, shape), np.broadcast_to(x.rad, shape))


def where(condition, x, y) -> Enclosed:
    """As in NumPy; where the condition is open, everything from one side to the other."""
    x, y = asarray(x), asarray(y)
    if isinstance(condition, Partial):
        either = hull(np.minimum(x.lower, y.lower), np.maximum(x.upper, y.upper))
        return where(condition.true, x, where(condition.false, y, either))
    return Enclosed(np.where(condition, x.mid, y.mid), np.where(condition, x.rad, y.rad))


def sum(x, axis=None) -> Enclosed:
    x = asarray(x)
    mid = x.mid.sum(axis=axis)
    rounding = x.mid.size // builtins.max(mid.size, 1) * UNIT
    return Enclosed(mid, _up(x.rad.sum(axis=axis) * (1 + rounding), rounding * abs(x.mid).sum(axis=axis)))


def _extreme(reduced: Callable, x: Enclosed) -> Enclosed:
    """A function of the entries that grows with each, and is the same for floats as for numbers."""
    if not x.rad.any():
        return Enclosed(reduced(x.mid))
    return _between(reduced(x.mid - x.rad), reduced(x.mid + x.rad), 2 * UNIT)


def _between(low, high, relative: float) -> Enclosed:
    """All numbers from `low` to `high`, both of which are off by less than `relative` of their size."""
    value = hull(low, high)
    return Enclosed(value.mid, _up(value.rad, relative * (abs(value.mid) + value.rad)))


def max(x, axis=None) -> Enclosed:
    return _extreme(lambda floats: floats.max(axis=axis), asarray(x))


def min(x, axis=None) -> Enclosed:
    return _extreme(lambda floats: floats.min(axis=axis), asarray(x))


def maximum(x, y) -> Enclosed:
    (x_low, x_high), (y_low, y_high) = asarray(x).bounds(), asarray(y).bounds()
    return hull(np.maximum(x_low, y_low), np.maximum(x_high, y_high))


def minimum(x, y) -> Enclosed:
    return -maximum(-asarray(x), -asarray(y))


def argmax(x, axis=None) -> np.ndarray:
    """Where the largest entry is, the first of those that tie. Raises Ambiguous if enclosures overlap."""
    x = asarray(x)
    if axis is None:
        return argmax(x.reshape(-1), axis=0)
    best = np.asarray(x.mid.argmax(axis=axis))
    if x.rad.any():
        chosen, (low, high) = np.expand_dims(best, axis), x.bounds()
        np.put_along_axis(high, chosen, -inf, axis)
        if not (np.take_along_axis(low, chosen, axis) >= high).all():
            raise Ambiguous("the largest of several entries can't be told in float64")
    return best


def take_along_axis(x: Enclosed, indices, axis: int = -1) -> Enclosed:
    return Enclosed(np.take_along_axis(x.mid, indices, axis), np.take_along_axis(x.rad, indices, axis))


def _increasing(function: Callable, x: Enclosed) -> Enclosed:
    """An increasing function of NumPy, whose values are off by TRANSCENDENTAL of their size."""
    low, high = x.bounds()
    value = _between(function(low), function(high), TRANSCENDENTAL)
    return Enclosed(value.mid, value.rad + UNDERFLOW)


def log(x) -> Enclosed:
    x = asarray(x)
    if not (x.lower > 0).all():
        raise Ambiguous("the logarithm of a number that can't be told from 0 or below")
    return _increasing(np.log, x)


def exp(x) -> Enclosed:
    return _increasing(np.exp, asarray(x))


def tanh(x) -> Enclosed:
    return _increasing(np.tanh, asarray(x))


def sqrt(x) -> Enclosed:
    """Square root; of an enclosure that reaches below 0, that of its other part. The root of 0 is exact."""
    low, high = asarray(x).bounds()
    if not (high >= 0).all():
        raise Ambiguous("the square root of a negative number")
    return _between(np.sqrt(np.maximum(low, 0.0)), np.sqrt(high), 2 * UNIT)


def _lipschitz(function: Callable, x: Enclosed) -> Enclosed:
    """A function that changes no faster than its argument, with values from -1 to 1."""
    return Enclosed(function(x.mid), _up(x.rad, TRANSCENDENTAL))


def sin(x) -> Enclosed:
    return _lipschitz(np.sin, asarray(x))


def cos(x) -> Enclosed:
    return _lipschitz(np.cos, asarray(x))


def solve(A, b) -> Enclosed:
    """The solution of `A x = b`, b of shape (n,) or (n, k), with a rigorous radius.

    With an approximate inverse C and `|I - C A| <= G < 1` in the infinity norm, an approximate solution x is off by at
    most `|C (b - A x)| + G / (1 - G) max |C (b - A x)|` (Rump 2010, sec. 10.5).

    Raises:
      Ambiguous if A can't be told from a singular matrix.
    """
    A, b = asarray(A), asarray(b)
    try:
        C = Enclosed(np.linalg.inv(A.mid))
    except np.linalg.LinAlgError as error:
        raise Ambiguous("a singular matrix") from error
    x = C.mid @ b.mid
    x = x + C.mid @ (b.mid - A.mid @ x)
    contraction = sum(abs(eye(len(A)) - C @ A), axis=1).upper.max()
    if not contraction < 1:
        raise Ambiguous("a matrix that can't be told from a singular one")
    correction = abs(C @ (b - A @ Enclosed(x))).upper
    return Enclosed(x, _up(correction, contraction / (1 - contraction) * correction.max(axis=0)))


linalg = SimpleNamespace(solve=solve)
