"""Divergences, tilts and logarithms where the textbook formula gives NaN."""

import numpy as np
import pytest
import scipy.special

from tabular.probability import kl_rows, limited_kl_rows, log_reward, tilt


def test_kl_rows_equals_scipy_where_both_are_finite():
    rng = np.random.default_rng(0)
    q, p = rng.dirichlet(np.ones(5), size=7), rng.dirichlet(np.ones(5), size=7)
    q[0] = [1, 0, 0, 0, 0]
    assert kl_rows(q, p) == pytest.approx(scipy.special.rel_entr(q, p).sum(-1), abs=1e-15)


def test_kl_rows_zero_mass_counts_nothing():
    assert kl_rows(np.array([0.0, 1.0]), np.array([0.0, 1.0])) == 0


def test_kl_rows_mass_outside_the_support_raises_unless_clipped():
    q, p = np.array([[0.5, 0.5], [0.5, 0.5]]), np.array([[0.5, 0.5], [0.0, 1.0]])
    with pytest.raises(ValueError, match=r"infinite in row \(1,\).*clip"):
        kl_rows(q, p)
    assert kl_rows(q, p, clip=5).tolist() == [0.0, 5.0]


def test_kl_rows_nan_is_not_swept_away():
    """Summing with nansum would report 0 for a row that overflowed."""
    assert np.isnan(kl_rows(np.array([np.nan, np.nan]), np.array([0.5, 0.5])))


def test_tilt_is_the_closed_form():
    p, V = np.array([0.2, 0.8]), np.array([1.0, -1.0])
    expected = p * np.exp(V) / (p * np.exp(V)).sum()
    assert tilt(p, V) == pytest.approx(expected, abs=1e-15)


def test_tilt_survives_values_beyond_the_range_of_exp():
    assert tilt(np.array([0.5, 0.5]), np.array([5000.0, 5000.0])).tolist() == [0.5, 0.5]


def test_tilt_subtracts_the_largest_value_on_the_support_only():
    """With the overall largest value subtracted, both weights would underflow and the row would be 0 / 0."""
    p, V = np.array([0.5, 0.5, 0.0]), np.array([0.0, 1.0, 5000.0])
    e = np.e
    assert tilt(p, V) == pytest.approx([1 / (1 + e), e / (1 + e), 0.0], abs=1e-15)


def test_log_reward_keeps_infeasible_actions_and_refuses_the_rest():
    assert log_reward(np.array([[np.e, -np.inf]])).tolist() == [[1.0, -np.inf]]
    with pytest.raises(ValueError, match=r"r\[0, 1\] = 0, expected a positive reward since its logarithm is taken"):
        log_reward(np.array([[1.0, 0.0], [-1.0, 2.0]]))
    assert log_reward(np.array([[1.0, 0.0]]), floor=np.exp(-3)).tolist() == [[0.0, -3.0]]
    with pytest.raises(ValueError, match="floor = 0"):
        log_reward(np.array([[1.0]]), floor=0)


@pytest.mark.parametrize("function", [kl_rows, tilt])
def test_probability_functions_agree_between_numpy_and_jax(function):
    import tabular.device  # noqa: F401 (switches float64 on)

    jnp = pytest.importorskip("jax.numpy")
    rng = np.random.default_rng(1)
    q, p = rng.dirichlet(np.ones(4)), rng.dirichlet(np.ones(4))
    assert np.asarray(function(jnp.asarray(q), jnp.asarray(p))) == pytest.approx(function(q, p), abs=1e-14)


def test_limited_kl_rows_is_the_divergence_within_the_limit_and_pays_it_outside():
    q, p = np.array([[0.3, 0.7], [0.25, 0.75], [0.0, 1.0]]), np.array([[0.5, 0.5], [0.0, 1.0], [0.5, 0.5]])
    found = limited_kl_rows(q, p, 3.0)
    inside = 0.75 * np.log(0.75)
    np.testing.assert_allclose(found, [kl_rows(q[0], p[0]), 0.25 * 3 + inside, np.log(2)], rtol=1e-14)
    np.testing.assert_allclose(limited_kl_rows(q, p, 0.1)[2], 0.1, rtol=1e-14)
