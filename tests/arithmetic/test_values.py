"""Fixed points: enclosures contain the exact answer, and the four arithmetics agree."""

from __future__ import annotations

import numpy as np
import pytest

from tabular.arithmetic import Ambiguous, Irrational, enclosed, exact, occupancy, optimal_q, policy_values, soft_q
from tabular.claims.fields import Rows
from tests.arithmetic.enclosures import has
from tests.exact import exact_solution
from tests.instances import random_mdp

UNIT = 2.0**-53
GAMMAS = (0.1, 0.5, 0.9, 0.95, 0.99, 0.999)
ROWS = Rows(("S", "A", "S"))


def instance(i: int, largest: int):
    """A random MDP, a policy and a temperature: floats, their enclosures and their rationals."""
    rng = np.random.default_rng([7, i])
    S, A, gamma = int(rng.integers(2, largest + 1)), int(rng.integers(1, 5)), float(rng.choice(GAMMAS))
    mdp = random_mdp(7, i, S=S, A=A, gamma=gamma)
    pi = rng.dirichlet(np.ones(A), size=S)
    floats = {"P": np.asarray(mdp.P), "r": np.asarray(mdp.r), "pi": pi}
    numbers = {"gamma": np.asarray(gamma), "alpha": np.asarray(10 ** rng.uniform(-2, 1))}
    views = []
    for name in ("enclosed", "exact"):
        xp = enclosed if name == "enclosed" else exact
        rows = {key: getattr(ROWS, name)(floats[key]) for key in ("P", "pi")}
        views.append({**rows, "r": xp.asarray(floats["r"]), **{key: xp.asarray(x) for key, x in numbers.items()}})
    return {**floats, **numbers}, *views


def checked(found: enclosed.Enclosed, truth: exact.Exact, gamma: float) -> None:
    """The radius covers the error, and is a small multiple of rounding over 1 - gamma."""
    assert has(found, truth)
    size = abs(found.mid).max() + 1e-9
    assert found.rad.max() <= 40 * (len(found) + 4) * UNIT * size / (1 - gamma)


def check_all(i: int, largest: int) -> None:
    floats, x, y = instance(i, largest)
    z = {name: exact.to_balls(array) for name, array in y.items()}
    gamma = float(floats["gamma"])
    checked(
        policy_values(x["P"], x["r"], x["gamma"], x["pi"]), policy_values(y["P"], y["r"], y["gamma"], y["pi"]), gamma
    )
    checked(optimal_q(x["P"], x["r"], x["gamma"]), optimal_q(y["P"], y["r"], y["gamma"]), gamma)
    soft = [soft_q(*(view[name] for name in ("P", "r", "gamma", "alpha"))) for view in (x, z)]
    assert exact.radii(soft[1]).max() <= 1e-35 * abs(soft[0].mid).max() + 1e-35
    checked(soft[0], exact.middles(soft[1]), gamma)


@pytest.mark.parametrize("i", range(25))
def test_enclosures_of_values_have_the_exact_answer(i):
    check_all(i, largest=8)


@pytest.mark.slow
@pytest.mark.parametrize("hundred", range(10))
def test_enclosures_of_values_have_the_exact_answer_on_a_thousand_mdps(hundred):
    for i in range(100):
        check_all(1000 + 100 * hundred + i, largest=20)


@pytest.mark.parametrize("i", range(8))
def test_optimal_values_in_rationals_are_those_of_an_independent_solver(i):
    mdp = random_mdp(11, i)
    found = optimal_q(ROWS.exact(np.asarray(mdp.P)), exact.asarray(np.asarray(mdp.r)), mdp.gamma)
    assert all(
        x == y for row, line in zip(found.a, exact_solution(mdp), strict=True) for x, y in zip(row, line, strict=True)
    )


@pytest.mark.parametrize("i", range(4))
def test_optimal_values_in_balls_contain_the_rational_ones(i):
    _, _, y = instance(i, 6)
    found = optimal_q(*(exact.to_balls(y[name]) for name in ("P", "r", "gamma")))
    truth = optimal_q(y["P"], y["r"], y["gamma"])
    assert all(ball.contains(x) for ball, x in zip(found.a.flat, truth.a.flat, strict=True))
    assert exact.radii(found).max() < 1e-40


def test_optimal_values_in_balls_are_exact_where_floats_see_a_tie():
    """Two actions that differ by 1e-20: the policy of the floats is wrong, that of the balls isn't."""
    P = exact.asarray(np.ones((1, 2, 1)))
    r = exact.asarray([[1, 1]]) + exact.asarray([[0, 1]]) / 10**20
    for kind in (lambda x: x, exact.to_balls):
        Q = optimal_q(kind(P), kind(r), kind(exact.asarray(0.5)))
        assert exact.argmax(Q) == 1
        assert exact.midpoint(exact.max(Q) - 2 * r[0, 1] * 1).item() == pytest.approx(0, abs=1e-40)


def test_the_certificate_sees_a_wrong_candidate(monkeypatch):
    """The radius comes from the residual: a candidate that is off has a radius that says so."""
    from tabular.arithmetic import values

    _, x, y = instance(3, 6)
    found = values._howard
    monkeypatch.setattr(values, "_howard", lambda *args: found(*args) + 1e-3)
    Q = optimal_q(x["P"], x["r"], x["gamma"])
    monkeypatch.undo()
    assert Q.rad.max() >= 1e-3
    assert has(Q, optimal_q(y["P"], y["r"], y["gamma"]))


@pytest.mark.parametrize("kind", [float, np.asarray, enclosed.asarray, exact.asarray])
def test_the_discount_may_be_a_number_or_an_array(kind):
    gamma = kind(0.5)
    P, r = np.full((2, 2, 2), 0.5), np.array([[1.0, 0.0], [0.0, 0.0]])
    xp = exact if kind is exact.asarray else enclosed
    Q = optimal_q(xp.asarray(P), xp.asarray(r), gamma)
    assert xp.midpoint(Q) == pytest.approx(np.array([[1.5, 0.5], [0.5, 0.5]]), abs=1e-12)  # max is .5 + V / 2, V = 1
    if xp is enclosed:
        soft = soft_q(xp.asarray(P), xp.asarray(r), gamma, kind(0.25))
        assert np.all(soft.lower >= Q.lower)


def test_soft_values_of_one_state_are_in_closed_form():
    """All actions alike: Q = r + gamma (Q + alpha log A), so Q = (r + gamma alpha log A) / (1 - gamma)."""
    P, r = np.ones((1, 3, 1)), np.full((1, 3), 2.0)
    truth = (2 + 0.9 * 0.5 * np.log(3)) / (1 - 0.9)
    for xp, kind in (
        (np, np.asarray),
        (enclosed, enclosed.asarray),
        (exact, lambda x: exact.to_balls(exact.asarray(x))),
    ):
        Q = soft_q(*map(kind, (P, r, 0.9, 0.5)))
        middle = Q if xp is np else xp.midpoint(Q)
        assert middle == pytest.approx(np.full((1, 3), truth), rel=1e-14)


def test_soft_values_of_rationals_are_irrational():
    with pytest.raises(Irrational, match="to_balls"):
        soft_q(*(exact.asarray(x) for x in (np.ones((1, 1, 1)), np.ones((1, 1)), 0.5, 1.0)))


@pytest.mark.parametrize("gamma", [1.0, 1.5])
@pytest.mark.parametrize("xp", [enclosed, exact])
def test_a_discount_that_is_not_below_1_has_no_enclosure(xp, gamma):
    P, r = (xp.asarray(x) for x in (np.full((2, 1, 2), 0.5), np.array([[1.0], [0.0]])))
    with pytest.raises(Ambiguous, match="discount"):
        optimal_q(P, r, xp.asarray(gamma))


def test_visits_sum_to_the_horizon():
    floats, x, y = instance(5, 6)
    rho = np.eye(len(floats["r"]))[0]
    found = enclosed.sum(occupancy(x["P"], x["gamma"], x["pi"], enclosed.asarray(rho)))
    assert has(found, 1 / (1 - y["gamma"]))
    assert exact.sum(occupancy(y["P"], y["gamma"], y["pi"], exact.asarray(rho))) == 1 / (1 - y["gamma"])
