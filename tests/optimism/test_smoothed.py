"""The published loop: the numbers of its figures, and where it ends."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

import tabular as tb
from tabular.optimism import (
    Loop,
    Objective,
    best_response,
    block_average,
    exact_values,
    faithful,
    in_model,
    mnm,
    optimum,
    published_values,
    rounds,
    tight,
    tilted,
    vmbpo,
)
from tabular.worlds.papers import maze10, risk3, wall15
from tests.optimism.instances import case, reference


def test_best_response_has_the_numbers_of_figure_2a_right():
    known = reference()["mnm_fig2a_right"]
    mdp = maze10(reward=1e-5, goal_reward=1e9)
    run = best_response(mdp, Loop(mnm(mdp)))
    assert run.converged and len(run.changes) - 1 == known["converged_t"] == 23
    np.testing.assert_allclose(run.changes[::2], known["diffs"], atol=2e-9)
    np.testing.assert_allclose(run.changes[[0, 10, 20]], [0.857286543, 0.002676413, 4.2428e-6], atol=2e-9)
    states = known["states"]
    np.testing.assert_allclose(run.last.V[states], known["V"], atol=5e-6)
    np.testing.assert_allclose(run.last.KL[states], known["kl"], atol=1e-6)
    np.testing.assert_array_equal(run.last.action[states], known["policy"])
    np.testing.assert_allclose(run.last.V[[0, 9]], [-7.63979, 20.29562], atol=1e-5)
    np.testing.assert_allclose([run.last.KL.max(), run.last.KL.mean()], [1.870883, 0.341471], atol=1e-6)
    assert run.q is run.last.q


def test_best_response_turns_the_noise_towards_the_goal():
    """Probability of the intended cell in the model of Figure 2a right, where the truth has .625."""
    known = reference()["mnm_fig2a_right"]
    mdp = maze10(reward=1e-5, goal_reward=1e9)
    q = best_response(mdp, Loop(mnm(mdp))).q
    intended = maze10(noise=0.0).P.argmax(-1)
    found = q[np.arange(mdp.S)[:, None], np.arange(4), intended]
    np.testing.assert_allclose(found[known["states"]], known["q_intended"], atol=1e-6)
    expected = {
        (0, 8): [0.1413, 0.9928, 0.0087, 0.0074],
        (1, 9): [0.9928, 0.1413, 0.0074, 0.0087],
        (6, 4): [0.5514, 0.9016, 0.3284, 0.2630],
        (5, 3): [0.3603, 0.5922, 0.8660, 0.3820],
        (0, 0): [0.7088, 0.6471, 0.6644, 0.7088],
    }
    for (row, column), values in expected.items():
        np.testing.assert_allclose(found[10 * row + column], values, atol=1e-4)


def steps_to_goal(mdp, action, goal):
    """Steps of a deterministic policy in a deterministic MDP from state 0, or None."""
    state, steps = 0, 0
    while state != goal and steps < mdp.S:
        state, steps = int(mdp.P[state, action[state]].argmax()), steps + 1
    return steps if state == goal else None


@pytest.mark.parametrize(
    ("blocks", "classifier", "steps", "J"),
    [(False, True, 26, 73.96471), (True, True, 28, 61.81142), (True, False, None, 10.0)],
)
def test_best_response_has_the_paths_of_figure_2b(blocks, classifier, steps, J):
    mdp = wall15()
    objective = Objective(mnm(mdp, constant=False).reward, float(classifier))
    loop = Loop(objective, clip=5.0, tol=0.0, iterations=20)
    if blocks:
        loop = replace(loop, capacity=partial(block_average, grid=mdp.grid))
    run = best_response(mdp, loop)
    assert steps_to_goal(mdp, run.last.action, 2 * 15 + 12) == steps
    assert tb.evaluate(mdp, run.last.action).J == pytest.approx(J, abs=1e-5)
    if blocks and classifier:
        assert run.changes[-1] == pytest.approx(0.331, abs=5e-4) and not run.converged


@pytest.mark.parametrize(("clip", "iterations", "reaches"), [(2.0, 15, True), (20.0, 20, True), (5.0, 10, False)])
def test_best_response_of_figure_2b_depends_on_its_settings(clip, iterations, reaches):
    mdp = wall15()
    capacity = partial(block_average, grid=mdp.grid)
    objective = mnm(mdp, constant=False)
    run = best_response(mdp, Loop(objective, capacity=capacity, clip=clip, tol=0.0, iterations=iterations))
    assert (steps_to_goal(mdp, run.last.action, 42) == 28) == reaches


def test_best_response_takes_the_risks_of_figure_3a():
    """Values of the smoothed policy at the start; the published run is that of 23 rounds (within 1e-3)."""
    mdp, known = risk3(), reference()["mnm_fig3a"]["value_start"]
    loops = {
        "Q-learning": Loop(Objective(mdp.r, 1.0), respond=faithful),
        "MnM": Loop(mnm(mdp, constant=False)),
        "VMBPO": Loop(vmbpo(mdp)),
    }
    for method, loop in loops.items():
        run = best_response(mdp, replace(loop, tol=0.0, iterations=23))
        first = run.last.action[1]
        assert tb.evaluate(mdp, run.last.pi).Q[1, first] == pytest.approx(known[method], abs=1e-3)
        assert first == (1 if method == "VMBPO" else 3)
        finished = best_response(mdp, replace(loop, tol=0.0))
        exact = 320.3448275862069 if method == "VMBPO" else 451.0
        assert tb.evaluate(mdp, finished.pi).J == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize("values", [exact_values, published_values])
def test_rounds_have_the_numbers_of_figure_3b(values):
    """As published: the first action is the new greedy one, but not for the tight bound. All curves within 1e-5."""
    known = reference()["mnm_fig3b"]
    mdp = maze10(reward=1.0, goal_reward=10.0)
    bound, upper = mnm(mdp), vmbpo(mdp)
    for t, step in enumerate(rounds(mdp, Loop(bound, values=values, tol=0.0, iterations=20))):

        def at_start(world, step=step):
            return values(world, step.pi)[0, step.action[0]]

        simple, true = at_start(in_model(mdp, bound, step.q)), np.log(at_start(mdp))
        learned, risky = tight(mdp, step.q, step.pi)[0], np.log(at_start(in_model(mdp, upper, step.q)))
        slack = 0.0 if values is published_values or t else 4e-7
        assert simple <= learned + slack and learned <= true <= risky
        if t % 2 == 0:
            found = [simple, learned, true, risky]
            curves = [known[name][t // 2] for name in ("simple_bound", "tight_bound", "log_true", "log_vmbpo")]
            np.testing.assert_allclose(found, curves, atol=1e-6 if values is published_values else 1e-5)


def test_published_values_stop_short_of_the_exact_ones_and_refuse_to_stop_at_the_cap():
    mdp, _, pi = case(0, gamma=0.9)
    off = tb.evaluate(mdp, pi).Q - published_values(mdp, pi)
    assert (off > 0).all() and off.max() < 1e-5
    with pytest.raises(tb.NotConverged, match="1000 sweeps"):
        published_values(tb.with_changes(mdp, gamma=0.995), pi)


def test_best_response_of_figure_3a_is_the_published_one_to_all_digits_of_its_sweeps():
    """Their stopping test can't be told from the values, but the rounds it stopped at can: 20 and 22."""
    mdp, known = risk3(), reference()["mnm_fig3a"]["value_start"]
    loops = {
        "Q-learning": Loop(Objective(mdp.r, 1.0), respond=faithful, iterations=21),
        "MnM": Loop(mnm(mdp, constant=False), iterations=23),
        "VMBPO": Loop(vmbpo(mdp), iterations=23),
    }
    for method, loop in loops.items():
        run = best_response(mdp, replace(loop, values=published_values, tol=0.0))
        assert published_values(mdp, run.last.pi)[1, run.last.action[1]] == pytest.approx(known[method], abs=1e-6)


def test_best_response_ends_beside_the_optimum_of_eq_2():
    """The notebook mixes the model of one bound with the value of the other: 2.3404388 against 2.3405124."""
    mdp = maze10(reward=1.0, goal_reward=10.0)
    run = best_response(mdp, Loop(mnm(mdp), tol=1e-12, iterations=200))
    assert run.converged
    limit = tb.solve(in_model(mdp, mnm(mdp), run.q)).J
    assert limit == pytest.approx(2.3404388, abs=1e-7)
    best = optimum(mdp, mnm(mdp))
    assert limit < best.J - 7e-5
    assert abs(run.q - best.q).max() == pytest.approx(0.0090573, abs=1e-5)
    weighted = optimum(mdp, mnm(mdp, weight=0.9))
    assert abs(run.q - weighted.q).max() == pytest.approx(0.0004459, abs=1e-5)


def test_best_response_to_the_right_answer_ends_at_the_optimum():
    """With q_new = p exp(gamma V), consistent with eq. 2, the limit of the loop is the exact optimum."""
    for i in range(10):
        mdp, _, _ = case(i, gamma=0.9)
        run = best_response(mdp, Loop(mnm(mdp), lambda p, V: tilted(p, 0.9 * V), tol=0.0, iterations=100))
        np.testing.assert_allclose(run.last.V, optimum(mdp, mnm(mdp)).V, atol=1e-9)


def test_best_response_stops_by_the_model_alone_whatever_the_policy_does():
    """Deterministic dynamics can't be tilted: the published test passes in the first round, with a uniform policy."""
    mdp = wall15()
    run = best_response(mdp, Loop(mnm(mdp)))
    assert run.converged and len(run.changes) == 1 and np.ptp(run.pi) == 0


def test_best_response_centred_or_not_is_the_same():
    mdp = risk3()
    plain, centred = (
        best_response(mdp, Loop(vmbpo(mdp), respond)) for respond in (tilted, lambda p, V: tilted(p, V - V.mean()))
    )
    np.testing.assert_allclose(plain.last.V, centred.last.V, rtol=1e-12)


def test_best_response_with_the_true_model_is_policy_iteration():
    mdp, _, _ = case(5, gamma=0.9)
    run = best_response(mdp, Loop(Objective(mdp.r, 1.0), respond=faithful, smoothing=1.0, tol=0.0))
    np.testing.assert_allclose(run.last.V, tb.solve(mdp).V, rtol=1e-9)
    assert (run.q == mdp.P).all() and (run.changes == 0).all()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"smoothing": 0.0}, r"smoothing = 0.0, expected a share in \(0, 1\]"),
        ({"iterations": 0}, "iterations = 0, expected 1 or more"),
        ({"tol": -1.0}, "tol = -1.0"),
        ({"clip": -2.0}, "clip = -2.0, expected a positive number"),
        ({"objective": Objective(np.ones((3, 4)), -1.0)}, "objective.weight = -1.0"),
    ],
)
def test_best_response_refuses_settings_out_of_range(setting, message):
    mdp = risk3()
    with pytest.raises(ValueError, match=message):
        best_response(mdp, replace(Loop(mnm(mdp)), **setting))


def test_best_response_without_clip_refuses_models_that_leave_the_support():
    mdp = wall15()
    with pytest.raises(ValueError, match=r"where p is 0.*clip"):
        best_response(mdp, Loop(mnm(mdp), capacity=partial(block_average, grid=mdp.grid)))
