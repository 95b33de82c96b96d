"""The two-state explorer without a browser: its numbers, its state, its lessons."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from tabular import polytope as geometry
from tabular.evaluate import evaluate
from tabular.files import load
from tabular.mdp import make_mdp, with_changes
from tabular.operators import backup
from tabular.probability import kl_rows
from tabular.soft import soft_solve
from tabular.solve import solve
from tabular.widgets import TwoStateExplorer
from tabular.widgets.two_state import models
from tabular.widgets.two_state.presets import OMD, PRESETS, THREE
from tabular.worlds import dirichlet, gridworld, two_state

START = np.array([[0.6, 0.4], [0.3, 0.7]])


@pytest.fixture
def explorer():
    return TwoStateExplorer()


def changed(P=None, r=None, gamma=0.9, **more):
    true = two_state().to_dense()
    return make_mdp(true.P if P is None else P, true.r if r is None else r, gamma=gamma, **more)


def test_values_are_those_of_the_solver(explorer):
    scene = explorer.scene()
    np.testing.assert_allclose(scene["V"], evaluate(two_state(), START).V, atol=1e-12)
    np.testing.assert_allclose(scene["best"]["V"], solve(two_state()).V, atol=1e-12)
    np.testing.assert_allclose(scene["polytope"]["V"], geometry.polytope(two_state()).V, atol=1e-12)
    assert scene["J"] == pytest.approx(explorer.V.mean(), abs=1e-12)


def test_field_is_the_return_over_the_square(explorer):
    explorer.start = 0.25
    field = explorer.scene()["field"]
    corners = [[evaluate(explorer.mdp, np.array([1 - i, 1 - j])).J for j in (0, 1)] for i in (0, 1)]
    np.testing.assert_allclose(field[np.ix_([0, -1], [0, -1])], corners, atol=1e-6)


@pytest.mark.parametrize("change", [{"gamma": 0.5}, {"gamma": 0.0}, {"start": 0.9}])
def test_every_slider_changes_the_answer(explorer, change):
    before = explorer.J
    explorer.set(**change)
    start = explorer.start
    exact = evaluate(changed(gamma=explorer.gamma, rho=[start, 1 - start]), START)
    np.testing.assert_allclose(explorer.V, exact.V, atol=1e-12)
    assert explorer.J == pytest.approx(exact.J, abs=1e-12) and abs(explorer.J - before) > 1e-3


# The policy


def test_policy_moves_on_its_line(explorer):
    line = explorer.scene()["lines"][0]
    explorer.do("policy", state=0, row=[line["pi"][3], 1 - line["pi"][3]])
    np.testing.assert_allclose(explorer.V, line["V"][3], atol=1e-12)
    explorer.do("point", first=[0.2, 0.9])
    np.testing.assert_allclose(explorer.pi, [[0.2, 0.8], [0.9, 0.1]])


def test_values_lead_back_to_the_policy(explorer):
    V = evaluate(two_state(), np.array([[0.25, 0.75], [0.5, 0.5]])).V
    explorer.do("towards", V=V.tolist())
    np.testing.assert_allclose(explorer.pi, [[0.25, 0.75], [0.5, 0.5]], atol=1e-10)


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("policy", {"state": 0, "row": [0.5, 0.6]}, "expected 2 probabilities"),
        ("policy", {"state": 0, "row": [-0.5, 1.5]}, "expected 2 probabilities"),
        ("policy", {"state": 2, "row": [0.5, 0.5]}, "state = 2, expected a whole number from 0 to 1"),
        ("point", {"first": [0.5, 1.5]}, "expected 2 probabilities"),
        ("towards", {"V": [1.0]}, "expected 2 numbers"),
        ("edit", {"s": 0, "a": 0, "to": 1, "p": 1.5}, r"P\[0, 0, 1\] = 1.5, expected a probability from 0 to 1"),
        ("edit", {"s": 0, "a": 2, "r": 1.0}, "a = 2, expected a whole number from 0 to 1"),
        ("edit", {"s": 0, "a": 1, "r": 1e9}, r"r\[0, 1\] = 1e\+09, expected at most 1000"),
        ("set", {"gamma": 1.0}, "gamma = 1, expected a number from 0 to 0.99"),
        ("set", {"source": "mle"}, "source = 'mle', expected one of none, data"),
        ("remove_action", {}, "with one action there is one policy"),
        ("scatter", {}, "choose one of these two first"),
        ("draw", {}, "no model is shown"),
    ],
)
def test_what_is_wrong_is_refused_and_nothing_changes(explorer, name, arguments, says):
    V = explorer.V.copy()
    with pytest.raises(ValueError, match=says):
        explorer.do(name, **arguments)
    np.testing.assert_array_equal(explorer.V, V)


def test_improvement_ends_at_the_best_policy(explorer):
    for _ in range(3):
        explorer.improve()
    np.testing.assert_array_equal(explorer.pi, solve(two_state()).pi)
    explorer.even()
    explorer.best()
    np.testing.assert_allclose(explorer.V, solve(two_state()).V, atol=1e-12)


# The MDP


def test_edits_are_solved_and_reset(explorer):
    explorer.edit(0, 1, to=1, p=0.4)
    explorer.edit(1, 0, r=2.0)
    P, r = two_state().to_dense().P.copy(), two_state().r.copy()
    P[0, 1], r[1, 0] = [0.6, 0.4], 2.0
    np.testing.assert_allclose(explorer.V, evaluate(changed(P, r), START).V, atol=1e-12)
    np.testing.assert_allclose(explorer.scene()["best"]["V"], solve(changed(P, r)).V, atol=1e-12)
    explorer.reset()
    np.testing.assert_allclose(explorer.V, evaluate(two_state(), START).V, atol=1e-12)


def test_actions_are_added_and_removed(explorer):
    explorer.do("add_action")
    explorer.do("add_action")
    assert explorer.scene()["actions"] == ["a0", "a1", "a2", "a3"] and explorer.scene()["field"] is None
    np.testing.assert_allclose(explorer.V, evaluate(two_state(), START).V, atol=1e-12)
    with pytest.raises(ValueError, match="there are 4 actions already"):
        explorer.do("add_action")
    explorer.policy(0, [0, 0, 0, 1])
    explorer.do("remove_action")
    np.testing.assert_allclose(explorer.pi, [[1 / 3, 1 / 3, 1 / 3], [0.3, 0.7, 0]])
    explorer.do("remove_action")
    np.testing.assert_allclose(explorer.mdp.P, two_state().to_dense().P)


def test_mdp_of_ones_own_is_shown():
    mdp = make_mdp([[[1, 0], [0, 1]], [[0, 1], [1, 0]]], [[1, 0], [0, 2]], gamma=0.7, rho=[1, 0], actions=("x", "y"))
    explorer = TwoStateExplorer(mdp)
    assert (explorer.gamma, explorer.start, explorer.scene()["actions"]) == (0.7, 1.0, ["x", "y"])
    np.testing.assert_allclose(explorer.V, evaluate(mdp, np.full((2, 2), 0.5)).V, atol=1e-12)
    explorer.best()
    explorer.reset()
    np.testing.assert_allclose(explorer.pi, 0.5)


@pytest.mark.parametrize(
    ("mdp", "says"),
    [
        (gridworld("S.G", gamma=0.9), "This MDP has 3 states, expected 2"),
        (dirichlet(2, 5, gamma=0.9), "This MDP has 5 actions, expected 2 to 4"),
        (dirichlet(2, 2, gamma=0.999), "gamma = 0.999, expected a number from 0 to 0.99"),
        (make_mdp(np.full((2, 2, 2), 0.4), np.ones((2, 2)), gamma=0.9, terminating=True), "the end would be a third"),
        (make_mdp(np.full((2, 2, 2), 0.5), [[1, 1], [1, -np.inf]], gamma=0.9), "infeasible action"),
    ],
)
def test_mdp_that_cannot_be_drawn_is_refused(mdp, says):
    with pytest.raises(ValueError, match=says):
        TwoStateExplorer(mdp=mdp)


def test_state_and_restore_are_inverse(explorer):
    explorer.set(gamma=0.6, source="other", eps=0.4)
    explorer.draw()
    explorer.edit(0, 0, r=0.3)
    explorer.policy(1, [0.9, 0.1])
    state, scene = explorer.state(), explorer.scene()
    explorer.preset("shape")
    explorer.restore(state)
    for name in ("V", "P", "r", "range"):
        np.testing.assert_allclose(explorer.scene()[name], scene[name], atol=1e-12)
    assert explorer.scene()["model"]["kl"] == scene["model"]["kl"]


def test_export_is_the_mdp(explorer, tmp_path):
    explorer.edit(0, 0, to=0, p=0.25)
    file = tmp_path / "mdp.npz"
    file.write_bytes(explorer.do("export_mdp").content)
    np.testing.assert_array_equal(load(file).P, explorer.mdp.P)
    assert load(file).gamma == 0.9


@pytest.mark.parametrize("name", PRESETS)
def test_figure_and_scene_of_every_preset(name):
    explorer = TwoStateExplorer(preset=name)
    assert isinstance(explorer.figure(), Figure)
    low, high = explorer.scene()["range"].T
    assert (low < explorer.V).all() and (explorer.solution.V < high).all()


# Paths


def test_paths_end_at_the_optimum(explorer):
    for path, accuracy in (("improvement", 1e-12), ("values", 0.03), ("soft", 1e-4)):
        explorer.path = path
        trail = explorer.scene()["path"]["V"]
        np.testing.assert_allclose(trail[-1], solve(two_state()).V, atol=accuracy)
    explorer.path = "none"
    assert len(explorer.scene()["path"]["V"]) == 0


def test_value_iteration_is_the_backup_and_marks_what_no_policy_has(explorer):
    explorer.path = "values"
    path = explorer.scene()["path"]
    for before, after in zip(path["V"][:-1], path["V"][1:], strict=True):
        np.testing.assert_array_equal(after, backup(two_state(), before).max(1))
    assert path["outside"].tolist() == [not geometry.is_value(two_state(), V) for V in path["V"]]


def test_soft_path_goes_from_even_chances_to_the_best_policy(explorer):
    explorer.path = "soft"
    size = 0.95 / (1 - 0.9)  # the range of rewards, for ever
    for k, temperature in ((0, size * 10**1.5), (-1, size * 1e-3)):
        expected = evaluate(two_state(), soft_solve(two_state(), temperature).pi).V
        np.testing.assert_allclose(explorer.trail[k], expected, atol=1e-9)
    np.testing.assert_allclose(explorer.trail[0], evaluate(two_state(), np.full((2, 2), 0.5)).V, atol=0.05)


# Models


def test_model_from_data_is_the_most_likely(explorer):
    explorer.set(source="data", samples=30)
    counts = models.sampled(explorer.mdp, 30, explorer.seed)
    assert (counts.n == 30).all()
    np.testing.assert_allclose(explorer.learned.mdp.P, counts.outcomes / 30, atol=1e-12)
    np.testing.assert_allclose(explorer.learned.mdp.r, explorer.mdp.r, atol=1e-12)


def test_more_data_begin_with_the_same_transitions():
    few, many = (models.sampled(two_state().to_dense(), n, 3).outcomes for n in (10, 11))
    assert ((many - few).sum(-1) == 1).all() and (many >= few).all()


def test_data_follow_the_true_probabilities():
    """200 draws a pair, 4 pairs, 20 seeds: by Hoeffding a frequency over 4000 draws is off by more than 0.04 with
    probability below 2 exp(-2 4000 0.04^2) = 6e-6; the seeds are fixed."""
    true = two_state().to_dense()
    seen = sum(models.sampled(true, 200, seed).outcomes for seed in range(20)) / 4000
    assert abs(seen - true.P).max() < 0.04


def test_model_that_rules_out_what_can_happen_is_infinitely_far(explorer):
    explorer.set(source="data", samples=1)
    assert explorer.learned.kl == np.inf
    assert explorer.scene()["model"]["kl"] is None


@pytest.mark.parametrize("eps", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_equivalent_models_share_q_and_lose_nothing(eps, seed):
    true = two_state().to_dense()
    model = models.equivalent(true, eps, seed)
    np.testing.assert_allclose(solve(model).Q, solve(true).Q, atol=1e-10)
    found = models.learned(true, model)
    assert found.loss == pytest.approx(0, abs=1e-10) and found.q_error < 1e-10
    assert found.kl == pytest.approx(kl_rows(true.P, model.P).mean(), abs=1e-12)
    assert (found.kl > 0) == (eps > 0)


def test_other_transitions_keep_the_rewards_and_share_the_kernel(explorer):
    explorer.set(source="other", eps=0.7)
    other = explorer.learned
    np.testing.assert_array_equal(other.mdp.r, explorer.mdp.r)
    explorer.source = "equivalent"
    np.testing.assert_array_equal(explorer.learned.mdp.P, other.mdp.P)
    assert explorer.learned.kl == other.kl


def test_plan_of_a_model_is_valued_in_truth(explorer):
    explorer.set(source="other", eps=1.0)
    explorer.choose(31)
    model = explorer.scene()["model"]
    wrong = models.other_transitions(explorer.mdp, 1.0, 31)
    np.testing.assert_allclose(model["V"], evaluate(wrong, START).V, atol=1e-12)
    np.testing.assert_allclose(model["plan_V"], evaluate(two_state(), solve(wrong).pi).V, atol=1e-12)
    assert model["loss"] == pytest.approx(solve(two_state()).J - model["plan_J"], abs=1e-12) and model["loss"] > 1


def test_fifty_models_are_those_of_their_seeds(explorer):
    explorer.set(source="other", eps=0.8)
    explorer.do("scatter")
    cloud = explorer.scene()["cloud"]
    assert len(cloud["seeds"]) == 50 and cloud["equivalent"].max() < 1e-10 and cloud["other"].max() > 0.5
    for k in (0, 7, 49):
        explorer.do("choose", seed=int(cloud["seeds"][k]))
        assert explorer.learned.loss == pytest.approx(cloud["other"][k], abs=1e-10)
        assert explorer.learned.kl == pytest.approx(cloud["kl"][k], abs=1e-12)
    explorer.eps = 0.5
    assert explorer.scene()["cloud"] is None


# Lessons: what the presets' texts say is so


def test_preset_first_has_its_best_policy_in_a_corner(explorer):
    corners = explorer.polytope.V
    assert abs(corners - explorer.solution.V).max(1).min() < 1e-12


def test_preset_steps_loses_most_in_the_first_tenth():
    explorer = TwoStateExplorer(preset="steps")
    V = {stay: evaluate(explorer.mdp, np.array([[stay, 1 - stay], [1.0, 0.0]])).V[0] for stay in (1.0, 0.9, 0.5, 0.4)}
    assert V[1.0] == pytest.approx(20)
    assert round(100 * (1 - V[0.9] / V[1.0])) == 69
    explorer.policy(1, [0.5, 0.5])

    def steps():
        tick = explorer.lines[0].V[:, 0]
        return np.diff(tick).max() / np.diff(tick).min()

    before = steps()
    explorer.gamma = 0.5
    assert before > 2 * steps()


def test_preset_shape_has_a_dent_where_it_says():
    explorer = TwoStateExplorer(preset="shape")
    V = {
        tuple(actions): values
        for actions, values in zip(explorer.polytope.policies.tolist(), explorer.polytope.V, strict=True)
    }
    assert not geometry.is_value(explorer.mdp, (V[0, 1] + V[1, 0]) / 2)
    assert explorer.polytope.edges.reshape(-1, 2, 2).shape[0] == 6
    before = explorer.V.copy()
    explorer.towards((V[0, 1] + V[1, 2]) / 2)
    assert abs(explorer.V - (V[0, 1] + V[1, 2]) / 2).max() > 0.1 and abs(explorer.V - before).max() > 0.1


def test_preset_algorithms_leaves_the_polytope_for_ten_steps():
    explorer = TwoStateExplorer(preset="algorithms")
    np.testing.assert_allclose(explorer.V, explorer.polytope.V.min(0), atol=1e-12)
    outside = explorer.scene()["path"]["outside"]
    assert outside[1:11].all() and not outside[0] and not outside[11:].any()
    explorer.path = "improvement"
    assert len(explorer.trail) == 3
    for V in explorer.trail:
        assert abs(explorer.polytope.V - V).max(1).min() < 1e-12


def test_preset_data_loses_until_thirty_and_again_at_eighty():
    explorer = TwoStateExplorer(preset="data")
    assert explorer.learned.solution.J > explorer.solution.J
    found = {}
    for n in (10, 15, 20, 25, 29, 30, 40, 50, 80, 200):
        explorer.samples = n
        found[n] = explorer.learned
    lost = {n for n, model in found.items() if model.loss > 1e-9}
    assert lost == {10, 15, 20, 25, 29, 80}
    assert {round(found[n].loss, 9) for n in lost} == {round(found[10].loss, 9)}
    assert found[10].kl > found[20].kl > found[50].kl > found[200].kl
    draws = [models.learned(explorer.mdp, models.most_likely(explorer.mdp, 10, seed)).loss for seed in range(20)]
    assert sum(loss < 1e-9 for loss in draws) == 16


def test_preset_alike_moves_everything_but_the_star():
    explorer = TwoStateExplorer(preset="alike")
    for eps in (1.0, 0.5, 0.1):
        explorer.eps = eps
        model = explorer.learned
        np.testing.assert_allclose(model.solution.V, explorer.solution.V, atol=1e-10)
        assert model.loss == pytest.approx(0, abs=1e-10)
        assert abs(geometry.polytope(model.mdp).V - explorer.polytope.V).max() > 0.05
    explorer.set(eps=1.0, source="other")
    assert explorer.learned.loss > 1


def test_worlds_of_the_presets_are_those_of_the_paper():
    np.testing.assert_array_equal(OMD.P, two_state().to_dense().P)
    three = with_changes(THREE, gamma=0.8)
    np.testing.assert_allclose(solve(three).V, [3.125, 5.3125], atol=1e-12)
