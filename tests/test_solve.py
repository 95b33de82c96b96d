"""The four methods against exact rationals, each other, and the traps that solvers fall into."""

import numpy as np
import pytest
import scipy.sparse as sp

import tabular as tb
from tabular.operators import bellman
from tests.exact import exact_solution, largest_gap
from tests.instances import random_mdp

METHODS = ["vi", "pi", "mpi", "lp"]


def garnet(S: int, A: int, branching: int, gamma: float, seed: int = 0):
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.arange(S * A), branching)
    columns = np.argsort(rng.random((S * A, S)), axis=1)[:, :branching].reshape(-1)
    P = sp.csr_matrix((rng.dirichlet(np.ones(branching), size=S * A).reshape(-1), (rows, columns)), shape=(S * A, S))
    return tb.make_mdp(P, rng.normal(size=(S, A)), gamma=gamma)


def bound_violations(instances, method: str) -> list:
    """Instances whose exact error exceeds the certified one, with both numbers."""
    wrong = []
    for i in instances:
        mdp = random_mdp(1, i)
        solution = tb.solve(mdp, method=method)
        gap = largest_gap(solution.Q, exact_solution(mdp))
        if not gap <= solution.error:
            wrong.append((i, gap, solution.error))
    return wrong


@pytest.mark.parametrize("method", METHODS)
def test_solve_error_bounds_the_distance_from_the_exact_rational_solution(method):
    assert bound_violations(range(60), method) == []


@pytest.mark.slow
def test_solve_error_holds_on_ten_thousand_random_mdps():
    """10,000 instances agree between two methods within their bounds; 2,000 of them against exact rationals."""
    for i in range(10_000):
        mdp = random_mdp(1, i)
        first, second = (tb.solve(mdp, method=method) for method in ("vi", "pi"))
        assert abs(first.Q - second.Q).max() <= first.error + second.error, i
    assert bound_violations(range(0, 10_000, 5), "mpi") == []


@pytest.mark.parametrize("method", METHODS)
def test_solve_with_a_loose_tolerance_still_keeps_its_bound(method):
    for i in range(40):
        mdp = random_mdp(2, i)
        solution = tb.solve(mdp, method=method, tol=0.05)
        assert largest_gap(solution.Q, exact_solution(mdp)) <= solution.error <= 0.05


@pytest.mark.parametrize("method", METHODS)
def test_solve_is_a_bellman_fixed_point(method):
    for i in range(20):
        mdp = random_mdp(3, i)
        solution = tb.solve(mdp, method=method)
        scale = max(1.0, abs(solution.Q).max())
        assert abs(bellman(mdp, solution.Q) - solution.Q).max() == pytest.approx(solution.residual, abs=1e-14 * scale)
        assert solution.residual / (1 + mdp.gamma) <= solution.error


def test_solve_agrees_with_quantecon_on_200_random_mdps():
    """An independent library; QuantEcon's policy iteration solves each policy exactly."""
    quantecon = pytest.importorskip("quantecon")
    for i in range(200):
        mdp = random_mdp(4, i)
        peer = quantecon.markov.DiscreteDP(mdp.r, mdp.P, mdp.gamma).solve(method="policy_iteration")
        scale = max(1.0, abs(peer.v).max())
        for method in ("auto", "mpi"):
            assert abs(tb.solve(mdp, method=method).V - peer.v).max() <= 1e-9 * scale


def test_solve_dense_and_sparse_storage_agree():
    for i in range(40):
        mdp = random_mdp(5, i)
        for method in METHODS:
            dense, sparse = tb.solve(mdp, method=method), tb.solve(mdp.to_sparse(), method=method)
            assert abs(dense.Q - sparse.Q).max() <= dense.error + sparse.error


@pytest.mark.parametrize("method", ["auto", "vi", "pi", "mpi"])
@pytest.mark.parametrize("gamma", [0.99, 0.999])
def test_solve_large_garnet_is_certified(method, gamma):
    mdp = garnet(1000, 4, 5, gamma)
    solution = tb.solve(mdp, method=method, tol=1e-6)
    exact = tb.solve(mdp.to_dense(), method="pi", tol=1e-8)
    assert solution.error <= 1e-6
    assert abs(solution.V - exact.V).max() <= solution.error + exact.error


def test_solve_vi_on_the_range_returns_shifted_values():
    """Value iteration that stops on the range but returns V unshifted is off by tens on such instances."""
    mdp = garnet(100, 4, 5, 0.99)
    vi, pi = tb.solve(mdp, method="vi", tol=1e-6), tb.solve(mdp, method="pi")
    assert vi.iterations < 100
    assert abs(vi.V - pi.V).max() <= 1e-6


def test_solve_tolerance_below_rounding_is_refused_with_the_best_answer():
    mdp = random_mdp(6, 0, gamma=0.99)
    for method in METHODS:
        with pytest.raises(tb.NotConverged, match="rounding alone allows") as caught:
            tb.solve(mdp, method=method, tol=1e-30)
        best = caught.value.result
        assert not best.converged
        assert largest_gap(best.Q, exact_solution(mdp)) <= best.error


@pytest.mark.parametrize("method", ["vi", "mpi"])
def test_solve_sweeps_that_rounding_stalls_are_finished_by_a_linear_solve(method):
    """On a chain of period 2 with rewards -1 and 1, sweeps stall 1000 times above what can be certified."""
    mdp = tb.make_mdp(np.array([[[0.0, 1.0]], [[1.0, 0.0]]]), [[-1.0], [1.0]], gamma=0.999)
    solution = tb.solve(mdp, method=method, tol=1e-11)
    assert abs(solution.V - np.array([-1, 1]) / 1.999).max() <= solution.error <= 1e-11


def test_solve_overflow_is_a_failure_not_convergence():
    mdp = tb.make_mdp(np.full((2, 2, 2), 0.5), np.full((2, 2), 1e308), gamma=0.99)
    with np.errstate(all="ignore"), pytest.raises(tb.NotConverged, match="overflow"):
        tb.solve(mdp, method="vi")


def test_solve_float_noise_is_not_a_tie_but_equality_is():
    P = np.zeros((2, 3, 2))
    P[:, :, 1] = 1
    r = np.array([[1.0, 1.0, 1.0 - 1e-6], [0.0, 0.0, -1.0]])
    solution = tb.solve(tb.make_mdp(P, r, gamma=0.9))
    assert solution.ties.tolist() == [[True, True, False], [True, True, False]]


def test_solve_infeasible_actions_are_never_chosen():
    rng = np.random.default_rng(0)
    P = rng.dirichlet(np.ones(5), size=(5, 3))
    r = rng.normal(size=(5, 3))
    r[np.arange(5), rng.integers(3, size=5)] = -np.inf
    P[r == -np.inf] = np.nan
    mdp = tb.make_mdp(P, r, gamma=0.95)
    for method in METHODS:
        solution = tb.solve(mdp, method=method)
        assert (solution.pi[~mdp.feasible] == 0).all()
        assert (solution.Q[~mdp.feasible] == -np.inf).all()
        assert np.isfinite(solution.V).all()
        assert largest_gap(solution.Q, exact_solution(mdp)) <= solution.error


def test_solve_duplicate_successors_count_once():
    """A row listing a successor twice has broken Gauss-Seidel solvers by up to 10."""
    data, columns = np.array([0.25, 0.25, 0.5, 1.0]), np.array([0, 0, 1, 0])
    P = sp.csr_matrix((data, columns, np.array([0, 3, 4])), shape=(2, 2))
    twice = tb.solve(tb.make_mdp(P, np.array([[1.0], [0.0]]), gamma=0.9))
    once = tb.solve(tb.make_mdp(np.array([[[0.5, 0.5]], [[1.0, 0.0]]]), np.array([[1.0], [0.0]]), gamma=0.9))
    assert abs(twice.V - once.V).max() <= twice.error + once.error


def test_solve_terminating_episodes_against_an_explicit_end_state():
    """Missing mass equals a transition to an absorbing state of reward 0."""
    for i in range(30):
        rng = np.random.default_rng([7, i])
        S, A, gamma = 5, 3, float(rng.choice([0.9, 0.99]))
        P = rng.dirichlet(np.ones(S), size=(S, A)) * rng.choice([1.0, 0.7, 0.0], size=(S, A, 1))
        r = rng.normal(size=(S, A)) + 1
        end = np.zeros((S + 1, A, S + 1))
        end[:S, :, :S], end[:S, :, S], end[S, :, S] = P, 1 - P.sum(-1), 1
        explicit = tb.make_mdp(end, np.vstack([r, np.zeros(A)]), gamma=gamma)
        for method in METHODS:
            short = tb.solve(tb.make_mdp(P, r, gamma=gamma, terminating=True), method=method)
            long = tb.solve(explicit, method=method)
            assert abs(short.Q - long.Q[:S]).max() <= short.error + long.error


def test_solve_warm_start_reuses_the_factored_system():
    mdp = random_mdp(8, 1, S=8, A=3, gamma=0.95)
    cold = tb.solve(mdp, method="pi")
    nearby = tb.with_changes(mdp, r=mdp.r + 1e-6)
    warm = tb.solve(nearby, method="pi", start=cold)
    assert warm.iterations == 1
    assert warm.system is cold.system
    assert abs(warm.V - tb.solve(nearby, method="vi").V).max() <= 1e-8


def test_solve_warm_start_from_another_kernel_factors_anew():
    one, other = random_mdp(8, 1, S=8, A=3, gamma=0.95), random_mdp(8, 2, S=8, A=3, gamma=0.95)
    warm = tb.solve(other, method="pi", start=tb.solve(one, method="pi"))
    assert abs(warm.V - tb.solve(other, method="vi").V).max() <= 1e-6


@pytest.mark.parametrize("method", METHODS)
def test_solve_trace_ends_at_the_answer(method):
    mdp = random_mdp(9, 1, S=6, A=3, gamma=0.9)
    solution = tb.solve(mdp, method=method, trace=True)
    trace = solution.trace
    assert trace.V.shape == (len(trace.residual), mdp.S)
    assert trace.residual[-1] <= trace.residual[0]
    assert tb.solve(mdp, method=method).trace is None
    if method == "vi":
        assert len(trace.residual) == solution.iterations + 1
        # every sweep is one application of T
        Q = mdp.r + mdp.gamma * mdp.P @ trace.V[2]
        assert (trace.V[3] == Q.max(1)).all()


def test_solve_gamma_zero_is_the_best_reward():
    mdp = random_mdp(10, 0, gamma=0.0)
    for method in METHODS:
        assert (tb.solve(mdp, method=method).V == mdp.r.max(1)).all()


def test_solve_one_state():
    mdp = tb.make_mdp([[[1.0], [1.0]]], [[1.0, 2.0]], gamma=0.5)
    for method in METHODS:
        assert tb.solve(mdp, method=method).J == pytest.approx(4.0, abs=1e-9)


def test_solve_policy_returns_J():
    for i in range(20):
        mdp = random_mdp(11, i)
        solution = tb.solve(mdp)
        assert tb.evaluate(mdp, solution.pi).J == pytest.approx(solution.J, abs=1e-8 * max(1, abs(solution.V).max()))
        assert (solution.pi.sum(1) == 1).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "qlearning"}, "method = 'qlearning', expected one of auto, vi, pi, mpi, lp"),
        ({"tol": 0.0}, "tol = 0.0, expected a positive number"),
        ({"tol": -1.0}, "tol = -1.0"),
        ({"tol": float("nan")}, "tol = nan"),
        ({"start": np.zeros(3)}, r"start has shape \(3,\), expected \(8,\)"),
        ({"start": np.full(8, np.nan)}, r"start\[0\] = nan, expected a finite value"),
    ],
)
def test_solve_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        tb.solve(random_mdp(12, 0, S=8, A=2, gamma=0.9), **arguments)
