"""Claims about IterVAML: the theorem with its constant, its proof iteration by iteration, and the losses."""

from fractions import Fraction

import numpy as np
import pytest

from tabular.arithmetic import optimal_q
from tabular.claims import itervaml
from tabular.claims.claim import Claim
from tabular.lab.outcome import HOLDS, VIOLATED, exact_outcome, outcome

CLAIMS = [claim for claim in vars(itervaml).values() if isinstance(claim, Claim)]
FALSE = {"I1x", "I4x"}
HALF = Fraction(1, 2)


def named(claims):
    return pytest.mark.parametrize("claim", claims, ids=lambda claim: claim.id)


def fractions(fields):
    return {name: np.array(value, dtype=object) for name, value in fields.items()}


def hidden(gamma, error, nu):
    """A model that makes the worse of two actions look best.

    State 1 keeps what it has or leads to state 0, where the first action costs 1. The start leads there, and one
    iteration from Q_0 = Q* puts the errors `error` on both actions, against each other.
    """
    P = [[[0, 1], [0, 1]], [[0, 1], [1, 0]]]
    return fractions(
        {
            "gamma": gamma,
            "P": P,
            "r": [[-1, 0], [0, 0]],
            "P_hat": [P],
            "eps": [[[-error, error], [0, Fraction(1, 10**6)]]],
            "start": [[gamma - 1, 0], [0, 0]],
            "rho": [0, 1],
            "rho_pi": [[1, 0], [0, 1]],
            "nu": nu,
        }
    )


def test_every_claim_of_the_paper_is_there():
    assert {claim.id for claim in CLAIMS} == {f"I{i}" for i in range(1, 8)} | {"I5b"} | FALSE


@named([claim for claim in CLAIMS if claim.id not in FALSE])
def test_claim_holds_on_random_instances(claim):
    assert {outcome(claim, claim.draw(0, i)).status for i in range(40)} == {HOLDS}


@named([claim for claim in CLAIMS if claim.equality])
def test_equality_is_reached_in_fractions(claim):
    found = exact_outcome(claim, fractions(claim.equality))
    assert (found.status, found.slack, found.ratio) == (HOLDS, 0.0, 1.0)


def test_theorem_fails_without_concentrability():
    instance = hidden(Fraction(1, 100), Fraction(3, 5), [[Fraction(1, 1000)] * 2, [1, 1]])
    found = exact_outcome(itervaml.thm1_no_concentrability, instance)
    # 2 gamma / (1 - gamma)^2 (|eps|_{2, nu} + 2 gamma) against the loss of the one bad action, gamma
    right = 2 * 0.01 / 0.99**2 * (0.6 * np.sqrt(0.002 / 2.002) + 2 * 0.01)
    assert found.status == VIOLATED
    assert found.slack == pytest.approx(right - 0.01, rel=1e-6)
    assert exact_outcome(itervaml.thm1, instance).status == HOLDS


def test_theorem_comes_to_one_over_the_root_of_2_for_small_discounts():
    found = exact_outcome(itervaml.thm1, hidden(Fraction(1, 10**4), Fraction(50001, 10**5), [[1, 1], [1, 1]]))
    # c(1) |eps|_{2, nu} = error sqrt(2), twice, against the loss of 2 error
    assert found.status == HOLDS
    assert found.ratio == pytest.approx(1 / np.sqrt(2), rel=1e-3)


def test_printed_eq_5_fails_on_every_random_instance():
    claim = itervaml.eq5_printed
    assert {outcome(claim, claim.draw(0, i)).status for i in range(100)} == {VIOLATED}


@pytest.mark.parametrize("i", range(5))
def test_bound_of_each_iteration_is_the_sum_of_matrix_products(i):
    claim = itervaml.iterations
    x = claim.floats(claim.draw(3, i))
    sides = claim.statement(x)
    S, A = x.r.shape
    Qs = itervaml.iterates(x)
    optimal = optimal_q(x.P, x.r, x.gamma)

    def chain(Q):
        pi = np.eye(A)[Q.argmax(axis=1)]
        return np.einsum("sat,tb->satb", x.P, pi).reshape(S * A, S * A)

    K, chains, best = len(Qs) - 1, [chain(Q) for Q in Qs], chain(optimal)
    etas = [abs(x.r + x.gamma * x.P @ Qs[k].max(axis=1) - Qs[k + 1]) for k in range(K)]
    total = np.zeros(S * A)
    for k, error in enumerate([abs(optimal - Qs[0]), *etas], start=-1):
        behind = np.linalg.multi_dot([np.eye(S * A), *(chains[j] for j in range(K, k, -1))])
        total += x.gamma ** (K - k) * (np.linalg.matrix_power(best, K - k) + behind) @ error.ravel()
    expected = np.linalg.solve(np.eye(S * A) - x.gamma * chains[-1], total)
    np.testing.assert_allclose(sides.rhs.ravel(), expected, rtol=1e-9)


def kernel(i, S, A):
    rng = np.random.default_rng(i)
    P = rng.dirichlet(np.full(S, 0.3), size=(S, A))
    return P, rng.dirichlet(np.ones(S)), rng.uniform(0.01, 1, size=S)


@pytest.mark.parametrize("S", [2, 3])
def test_reach_is_the_best_of_all_policies(S):
    P, first, _ = kernel(0, S, 2)
    expected = [m.max(axis=0) for m in itervaml.reached_by_all(P, first, 4)]
    np.testing.assert_allclose(itervaml.reach(P, first, 4), expected, rtol=1e-12)


@pytest.mark.parametrize("i", range(5))
def test_norm_is_exact_for_two_states(i):
    P, first, least = kernel(i, 2, 2)
    expected = [np.max(np.sum(m**2 / least, axis=1)) for m in itervaml.reached_by_all(P, first, 6)]
    np.testing.assert_allclose(itervaml.norm_bound(itervaml.reach(P, first, 6), least), expected, rtol=1e-12)


def concentrability(gamma, P, nu):
    S, A = P.shape[:2]
    arrays = {"gamma": gamma, "P": P, "rho": np.eye(S)[0], "rho_pi": np.full((S, A), 1 / A), "nu": nu}
    return itervaml.concentrability(itervaml.thm1.floats(arrays))


def test_concentrability_is_root_A_if_the_next_state_is_independent_of_all():
    # Every marginal is m and nu is m times the uniform policy: each density is A at one action.
    m = np.array([0.5, 0.5])
    constant = concentrability(0.5, np.broadcast_to(m, (2, 4, 2)), np.repeat(m[:, None] / 4, 4, axis=1))
    tail = 0.5**itervaml.TERMS * (1 + itervaml.TERMS / 2)
    assert constant == pytest.approx(2 * (1 - tail) + np.sqrt(8) * tail, rel=1e-12)


@pytest.mark.parametrize("gamma", [0.1, 0.9, 0.99])
def test_concentrability_bounds_the_series_of_stationary_policies(gamma):
    P, _, _ = kernel(4, 3, 2)
    nu = np.random.default_rng(4).dirichlet(np.ones(6)).reshape(3, 2)
    m, total = P[0].mean(axis=0), 0.0
    pi = np.eye(2)[nu.argmin(axis=1)]
    for k in range(1, 3000):
        visited = m[:, None] * pi
        total += (1 - gamma) ** 2 * k * gamma ** (k - 1) * np.sqrt(np.sum(visited**2 / nu))
        m = np.einsum("sa,sat->t", visited, P)
    assert 1 <= total <= concentrability(gamma, P, nu)


@named([claim for claim in CLAIMS if claim.id not in FALSE])
def test_rounding_radius_covers_the_exact_slack(claim):
    for i in range(6):
        values = claim.draw(1, i)
        rough, exact = outcome(claim, values), exact_outcome(claim, values)
        assert abs(rough.slack - exact.slack) <= rough.radius + 1e-15 * (1 + abs(exact.slack))
