"""Total reward (gamma = 1): brute force over policies, end components, and errors that name the reason."""

import itertools

import numpy as np
import pytest

import tabular as tb


def episodic(seed: int, S: int = 4, A: int = 2):
    """A random episodic MDP with many zero rewards, self-loops and cycles, some of which end components."""
    rng = np.random.default_rng([41, seed])
    P = np.eye(S)[rng.integers(S, size=(S, A))]
    mixed = rng.random((S, A)) < 0.4
    P[mixed] = rng.dirichlet(np.ones(S), size=mixed.sum())
    P *= rng.choice([1.0, 1.0, 0.6, 0.0], size=(S, A, 1))
    r = -rng.choice([0.0, 0.0, 1.0, 2.5], size=(S, A))
    ends = P.sum(-1) < 0.99
    r[ends] += rng.choice([0.0, 3.0], size=ends.sum())
    return P, r


def best_of_all_policies(mdp):
    """Largest value of each state over all deterministic policies; -inf where none has a finite one."""
    values = [total_reward(mdp, np.array(action)) for action in itertools.product(range(mdp.A), repeat=mdp.S)]
    return np.max(values, axis=0)


def total_reward(mdp, action):
    """Total reward of a policy from each state, -inf where it pays for ever, by running the chain 4096 steps.

    Where the chain can still be after that, in any of 12 consecutive steps (a multiple of every period up to 4), it
    can be for ever.
    """
    P, r = mdp.chain(action), mdp.r[np.arange(mdp.S), action]
    late = np.linalg.matrix_power(P, 4096)
    late = sum((late @ np.linalg.matrix_power(P, phase) for phase in range(12)), np.zeros_like(P)) > 1e-9
    moving = np.flatnonzero(~late.any(0))
    V = np.zeros(mdp.S)
    V[moving] = np.linalg.solve(np.eye(len(moving)) - P[np.ix_(moving, moving)], r[moving])
    return np.where((late & (r < 0)).any(1), -np.inf, V)


def test_solve_at_gamma_one_equals_brute_force_over_policies():
    solved = 0
    for seed in range(300):
        P, r = episodic(seed)
        try:
            mdp = tb.make_mdp(P, r, gamma=1, terminating=True)
        except tb.NoFiniteValue:
            continue
        solution = tb.solve(mdp)
        assert abs(solution.V - best_of_all_policies(mdp)).max() <= solution.error + 1e-12, seed
        assert solution.error < 1e-9
        value = tb.evaluate(mdp, solution.action)
        assert abs(value.V - solution.V).max() <= value.error + solution.error, seed
        solved += 1
    assert solved > 100


def test_solve_at_gamma_one_dense_and_sparse_agree():
    for seed in range(60):
        P, r = episodic(seed)
        try:
            mdp = tb.make_mdp(P, r, gamma=1, terminating=True)
        except tb.NoFiniteValue:
            continue
        dense, sparse = tb.solve(mdp), tb.solve(mdp.to_sparse())
        assert abs(dense.V - sparse.V).max() <= dense.error + sparse.error


def test_solve_at_gamma_one_is_the_limit_of_discounting():
    for seed in range(100):
        P, r = episodic(seed)
        try:
            mdp = tb.make_mdp(P, r, gamma=1, terminating=True)
        except tb.NoFiniteValue:
            continue
        nearly = tb.solve(tb.with_changes(mdp, gamma=1 - 1e-7), tol=1e-4)
        assert abs(nearly.V - tb.solve(mdp).V).max() <= 1e-3


def test_solve_at_gamma_one_gambler_has_its_closed_form():
    """Gambler's ruin with a forced stake of 1: V(s) = (1 - (q/p)^s) / (1 - (q/p)^N), reward 1 on reaching N."""
    N, p = 20, 0.4
    P, r = np.zeros((N + 1, 1, N + 1)), np.zeros((N + 1, 1))
    for s in range(1, N):
        P[s, 0, s - 1] = 1 - p
        if s + 1 < N:
            P[s, 0, s + 1] = p
        else:
            r[s, 0] = p
    mdp = tb.make_mdp(P, r, gamma=1, terminating=True)
    solution = tb.solve(mdp)
    ratio = (1 - p) / p
    expected = (1 - ratio ** np.arange(1, N)) / (1 - ratio**N)
    assert abs(solution.V[1:N] - expected).max() <= solution.error <= 1e-9


def test_solve_at_gamma_one_greedy_alone_would_never_leave():
    """Two rooms: staying ties with walking to the exit, since nothing costs. The policy returned still gets there."""
    P = np.zeros((2, 2, 2))
    P[0, 0, 0] = P[0, 1, 1] = P[1, 0, 0] = 1
    r = np.array([[0.0, 0.0], [0.0, 1.0]])
    solution = tb.solve(tb.make_mdp(P, r, gamma=1, terminating=True))
    assert solution.V.tolist() == [1.0, 1.0]
    assert solution.Q.argmax(1)[0] == 0
    assert solution.action.tolist() == [1, 1]


def test_evaluate_at_gamma_one_of_a_policy_that_rests_at_zero():
    P = np.zeros((3, 1, 3))
    P[0, 0, 1] = P[1, 0, 2] = P[2, 0, 2] = 1
    mdp = tb.make_mdp(P, [[2.0], [3.0], [0.0]], gamma=1, rho=[1, 0, 0])
    evaluation = tb.evaluate(mdp, np.zeros(3, dtype=int))
    assert evaluation.V.tolist() == [5.0, 3.0, 0.0]
    assert evaluation.occupancy[:, 0].tolist() == [1.0, 1.0, np.inf]


def two_state_loop(back: float):
    """0 pays 1 and leads to 1, which pays `back` and leads to 0; each may also go to the end."""
    P = np.zeros((3, 2, 3))
    P[0, 0, 1] = P[1, 0, 0] = P[0, 1, 2] = P[1, 1, 2] = P[2, :, 2] = 1
    return P, np.array([[1.0, 0.0], [back, 0.0], [0.0, 0.0]])


@pytest.mark.parametrize(("back", "message"), [(-0.5, "collects reward for ever"), (-1.0, "breaks even for ever")])
def test_solve_at_gamma_one_refuses_a_loop_that_does_not_cost(back, message):
    P, r = two_state_loop(back)
    with pytest.raises(tb.NoFiniteValue, match=message):
        tb.solve(tb.make_mdp(P, r, gamma=1))


def test_solve_at_gamma_one_accepts_a_loop_that_costs():
    P, r = two_state_loop(-1.5)
    assert tb.solve(tb.make_mdp(P, r, gamma=1)).V.tolist() == [1.0, 0.0, 0.0]


def test_make_mdp_at_gamma_one_refuses_states_without_an_end():
    with pytest.raises(tb.NoFiniteValue, match=r"from state 0 no policy ever comes to an end \(2 of 2 states\)"):
        tb.make_mdp(np.full((2, 2, 2), 0.5), np.ones((2, 2)), gamma=1)


def test_evaluate_at_gamma_one_refuses_a_policy_that_pays_for_ever():
    P, r = two_state_loop(-1.5)
    with pytest.raises(tb.NoFiniteValue, match="the policy stays for ever"):
        tb.evaluate(tb.make_mdp(P, r, gamma=1), np.zeros(3, dtype=int))


def test_solve_at_gamma_one_tolerance_below_rounding_is_refused():
    P, r = two_state_loop(-1.5)
    with pytest.raises(tb.NotConverged, match="rounding alone allows"):
        tb.solve(tb.make_mdp(P, r, gamma=1), tol=1e-30)
