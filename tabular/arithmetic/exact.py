"""Arrays of exact rationals, or of balls of 192 bits, from python-flint: no floating point at all.

An `Exact` array holds either `fmpq` (rationals: every answer is exact) or `arb` (real balls with rigorous radii, for
logarithms and exponentials). Rationals have no logarithm: asking for one raises `Irrational`, and the caller goes on
with `to_balls`. Where an array holds infinities, it holds balls. The module is also the array-API namespace of its
arrays.
"""

from __future__ import annotations

import builtins
import math
import operator
import sys
from collections.abc import Callable, Iterable
from fractions import Fraction
from types import ModuleType, SimpleNamespace
from typing import Any

import flint
import numpy as np
from flint import arb, arb_mat, fmpq, fmpq_mat

from tabular.arithmetic.ambiguous import Ambiguous, Irrational
from tabular.arithmetic.array import Array
from tabular.arithmetic.partial import Partial, all, any, parts, settled

__all__ = [
    "Exact",
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
    "fraction",
    "inf",
    "linalg",
    "log",
    "max",
    "maximum",
    "middles",
    "midpoint",
    "min",
    "minimum",
    "ones",
    "radii",
    "rational",
    "sin",
    "solve",
    "sqrt",
    "stack",
    "sum",
    "take_along_axis",
    "tanh",
    "to_balls",
    "to_float",
    "where",
    "zeros",
    "zeros_like",
]

BITS = 192
flint.ctx.prec = BITS

inf = np.inf


class Exact(Array):
    """An array of `fmpq` or of `arb` (never both) in a NumPy object array."""

    __slots__ = ("a",)

    def __init__(self, a: np.ndarray):
        self.a = a

    def __array_namespace__(self, api_version=None) -> ModuleType:
        return sys.modules[__name__]

    def __repr__(self) -> str:
        return f"Exact({self.a})"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.a.shape

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

    def __getitem__(self, key) -> Exact:
        return Exact(_array(self.a[key]))

    def reshape(self, *shape) -> Exact:
        return Exact(self.a.reshape(*shape))

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
        if not parts(other != 0)[0].all():
            raise Ambiguous("division by a number that is, or can't be told from, 0")
        return _both(np.true_divide, self, other)

    def __pow__(self, n) -> Exact:
        """Powers 0, 1, 2, ... and the square root, n = 1 / 2."""
        if n == 0.5:
            return sqrt(self)
        if not (isinstance(n, int) and n >= 0):
            raise TypeError(f"the exponent is {n}, expected a whole number of 0 or more. Use xp.exp(n * xp.log(x)).")
        return _map(lambda number: math.prod([number] * n, start=type(number)(1)), self)  # arb's 0 +- r has no powers

    def __matmul__(self, other) -> Exact:
        return _both(_matmul, self, other)

    # Comparisons: always decided for rationals; for balls a plain mask where all entries are certain, else a Partial.

    def __lt__(self, other) -> Any:
        return _compare(_LESS, self, other)

    def __le__(self, other) -> Any:
        return ~(self > other)

    def __gt__(self, other) -> Any:
        return _compare(_MORE, self, other)

    def __eq__(self, other) -> Any:
        return _compare(_SAME, self, other)


def rational(x) -> fmpq:
    """The rational number that a whole number, fraction or float is."""
    if isinstance(x, fmpq):
        return x
    if isinstance(x, float | Fraction | np.floating):
        return fmpq(*x.as_integer_ratio())
    return fmpq(operator.index(x))


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
    numbers = [_number(number) for number in x.flat]
    if builtins.any(isinstance(number, arb) for number in numbers):
        numbers = map(arb, numbers)
    return Exact(_shaped(numbers, x.shape))


def _number(x) -> fmpq | arb:
    """A rational; a ball for infinity and NaN, which are none."""
    if isinstance(x, arb):
        return x
    return arb(float(x)) if isinstance(x, float) and not np.isfinite(x) else rational(x)


def to_balls(x: Exact) -> Exact:
    """The same numbers as balls."""
    return _map(arb, x)


def midpoint(x) -> np.ndarray:
    """Plain floats near an array, for decisions that need no proof."""
    x = asarray(x)
    return np.array([to_float(number) for number in x.a.flat], dtype=float).reshape(x.shape)


def radii(x: Exact) -> np.ndarray:
    """Upper bounds of the radii of balls as floats; 0 for rationals."""
    if x.rational:
        return np.zeros(x.shape)
    return np.array([_radius(ball) for ball in x.a.flat], dtype=float).reshape(x.shape)


def _radius(ball: arb) -> float:
    return 0.0 if ball.is_exact() else float(ball.rad()) * (1 + 2.0**-40) + 2.0**-1074


def middles(x: Exact) -> Exact:
    """The middles of balls, without their radii."""
    return _map(lambda ball: ball.mid(), x)


def around(x: Exact, radius) -> Exact:
    """Everything within `radius` of x."""
    spread = _map(lambda ball: arb(0, ball.abs_upper()), to_balls(asarray(radius)))
    return to_balls(x) + spread


def to_float(x) -> float:
    """The float nearest to a rational, however long, or to the middle of a ball."""
    if isinstance(x, arb):
        return float(x.mid())
    try:
        return float(fraction(x))
    except OverflowError:
        return inf if x > 0 else -inf


def _shaped(numbers: Iterable, shape: tuple[int, ...]) -> np.ndarray:
    numbers = list(numbers)
    array = np.empty(len(numbers), dtype=object)
    array[:] = numbers
    return array.reshape(shape)


def _array(x) -> np.ndarray:
    """NumPy gives a bare object where a 0-d object array is meant."""
    return x if isinstance(x, np.ndarray) else _shaped([x], ())


def _map(function: Callable, x) -> Exact:
    x = asarray(x)
    return Exact(_shaped(map(function, x.a.flat), x.shape))


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


def _matmul(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The product of two arrays; that of rationals by a common denominator in each row and column."""
    if y.ndim > 2 or not (x.size and y.size and isinstance(x.flat[0], fmpq)) or x.shape[-1] != len(y):
        return np.matmul(x, y)
    product = _matrix(x.reshape(-1, len(y))) * _matrix(y.reshape(len(y), -1))
    return _shaped(product.entries(), x.shape[:-1] + y.shape[1:])


def _matrix(a: np.ndarray) -> Any:
    kind: Any = fmpq_mat if isinstance(a.flat[0], fmpq) else arb_mat
    return kind(*a.shape, a.ravel().tolist())


_LESS, _MORE, _SAME = (np.frompyfunc(f, 2, 1) for f in (operator.lt, operator.gt, operator.eq))
_OPPOSITE: dict[Any, np.ufunc] = {
    _LESS: np.frompyfunc(operator.ge, 2, 1),
    _MORE: np.frompyfunc(operator.le, 2, 1),
    _SAME: np.frompyfunc(operator.ne, 2, 1),
}


def _compare(comparison: np.ufunc, x: Exact, y) -> Any:
    if x.rational and isinstance(y, float) and np.isinf(y):  # every rational is on one side of infinity
        return np.full(x.shape, comparison(0.0, y))
    left, right = _alike(x, y)
    true = np.asarray(comparison(left, right), dtype=bool)
    if x.rational and left is x.a:
        return true
    return settled(true, np.asarray(_OPPOSITE[comparison](left, right), dtype=bool))


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


def where(condition, x, y) -> Exact:
    """As in NumPy; where the condition is open, everything from one side to the other.

    A side that is chosen nowhere isn't looked at: rationals stay rational beside an infinity.
    """
    if isinstance(condition, Partial):
        either = _both(_UNION, *map(to_balls, (asarray(x), asarray(y))))
        return where(condition.true, x, where(condition.false, y, either))
    if np.all(condition) or not np.any(condition):
        shape = np.broadcast_shapes(*map(np.shape, (condition, _a(x), _a(y))))
        chosen, other = (x, y) if np.all(condition) else (y, x)
        return broadcast_to(to_balls(asarray(chosen)) if _holds_balls(other) else chosen, shape)
    return Exact(_array(np.where(condition, *_alike(x, y))))


def _holds_balls(x) -> bool:
    """Whether an array holds balls that aren't there for an infinity."""
    return isinstance(x, Exact) and x.a.size > 0 and isinstance(x.a.flat[0], arb) and x.a.flat[0].is_finite()


def _a(x):
    return x.a if isinstance(x, Exact) else x


def _larger(x, y):
    return x.max(y) if isinstance(x, arb) else (x if x >= y else y)


def _smaller(x, y):
    return x.min(y) if isinstance(x, arb) else (x if x <= y else y)


_LARGER, _SMALLER = np.frompyfunc(_larger, 2, 1), np.frompyfunc(_smaller, 2, 1)
_UNION = np.frompyfunc(arb.union, 2, 1)


def _reduced(function: np.ufunc, x, axis) -> Exact:
    x = asarray(x)
    if axis is None:
        return _reduced(function, x.reshape(-1), 0)
    for a in sorted((a % x.ndim for a in np.atleast_1d(axis)), reverse=True):
        x = Exact(_array(function.reduce(x.a, axis=a)))
    return x


def sum(x, axis=None) -> Exact:
    x = asarray(x)
    return _reduced(np.add, x, axis) if x.a.size else zeros(np.zeros(x.shape).sum(axis=axis).shape)


def max(x, axis=None) -> Exact:
    return _reduced(_LARGER, x, axis)


def min(x, axis=None) -> Exact:
    return _reduced(_SMALLER, x, axis)


def maximum(x, y) -> Exact:
    return _both(_LARGER, x, y)


def minimum(x, y) -> Exact:
    return _both(_SMALLER, x, y)


def argmax(x, axis=None) -> np.ndarray:
    """Where the largest entry is: the first of those that tie. Raises Ambiguous if balls overlap."""
    x = asarray(x)
    if axis is None:
        return argmax(x.reshape(-1), axis=0)
    lines = np.moveaxis(x.a, axis, -1)
    found = [_first_largest(line) for line in lines.reshape(-1, lines.shape[-1])]
    return np.array(found).reshape(lines.shape[:-1])


def _first_largest(numbers: np.ndarray) -> int:
    balls = isinstance(numbers[0], arb)
    middle: list[Any] = [ball.mid() if balls else ball for ball in numbers]
    best = builtins.max(range(len(numbers)), key=lambda i: middle[i])
    if balls and not builtins.all(numbers[best] >= ball for i, ball in enumerate(numbers) if i != best):
        raise Ambiguous("the largest of several entries can't be told in balls")
    return best


def take_along_axis(x: Exact, indices, axis: int = -1) -> Exact:
    return Exact(np.take_along_axis(x.a, indices, axis))


def _transcendental(function: Callable, x) -> Exact:
    x = asarray(x)
    if x.rational:
        raise Irrational("a logarithm, exponential or root of a rational number. Convert the instance with to_balls.")
    return _map(function, x)


def log(x) -> Exact:
    return _transcendental(_log, x)


def _log(ball: arb) -> arb:
    if not ball > 0:
        raise Ambiguous("the logarithm of a ball that reaches 0 or below")
    return ball.log()


def exp(x) -> Exact:
    return _transcendental(arb.exp, x)


def tanh(x) -> Exact:
    return _transcendental(arb.tanh, x)


def sin(x) -> Exact:
    return _transcendental(arb.sin, x)


def cos(x) -> Exact:
    return _transcendental(arb.cos, x)


def sqrt(x) -> Exact:
    """Square root; of a ball that reaches below 0, that of its other part."""
    return _transcendental(_sqrt, x)


def _sqrt(ball: arb) -> arb:
    if ball < 0:
        raise Ambiguous("the square root of a negative number")
    return ball.sqrt() if ball >= 0 else arb(0).union(ball.upper().sqrt())


def solve(A, b) -> Exact:
    """The solution of `A x = b`, b of shape (n,) or (n, k).

    Raises:
      Ambiguous if A is, or can't be told from, a singular matrix.
    """
    A, b = _alike(A, b)
    try:
        x = _matrix(A).solve(_matrix(b.reshape(len(b), -1)))
    except ZeroDivisionError as error:
        raise Ambiguous("a matrix that is, or can't be told from, a singular one") from error
    return Exact(_shaped(x.entries(), b.shape))


linalg = SimpleNamespace(solve=solve)
