"""Frames: dynamic programming one sweep at a time."""

from itertools import islice, pairwise

import numpy as np
import pytest

from tabular.evaluate import evaluate
from tabular.soft import soft_solve
from tabular.solve import solve
from tabular.widgets.gridworld import sweeps
from tabular.worlds import gridworld

MAP = "S...#...\n.##...#.\n...#.#..\n.#.....G"


@pytest.fixture(params=[0.0, 0.2], ids=["hard", "soft"])
def case(request):
    mdp = gridworld(MAP, gamma=0.9, slip=0.2, step_reward=-0.02)
    answer = soft_solve(mdp, request.param) if request.param else solve(mdp)
    return mdp, request.param, answer


@pytest.mark.parametrize("method", ["value", "policy"])
def test_run_ends_at_the_optimal_values_and_every_bound_holds(case, method):
    mdp, alpha, answer = case
    frames = sweeps.value_iteration(mdp, alpha) if method == "value" else sweeps.policy_iteration(mdp, alpha, 7)
    run = sweeps.recorded(mdp, frames, alpha, answer.V)
    distance = np.array([abs(frame.V - answer.V).max() for frame in run.frames])
    assert (distance <= run.bound + answer.error).all()
    assert run.bound[-1] <= sweeps.TOLERANCE * max(1, abs(answer.V).max())
    assert run.stop.startswith("stopped after")
    assert run.frames[0].phase == "start" and not run.frames[0].V.any()


def test_sweeps_contract_by_gamma(case):
    mdp, alpha, answer = case
    distance = [abs(frame.V - answer.V).max() for frame in islice(sweeps.value_iteration(mdp, alpha), 30)]
    assert all(after <= mdp.gamma * before + 1e-12 for before, after in pairwise(distance))


def test_evaluation_sweeps_reach_the_values_of_the_random_policy():
    mdp = gridworld(MAP, gamma=0.9, slip=0.2)
    frame = sweeps.first(mdp)
    for _ in range(400):
        frame = sweeps.evaluate(mdp, frame, 0.0)
    np.testing.assert_allclose(frame.V, evaluate(mdp, frame.pi).V, atol=1e-14)


def test_one_sweep_a_round_is_value_iteration():
    """With greedy policies, sweep = improve, then evaluate once."""
    mdp = gridworld(MAP, gamma=0.9, slip=0.2)
    frame = sweeps.sweep(mdp, sweeps.first(mdp), 0.0)
    by_parts = sweeps.evaluate(mdp, sweeps.improve(mdp, frame, 0.0), 0.0)
    np.testing.assert_allclose(by_parts.V, sweeps.sweep(mdp, frame, 0.0).V, atol=1e-15)


def test_values_spread_one_cell_a_sweep():
    mdp = gridworld("S......G", gamma=0.9)
    for k, frame in enumerate(islice(sweeps.value_iteration(mdp, 0.0), 8)):
        assert np.count_nonzero(frame.V) == k


def test_policy_of_shares_ties_evenly():
    pi = sweeps.policy_of(np.array([[1.0, 1.0, 0.0], [2.0, -np.inf, 0.0]]), 0.0)
    assert pi.tolist() == [[0.5, 0.5, 0], [1, 0, 0]]
    rounded = sweeps.policy_of(np.array([[100.0, 100.0 - 1e-12], [1e-8, 0.0]]), 0.0)
    assert rounded.tolist() == [[0.5, 0.5], [0.5, 0.5]]  # both gaps are rounding errors beside 100


def test_rounds_end_early_when_evaluation_changes_nothing_and_runs_end_with_an_improvement():
    mdp = gridworld("S..G", gamma=0.5, slip=0.2)
    run = sweeps.recorded(mdp, sweeps.policy_iteration(mdp, 0.0, 3000), 0.0, solve(mdp).V)
    phases = [frame.phase for frame in run.frames]
    assert 3 < phases.index("improve") < 60  # 0.5^k is nothing by then
    assert phases[-1] == "improve"


def test_frame_labels_count_rounds_and_sweeps():
    mdp = gridworld("S..G", gamma=0.5)
    by_rounds = sweeps.frame_labels(islice(sweeps.policy_iteration(mdp, 0.0, 2), 6))
    assert by_rounds[:4] == [
        "V = 0, a random policy",
        "round 1, evaluation 1",
        "round 1, evaluation 2",
        "improvement 1",
    ]
    assert by_rounds[4:] == ["round 2, evaluation 1", "round 2, evaluation 2"]
    by_sweeps = sweeps.frame_labels(islice(sweeps.value_iteration(mdp, 0.0), 3))
    assert by_sweeps == ["V = 0, a random policy", "sweep 1", "sweep 2"]


def test_recorded_stops_at_the_limit_and_says_so(monkeypatch):
    monkeypatch.setattr(sweeps, "MOST", 5)
    mdp = gridworld(MAP, gamma=0.9)
    run = sweeps.recorded(mdp, sweeps.value_iteration(mdp, 0.0), 0.0, solve(mdp).V)
    assert len(run.frames) == 5
    assert run.stop.startswith("stopped at the limit of 5 frames: certified error")
