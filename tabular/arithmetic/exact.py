"""Arrays of exact rationals, or of balls of 192 bits, from python-flint: no floating point at all.

An `Exact` array holds either `fmpq` (rationals: every answer is exact) or `arb` (real balls with rigorous radii, for
logarithms and exponentials). Rationals have no logarithm: asking for one raises `Irrational`, and the caller goes on
with `to_balls`. The module is also the array-API namespace of its arrays.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from fractions import Fraction
from functools import reduce
from types import ModuleType, SimpleNamespace
from typing import Any

import flint
import numpy as np
from flint import arb, arb_mat, fmpq, fmpq_mat, fmpz

from tabular.arithmetic.ambiguous import Ambiguous, Irrational

BITS = 192
flint.ctx.prec = BITS

inf = np.inf


class Exact:
    """An array of `fmpq` or of `arb` (never both) in a NumPy object array."""

    __slots__ = ("a",)
    __array_ufunc__ = None

    def __init__(self, a: np.ndarray):
        self.a = a

    def __array_namespace__(self, api_version=None) -> ModuleType:
        import sys

        return sys.modules[__name__]

    def __repr__(self) -> str:
        return f"Exact({self.a})"

    def __array__(self, *_, **__):
        raise TypeError(
            "a NumPy function was called on an exact array. Use the functions of xp = x.__array_namespace__(), such as "
            "xp.max, xp.sum, xp.log, xp.where, xp.linalg.solve."
        )

    @property
    def shape(self) -> tuple[int, ...]:
        return self.a.shape

    @property
    def ndim(self) -> int:
        return self.a.ndim

    @property
    def T(self) -> Exact:
        return Exact(self.a.T)

    @property
    def mT(self) -> Exact:
        return Exact(self.a.mT)

    @property
    def rational(self) -> bool:
        """Whether the numbers are rationals, not balls."""
        return self.a.size > 0 and isinstance(self.a.flat[0], fmpq)

    def __len__(self) -> int:
        return len(self.a)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key) -> Exact:
        return Exact(_array(self.a[key]))

    def reshape(self, *shape) -> Exact:
        return Exact(self.a.reshape(*shape))

    def __pos__(self) -> Exact:
        return self

    def __neg__(self) -> Exact:
        return Exact(_array(-self.a))

    def __abs__(self) -> Exact:
        return _map(abs, self)

    def __add__(self, other) -> Exact:
        return _both(np.add, self, other)

    def __radd__(self, other) -> Exact:
        return _both(np.add, other, self)

    def __sub__(self, other) -> Exact:
        return _both(np.subtract, self, other)

    def __rsub__(self, other) -> Exact:
        return _both(np.subtract, other, self)

    def __mul__(self, other) -> Exact:
        return _both(np.multiply, self, other)

    def __rmul__(self, other) -> Exact:
        return _both(np.multiply, other, self)

    def __truediv__(self, other) -> Exact:
        other = asarray(other)
        if any(other == 0) or (other.shape and not all(_nonzero(other))):
            raise Ambiguous("division by a number that is, or can't be told from, 0")
        return _both(np.true_divide, self, other)

    def __rtruediv__(self, other) -> Exact:
        return asarray(other) / self

    def __pow__(self, n: int) -> Exact:
        if not (isinstance(n, int) and n >= 0):
            raise TypeError(f"the exponent is {n}, expected a whole number of 0 or more. Use xp.exp(n * xp.log(x)).")
        return reduce(lambda power, _: power * self, range(n), ones(self.shape))

    def __matmul__(self, other) -> Exact:
        return _both(np.matmul, self, other)

    def __rmatmul__(self, other) -> Exact:
        return _both(np.matmul, other, self)

    # Comparisons are true where they hold for certain: always decided for rationals.

    def __lt__(self, other) -> np.ndarray:
        return _compare(lambda x, y: x < y, self, other)

    def __le__(self, other) -> np.ndarray:
        return _compare(lambda x, y: x <= y, self, other)

    def __gt__(self, other) -> np.ndarray:
        return _compare(lambda x, y: x > y, self, other)

    def __ge__(self, other) -> np.ndarray:
        return _compare(lambda x, y: x >= y, self, other)

    def __eq__(self, other) -> Any:
        return _compare(lambda x, y: x == y, self, other)

    def __ne__(self, other) -> Any:
        return _compare(lambda x, y: x != y, self, other)

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def max(self, axis=None) -> Exact:
        return max(self, axis=axis)

    def min(self, axis=None) -> Exact:
        return min(self, axis=axis)

    def sum(self, axis=None) -> Exact:
        return sum(self, axis=axis)

    def argmax(self, axis=None) -> np.ndarray:
        return argmax(self, axis=axis)


def rational(x) -> fmpq:
    """The rational number that a whole number, fraction or float is."""
    if isinstance(x, fmpq):
        return x
    numerator, denominator = x.as_integer_ratio() if isinstance(x, float | Fraction) else (int(x), 1)
    return fmpq(fmpz(numerator), fmpz(denominator))


def fraction(x: fmpq) -> Fraction:
    """A rational as Python's fraction."""
    return Fraction(int(x.p), int(x.q))


def asarray(x) -> Exact:
    """Floats, whole numbers and fractions as exact rationals; exact arrays as they are."""
    if isinstance(x, Exact):
        return x
    if isinstance(x, list | tuple) and builtins.any(isinstance(part, Exact) for part in x):
        return stack([asarray(part) for part in x])
    x = np.asarray(x, dtype=object)
    return Exact(_array(np.vectorize(_number, otypes=[object])(x)) if x.size else x)


def _number(x):
    return x if isinstance(x, arb) else rational(x)


def to_balls(x: Exact) -> Exact:
    """The same numbers as balls."""
    return _map(arb, x)


def midpoint(x) -> np.ndarray:
    """Plain floats near an array, for decisions that need no proof."""
    return np.vectorize(to_float, otypes=[float])(asarray(x).a)


def radii(x: Exact) -> np.ndarray:
    """Upper bounds of the radii of balls as floats; 0 for rationals."""
    if x.rational:
        return np.zeros(x.shape)
    return np.vectorize(lambda ball: float(ball.rad()) * (1 + 2.0**-40), otypes=[float])(x.a)


def middles(x: Exact) -> Exact:
    """The middles of balls, without their radii."""
    return _map(lambda ball: ball.mid(), x)


def around(x: Exact, radius) -> Exact:
    """Everything within `radius` of x."""
    return _both(lambda y, z: y + np.frompyfunc(lambda ball: arb(0, ball.abs_upper()), 1, 1)(z), to_balls(x), radius)


def to_float(x) -> float:
    """The float nearest to a rational, however long, or to the middle of a ball."""
    return float(fraction(x)) if isinstance(x, fmpq) else float(x.mid())


def _array(x) -> np.ndarray:
    """NumPy gives a bare object where a 0-d object array is meant."""
    if isinstance(x, np.ndarray):
        return x
    array = np.empty((), dtype=object)
    array[()] = x
    return array


def _map(function: Callable, x) -> Exact:
    return Exact(_array(np.frompyfunc(function, 1, 1)(asarray(x).a)))


def _alike(x, y) -> tuple[np.ndarray, np.ndarray]:
    """Two arrays in one kind of number."""
    x, y = asarray(x), asarray(y)
    if x.rational and y.a.size and not y.rational:
        x = to_balls(x)
    if y.rational and x.a.size and not x.rational:
        y = to_balls(y)
    return x.a, y.a


def _both(function, x, y) -> Exact:
    return Exact(_array(function(*_alike(x, y))))


def _compare(function: Callable, x, y) -> np.ndarray:
    if isinstance(y, float) and np.isinf(y):  # infinity is no rational; every number is on one side of it
        return np.broadcast_to(bool(function(0.0, y)), x.shape)
    return np.asarray(np.frompyfunc(function, 2, 1)(*_alike(x, y)), dtype=bool)


def _nonzero(x: Exact) -> np.ndarray:
    return (x > 0) | (x < 0)


def zeros(shape) -> Exact:
    return asarray(np.zeros(shape))


def ones(shape) -> Exact:
    return asarray(np.ones(shape))


def eye(n: int) -> Exact:
    return asarray(np.eye(n))


def zeros_like(x: Exact) -> Exact:
    return zeros(x.shape)


def _joined(function, arrays, axis: int) -> Exact:
    arrays = [asarray(array) for array in arrays]
    if not builtins.all(array.rational for array in arrays if array.a.size):
        arrays = [to_balls(array) for array in arrays]
    return Exact(function([array.a for array in arrays], axis))


def stack(arrays, axis: int = 0) -> Exact:
    return _joined(np.stack, arrays, axis)


def concat(arrays, axis: int = 0) -> Exact:
    return _joined(np.concat, arrays, axis)


def broadcast_to(x, shape) -> Exact:
    return Exact(np.broadcast_to(asarray(x).a, shape))


def where(condition: np.ndarray, x, y) -> Exact:
    """As in NumPy; a side that is chosen nowhere isn't looked at, so that it may be infinite."""
    if np.all(condition) or not np.any(condition):
        return broadcast_to(x if np.all(condition) else y, np.broadcast_shapes(*map(np.shape, (condition, _a(x), _a(y)))))
    return Exact(_array(np.where(condition, *_alike(x, y))))


def _a(x):
    return x.a if isinstance(x, Exact) else x


def _larger(x, y):
    return x.max(y) if isinstance(x, arb) else (x if x >= y else y)


def _smaller(x, y):
    return x.min(y) if isinstance(x, arb) else (x if x <= y else y)


def _reduced(function: Callable, x, axis) -> Exact:
    x = asarray(x)
    ufunc = np.frompyfunc(function, 2, 1)
    if axis is None:
        return Exact(_array(reduce(function, x.a.ravel())))
    for a in sorted((a % x.ndim for a in np.atleast_1d(axis)), reverse=True):
        x = Exact(_array(ufunc.reduce(x.a, axis=a)))
    return x


def sum(x, axis=None) -> Exact:
    return _reduced(lambda y, z: y + z, x, axis)


def max(x, axis=None) -> Exact:
    return _reduced(_larger, x, axis)


def min(x, axis=None) -> Exact:
    return _reduced(_smaller, x, axis)


def maximum(x, y) -> Exact:
    return _both(np.frompyfunc(_larger, 2, 1), x, y)


def minimum(x, y) -> Exact:
    return _both(np.frompyfunc(_smaller, 2, 1), x, y)


def argmax(x, axis=None) -> np.ndarray:
    """Where the largest entry is: the first of those that tie. Raises Ambiguous if balls overlap."""
    x = asarray(x)
    if axis is None:
        return np.asarray(_first_largest(x.a.ravel()))
    return np.apply_along_axis(_first_largest, axis, x.a)


def _first_largest(numbers: np.ndarray) -> int:
    best = int(np.argmax([to_float(number) for number in numbers])) if isinstance(numbers[0], arb) else 0
    for i, number in enumerate(numbers):
        if isinstance(number, arb):
            if i != best and not numbers[best] >= number:
                raise Ambiguous("the largest of several entries can't be told in balls")
        elif number > numbers[best]:
            best = i
    return best


def take_along_axis(x: Exact, indices, axis: int = -1) -> Exact:
    return Exact(np.take_along_axis(x.a, indices, axis))


def any(condition, axis=None):
    return np.any(condition, axis=axis)


def all(condition, axis=None):
    return np.all(condition, axis=axis)


def _transcendental(name: str, x) -> Exact:
    x = asarray(x)
    if x.rational:
        raise Irrational(f"{name} of a rational number. Convert the instance with to_balls.")
    return _map(lambda ball: getattr(ball, name)(), x)


def log(x) -> Exact:
    x = asarray(x)
    if not x.rational and not all(x > 0):
        raise Ambiguous("the logarithm of a ball that reaches 0 or below")
    return _transcendental("log", x)


def exp(x) -> Exact:
    return _transcendental("exp", x)


def tanh(x) -> Exact:
    return _transcendental("tanh", x)


def sin(x) -> Exact:
    return _transcendental("sin", x)


def cos(x) -> Exact:
    return _transcendental("cos", x)


def sqrt(x) -> Exact:
    """Square root; of a ball that reaches below 0, that of its other part."""
    x = asarray(x)
    return _transcendental("sqrt", x if x.rational else maximum(x, zeros(())))


def solve(A, b) -> Exact:
    """The solution of `A x = b`, b of shape (n,) or (n, k).

    Raises:
      Ambiguous if A is, or can't be told from, a singular matrix.
    """
    A, b = _alike(A, b)
    matrix = fmpq_mat if isinstance(A.flat[0], fmpq) else arb_mat
    right = b.reshape(len(b), -1)
    try:
        x = matrix(*A.shape, list(A.flat)).solve(matrix(*right.shape, list(right.flat)))
    except ZeroDivisionError as error:
        raise Ambiguous("a matrix that is, or can't be told from, a singular one") from error
    return Exact(np.array(x.tolist(), dtype=object).reshape(b.shape))


linalg = SimpleNamespace(solve=solve)
