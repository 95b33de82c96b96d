"""Rationals are exact, and balls never lose their radius."""

from __future__ import annotations

from fractions import Fraction

import flint
import numpy as np
import pytest
from flint import arb, fmpq

from tabular.arithmetic import Ambiguous, Irrational, exact
from tabular.arithmetic.partial import Partial

THIRD = exact.asarray(Fraction(1, 3))


def balls(numbers, radius: float = 1e-3) -> exact.Exact:
    return exact.around(exact.to_balls(exact.asarray(numbers)), radius)


def fractions(rng: np.random.Generator, shape) -> np.ndarray:
    top, bottom = rng.integers(-99, 99, size=shape), rng.integers(1, 99, size=shape)
    return np.vectorize(lambda p, q: Fraction(int(p), int(q)), otypes=[object])(top, bottom)


def same(found: exact.Exact, expected: np.ndarray) -> bool:
    """Whether rationals are the same as Python's fractions."""
    return found.shape == expected.shape and all(
        exact.fraction(x) == y for x, y in zip(found.a.flat, expected.flat, strict=True)
    )


def test_rationals_compute_as_fractions_of_python_do():
    rng = np.random.default_rng(0)
    for _ in range(30):
        x, y = fractions(rng, (3, 4)), fractions(rng, (3, 4))
        a, b = exact.asarray(x), exact.asarray(y)
        divisor = y + (y == 0)
        assert same(a + b, x + y)
        assert same(1 - a, 1 - x)
        assert same(a * b, x * y)
        assert same(a / exact.asarray(divisor), x / divisor)
        assert same(a**3, x**3)
        assert same(abs(a), abs(x))
        assert same(exact.sum(a, axis=0), x.sum(axis=0))
        assert same(exact.max(a, axis=1), x.max(axis=1))
        assert same(exact.min(a), np.asarray(x.min(), dtype=object))
        assert same(exact.maximum(a, b), np.maximum(x, y))
        assert same(exact.where(a > b, a, b), np.maximum(x, y))
        assert np.array_equal(a < b, x < y)
        assert np.array_equal(a == b, x == y)
        assert np.array_equal(exact.argmax(a, axis=1), x.argmax(axis=1))


@pytest.mark.parametrize(
    "shapes", [((4,), (4,)), ((3, 4), (4,)), ((3, 4), (4, 2)), ((2, 3, 4), (4,)), ((2, 1, 4), (2, 4, 3))]
)
def test_a_product_of_matrices_is_that_of_fractions(shapes):
    rng = np.random.default_rng(1)
    x, y = (fractions(rng, shape) for shape in shapes)
    assert same(exact.asarray(x) @ exact.asarray(y), np.asarray(np.matmul(x, y), dtype=object))


def test_a_solution_solves_without_error():
    rng = np.random.default_rng(2)
    A, b = exact.asarray(fractions(rng, (6, 6))), exact.asarray(fractions(rng, (6, 2)))
    assert exact.all(A @ exact.solve(A, b) == b)
    assert exact.all(A @ exact.solve(A, b[:, 0]) == b[:, 0])


@pytest.mark.parametrize("x", [0.1, -3.0, 5e-324, 1.7e308, 7, True, np.float32(0.1), np.int64(3), Fraction(2, 7)])
def test_every_number_is_the_rational_that_it_is(x):
    assert exact.fraction(exact.rational(x)) == Fraction(
        x if isinstance(x, Fraction) else x.item() if hasattr(x, "item") else x
    )


def test_what_is_no_real_number_is_refused():
    with pytest.raises(TypeError):
        exact.asarray(["1/2"])
    with pytest.raises(TypeError):
        exact.asarray([1j])


OPERATIONS = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / (3 + y),
    "product": lambda x, y: x @ y,
    "power": lambda x, y: x**5,
    "sum": lambda x, y: exact.sum(x * y),
    "largest": lambda x, y: exact.max(x),
    "smaller": lambda x, y: exact.minimum(x, y),
    "choice": lambda x, y: exact.where(x > y, x, y),
    "log": lambda x, y: exact.log(5 + x),
    "exp": lambda x, y: exact.exp(x),
    "tanh": lambda x, y: exact.tanh(x),
    "sqrt": lambda x, y: exact.sqrt(3 + x),
    "sin": lambda x, y: exact.sin(x),
    "cos": lambda x, y: exact.cos(x),
    "solution": lambda x, y: exact.solve(exact.to_balls(4 * exact.eye(4)) + exact.stack([x, y, x, y]), y),
}


@pytest.mark.parametrize("radius", [0.0, 1e-30, 1e-3])
@pytest.mark.parametrize("name", OPERATIONS)
def test_balls_have_the_answer_of_600_bits(name, radius):
    rng = np.random.default_rng(3)
    for _ in range(8):
        x, y, share = rng.uniform(-1, 1, size=(3, 4))
        found = OPERATIONS[name](balls(x, radius), balls(y, radius))
        flint.ctx.prec = 600
        try:
            points = [exact.to_balls(exact.asarray(z) + exact.asarray(share) * exact.asarray(radius)) for z in (x, y)]
            truth = OPERATIONS[name](*points)
            assert all(ball.contains(point) for ball, point in zip(found.a.flat, truth.a.flat, strict=True))
        finally:
            flint.ctx.prec = exact.BITS


@pytest.mark.parametrize("radius", [1e-300, 1e-30, 0.1, 7.0])
def test_around_reaches_the_edge_of_the_ball(radius):
    for found in (balls([0.1, -2.0], radius), exact.around(exact.asarray([0.1, -2.0]), -radius)):
        for ball, middle in zip(found.a, (0.1, -2.0), strict=True):
            for edge in (Fraction(middle) + Fraction(radius), Fraction(middle) - Fraction(radius)):
                with flint.ctx.workprec(4000):
                    assert ball.contains(exact.rational(edge))


def test_around_adds_the_radius_of_the_radius():
    found = exact.around(
        exact.to_balls(exact.asarray([0.0])), exact.to_balls(exact.asarray([1.0])) / 3 + balls([0.0], 1e-2)
    )
    assert found.a[0].contains(fmpq(1, 3) + fmpq(1, 101))


def test_radii_are_upper_bounds_and_middles_have_none():
    x = exact.exp(exact.to_balls(exact.asarray([0.1, 1.0, -800.0, 5e3]))) / 3
    assert all(arb(float(bound)) >= ball.rad() for bound, ball in zip(exact.radii(x), x.a, strict=True))
    assert exact.radii(x).min() > 0
    assert np.all(exact.radii(exact.middles(x)) == 0)
    assert np.all(exact.radii(exact.asarray([0.1, 0.2])) == 0)
    assert exact.radii(exact.around(exact.zeros(1), Fraction(1, 10**400)))[0] > 0


def test_a_rational_beside_a_ball_becomes_a_ball():
    x = balls([1.0, 2.0])
    for mixed in (
        x + THIRD,
        THIRD - x,
        exact.stack([THIRD, x[0]]),
        exact.where(x > 1.5, THIRD, x),
        exact.maximum(0, x),
    ):
        assert all(isinstance(number, arb) for number in mixed.a.flat)
    assert (x + THIRD).a[0].contains(fmpq(4, 3))


def test_floats_near_numbers_of_any_size_are_found():
    huge = exact.asarray(Fraction(10**400 + 1))
    assert exact.midpoint(huge) == np.inf
    assert exact.midpoint(-huge) == -np.inf
    assert exact.midpoint(1 / huge) == 0.0
    assert exact.midpoint(THIRD) == 1 / 3
    assert exact.midpoint(huge / (huge + 1)) == 1.0


def test_comparisons_of_rationals_are_settled_however_close():
    near = THIRD + Fraction(1, 10**500)
    assert near > THIRD
    assert near != THIRD
    assert not near <= THIRD
    assert exact.argmax(exact.stack([THIRD, near, THIRD])) == 1


def test_comparisons_of_balls_are_open_where_they_overlap():
    mask = balls([0.0, 1.0, -1.0], 0.1) > 0
    assert isinstance(mask, Partial)
    assert list(mask.true) == [False, True, False]
    assert list(mask.false) == [False, False, True]
    assert isinstance(balls([1.0]) == 1, Partial)
    assert list(balls([1.0]) != 2) == [True]
    found = exact.where(mask, 3.0, -5.0)
    assert found.a[0].contains(3)
    assert found.a[0].contains(-5)
    assert found.a[1] == 3
    assert found.a[2] == -5


def test_the_largest_ball_is_found_where_floats_see_a_tie():
    x = exact.to_balls(exact.stack([THIRD, THIRD + Fraction(1, 10**40), THIRD - Fraction(1, 10**40)]))
    assert exact.argmax(x) == 1
    with pytest.raises(Ambiguous):
        exact.argmax(exact.around(x, 1e-40))
    assert exact.argmax(exact.to_balls(exact.asarray([1.0, 2.0, 2.0]))) == 1


def test_infinities_are_balls_and_compare_right():
    x = exact.asarray([1.0, -np.inf, np.inf])
    assert list(x > 0) == [True, False, True]
    assert list(x + 1 > 10**9) == [False, False, True]
    assert list(exact.asarray([1.0, 2.0]) > -exact.inf) == [True, True]
    assert list(x > -exact.inf) == [True, False, True]
    assert exact.where(np.array([True, True]), exact.asarray([1.0, 2.0]), -exact.inf).rational


@pytest.mark.parametrize("name", ["log", "exp", "tanh", "sqrt", "sin", "cos"])
def test_rationals_have_no_irrational_functions(name):
    with pytest.raises(Irrational, match="to_balls"):
        getattr(exact, name)(THIRD)


def test_a_root_is_that_of_the_part_above_0():
    found = exact.sqrt(balls([0.0, 4.0], 1e-20))
    assert found.a[0].contains(0)
    assert found.a[0].contains(arb(fmpq(1, 10**20)).sqrt().lower())
    assert found.a[0] < arb("1e-9")
    assert found.a[1].contains(2)
    assert (exact.to_balls(exact.asarray([2])) ** 0.5).a[0].overlaps(arb(2).sqrt())
    with pytest.raises(Ambiguous):
        exact.sqrt(balls([-1.0]))


@pytest.mark.parametrize(
    "call",
    [
        lambda: 1 / exact.zeros(()),
        lambda: 1 / balls(0.0),
        lambda: exact.ones(2) / balls([1.0, 0.0]),
        lambda: exact.log(balls(0.0)),
        lambda: exact.solve(exact.ones((2, 2)), exact.ones(2)),
        lambda: exact.solve(balls(np.ones((2, 2))), exact.ones(2)),
    ],
)
def test_a_decision_that_digits_do_not_settle_is_refused(call):
    with pytest.raises(Ambiguous):
        call()


def test_sums_over_nothing_are_0():
    assert exact.sum(exact.zeros((0,))) == 0
    assert exact.sum(exact.zeros((2, 0)), axis=1).shape == (2,)


def test_functions_of_numpy_are_refused():
    with pytest.raises(TypeError, match="Exact array"):
        np.max(np.asarray(exact.ones(2)))


def test_where_gives_balls_beside_balls_even_if_it_takes_a_constant_everywhere():
    balls = exact.to_balls(exact.asarray([2, 3]))
    chosen = exact.where(balls > 5, balls, 1)
    assert exact.midpoint(exact.log(chosen)).tolist() == [0, 0]
    assert exact.where(np.array([True]), exact.asarray([1]), exact.asarray([np.inf])).rational
