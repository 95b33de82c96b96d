"""The bound explorer without a browser: its numbers against the library's, its lessons, its refusals."""

import csv
import io
import json
import subprocess
import sys
import zipfile
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from tabular.claims import maac
from tabular.claims.claim import Instance
from tabular.counts import certificate
from tabular.evaluate import evaluate
from tabular.files import load
from tabular.mdp import make_mdp
from tabular.mismatch import bounds, paper_bound, policy_bounds
from tabular.optimism import ladder
from tabular.solve import solve
from tabular.widgets import BoundExplorer
from tabular.widgets.bound.batch import optimal_q
from tabular.widgets.bound.data import REPEATS, TRIALS, sizes
from tabular.widgets.bound.families import FAMILIES, one
from tabular.worlds import gridworld, two_state

ROOT = Path(__file__).parents[2]
PRINTED = {"theorem2": {"printed"}, "theorem41": {"printed"}}
"""Bounds that fail as printed."""


@pytest.fixture
def explorer():
    return BoundExplorer()


def blurred(true, share=0.4):
    """A model whose rows are nearer to uniform, and whose rewards are too small."""
    return make_mdp((1 - share) * true.P + share / true.S, 0.8 * true.r, gamma=true.gamma, rho=true.rho)


@pytest.fixture
def own():
    true = two_state()
    return BoundExplorer(true, blurred(true))


def drawn(name, rng):
    """Random parameters of a family."""
    controls: dict[str, Any] = dict(BoundExplorer.controls())
    return {key: float(rng.uniform(controls[key].low, controls[key].high)) for key in FAMILIES[name].parameters}


def here(explorer, *names):
    return [float(explorer.here[name][0]) for name in names]


def line(explorer, name):
    return next(each for each in explorer.scene()["lines"] if each["name"] == name)


# Numbers against the library's


def test_batch_optimum_is_that_of_the_solver():
    rng = np.random.default_rng(0)
    P, r = rng.dirichlet(np.ones(4), size=(30, 4, 3)), rng.normal(size=(30, 4, 3))
    gamma = rng.uniform(0, 0.99, size=30)
    Q = optimal_q(P, r, gamma)
    for k in range(30):
        exact = solve(make_mdp(P[k], r[k], gamma=gamma[k]))
        np.testing.assert_allclose(Q[k], exact.Q, atol=1e-9)


@pytest.mark.parametrize("values", [{}, {"back": 0.4, "leak": 0.7}, {"gamma": 0.3, "leak": 1.0}])
def test_simulation_is_that_of_policy_bounds(explorer, values):
    explorer.set(bound="simulation", **values)
    true, model = explorer.pair()
    backup, sharp, lemma = policy_bounds(true, model, np.zeros(2, dtype=int))
    assert here(explorer, "backup", "sharp", "lemma") == pytest.approx([backup.rhs, sharp.rhs, lemma.rhs], abs=1e-9)
    assert here(explorer, "true") == pytest.approx([lemma.lhs], abs=1e-9)


@pytest.mark.parametrize("values", [{}, {"level": 0.2, "leak": 0.7}, {"gamma": 0.3, "leak": 1.0, "level": 0.0}])
def test_theorem2_is_that_of_mismatch(explorer, values):
    explorer.set(bound="theorem2", **values)
    _, backup, _, sharp, likelihood, *_ = bounds(*explorer.pair())
    printed = paper_bound(*explorer.pair())
    expected = [backup.lhs, printed.rhs, likelihood.rhs, sharp.rhs, backup.rhs]
    assert here(explorer, "true", "printed", "range", "sharp", "backup") == pytest.approx(expected, abs=1e-9)
    assert (line(explorer, "printed")["status"] == "violated") == (not printed.holds)


def test_loss_is_that_of_mismatch(explorer):
    explorer.set(bound="loss", gap=0.3, believed=0.6, gamma=0.8)
    true, model = explorer.pair()
    *_, values, backup, _, _ = bounds(true, model)
    assert here(explorer, "values", "backup") == pytest.approx([values.rhs, backup.rhs], abs=1e-9)
    assert here(explorer, "true") == pytest.approx([solve(true).J - evaluate(true, np.array([1])).J], abs=1e-12)
    assert abs(solve(model).Q[0, 0] - solve(model).Q[0, 1]) < 1e-12


def test_residual_is_that_of_mismatch(explorer):
    explorer.set(bound="residual", swap=0.3, shift=0.25, gamma=0.8)
    below, above, *_ = bounds(*explorer.pair())
    assert here(explorer, "true", "above", "below") == pytest.approx([above.lhs, above.rhs, below.lhs], abs=1e-9)


def test_ladder_is_that_of_optimism(explorer):
    explorer.set(bound="ladder", better=0.3, start=7.0, prize=9.0, gamma=0.8)
    true, model = explorer.pair()
    found = ladder(true, model.P, np.zeros(3, dtype=int))
    expected = [np.exp(getattr(found, name)[0]) for name in ("log_return", "stopping", "tight", "gamma_kl", "simple")]
    assert here(explorer, "true", "stopping", "tight", "gamma_kl", "simple") == pytest.approx(expected, rel=1e-8)
    assert here(explorer, "trivial") == pytest.approx([1 / 0.2])


def test_theorem41_is_that_of_the_claims(explorer):
    explorer.set(bound="theorem41", gamma=0.7, leak=0.3, level=0.4)
    P = np.array([[[1.0, 0], [0, 1]], [[0, 1], [0, 1]]])
    arrays = {"gamma": np.array(0.7), "P": P, "r": np.array([[1.4, -0.6], [-0.6, -0.6]]), "rho": np.array([1.0, 0])}
    x = Instance(arrays | {"pi": np.array([[1.0, 0], [1, 0]]), "pi_hat": np.array([[0.7, 0.3], [1, 0]])})
    for name, claim in (
        ("printed", maac.thm41_printed),
        ("corrected", maac.thm41_corrected),
        ("sharp", maac.thm41_sharp),
    ):
        sides = claim.statement(x)
        assert here(explorer, "true", name) == pytest.approx([float(sides.lhs), float(sides.rhs)], abs=1e-9)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_curves_pass_through_the_handle(explorer, name):
    explorer.set(bound=name)
    for along in explorer.axes:
        explorer.along = along
        k = len(explorer.curves["x"]) // 3
        curves = explorer.curves
        explorer.set(**{along: float(curves["x"][k])})
        assert explorer.curves is curves  # moving along them computes nothing anew
        others = [other for other in explorer.family.parameters if other != along]
        for change in ({}, {others[-1]: 0.63}):
            explorer.set(**change)
            for side, value in explorer.here.items():
                assert value[0] == pytest.approx(explorer.curves[side][k], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_bounds_hold_on_random_instances_unless_they_are_printed_ones(name):
    rng, family = np.random.default_rng(1), FAMILIES[name]
    for _ in range(60):
        sides = family.sides(one(drawn(name, rng)))
        failed = {key for key in family.lines if family.status(key, sides) == "violated"}
        assert failed <= PRINTED.get(name, set())


# Tight and violating instances


@pytest.mark.parametrize("name", list(FAMILIES))
def test_tight_instance_attains_a_bound(explorer, name):
    explorer.set(bound=name)
    explorer.do("tight")
    assert "attained" in [each["status"] for each in explorer.scene()["lines"]]
    assert explorer.scene()["note"] == explorer.family.tight.words
    explorer.set(**{explorer.along: 0.37})
    assert explorer.scene()["note"] == ""


def certified(name):
    """Both sides of a stored certificate."""
    stored = json.loads((ROOT / "docs" / "certificates" / f"{name}.json").read_text())
    return float(Fraction(stored["lhs"]["value"])), float(Fraction(stored["rhs"]["value"]))


@pytest.mark.parametrize(("bound", "name"), [("theorem2", "omd.thm2.mle.signed"), ("theorem41", "maac.thm41.printed")])
def test_failing_instance_has_the_sides_of_its_certificate(explorer, bound, name):
    explorer.set(bound=bound)
    explorer.do("fails")
    assert here(explorer, "true", "printed") == pytest.approx(certified(name), abs=1e-12)
    found = line(explorer, "printed")
    assert found["status"] == "violated" and found["ratio"] == pytest.approx(4 / 3, abs=1e-12)
    assert name in explorer.scene()["note"] and "4/3" in explorer.scene()["note"]
    others = [each["status"] for each in explorer.scene()["lines"] if each["name"] != "printed"]
    assert "violated" not in others


def test_tight_simulation_has_the_sides_of_its_certificate(explorer):
    explorer.tight()
    assert here(explorer, "true", "sharp") == pytest.approx(certified("classics.simulation.sharp"), abs=1e-12)


def test_going_where_there_is_nothing_is_refused(explorer):
    with pytest.raises(ValueError, match="no bound here fails as printed"):
        explorer.do("fails")
    explorer.bound = "trials"
    with pytest.raises(ValueError, match="no instance here is known to attain a bound"):
        explorer.do("tight")


# Lessons: what the presets' texts say is so


def test_preset_horizon_is_vacuous_from_the_gamma_it_says():
    explorer = BoundExplorer(preset="horizon")
    edge = 1 / (1 + explorer.leak)
    assert f"{edge:.3f}" in explorer.presets["horizon"].task
    for gamma, status in ((edge - 1e-4, "holds"), (edge + 1e-4, "vacuous")):
        explorer.gamma = gamma
        assert line(explorer, "lemma")["status"] == status
    explorer.set(leak=0.01)
    curves, far = explorer.curves, np.array([0.8, 0.9])
    slopes = [
        np.diff(np.log(np.interp(far, curves["x"], curves[name]) / far)) / np.log(2) for name in ("lemma", "true")
    ]
    assert slopes[0] == pytest.approx(2, abs=0.01) and 1.9 < slopes[1] < 2
    explorer.leak = 1.0
    assert explorer.curves["true"][-2] / explorer.curves["trivial"][-2] > 0.98


def test_preset_two_states_is_tight_without_a_way_back():
    explorer = BoundExplorer(preset="two_states")
    assert line(explorer, "sharp")["ratio"] < 0.5
    explorer.back = 0.0
    assert line(explorer, "sharp")["status"] == "attained"
    explorer.back = 0.36
    assert line(explorer, "sharp")["ratio"] == pytest.approx(0.5, abs=0.005)


def test_preset_bellman_loses_the_factor_it_says():
    explorer = BoundExplorer(preset="bellman")
    assert here(explorer, "true", "printed", "backup") == pytest.approx([15, 60, 15])
    for leak in (0.1, 0.5):
        explorer.leak = leak
        true, printed = here(explorer, "true", "printed")
        assert printed / true == pytest.approx(1 + explorer.gamma * leak / (1 - explorer.gamma))


def test_preset_residual_runs_through_the_whole_cone():
    explorer = BoundExplorer(preset="residual")
    assert np.ptp(explorer.curves["above"]) < 1e-9
    above, below = here(explorer, "above", "below")
    assert above / below == pytest.approx(19)
    explorer.swap = 0.0
    assert line(explorer, "above")["status"] == "attained"
    explorer.swap = 1.0
    assert line(explorer, "below")["status"] == "attained"


def test_preset_plan_has_each_bound_attained_where_it_says():
    explorer = BoundExplorer(preset="plan")
    assert np.ptp(explorer.curves["true"]) < 1e-9 and here(explorer, "true") == pytest.approx([5])
    for believed, attained in ((0.75, "backup"), (0.975, "values")):
        explorer.believed = believed
        assert [each["name"] for each in explorer.scene()["lines"] if each["status"] == "attained"] == [attained]
    x, family = explorer.curves["x"], explorer.family
    useful = ~family.vacuous("values", explorer.curves)
    assert x[useful].min() == pytest.approx(0.95)


def test_preset_ladder_is_kept_and_reached_by_an_optimist():
    explorer = BoundExplorer(preset="ladder")
    rungs = ("simple", "gamma_kl", "tight", "stopping", "true")
    for low, high in pairwise(rungs):
        assert (explorer.curves[low] <= explorer.curves[high] * (1 + 1e-9)).all()
    at_truth = here(explorer, "stopping")[0]
    assert explorer.curves["stopping"].max() > 1.2 * at_truth
    explorer.better = 0.8
    statuses = {each["name"]: each["status"] for each in explorer.scene()["lines"]}
    assert statuses == {"stopping": "attained", "tight": "attained", "gamma_kl": "attained", "simple": "holds"}
    explorer.start = 10.0
    left = {each["name"] for each in explorer.scene()["lines"] if each["status"] != "attained"}
    assert left == {"gamma_kl", "simple"}


def test_preset_printed_fails_up_to_the_level_it_says():
    explorer = BoundExplorer(preset="printed")
    assert here(explorer, "true", "printed") == pytest.approx([1, 0.75])
    assert line(explorer, "range")["status"] == "holds"
    for level, status in ((1 / 3 - 1e-6, "violated"), (1 / 3 + 1e-6, "holds")):
        explorer.level = level
        assert line(explorer, "printed")["status"] == status
        assert here(explorer, "true") == pytest.approx([1])


def test_preset_data_loses_nothing_long_before_it_is_proved():
    explorer = BoundExplorer(preset="data")
    finish(explorer)
    curves = explorer.curves
    assert (curves["true"][TRIALS >= 2.5] == 0).all() and (curves["robust"] > 0.1).all()
    fall = curves["robust"][30] / curves["robust"][40]
    assert fall == pytest.approx(np.sqrt(10), rel=0.05)


@pytest.mark.parametrize("name", list(BoundExplorer.presets))
def test_presets_are_complete(name):
    explorer = BoundExplorer(preset=name)
    preset = explorer.presets[name]
    assert preset.title and preset.teaches.endswith(".") and preset.task
    assert {"bound", "along"} <= set(preset.state)
    scene = explorer.scene()
    assert scene["preset"] == name and len(scene["lines"]) >= 2
    json.dumps([scene["here"], scene["lines"], scene["instance"]], allow_nan=False)
    assert np.isfinite(scene["here"]["true"])


# A pair of one's own


@pytest.mark.parametrize(("gamma", "t"), [(0.9, 0.5), (0.6, 1.0)])
def test_own_pair_has_the_bounds_of_mismatch(own, gamma, t):
    true = two_state()
    own.set(gamma=gamma, blend=t)
    found = own.pair()
    P = (1 - t) * true.P + t * blurred(true).P
    np.testing.assert_allclose(found[1].P, P, atol=1e-12)
    np.testing.assert_allclose(found[1].r, (1 - 0.2 * t) * true.r, atol=1e-12)
    below, backup, _, sharp, likelihood, values, planned, *_ = bounds(*found)
    expected = [backup.lhs, below.lhs, backup.rhs, sharp.rhs, likelihood.rhs]
    assert here(own, "true", "below", "backup", "sharp", "likelihood") == pytest.approx(expected, abs=1e-9)
    own.bound = "pair_loss"
    expected = [values.lhs, values.rhs, planned.rhs]
    assert here(own, "true", "values", "backup") == pytest.approx(expected, abs=1e-9)


def test_own_pair_begins_with_itself_and_has_no_error_at_the_truth(own):
    assert (own.bound, own.along, own.gamma) == ("pair", "blend", 0.9)
    own.blend = 0.0
    assert here(own, "true", "likelihood") == pytest.approx([0, 0], abs=1e-9)
    assert own.curves["true"][-1] > 0.01
    assert own.scene()["has_pair"]
    own.preset("ladder")
    own.reset()
    own.bound = "pair"
    assert len(own.scene()["instance"]["rows"]) == 4


def test_own_pair_may_end_and_forbid_actions():
    P = np.array([[[0.5, 0.2], [0, 0]], [[0.3, 0.7], [0.9, 0.1]]])
    r = np.array([[1.0, -np.inf], [0.5, 2.0]])
    true = make_mdp(P, r, gamma=0.8, terminating=True)
    explorer = BoundExplorer(true, make_mdp(0.9 * P, r, gamma=0.8, terminating=True))
    assert all(each["status"] in ("holds", "vacuous", "attained") for each in explorer.scene()["lines"])


def test_own_pair_is_refused_with_the_reason():
    true = two_state()
    with pytest.raises(ValueError, match="model is given without true"):
        BoundExplorer(model=true)
    with pytest.raises(ValueError, match="the discount of the true MDP"):
        BoundExplorer(true, make_mdp(true.P, true.r, gamma=0.5))
    large = gridworld("\n".join(["." * 8] * 8))
    with pytest.raises(ValueError, match="true has 64 states, expected at most 40"):
        BoundExplorer(large, large)
    far = make_mdp(true.P, true.r, gamma=0.999)
    with pytest.raises(ValueError, match=r"true.gamma = 0.999, expected at most 0.99"):
        BoundExplorer(far, far)


# Learning from trials


def finish(explorer):
    """All the work."""
    for _ in range(1000):
        if not explorer.working:
            return
        explorer.do("advance")
    raise AssertionError("the work doesn't end")


def test_trials_have_the_bounds_of_the_certificate():
    explorer = BoundExplorer(two_state(), bound="trials", trials=3.0)
    assert explorer.working and line(explorer, "robust")["value"] is None
    finish(explorer)
    counts = explorer._trials.table(20)
    assert counts.n.tolist() == [[1000.0] * 2] * 2 and counts.total == 4000
    found = certificate(counts, 0.9, 0.05, None, rho=two_state().rho, adaptive=False)
    assert here(explorer, "robust", "rows") == pytest.approx([found.loss_robust, found.loss_likelihood], abs=1e-6)
    explorer.delta = 0.2
    assert explorer.working


def test_trials_lose_what_their_plans_lose():
    rng = np.random.default_rng(5)
    true = make_mdp(rng.dirichlet(np.ones(4), size=(4, 3)), rng.uniform(size=(4, 3)), gamma=0.9)
    explorer = BoundExplorer(true, bound="trials", trials=1.0)
    losses, counted = explorer._trials.losses, explorer._trials.counted
    assert losses.shape == (len(TRIALS), REPEATS)
    assert np.ptp(losses[0]) > 0.01
    for repeat in range(REPEATS):
        model = make_mdp(counted[0, repeat] / sizes()[0], true.r, gamma=0.9)
        lost = solve(true).J - evaluate(true, solve(model).action).J
        assert losses[0, repeat] == pytest.approx(lost, abs=1e-9)
    assert here(explorer, "true") == pytest.approx([losses[0].mean()])
    assert (losses.max(1) <= explorer.curves["rows"]).all()


def test_trials_refuse_what_cannot_be_tried():
    ending = make_mdp(np.full((2, 1, 2), 0.4), np.zeros((2, 1)), gamma=0.9, terminating=True)
    explorer = BoundExplorer(ending)
    with pytest.raises(ValueError, match="episodes that end or infeasible actions, expected neither"):
        explorer.bound = "trials"
    assert explorer.bound == "simulation"


# State


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"gamma": 1.0}, "gamma = 1, expected a number from 0 to 0.99"),
        ({"better": 0.0}, "better = 0, expected a number from 0.01 to 0.99"),
        ({"bound": "lader"}, "bound = 'lader', expected one of .* Did you mean ladder"),
        ({"bound": "pair"}, r"needs a model of your own: BoundExplorer\(true, model\)"),
        ({"along": "better"}, "along = 'better', expected one of leak, gamma, back for bound = 'simulation'"),
        ({"bound": "ladder", "along": "gamma"}, "expected one of better, start, prize for bound = 'ladder'"),
        ({"along": "nothing"}, "along = 'nothing', expected one of"),
        ({"scale": "cubic"}, "scale = 'cubic', expected one of linear, log, share"),
    ],
)
def test_wrong_values_are_refused_and_nothing_changes(explorer, values, says):
    before = dict(explorer.values)
    with pytest.raises(ValueError, match=says):
        explorer.do("set", **values)
    assert explorer.values == before


def test_lesson_goes_with_its_bound():
    explorer = BoundExplorer(preset="horizon")
    explorer.bound = "ladder"
    assert explorer.scene()["preset"] == ""
    explorer.reset()
    assert explorer.scene()["preset"] == "horizon"


def test_another_bound_begins_with_its_own_axis(explorer):
    for name, family in FAMILIES.items():
        explorer.bound = name
        assert explorer.along == family.parameters[0]


@pytest.mark.parametrize("name", list(BoundExplorer.presets))
def test_state_restore_and_reset_are_inverse(name):
    explorer = BoundExplorer(preset=name)
    state, true = explorer.state(), here(explorer, "true")
    slider: Any = explorer.controls()[explorer.along]
    explorer.set(**{explorer.along: slider.low})
    explorer.reset()
    assert explorer.state() == state and here(explorer, "true") == true
    explorer.bound = "residual" if name != "residual" else "ladder"
    explorer.restore(state)
    assert explorer.state() == state and here(explorer, "true") == true


# Pictures and files


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("horizon", "log"),
        ("bellman", "share"),
        ("printed", "linear"),
        ("ladder", "log"),
        ("ladder", "share"),
        ("data", "log"),
    ],
)
def test_figure_draws_the_curves(name, scale):
    explorer = BoundExplorer(preset=name, scale=scale)
    figure = explorer.figure()
    assert isinstance(figure, Figure)
    curves = figure.axes[0].lines
    unit = explorer.curves["trivial"] if scale == "share" else 1
    shown = np.asarray(curves[0].get_ydata())
    expected = explorer.curves["true"] / unit
    visible = expected > figure.axes[0].get_ylim()[0]
    np.testing.assert_allclose(shown[visible], expected[visible])
    assert len(curves) == 2 + len(explorer.family.lines)
    plt.close(figure)


def test_curves_are_exported_as_a_table(explorer):
    explorer.preset("printed")
    download = explorer.do("export_curves")
    assert download.name == "bounds-theorem2.csv"
    table = list(csv.reader(io.StringIO(download.content.decode())))
    assert table[0] == ["level", "true", "trivial", "printed", "range", "sharp", "backup"]
    np.testing.assert_array_equal(np.array(table[1:], dtype=float).T[3], explorer.curves["printed"])


@pytest.mark.parametrize("name", ["simulation", "loss", "theorem2", "residual", "ladder", "trials"])
def test_exported_pair_is_the_one_shown(explorer, tmp_path, name):
    explorer.bound = name
    content = explorer.do("export_pair").content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(tmp_path)
    for file, mdp in zip(("true", "model"), explorer.pair(), strict=True):
        np.testing.assert_array_equal(load(tmp_path / f"{file}.npz").P, mdp.P)


def test_pair_of_a_bound_on_policies_is_refused(explorer):
    explorer.bound = "theorem41"
    with pytest.raises(ValueError, match="about two policies, not about a model"):
        explorer.do("export_pair")
    with pytest.raises(ValueError, match="about two policies, not about a model"):
        explorer.pair()


def test_bounds_load_neither_browser_nor_plotting_nor_jax():
    program = """import sys; from tabular.widgets import BoundExplorer as B
for name in B.presets: B(preset=name).scene()
print([name for name in ("anywidget", "ipywidgets", "matplotlib", "jax") if name in sys.modules])"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
