"""The mismatch explorer without a browser: its numbers, its controls, its lessons."""

import csv
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import tabular as tb
from tabular import mismatch
from tabular.device import to_device
from tabular.fitting import fit
from tabular.models import seed_key, softmax_table
from tabular.objectives import mle, omd
from tabular.probability import kl_rows
from tabular.studies.mismatch_map import NAMES, objectives
from tabular.widgets import MismatchExplorer
from tabular.widgets.mismatch.run import NUMBERS, numbers
from tabular.widgets.mismatch.worlds import EQUATIONS, OBJECTIVES, OPTIMISTS, maze, model_class, random_world, refused
from tabular.worlds.papers import two_state

ROOT = Path(__file__).parents[2]


@pytest.fixture
def explorer():
    return MismatchExplorer(pace=20)


@cache
def trained(preset: str, steps: int, **changes) -> MismatchExplorer:
    """A preset after some steps. Tests that share it don't change it."""
    explorer = MismatchExplorer(preset=preset, **changes)
    explorer.train(steps)
    return explorer


# Numbers


def test_first_picture_is_the_uniform_model_exactly_measured(explorer):
    scene = explorer.scene()
    assert not scene["begun"] and scene["index"] == 0
    P_hat = np.full((2, 2, 2), 0.5)
    np.testing.assert_array_equal(scene["frame"]["P_hat"], P_hat)
    assert explorer.divergence == pytest.approx(kl_rows(two_state().P, P_hat).mean(), abs=1e-15)
    assert explorer.J == pytest.approx(-0.855, abs=1e-12)
    assert scene["best"] == pytest.approx(tb.solve(two_state()).J, abs=1e-12)


def test_training_in_pieces_is_that_of_fit(explorer):
    explorer.train(130)
    found = fit(two_state(), mle(), softmax_table("paper_scaled"), seeds=1, kappa=2.0, steps=130)
    np.testing.assert_array_equal(explorer.snapshot.P_hat, found.P_hat[0, 0])
    np.testing.assert_array_equal(explorer.snapshot.r_hat, found.r_hat[0, 0])
    assert explorer.J == pytest.approx(found.J[0, 0], abs=1e-10)
    assert explorer.snapshot.q_error == pytest.approx(found.q_error[0, 0], abs=1e-10)
    assert [each.step for each in explorer.run.snapshots] == [0, 20, 40, 60, 80, 100, 120, 130]


def test_every_bound_is_shown_and_holds(explorer):
    explorer.train(200)
    exact = mismatch.bounds(two_state(), explorer.learned, 0.01)
    assert all(bound.holds for bound in exact)
    shown = dict(zip(NUMBERS, numbers(explorer.snapshot), strict=True))
    assert [shown["q_below"]] == [exact[0].lhs]
    assert [shown[name] for name in NUMBERS[7:]] == [bound.rhs for bound in exact[1:]]
    assert shown["q_error"] <= shown["trivial"]
    V = tb.soft_solve(two_state(), 0.01).V
    error = explorer.learned.r + 0.9 * explorer.learned.P @ V - two_state().r - 0.9 * two_state().P @ V
    np.testing.assert_allclose(explorer.snapshot.backup, error, atol=1e-12)


def test_all_objectives_of_the_map_are_there():
    names = {name: list(objectives(true(), 0.05)) for name, true in (("grid", maze), ("table", random_world))}
    assert list(OBJECTIVES) == list(EQUATIONS) == list(NAMES)
    assert set(names["grid"]) == set(OBJECTIVES) and set(names["table"]) == set(OBJECTIVES) - {"vagram"}


@pytest.mark.parametrize(("kind", "world"), [("norm", two_state), ("rank", random_world), ("blocks", maze)])
def test_objectives_that_are_not_refused_can_be_used(kind, world):
    """Their own checks, with a model at its start, agree with what is refused."""
    true = world()
    reasons = refused(true)
    values = {"model": kind, "rewards": True, "kappa": 1.0, "rank": 2, "block": 2}
    models = {optimist: model_class(true, values | {"objective": optimist})[0] for optimist in ("mle", "mnm")}
    starts = {name: each.mdp(to_device(true), each.init(to_device(true), seed_key(0))) for name, each in models.items()}
    for name, objective in objectives(true, 0.05).items():
        start = starts["mnm" if name in OPTIMISTS else "mle"]
        if name in reasons:
            with pytest.raises(ValueError, match="reward"):
                objective.check(true, start)
        else:
            objective.check(true, start)


# Controls


def test_norm_bound_goes_on_with_the_projected_model(explorer):
    explorer.train(100)
    before = explorer.snapshot
    explorer.kappa = 0.5
    theta = explorer.run.training.report().theta
    assert np.sqrt((theta.logits**2).sum() + (theta.reward**2).sum()) == pytest.approx(0.5)
    assert explorer.snapshot.step == 100 and len(explorer.run.snapshots) == 7
    assert explorer.divergence > before.divergence
    assert explorer.run.changes == [(6, "κ = 0.5")]


def test_temperature_goes_on_and_is_measured_anew(explorer):
    explorer.train(100)
    explorer.alpha = 0.5
    model = explorer.learned
    pi = tb.soft_solve(model, 0.5).pi
    assert explorer.J == pytest.approx(tb.evaluate(two_state(), pi).J, abs=1e-12)
    assert explorer.snapshot.q_error == pytest.approx(
        abs(tb.soft_solve(model, 0.5).Q - tb.soft_solve(two_state(), 0.5).Q).max()
    )


def test_another_objective_starts_where_the_first_did_and_keeps_its_path(explorer):
    explorer.train(100)
    first = explorer.run.snapshots[0].P_hat
    explorer.objective = "omd_returns"
    assert [(each.objective, each.capacity, len(each.kl)) for each in explorer.kept] == [("mle", "κ = 2", 6)]
    explorer.train(20)
    np.testing.assert_array_equal(explorer.run.snapshots[0].P_hat, first)
    explorer.clear()
    assert explorer.kept == ()


def test_playing_is_advanced_by_the_front_end_until_it_is_paused(explorer):
    explorer.do("toggle")
    assert explorer.working and not explorer.run.begun and "Preparing" in explorer.scene()["status"]
    explorer.do("advance")
    assert explorer.run.begun and explorer.run.steps == 0 and "Compiling" in explorer.scene()["status"]
    explorer.do("advance")
    assert explorer.run.steps == 20
    explorer.do("toggle")
    explorer.do("advance")
    assert explorer.run.steps == 20 and not explorer.working
    explorer.do("step")
    assert explorer.run.steps == 40
    assert explorer.frames()["numbers"].shape == (3, len(NUMBERS))


def test_again_and_reset_go_back_to_before_the_first_step(explorer):
    explorer.train(40)
    explorer.keep()
    explorer.kappa = 1.0
    explorer.again()
    assert not explorer.run.begun and explorer.kappa == 1.0 and len(explorer.kept) == 1
    explorer.reset()
    assert explorer.kappa == 2.0 and explorer.kept == ()


def test_state_and_restore_are_inverse(explorer):
    explorer.set(objective="vaml", kappa=3.0)
    state = explorer.state()
    explorer.preset("maze")
    assert explorer.world == "maze"
    explorer.restore(state)
    assert explorer.state() == state


def test_world_comes_with_settings_that_suit_it(explorer):
    explorer.objective = "vaml"
    explorer.world = "maze"
    assert (explorer.model, explorer.rank, explorer.alpha, explorer.objective) == ("rank", 3, 0.05, "vaml")
    explorer.objective = "vagram"
    explorer.world = "random"
    assert explorer.objective == "mle" and explorer.true.S == 6


# What is refused


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kappa": 61}, "kappa = 61, expected a number from 0 to 60"),
        ({"alpha": 0}, "alpha = 0, expected a number from 0.005"),
        ({"objective": "mnm"}, "MnM takes the logarithm of rewards: .*-0.45"),
        ({"objective": "vagram"}, "VaGraM needs coordinates"),
        ({"objective": "omd"}, "objective = 'omd', expected one of mle"),
        ({"model": "blocks"}, "Blocks of cells need a grid"),
        ({"world": "own"}, "there is no MDP of yours here"),
        ({"kapa": 1}, "'kapa' is no control"),
    ],
)
def test_bad_choices_are_refused_and_nothing_changes(explorer, change, says):
    explorer.train(20)
    state, run = explorer.state(), explorer.run
    with pytest.raises(ValueError, match=says):
        explorer.set(**change)
    assert explorer.state() == state and explorer.run is run
    explorer.scene()


@pytest.mark.parametrize(
    ("mdp", "says"),
    [
        (tb.worlds.garnet(70, 2, 3, gamma=0.9), "70 states, expected at most 60"),
        (tb.worlds.garnet(40, 2, 3, gamma=0.9), "a table of 80 x 40 probabilities can't be read"),
        (tb.make_mdp([[[0.5]]], [[1.0]], gamma=1.0, terminating=True), "gamma = 1, expected a discount below 1"),
    ],
)
def test_mdps_that_cannot_be_used_are_refused(mdp, says):
    with pytest.raises(ValueError, match=says):
        MismatchExplorer(mdp=mdp)


def test_keep_needs_a_path(explorer):
    with pytest.raises(ValueError, match="no path to keep"):
        explorer.do("keep")


def test_mdp_of_ones_own_is_explored():
    P = np.array([[[0.3, 0.7], [1, 0]], [[0, 1.0], [0.5, 0.5]]])
    mdp = tb.make_mdp(P, [[1.0, -np.inf], [0, 0.5]], gamma=0.9)
    explorer = MismatchExplorer(mdp=mdp)
    assert explorer.J <= explorer.truth.best == pytest.approx(tb.solve(mdp).J)
    assert np.isfinite(explorer.divergence)
    grid = MismatchExplorer(mdp=tb.gridworld("S..\n..G", gamma=0.9))
    assert grid.model == "blocks" and grid.capacity == "blocks 1 × 1"
    assert grid.scene()["true"]["grid"]["kinds"] == "S....G"
    grid.reset()
    assert grid.world == "own"


# Lessons: what the presets' texts say is so


def test_preset_enough_predicts_and_acts_well_until_it_is_squeezed():
    explorer = MismatchExplorer(preset="enough")
    explorer.train(1500)
    assert explorer.divergence < 1e-4 and explorer.J == pytest.approx(1.027, abs=5e-4)
    explorer.kappa = 1.0
    assert explorer.J < 0.5 and explorer.divergence > 0.1


def test_preset_small_omd_predicts_worse_and_acts_better():
    likely, decided = trained("small", 1500), trained("small", 1500, objective="omd_returns")
    assert likely.J == pytest.approx(0.225, abs=5e-4)
    assert decided.J == pytest.approx(1.027, abs=5e-4) and decided.J == pytest.approx(decided.truth.best, abs=1e-6)
    assert likely.divergence < decided.divergence
    assert likely.snapshot.kl.shape == (2, 2)


def test_preset_small_is_the_published_comparison():
    """OMD against MLE at the same bound, as in Nikishin et al. 2021, Figure 2 (with the norm of eq. 8)."""
    found = [
        fit(two_state(), each, softmax_table("paper_scaled"), seeds=1, kappa=2.0, steps=1500).J[0, 0]
        for each in (mle(), omd(anneal=1200.0))
    ]
    shown = [trained("small", 1500).J, trained("small", 1500, objective="omd_returns").J]
    np.testing.assert_allclose(shown, found, atol=1e-9)


def test_preset_values_are_right_in_a_wrong_world():
    explorer = trained("values", 1500)
    now = explorer.snapshot
    assert explorer.run.over and not explorer.run.failed
    assert now.q_error < 1e-6 and now.divergence > 0.05
    assert abs(now.r_hat - two_state().r).max() > 0.05
    by_backup, by_row = (now.bounds[1].rhs, now.bounds[2].rhs), (now.bounds[3].rhs, now.bounds[4].rhs)
    assert max(by_backup) < 1e-6 and min(by_row) > 5 and by_row[1] > now.trivial


@pytest.mark.slow
def test_preset_maze_values_lead_out_and_likelihood_does_not():
    valued, likely = trained("maze", 600), trained("maze", 600, objective="mle")
    assert valued.J > 0.95 * valued.truth.best and likely.J < 0.1 * likely.truth.best
    assert likely.divergence < valued.divergence


@pytest.mark.slow
def test_preset_blind_is_wrong_about_every_cell_and_loses_nothing():
    explorer = trained("blind", 600)
    assert explorer.truth.best == pytest.approx(2.843, abs=5e-4)
    assert explorer.truth.best - explorer.J < 1e-3
    assert explorer.divergence == pytest.approx(7.6, abs=0.05)
    assert explorer.snapshot.kl.mean(1).min() > 1


@pytest.mark.slow
def test_preset_optimism_promises_more_than_there_is_and_bounds_the_return():
    explorer = trained("optimism", 400)
    now = explorer.snapshot
    assert (now.V_hat > explorer.truth.optimal.V).all()
    assert all(each.lower <= each.J + 1e-12 for each in explorer.run.snapshots)
    assert now.lower > 3 * explorer.run.snapshots[0].lower
    luck = (now.pi * ((now.P_hat - explorer.true.P) @ explorer.truth.optimal.V)).sum(1)
    assert luck.min() > -1e-3 and luck.mean() > 0.01


@pytest.mark.parametrize("name", list(MismatchExplorer.presets))
def test_presets_are_complete(name):
    explorer = MismatchExplorer(preset=name)
    preset = explorer.presets[name]
    assert preset.title and preset.teaches.endswith(".") and preset.task
    assert explorer.scene()["preset"] == name
    assert explorer.objective not in refused(explorer.true)
    assert (explorer.objective in OPTIMISTS) == explorer.scene()["optimist"]


# Pictures, files, and what stays unloaded


def test_figure_draws_tables_or_maps_and_the_plane(explorer, tmp_path):
    explorer.train(40)
    explorer.keep()
    axes = [ax for part in explorer.figure().subfigs for ax in part.axes]
    np.testing.assert_array_equal(axes[0].images[0].get_array(), two_state().P.reshape(4, 2))
    assert axes[3].lines[1].get_label() == "MLE, κ = 2"
    assert MismatchExplorer(preset="maze").save_figure(tmp_path / "maze.png").stat().st_size > 10_000


def test_exports_are_what_is_shown(explorer, tmp_path):
    explorer.train(60)
    model, curves = explorer.do("export_model"), explorer.do("export_curves")
    (tmp_path / model.name).write_bytes(model.content)
    loaded = tb.load(tmp_path / model.name)  # which divides rows by their sums
    np.testing.assert_array_max_ulp(np.asarray(loaded.P), explorer.snapshot.P_hat, 4)
    rows = list(csv.DictReader(curves.content.decode().splitlines()))
    assert [float(row["J"]) for row in rows] == [each.J for each in explorer.run.snapshots]
    assert explorer.do("export_figure").content.startswith(b"\x89PNG")


def test_first_picture_loads_neither_jax_nor_plotting():
    program = """import sys, time; from tabular.widgets import MismatchExplorer as M; e = M(); e.scene()
M(preset="maze").scene()
print([name for name in ("jax", "matplotlib", "anywidget", "tabular.studies") if name in sys.modules])"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
