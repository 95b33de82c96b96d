"""Enclosed floats have the true answer, and not much else."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from tabular.arithmetic import Ambiguous, enclosed, exact
from tabular.arithmetic.partial import Partial
from tests.arithmetic.enclosures import FAMILIES, extreme, misses, ordinary, tiny

UNIT = 2.0**-53
FIVE, PAIR = (5,), ((5,), (5,))

RATIONAL = {
    "add": (lambda xp, x, y: x + y, PAIR),
    "subtract": (lambda xp, x, y: x - y, PAIR),
    "subtract from a number": (lambda xp, x: 1 - x, (FIVE,)),
    "multiply": (lambda xp, x, y: x * y, PAIR),
    "divide": (lambda xp, x, y: x / y, PAIR),
    "divide a number": (lambda xp, x: 3 / x, (FIVE,)),
    "divide by a large number": (lambda xp, x, y: x / (y + 1e200), PAIR),
    "absolute": (lambda xp, x: abs(-x), (FIVE,)),
    "power": (lambda xp, x: x**3, (FIVE,)),
    "inner product": (lambda xp, x, y: x @ y, PAIR),
    "matrix product": (lambda xp, x, y: x @ y, ((3, 4), (4, 2))),
    "backup": (lambda xp, x, y: x @ y, ((3, 2, 4), (4,))),
    "sum": (lambda xp, x: xp.sum(x), ((3, 4),)),
    "sum of rows": (lambda xp, x: xp.sum(x, axis=-1), ((3, 4),)),
    "sum over axes": (lambda xp, x: xp.sum(x, axis=(0, 2)), ((3, 2, 4),)),
    "largest": (lambda xp, x: xp.max(x), ((3, 4),)),
    "largest of rows": (lambda xp, x: xp.max(x, axis=1), ((3, 4),)),
    "smallest": (lambda xp, x: xp.min(x, axis=0), ((3, 4),)),
    "larger": (lambda xp, x, y: xp.maximum(x, y), PAIR),
    "smaller": (lambda xp, x, y: xp.minimum(x, y), PAIR),
    "choice": (lambda xp, x, y: xp.where(x > y, x, 2 * y), PAIR),
    "around": (lambda xp, x, y: around(xp, x, y), PAIR),
    "solution": (lambda xp, x, y: xp.linalg.solve(x, y), ((3, 3), (3,))),
    "solutions": (lambda xp, x, y: xp.linalg.solve(x, y), ((3, 3), (3, 2))),
    "formula": (lambda xp, x, y: (x * y - y) / (1 + x * x) + xp.max(x), PAIR),
}
IRRATIONAL = {
    "log": (lambda xp, x: xp.log(abs(x)), (FIVE,)),
    "exp": (lambda xp, x: xp.exp(x), (FIVE,)),
    "tanh": (lambda xp, x: xp.tanh(x), (FIVE,)),
    "sqrt": (lambda xp, x: xp.sqrt(abs(x)), (FIVE,)),
    "root": (lambda xp, x: abs(x) ** 0.5, (FIVE,)),
    "sin": (lambda xp, x: xp.sin(x), (FIVE,)),
    "cos": (lambda xp, x: xp.cos(x), (FIVE,)),
}


def around(xp, x, radius):
    """A point on the edge of the ball, in exact numbers."""
    return xp.around(x, radius) if xp is enclosed else x - abs(radius)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", RATIONAL)
def test_an_enclosure_has_the_exact_answer(name, family):
    operation, shapes = RATIONAL[name]
    assert misses(operation, FAMILIES[family], shapes, 25) == 0


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", IRRATIONAL)
def test_an_enclosure_has_the_answer_of_600_bits(name, family):
    operation, shapes = IRRATIONAL[name]
    assert misses(operation, FAMILIES[family], shapes, 25, balls=True) == 0


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_an_enclosure_has_the_answer_in_hundreds_of_trials(family):
    for name, (operation, shapes) in RATIONAL.items():
        assert misses(operation, FAMILIES[family], shapes, 300, seed=1) == 0, name
    for name, (operation, shapes) in IRRATIONAL.items():
        assert misses(operation, FAMILIES[family], shapes, 300, balls=True, seed=1) == 0, name


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "matrix product", "sum", "solution"])
def test_without_its_rounding_term_an_operation_misses_the_answer(monkeypatch, name):
    monkeypatch.setattr(enclosed, "UNIT", 0.0)
    monkeypatch.setattr(enclosed, "INFLATE", 1.0)
    operation, shapes = RATIONAL[name]
    assert misses(operation, ordinary, shapes, 30) > 0


@pytest.mark.parametrize("name", ["multiply", "divide by a large number", "matrix product", "power"])
def test_without_its_underflow_term_an_operation_misses_the_answer(monkeypatch, name):
    monkeypatch.setattr(enclosed, "UNDERFLOW", 0.0)
    operation, shapes = RATIONAL[name]
    assert misses(operation, tiny, shapes, 60) > 0


@pytest.mark.parametrize("name", ["log", "exp", "tanh", "sin", "cos"])
def test_without_its_library_term_a_function_misses_the_answer(monkeypatch, name):
    monkeypatch.setattr(enclosed, "TRANSCENDENTAL", 0.0)
    operation, shapes = IRRATIONAL[name]
    assert misses(operation, ordinary, shapes, 60, balls=True) > 0


@pytest.mark.parametrize("function", ["log", "exp", "tanh", "sqrt", "sin", "cos"])
def test_functions_of_numpy_are_four_times_better_than_trusted(function):
    rng = np.random.default_rng(5)
    x = np.concatenate([rng.uniform(1e-3, 40, 1500), 1 + rng.normal(size=1500) * 10 ** rng.uniform(-15, -2, 1500)])
    truth = getattr(exact, function)(exact.to_balls(exact.asarray(x)))
    computed = exact.asarray(getattr(np, function)(x))
    size = exact.asarray(np.ones(x.shape)) if function in ("sin", "cos") else abs(truth)
    assert exact.all(abs(computed - truth) <= size * (enclosed.TRANSCENDENTAL / 4))


def test_a_sum_is_off_by_one_rounding_and_its_terms():
    rng = np.random.default_rng(0)
    for _ in range(200):
        x, y = (enclosed.Enclosed(extreme(rng, 5), abs(extreme(rng, 5))) for _ in range(2))
        found = x + y
        assert np.all(found.rad <= (x.rad + y.rad + UNIT * abs(found.mid)) * (1 + 1e-14))


def test_a_product_is_off_by_two_roundings_and_its_factors():
    rng = np.random.default_rng(1)
    for _ in range(200):
        x, y = (enclosed.Enclosed(m, abs(m) * 10 ** rng.uniform(-17, -1, 5)) for m in rng.normal(size=(2, 5)))
        spread = abs(x.mid) * y.rad + abs(y.mid) * x.rad + x.rad * y.rad
        assert np.all((x * y).rad <= (spread + 2 * UNIT * abs(x.mid * y.mid)) * (1 + 1e-14))
        least = abs(y.mid) - y.rad
        assert np.all(
            (x / y).rad <= ((x.rad + abs(x.mid / y.mid) * y.rad) / least + 3 * UNIT * abs(x.mid / y.mid)) * 1.01
        )


def test_a_matrix_product_is_off_by_n_roundings():
    A, B = np.random.default_rng(2).normal(size=(2, 30, 30))
    found = enclosed.asarray(A) @ enclosed.asarray(B)
    assert np.all(found.rad <= 33 * UNIT * (abs(A) @ abs(B)))


@pytest.mark.parametrize("gamma", [0.5, 0.9, 0.999])
def test_a_solution_is_off_by_its_conditioning(gamma):
    rng = np.random.default_rng(3)
    for n in (2, 5, 20):
        P = rng.dirichlet(np.ones(n), size=n)
        A, b = np.eye(n) - gamma * P, rng.normal(size=n)
        found = enclosed.solve(A, b)
        conditioning = abs(np.linalg.inv(A)) @ (abs(A) @ abs(found.mid) + abs(b))
        assert np.all(found.rad <= 3 * (n + 4) * UNIT * conditioning.max())


@pytest.mark.parametrize("function", [enclosed.log, enclosed.exp, enclosed.tanh, enclosed.sqrt])
def test_functions_of_exact_floats_are_off_by_few_units(function):
    found = function(np.linspace(0.1, 30, 200))
    assert np.all(found.rad <= 1.01 * enclosed.TRANSCENDENTAL * abs(found.mid) + 2 * enclosed.UNDERFLOW)


def test_nothing_is_lost_where_nothing_is_rounded():
    x, zero = enclosed.asarray([0.0, 1.0, -2.0]), enclosed.zeros(3)
    for found in (
        zero * x,
        zero @ x,
        zero / enclosed.ones(3),
        enclosed.sqrt(zero),
        enclosed.max(x),
        enclosed.max(x, axis=0),
    ):
        assert np.all(found.rad == 0)
    assert np.all((zero * enclosed.Enclosed(1.0, 1e-3)).rad == 0)


def test_fractions_are_enclosed_and_whole_numbers_exact():
    third = enclosed.asarray(Fraction(1, 3))
    assert 0 < third.rad <= UNIT
    assert abs(Fraction(1, 3) - Fraction(float(third.mid))) <= Fraction(float(third.rad))
    assert enclosed.asarray([1, 2, 2**53]).rad.max() == 0
    large = enclosed.asarray(2**60 + 1)
    assert abs(2**60 + 1 - Fraction(float(large.mid))) <= Fraction(float(large.rad))
    assert enclosed.asarray(np.float32(0.1)).mid == np.float32(0.1)


def test_a_comparison_is_open_where_enclosures_overlap():
    x = enclosed.Enclosed([0.0, 1.0, -1.0], [0.1, 0.1, 0.1])
    mask = x > 0
    assert isinstance(mask, Partial)
    assert list(mask.true) == [False, True, False]
    assert list(mask.false) == [False, False, True]
    with pytest.raises(Ambiguous, match="told apart"):
        np.where(mask, 1, 0)
    with pytest.raises(Ambiguous):
        bool(enclosed.all(x[:2] > 0))
    assert not enclosed.all(mask)
    assert enclosed.any(mask)


def test_a_choice_by_an_open_comparison_takes_both_sides():
    x = enclosed.Enclosed([0.0, 1.0, -1.0], 0.1)
    found = enclosed.where(x > 0, 3.0, -5.0)
    assert (found.lower[0] <= -5) & (found.upper[0] >= 3)
    assert list(found.mid[1:]) == [3.0, -5.0]
    assert list(found.rad[1:]) == [0.0, 0.0]


@pytest.mark.parametrize("rad", [0.0, 1e-3])
def test_comparisons_agree_with_exact_ones(rad):
    numbers = enclosed.Enclosed([-1.0, 0.0, 0.5, 2.0], rad)
    for other in (-np.inf, np.inf, 0.75, -3.0):
        assert list(numbers < other) == list(numbers.mid < other)
        assert list(numbers >= other) == list(numbers.mid >= other)
    assert list(enclosed.asarray([1.0, 2.0]) == [1.0, 3.0]) == [True, False]
    assert list(enclosed.asarray([-np.inf, 2.0]) > -np.inf) == [False, True]


@pytest.mark.parametrize("x", [1e308, -1e308])
def test_nothing_is_known_of_what_overflows(x):
    with np.errstate(all="ignore"):
        found = enclosed.asarray(x) * 10 - 1
        for mask in (found > 0, found < 0, found == 0, enclosed.max(found) >= 0, abs(found) <= 1):
            assert isinstance(mask, Partial)
        with pytest.raises(Ambiguous):
            enclosed.log(found)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: 1 / x,
        lambda x: enclosed.log(x),
        lambda x: enclosed.sqrt(x - 1),
        lambda x: enclosed.argmax(enclosed.stack([x, x])),
        lambda x: enclosed.solve(x * np.eye(2), [1.0, 1.0]),
        lambda x: enclosed.solve(np.ones((2, 2)), [1.0, 1.0]),
    ],
)
def test_a_decision_that_floats_do_not_settle_is_refused(call):
    with pytest.raises(Ambiguous):
        call(enclosed.Enclosed(0.0, 1e-9))


def test_the_largest_entry_is_found_where_it_is_certain():
    x = enclosed.Enclosed([[1.0, 3.0, 2.0], [5.0, 4.0, 5.0]], [[0.4, 0.4, 0.4], [0.0, 0.0, 0.0]])
    assert list(x.argmax(axis=1)) == [1, 0]
    assert enclosed.argmax(x[1]) == 0
    with pytest.raises(Ambiguous):
        (x + enclosed.Enclosed(0.0, 0.2)).argmax(axis=1)


def test_functions_of_numpy_are_refused():
    with pytest.raises(TypeError, match="lose its error"):
        np.max(np.asarray(enclosed.ones(2)))
