"""Q*-equivalence and value equivalence: published numbers, exact equivalence, dimensions by an independent route."""

import itertools

import numpy as np
import pytest

import tabular as tb
from tabular import equivalence as eq
from tabular.operators import bellman, soft_bellman
from tests.instances import random_mdp


def with_gaps(mdp, seed: int):
    """The MDP with some actions infeasible and some rows that can end the episode."""
    rng = np.random.default_rng(seed)
    gap = rng.random(mdp.r.shape) < 0.3
    gap[:, 0] = False
    P = mdp.P * (1 - 0.4 * (rng.random((*mdp.r.shape, 1)) < 0.5))
    return tb.make_mdp(P, np.where(gap, -np.inf, mdp.r), gamma=mdp.gamma, terminating=True)


@pytest.mark.parametrize(
    ("state", "action", "successor", "reward"),
    [(0, 0, 0, 0.016364), (1, 0, 1, 0.189091), (0, 1, 1, -1.63900), (1, 1, 1, -1.03900), (0, 0, 1, -1.53818)],
)
def test_q_equivalent_rewards_of_the_papers_mdp(state, action, successor, reward):
    """Nikishin et al. 2021, Figure 3: r_hat = Q* - gamma V*(successor), here at alpha = 0.01 as there."""
    successors = np.zeros((2, 2), int)
    successors[state, action] = successor
    model = eq.q_equivalent(tb.worlds.two_state(), successors, 0.01)
    assert model.r[state, action] == pytest.approx(reward, abs=6e-6)


@pytest.mark.parametrize("alpha", [None, 0.01, 1.0])
def test_q_equivalent_has_the_q_of_the_true_mdp(alpha):
    for i in range(40):
        true = random_mdp(80, i)
        true = with_gaps(true, i) if i % 2 else true
        P_hat = random_mdp(81, i, S=true.S, A=true.A).P
        model = eq.q_equivalent(true, P_hat, alpha)
        solve = tb.solve if alpha is None else lambda mdp: tb.soft_solve(mdp, alpha)
        best, planned = solve(true), solve(model)
        feasible = true.feasible
        assert (model.feasible == feasible).all()
        assert abs(best.Q[feasible] - planned.Q[feasible]).max() <= 2 * (best.error + planned.error)


def test_q_equivalent_reward_is_the_only_one():
    """Another reward at one pair changes the backup of Q* there by as much: the model is then not equivalent."""
    true = random_mdp(82, 1, gamma=0.9)
    Q, model = tb.solve(true).Q, eq.q_equivalent(random_mdp(82, 1, gamma=0.9), random_mdp(83, 1, S=true.S, A=true.A).P)
    r = model.r.copy()
    r[0, 0] += 0.5
    gap = bellman(tb.with_changes(model, r=r), Q) - bellman(true, Q)
    assert gap[0, 0] == pytest.approx(0.5, rel=1e-8)
    assert abs(np.delete(gap.reshape(-1), 0)).max() < 1e-8


def test_q_equivalent_keeps_sparse_storage_and_labels():
    true = tb.worlds.two_state()
    sparse = eq.q_equivalent(true, true.to_sparse().P)
    assert isinstance(sparse, tb.SparseMDP)
    assert sparse.states == ("s0", "s1")
    np.testing.assert_allclose(sparse.r, true.r, atol=1e-12)  # the true kernel needs the true reward


def test_q_equivalent_dimension_is_that_of_the_class_by_finite_differences():
    """Tangent vectors (dP, dr) of sampled models around one of them span F (S - 1) of F S dimensions."""
    true = with_gaps(random_mdp(84, 0, S=3, A=3, gamma=0.9), 3)
    models = eq.sample_q_equivalent(true, 40, seed=0)
    points = np.array([np.r_[m.P[true.feasible][:, :-1].reshape(-1), m.r[true.feasible]] for m in models])
    pairs = true.feasible.sum()
    assert points.shape[1] == 3 * pairs
    assert np.linalg.matrix_rank(points - points[0], tol=1e-8) == eq.q_equivalent_dimension(true) == 2 * pairs


@pytest.mark.parametrize("rows", [eq.dirichlet_rows, eq.deterministic_rows])
def test_sample_q_equivalent_is_equivalent_and_replayable(rows):
    true, alpha = tb.worlds.two_state(), 0.01
    Q = tb.soft_solve(true, alpha).Q
    first, second = (eq.sample_q_equivalent(true, 20, seed=5, alpha=alpha, rows=rows) for _ in range(2))
    for model, again in zip(first, second, strict=True):
        assert abs(soft_bellman(model, Q, alpha) - Q).max() < 1e-12
        np.testing.assert_array_equal(model.P, again.P)
    if rows is eq.deterministic_rows:
        assert len({model.to_dense().P.argmax(-1).tobytes() for model in first}) > 8  # of 16 maps
        assert all(model.P.max(-1).min() == 1 for model in first)


def test_q_equivalent_refuses_what_is_no_kernel():
    true = tb.worlds.two_state()
    with pytest.raises(ValueError, match=r"P_hat\[1, 0\] = 2, expected a state from 0 to 1"):
        eq.q_equivalent(true, np.array([[0, 1], [2, 0]]))
    with pytest.raises(ValueError, match=r"P_hat has shape \(S, A\) = \(2, 2\) and dtype float64"):
        eq.q_equivalent(true, np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"P\[0, 0\] sums to 2, not 1"):
        eq.q_equivalent(true, np.ones((2, 2, 2)))
    with pytest.raises(ValueError, match="gamma = 1, expected a discount below 1"):
        eq.q_equivalent(tb.make_mdp([[[0.5]]], [[1.0]], gamma=1, terminating=True), [[[1.0]]])
    with pytest.raises(ValueError, match=r"n = -1, expected the number of models"):
        eq.sample_q_equivalent(true, -1, seed=0)


@pytest.mark.parametrize("learn_reward", [False, True])
@pytest.mark.parametrize("kind", ["dense", "ends and gaps"])
def test_sample_value_equivalent_is_exactly_equivalent(kind, learn_reward):
    for i in range(15):
        true = random_mdp(85, i, S=6, A=2)
        true = with_gaps(true, i) if kind == "ends and gaps" else true
        values = np.random.default_rng(i).normal(size=(1 + i % 4, 6))
        models = eq.sample_value_equivalent(true, values, 3, seed=i, learn_reward=learn_reward)
        for model in models:
            found = eq.is_value_equivalent(true, model, None, values)
            assert found.residual <= 1e-12 * max(1.0, abs(values).max(), true.largest_reward)
            assert found.holds
        if not learn_reward:
            assert all((model.r == true.r).all() for model in models)


@pytest.mark.parametrize("learn_reward", [False, True])
def test_value_equivalent_dimension_is_that_of_the_samples(learn_reward):
    """Rows of the samples span the dimension the rank predicts, where all probabilities are positive."""
    for k in range(1, 6):
        true = tb.worlds.two_state() if k == 5 else random_mdp(86, 1, S=5, A=2, gamma=0.9)
        values = np.random.default_rng(k).normal(size=(1 if k == 5 else k, true.S))
        models = eq.sample_value_equivalent(true, values, 12, seed=0, learn_reward=learn_reward, steps=5)
        rows = np.array([np.r_[m.P[0, 0], m.r[0, 0]] for m in models]) - np.r_[true.P[0, 0], true.r[0, 0]]
        expected = max(0, true.S - 1 - len(values) + learn_reward)
        assert eq.value_equivalent_dimension(true, values, learn_reward=learn_reward) == expected
        assert np.linalg.matrix_rank(rows, tol=1e-9) == expected


def test_value_equivalent_dimension_special_cases():
    true = random_mdp(87, 0, S=5, A=2, gamma=0.9)
    v = np.arange(5.0)
    assert eq.value_equivalent_dimension(true, np.full(5, 3.0)) == 4  # a constant asks for nothing
    assert eq.value_equivalent_dimension(true, [v, 2 * v + 1]) == 3  # rank [1; v; 2v + 1] = 2
    assert eq.value_equivalent_dimension(true, [v, 2 * v + 1], learn_reward=True) == 3
    assert eq.value_equivalent_dimension(true, v, learn_reward=True) == 4
    assert eq.value_equivalent_dimension(tb.with_changes(true, gamma=0.0), v) == 4
    ends = tb.make_mdp(true.P / 2, true.r, gamma=0.9, terminating=True)
    assert eq.value_equivalent_dimension(ends, np.full(5, 3.0)) == 4  # 5 free probabilities, whose sum now counts


def test_sample_value_equivalent_leaves_a_boundary_where_it_can():
    """From a deterministic row to state 1 of value 1, between states of values 0 and 2: half and half does as well."""
    P = np.zeros((3, 1, 3))
    P[:, 0, 1] = 1
    true = tb.make_mdp(P, np.zeros((3, 1)), gamma=0.9)
    models = eq.sample_value_equivalent(true, [0.0, 1.0, 2.0], 50, seed=0)
    ends = np.array([model.P[0, 0] for model in models])
    np.testing.assert_allclose(ends[:, 0], ends[:, 2], atol=1e-14)
    assert 0 <= ends[:, 0].min() < 0.1 and 0.4 < ends[:, 0].max() <= 0.5
    stuck = eq.sample_value_equivalent(true, [0.0, 2.0, 1.0], 3, seed=0)  # 2 is the largest value: no way out
    assert all(np.array_equal(model.P, true.P) for model in stuck)


def test_sample_value_equivalent_is_uniform_on_a_segment():
    """The class of the row above is a segment; P[1] is uniform on [0, 1]. Kolmogorov-Smirnov, false alarm 1e-6."""
    from scipy import stats

    true = tb.make_mdp(np.full((3, 1, 3), 1 / 3), np.zeros((3, 1)), gamma=0.9)
    models = eq.sample_value_equivalent(true, [0.0, 1.0, 2.0], 400, seed=1, steps=1)
    middle = np.array([model.P[0, 0, 1] for model in models])
    assert stats.kstest(middle, "uniform").pvalue > 1e-6


def test_value_equivalence_on_all_deterministic_policies_gives_the_same_optimum():
    """Grimm et al. 2020: equivalent on their values, a model has the same Q*, though another kernel.

    States come in pairs that behave alike, so that all values of policies that treat them alike span little.
    """
    rng = np.random.default_rng(88)
    P = np.repeat(np.repeat(rng.dirichlet(np.ones(3), size=(3, 2)), 2, axis=0), 2, axis=2) / 2
    true = tb.make_mdp(P, np.repeat(rng.normal(size=(3, 2)), 2, axis=0), gamma=0.9)
    policies = [np.repeat(pi, 2) for pi in itertools.product(range(2), repeat=3)]
    values = np.array([tb.evaluate(true, pi).V for pi in policies]).round(10)
    values = np.array([(v[::2]).repeat(2) for v in values])
    assert eq.value_equivalent_dimension(true, values) == 3
    (model,) = eq.sample_value_equivalent(true, values, 1, seed=0)
    assert abs(model.P - true.P).max() > 0.05
    assert abs(tb.solve(model).Q - tb.solve(true).Q).max() < 1e-8


def test_is_value_equivalent_residual_bounds_the_values_error():
    """Approximate equivalence on (pi, V_hat^pi): max |V^pi - V_hat^pi| <= residual / (1 - gamma)."""
    for i in range(30):
        true = random_mdp(89, i)
        model = random_mdp(90, i, S=true.S, A=true.A, gamma=true.gamma)
        pi = tb.solve(model).action
        planned, real = tb.evaluate(model, pi), tb.evaluate(true, pi)
        found = eq.is_value_equivalent(true, model, [pi], planned.V)
        error = abs(planned.V - real.V).max()
        assert error <= found.residual / (1 - true.gamma) + 10 * (planned.error + real.error) / (1 - true.gamma)
        assert found.residual / (1 + true.gamma) <= error + planned.error + real.error


def test_is_value_equivalent_names_where_and_sees_a_reward_that_is_wrong():
    true = tb.worlds.two_state()
    r = true.r.copy()
    r[1, 0] += 0.25
    model = tb.with_changes(true, r=r)
    found = eq.is_value_equivalent(true, model, None, np.zeros((2, 2)))
    assert (found.residual, found.where, found.holds) == (0.25, (0, 1, 0), False)
    assert eq.is_value_equivalent(true, model, [np.array([0, 1])], np.ones(2)).holds  # never takes that action
    mixed = np.array([[0.5, 0.5], [0.5, 0.5]])
    assert eq.is_value_equivalent(true, model, [np.array([0, 1]), mixed], np.ones(2)).where == (0, 1, 1)


def test_value_equivalence_on_all_values_identifies_the_model():
    true = random_mdp(91, 0, S=4, A=2)
    assert eq.value_equivalent_dimension(true, np.eye(4)) == 0
    (model,) = eq.sample_value_equivalent(true, np.eye(4), 1, seed=0)
    assert abs(model.P - true.P).max() < 1e-15


def test_value_equivalence_refuses_wrong_values():
    true = tb.worlds.two_state()
    with pytest.raises(ValueError, match=r"values has shape \(1, 3\), expected \(k, 2\)"):
        eq.value_equivalent_dimension(true, np.zeros(3))
    with pytest.raises(ValueError, match=r"values\[0, 1\] = nan"):
        eq.is_value_equivalent(true, true, None, [0.0, np.nan])
    with pytest.raises(ValueError, match=r"steps = 0"):
        eq.sample_value_equivalent(true, np.zeros(2), 1, seed=0, steps=0)
    with pytest.raises(ValueError, match=r"model.gamma = 0.5"):
        eq.is_value_equivalent(true, tb.with_changes(true, gamma=0.5), None, np.zeros(2))
