"""Claims of VaGraM: what holds, what is attained, and the counterexamples that the paper's gaps leave."""

from fractions import Fraction

import numpy as np
import pytest

from tabular.claims import vagram
from tabular.claims.claim import Claim, Instance
from tabular.lab.outcome import EXCLUDED, HOLDS, VIOLATED, exact_outcome, outcome

CLAIMS = [claim for claim in vars(vagram).values() if isinstance(claim, Claim)]
FALSE = {"G1x", "G2x", "G3x", "G5x", "G6x", "G7x"}
TRUE = [claim for claim in CLAIMS if claim.id not in FALSE]
HALF = Fraction(1, 2)


def named(claims):
    return pytest.mark.parametrize("claim", claims, ids=lambda claim: claim.id)


def fractions(**fields):
    return {name: np.array(value, dtype=object) for name, value in fields.items()}


def parabola(a, s, d):
    """The fields of V = a x^2 on the line, with one sample at s and a model's error d."""
    return fractions(H=[[2 * a]], b=[0], c=[0], w=[[0]], phi=[0], s=[[s]], d=[[d]], mu=[1])


def random_instance(i, sizes):
    claim = vagram.taylor
    return claim.floats(claim.drawn(np.random.default_rng(i), sizes))


def test_every_claim_of_the_paper_is_there():
    numbers = {f"G{i}" for i in range(1, 11)} | FALSE
    assert {claim.id for claim in CLAIMS} == numbers | {"G1b", "G1c", "G2b", "G2c", "G6b"}


@named(TRUE)
def test_claim_holds_on_random_instances(claim):
    statuses = {outcome(claim, claim.draw(0, i)).status for i in range(40)}
    assert statuses <= {HOLDS, EXCLUDED} and HOLDS in statuses


@named([claim for claim in CLAIMS if claim.id in FALSE])
def test_random_instances_violate_what_is_false(claim):
    statuses = [outcome(claim, claim.draw(0, i)).status for i in range(200)]
    assert VIOLATED in statuses


@named([claim for claim in CLAIMS if claim.equality])
def test_equality_is_reached_in_fractions(claim):
    found = exact_outcome(claim, fractions(**claim.equality))
    assert (found.status, found.slack, found.ratio) == (HOLDS, 0.0, 1.0)


@named([vagram.pinsker, vagram.pinsker_reversed, vagram.mle_bound, vagram.mle_bound_sharp])
def test_pinsker_bounds_are_approached_as_the_model_gets_better(claim):
    t = Fraction(1, 1000)
    instance = fractions(p=[HALF + t, HALF - t], q=[HALF, HALF], V=[1, -1])
    found = exact_outcome(claim, {name: instance[name] for name in claim.fields})
    # KL = 2 t^2 (1 + 2/3 t^2 + ...) one way, and 2 t^2 (1 + O(t^2)) the other
    assert found.status == HOLDS and 1 - 1e-5 < found.ratio < 1


def test_printed_pinsker_fails_by_the_root_of_2():
    t = Fraction(1, 10)
    found = exact_outcome(vagram.pinsker_printed, fractions(p=[HALF + t, HALF - t], q=[HALF, HALF]))
    divergence = 0.6 * np.log(1.2) + 0.4 * np.log(0.8)
    assert found.status == VIOLATED
    assert found.ratio == pytest.approx(0.2 / np.sqrt(divergence), rel=1e-12)
    assert 1.4 < found.ratio < np.sqrt(2)


def test_printed_chain_fails_for_signed_values_only():
    t = Fraction(1, 10)
    pair = {"p": [HALF + t, HALF - t], "q": [HALF, HALF]}
    assert exact_outcome(vagram.mle_bound_printed, fractions(**pair, V=[1, -1])).status == VIOLATED
    assert exact_outcome(vagram.mle_bound_printed, fractions(**pair, V=[1, 0])).status == HOLDS
    assert exact_outcome(vagram.mle_bound_nonnegative, fractions(**pair, V=[1, -1])).status == EXCLUDED


def test_infinite_divergence_is_excluded():
    found = outcome(vagram.pinsker, {"p": np.array([0.5, 0.5]), "q": np.array([1.0, 0.0])})
    assert found.status == EXCLUDED


def test_zero_loss_says_nothing_off_the_data():
    rows = {"P": [[[1, 0], [1, 0]], [[0, 1], [0, 1]]], "P_hat": [[[1, 0], [0, 1]], [[0, 1], [0, 1]]]}
    instance = fractions(gamma=HALF, **rows, V=[0, 1], rho=[1, 0], pi=[[1, 0], [1, 0]])
    found = exact_outcome(vagram.zero_loss_unseen, instance)
    assert found.status == VIOLATED and found.slack == -0.5
    assert exact_outcome(vagram.zero_loss, instance).status == HOLDS


def test_algorithm_1_loses_the_dimension():
    found = exact_outcome(vagram.eq7_algorithm1, fractions(g=[[1, 1, 1]], d=[[1, 1, 1]], mu=[1]))
    assert found.status == VIOLATED and found.ratio == 3.0


def test_appendix_a_needs_its_curvature():
    found = exact_outcome(vagram.app_a_no_curvature, parabola(10, s=0, d=1))
    assert (found.status, found.slack) == (VIOLATED, 2.0 - 100.0)
    assert exact_outcome(vagram.app_a, parabola(10, s=0, d=1)).status == HOLDS


def test_eq_7_does_not_see_curvature():
    found = exact_outcome(vagram.eq7_vaml, parabola(1, s=0, d=1))
    assert (found.status, found.slack) == (VIOLATED, -1.0)
    assert exact_outcome(vagram.ladder, parabola(1, s=0, d=1)).status == HOLDS


@pytest.mark.parametrize("n", [1, 2, 3])
def test_gradient_agrees_with_a_complex_step(n):
    x = random_instance(n, {"n": n, "k": 2, "N": 3})
    for i in range(n):
        shifted = Instance({**x.arrays, "s": x.s.astype(complex) + 1e-20j * np.eye(n)[i]})
        np.testing.assert_allclose(
            vagram.value(shifted, shifted.s).imag / 1e-20, vagram.gradient(x, x.s)[:, i], rtol=1e-12
        )


@pytest.mark.parametrize("i", range(10))
def test_curvature_bounds_the_hessian(i):
    x = random_instance(i, {"n": 3, "k": 2, "N": 4})
    for s in x.s:
        waves = x.c * np.cos(x.w @ s + x.phi)
        hessian = (x.H + x.H.T) / 2 - (x.w.T * waves) @ x.w
        assert np.linalg.norm(hessian, 2) <= vagram.curvature(x) * (1 + 1e-12)


def test_losses_are_those_of_the_paper_for_a_linear_value():
    # V = x_1 + 2 x_2 and the error (3, -1): V is off by 1, and the squares of the shares are 9 and 4.
    arrays = {
        "H": np.zeros((2, 2)),
        "b": [1, 2],
        "c": [0],
        "w": [[0, 0]],
        "phi": [0],
        "s": [[5, 7]],
        "d": [[3, -1]],
        "mu": [1],
    }
    x = vagram.taylor.floats(arrays)
    assert vagram.vaml(x) == vagram.first_order(x) == 1.0
    assert vagram.weighted(x) == 13.0
    assert vagram.fourth_moment(x) == 100.0


@pytest.mark.parametrize("n", [2, 3, 4])
def test_ranks_are_those_of_second_differences(n):
    rng = np.random.default_rng(n)
    g, s, f = rng.integers(1, 9, size=(3, n)).astype(float)
    flat = vagram.second_differences(lambda y: np.sum(g * (y - s), axis=-1) ** 2, f)
    full = vagram.second_differences(lambda y: np.sum((g * (y - s)) ** 2, axis=-1), f)
    assert np.linalg.matrix_rank(flat) == 1 and np.linalg.matrix_rank(full) == n
    np.testing.assert_allclose(full, 2 * np.diag(g**2))
    assert abs(vagram.minors(flat)).max() == 0 < abs(vagram.minors(full)).max()


def test_a_dimension_without_slope_is_excluded_from_the_rank():
    found = exact_outcome(vagram.eq7_rank, fractions(g=[1, 0], s=[0, 0], f=[1, 1]))
    assert found.status == EXCLUDED
    without = vagram.eq7_rank.without("grad V has no component 0")
    assert exact_outcome(without, fractions(g=[1, 0], s=[0, 0], f=[1, 1])).status == VIOLATED


@named([claim for claim in TRUE if claim.arithmetic == "any"])
def test_rounding_radius_covers_the_exact_slack(claim):
    for i in range(10):
        values = claim.draw(1, i)
        rough, exact = outcome(claim, values), exact_outcome(claim, values)
        if rough.status != EXCLUDED:
            assert abs(rough.slack - exact.slack) <= rough.radius + 1e-15 * (1 + abs(exact.slack))
