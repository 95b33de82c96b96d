"""Certificates: the inner optimisation against linear programs, and bounds that hold for every MDP of the set."""

import itertools

import numpy as np
import pytest
from scipy.optimize import linprog

import tabular as tb
from tabular.counts import certificate, extreme_rows, from_transitions, hoeffding_radius


def data(seed: int, n: int = 600, S: int = 4, A: int = 2, ends: bool = False):
    """Counts of transitions of a random MDP, and that MDP: rewards of 0 or 1, visits that are fixed beforehand."""
    rng = np.random.default_rng([7, seed])
    P, mean = rng.dirichlet(np.full(S + ends, 0.5), size=(S, A)), rng.random((S, A))
    s, a = np.arange(n) % S, np.arange(n) // S % A
    t = (rng.random((n, 1)) > P[s, a].cumsum(-1)).sum(-1).clip(max=S + ends - 1)
    end = (t == S) if ends else None
    counts = from_transitions(s, a, (rng.random(n) < mean[s, a]).astype(float), np.minimum(t, S - 1), end, S=S)
    return counts, tb.make_mdp(P[..., :S], mean, gamma=0.9, terminating=ends)


def member(found, counts, rng):
    """An MDP of the confidence set: rows that are extreme for random values, or a mixture of these and the estimate."""
    V, weight = rng.normal(size=counts.outcomes.shape[-1]), rng.random()
    P = counts.outcomes / counts.n[..., None]
    P = weight * P + (1 - weight) * extreme_rows(P, V, found.confidence.P_radius)
    r = found.confidence.r_low + rng.random(P.shape[:2]) * (found.confidence.r_high - found.confidence.r_low)
    return tb.make_mdp(P[..., : counts.S], r, gamma=0.9, terminating=counts.terminating)


def test_extreme_rows_solve_the_linear_program():
    """max p @ V subject to |p - P| <= d, sum d <= radius, p in the simplex, by HiGHS."""
    for i in range(60):
        rng = np.random.default_rng([8, i])
        K = int(rng.integers(2, 7))
        P, V, radius = rng.dirichlet(np.full(K, 0.5)), rng.normal(size=K).round(1), 2.2 * rng.random()
        eye = np.eye(K)
        A_ub = np.block([[eye, -eye], [-eye, -eye], [np.zeros((1, K)), np.ones((1, K))]])
        b_ub, A_eq = np.r_[P, -P, radius], np.r_[np.ones(K), np.zeros(K)][None]
        best = linprog(np.r_[-V, np.zeros(K)], A_ub=A_ub, b_ub=b_ub, A_eq=A_eq, b_eq=[1], bounds=(0, None))
        p = extreme_rows(P, V, np.array(radius))
        assert p @ V == pytest.approx(-best.fun, abs=1e-9)
        assert p.min() >= 0
        assert p.sum() == pytest.approx(1, abs=1e-14)
        assert abs(p - P).sum() <= radius + 1e-14


def test_extreme_rows_closed_form_and_batch():
    P = np.array([[0.5, 0.3, 0.2], [0.0, 0.0, 1.0], [0.1, 0.9, 0.0]])
    rows = extreme_rows(P, np.array([1.0, 2.0, 3.0]), np.array([0.4, 2.0, 1.2]))
    np.testing.assert_allclose(rows, [[0.3, 0.3, 0.4], [0, 0, 1], [0, 0.4, 0.6]], atol=1e-15)
    np.testing.assert_allclose(extreme_rows(P[:1], -np.array([1.0, 2.0, 3.0]), np.array([0.6])), [[0.8, 0.2, 0]])


@pytest.mark.parametrize("ends", [False, True])
def test_certificate_holds_for_every_mdp_of_the_set(ends):
    for i in range(12):
        counts, _ = data(i, ends=ends, n=400 if i % 2 else 4000)
        found = certificate(counts, 0.9, 0.1, (0, 1))
        rng = np.random.default_rng(i)
        for _ in range(5):
            true = member(found, counts, rng)
            best, followed = tb.solve(true), tb.evaluate(true, found.solution.action)
            slack = 1e-9
            assert (found.Q_low - slack <= best.Q).all() and (best.Q <= found.Q_high + slack).all()
            error, loss = abs(best.Q - found.solution.Q).max(), best.J - followed.J
            assert error <= min(found.q_error_likelihood, found.q_error_backup, found.q_error_robust) + slack
            assert loss <= min(found.loss_likelihood, found.loss_backup, found.loss_robust) + slack
            assert found.J_low - slack <= followed.J and best.J <= found.J_high + slack


@pytest.mark.parametrize("ends", [False, True])
def test_certificate_q_high_is_attained_in_the_set(ends):
    """The MDP with the rows that are best for V_high has Q* = Q_high."""
    counts, _ = data(3, ends=ends)
    found = certificate(counts, 0.9, 0.1, (0, 1))
    V = np.append(found.Q_high.max(1), [0.0] * ends)
    P = extreme_rows(counts.outcomes / counts.n[..., None], V, found.confidence.P_radius)
    best = tb.make_mdp(P[..., :4], found.confidence.r_high, gamma=0.9, terminating=ends)
    np.testing.assert_allclose(tb.solve(best).Q, found.Q_high, atol=1e-9)
    assert found.J_high == pytest.approx(tb.solve(best).J, abs=1e-9)


@pytest.mark.parametrize("ends", [False, True])
def test_certificate_q_low_is_the_best_of_all_policies_in_their_worst_mdps(ends):
    """By enumeration: the worst MDP of each of 16 policies by plain iteration, then the best policy in each state."""
    counts, _ = data(4, ends=ends)
    found = certificate(counts, 0.9, 0.1, (0, 1))
    P = counts.outcomes / counts.n[..., None]
    values, states = [], np.arange(4)
    for action in itertools.product(range(2), repeat=4):
        V = np.zeros(4)
        for _ in range(300):
            rows = extreme_rows(P, -np.append(V, [0.0] * ends), found.confidence.P_radius)[..., :4]
            V = (found.confidence.r_low + 0.9 * rows @ V)[states, list(action)]
        values.append(V)
        if list(action) == found.solution.action.tolist():
            assert found.J_low == pytest.approx(V.mean(), abs=1e-9)
    np.testing.assert_allclose(found.Q_low.max(1), np.max(values, axis=0), atol=1e-9)


def test_certificate_covers_the_true_mdp():
    """Over 100 data sets at delta = 0.2, at most 45 may miss: more have probability 1e-8 (binomial)."""
    misses = 0
    for i in range(100):
        counts, true = data(i, n=400)
        found = certificate(counts, 0.9, 0.2, (0, 1), adaptive=False)
        Q = tb.solve(true).Q
        misses += bool(
            (Q < found.Q_low).any() or (Q > found.Q_high).any() or abs(Q - found.solution.Q).max() > found.q_error
        )
    assert misses <= 45


def test_certificate_robust_bounds_are_the_tightest():
    for i in range(20):
        counts, _ = data(i, n=4000)
        found = certificate(counts, 0.9, 0.1, (0, 1))
        assert found.q_error_robust <= found.q_error_backup + 1e-9 <= found.q_error_likelihood + 2e-9
        assert found.loss == found.loss_robust <= found.loss_backup


def test_certificate_shrinks_as_one_over_the_root_of_the_data():
    """A hundred times the counts at fixed frequencies: about a tenth of the bound."""
    rng = np.random.default_rng(9)
    s, a, t = rng.integers(3, size=(3, 3000))
    few = from_transitions(s, a, np.zeros(3000), t)
    many = from_transitions(*(np.tile(x, 100) for x in (s, a, np.zeros(3000), t)))
    one, other = (certificate(c, 0.5, 0.1, (-1, 1), adaptive=False).q_error_backup for c in (few, many))
    assert other == pytest.approx(one / 10, rel=0.05)


def test_certificate_of_known_rewards_and_no_choice_of_successor_is_exact():
    """One state: nothing can be wrong, V = r / (1 - gamma)."""
    counts = from_transitions([0, 0], [0, 1], [1.0, 2.0], [0, 0])
    found = certificate(counts, 0.9, 0.05, None)
    np.testing.assert_allclose(found.Q_high, [[19, 20]], atol=1e-9)
    assert found.q_error < 1e-9
    assert found.loss < 1e-9


@pytest.mark.parametrize("reward", [0.0, 1.0])
def test_certificate_of_one_state_is_the_radius_of_its_reward(reward):
    """All rewards at one end of the range, so that the estimate can err to one side only: by the radius, for ever."""
    zeros = np.zeros(100, int)
    found = certificate(from_transitions(zeros, zeros, zeros + reward, zeros), 0.9, 0.1, (0, 1), adaptive=False)
    expected = hoeffding_radius(np.array([100]), np.zeros(1), 1.0, 0.05)[0] / 0.1
    assert found.q_error_likelihood == pytest.approx(expected, rel=1e-9)
    assert found.q_error_backup == pytest.approx(expected, rel=1e-9)
    assert found.q_error_robust == pytest.approx(expected, rel=1e-9)
    assert found.loss_robust == pytest.approx(expected, rel=1e-9)


def test_certificate_without_data_somewhere_says_so():
    """The pair that was never tried can pay the most for ever: Q_high is the ceiling there, and loss is large."""
    counts = from_transitions([0] * 1000, [0] * 1000, [0.2] * 1000, [0] * 1000, A=2)
    found = certificate(counts, 0.9, 0.05, (0, 1))
    assert found.Q_high[0, 1] == pytest.approx(10, abs=1e-9)
    assert found.Q_low[0, 1] <= 0.9 * 2
    assert found.loss > 7


def test_certificate_of_a_sparse_estimate():
    """Above 200 states the estimate is sparse; the certificate is that of the closed form: a loop of known rewards."""
    s = np.arange(300).repeat(50)
    counts = from_transitions(s, np.zeros_like(s), np.ones(len(s)), (s + 1) % 300)
    found = certificate(counts, 0.5, 0.1, (0, 1))
    assert isinstance(found.model, tb.SparseMDP)
    assert (found.Q_low <= 2).all() and found.Q_high.max() <= 2 + 1e-9


def test_certificate_refuses_gamma_1():
    counts, _ = data(0)
    with pytest.raises(ValueError, match="gamma = 1, expected a discount below 1"):
        certificate(counts, 1, 0.1, (0, 1))
