"""What instances are made of: free parameters there and back, simple fractions, and what floats mean exactly."""

from fractions import Fraction

import numpy as np
import pytest

from tabular.arithmetic import exact
from tabular.claims.fields import (
    DETERMINISTIC,
    Box,
    Discount,
    Field,
    Positive,
    Real,
    Rows,
    Whole,
    fractions_of_one,
    simple_positive,
)

KINDS: dict[str, Field] = {
    "rows": Rows(("S", "A", "S")),
    "box": Box(("S", "A"), -1, 3),
    "real": Real(("S",), scale=10.0),
    "positive": Positive(("S",)),
    "discount": Discount(),
    "whole": Whole(low=2, high=7),
}
SIZES = {"S": 3, "A": 2}


def drawn(kind: Field, i: int) -> np.ndarray:
    return np.asarray(kind.draw(np.random.default_rng([1, i]), kind.shape(SIZES), {}))


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_draws_are_what_the_field_may_hold(kind):
    for i in range(50):
        value = drawn(kind, i)
        assert value.shape == kind.shape(SIZES) and value.dtype == np.float64
        if not isinstance(kind, Rows):  # rows of floats sum to 1 up to rounding; their exact meaning does it exactly
            assert kind.allowed(np.vectorize(Fraction, otypes=[object])(value))


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS.values() if kind.attacked], ids=lambda kind: type(kind).__name__
)
def test_free_parameters_lead_back_to_the_value(kind):
    for i in range(50):
        value = drawn(kind, i)
        np.testing.assert_allclose(
            kind.bound(kind.free(value), np), value, atol=5e-5 * (1 + abs(value).max()), rtol=2e-3
        )


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("denominator", [1, 3, 100])
def test_rounded_values_are_allowed_fractions(kind, denominator):
    for i in range(20):
        value = kind.rounded(drawn(kind, i), denominator)
        assert all(isinstance(x, Fraction) for x in np.asarray(value).flat)
        if not (isinstance(kind, Discount) and denominator < 100):  # a discount of .99 rounds to 1, which is refused
            assert kind.allowed(np.asarray(value))


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_exact_meaning_lies_within_the_enclosure(kind):
    for i in range(50):
        value = drawn(kind, i)
        off = exact.midpoint(abs(kind.exact(value) - exact.asarray(value)))
        assert (off <= kind.enclosed(value).rad).all()


def test_rows_mean_their_floats_divided_by_the_exact_sum():
    rows = Rows(("S",)).exact(np.array([0.1, 0.2, 0.7]))
    assert exact.fraction(exact.sum(rows).a[()]) == 1


def test_rows_that_do_not_sum_to_one_are_enclosed_too():
    value = np.array([0.3, 0.2, 0.4])
    enclosure, meant = Rows(("S",)).enclosed(value), exact.midpoint(Rows(("S",)).exact(value))
    assert (enclosure.lower <= meant).all() and (meant <= enclosure.upper).all()


def test_fractions_of_one_sum_to_one_and_are_nearest():
    assert fractions_of_one(np.array([0.3, 0.3, 0.4]), 10) == [Fraction(3, 10), Fraction(3, 10), Fraction(2, 5)]
    for i in range(50):
        row = np.random.default_rng(i).dirichlet(np.ones(4))
        rounded = fractions_of_one(row, 7)
        assert sum(rounded) == 1 and max(abs(np.array(rounded, dtype=float) - row)) < 1 / 7


def test_small_positive_numbers_do_not_round_to_zero():
    assert simple_positive(1e-3, 5) == Fraction(1, 1000)
    assert simple_positive(2.34, 3) == Fraction(7, 3)


def test_near_rows_keep_to_the_support():
    rng, kind = np.random.default_rng(0), Rows(("S",), near="P", support_of="P")
    P = np.array([0.0, 0.25, 0.75])
    for _ in range(30):
        q = kind.draw(rng, (3,), {"P": P})
        assert q[0] == 0 and (q[1:] > 0).all()


def test_the_share_of_deterministic_kernels_is_as_stated():
    """Binomial with n = 2000: off by .05 has probability below 2 exp(-2 n .05^2) = 9e-5 (Hoeffding)."""
    kind = Rows(("S", "A", "S"))
    share = np.mean([np.isin(drawn(kind, i), (0.0, 1.0)).all() for i in range(2000)])
    assert DETERMINISTIC - 0.05 < share < DETERMINISTIC + 0.07  # up to .02 of Dirichlet kernels are deterministic too
