"""The gridworld explorer without a browser: its state, its numbers, its lessons."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tabular.files import load
from tabular.geometry import Grid
from tabular.mdp import make_mdp
from tabular.operators import backup
from tabular.soft import soft_solve
from tabular.solve import solve
from tabular.sources import from_gymnasium
from tabular.widgets import GridworldExplorer
from tabular.widgets.gridworld.explorer import colour_range
from tabular.widgets.gridworld.moving import EACH, LAST, chosen
from tabular.worlds import gridworld

ROOT = Path(__file__).parents[2]
MAP = "S..#.\n..#..\n....G"


@pytest.fixture
def explorer():
    return GridworldExplorer(MAP, gamma=0.9, slip=0.2)


def reached(explorer, cell):
    """Cells on the way of the policy shown from a cell, following its likeliest actions."""
    mdp, cells = explorer.mdp, [cell]
    while len(cells) < 60 and explorer.drawing.kinds[cells[-1]] != "G":
        s = mdp.grid.state(*cells[-1])
        cells.append(mdp.grid.cells[int(mdp.P[s, explorer.solution.action[s]].argmax())])
    return cells


def test_values_are_those_of_the_solver(explorer):
    exact = solve(gridworld(MAP, gamma=0.9, slip=0.2))
    np.testing.assert_allclose(explorer.V, exact.V, atol=1e-12)
    assert explorer.J == pytest.approx(exact.J, abs=1e-12)
    assert explorer.solution.error < 1e-10


@pytest.mark.parametrize(
    "change", [{"gamma": 0.5}, {"slip": 0.7}, {"step_reward": -0.1}, {"alpha": 0.1}, {"gamma": 0.8, "alpha": 0.05}]
)
def test_every_slider_changes_the_answer(explorer, change):
    before = explorer.V.copy()
    explorer.set(**change)
    settings = {"gamma": 0.9, "slip": 0.2} | {name: value for name, value in change.items() if name != "alpha"}
    mdp = explorer.drawing.mdp(**({"step_reward": 0.0} | settings))
    exact = soft_solve(mdp, explorer.alpha) if explorer.alpha else solve(gridworld(MAP, **settings))
    np.testing.assert_allclose(explorer.V, exact.V, atol=1e-10)
    assert abs(before - explorer.V).max() > 1e-3


@pytest.mark.parametrize(("name", "value"), [("gamma", 1.0), ("gamma", -0.1), ("slip", 1.5), ("alpha", 7)])
def test_slider_beyond_its_range_is_refused(explorer, name, value):
    with pytest.raises(ValueError, match=f"{name} = {value:g}, expected a number from"):
        setattr(explorer, name, value)


def test_wall_on_the_goal_is_refused_and_nothing_changes(explorer):
    before = explorer.scene()
    with pytest.raises(ValueError, match="is a goal, a wall can't stand on it"):
        explorer.do("toggle", row=2, column=4, kind="#")
    assert explorer.scene()["kinds"] == before["kinds"]
    np.testing.assert_array_equal(explorer.V, before["V"])


def test_edits_are_solved_and_can_be_taken_back(explorer):
    before = explorer.V.copy()
    explorer.paint([(2, 0), (2, 1)], "#")
    wall = "S..#.\n..#..\n##..G"
    assert explorer.drawing.text == wall
    np.testing.assert_allclose(explorer.V, solve(gridworld(wall, gamma=0.9, slip=0.2)).V, atol=1e-12)
    explorer.undo()
    np.testing.assert_allclose(explorer.V, before, atol=1e-12)
    with pytest.raises(ValueError, match="there is no change of the map to take back"):
        explorer.undo()


def test_reset_takes_edits_and_sliders_back(explorer):
    explorer.toggle(0, 1, "#")
    explorer.gamma = 0.5
    explorer.reset()
    assert (explorer.drawing.text, explorer.gamma, explorer.slip) == (MAP, 0.9, 0.2)


def test_state_and_restore_are_inverse(explorer):
    explorer.reward(0, 1, 0.3)
    state, V = explorer.state(), explorer.V.copy()
    explorer.preset("bridge")
    explorer.restore(state)
    np.testing.assert_allclose(explorer.V, V, atol=1e-12)


def test_undo_goes_back_step_by_step_and_ends_at_a_preset(explorer):
    explorer.paint([(0, 1)], "#")
    explorer.paint([(1, 1)], "#")
    explorer.undo()
    assert explorer.drawing.text == "S#.#.\n..#..\n....G"
    explorer.undo()
    assert explorer.drawing.text == MAP
    explorer.paint([(0, 1)], "#")
    explorer.preset("bridge")
    with pytest.raises(ValueError, match="no change of the map"):
        explorer.undo()


@pytest.mark.parametrize(
    ("V", "low", "high", "signed"),
    [
        ([0.2, 1.0], 0, 1, False),
        ([-0.4, -0.1], -0.4, 0, False),
        ([-0.01, 1.0], -0.01, 1, False),  # too little to give it a hue of its own
        ([-0.5, 1.0], -1, 1, True),
        ([-2.0, 1.0], -2, 2, True),
        ([0.0, 0.0], 0, 1, False),
        ([], 0, 1, False),
    ],
)
def test_colour_range_holds_zero_and_is_centred_where_signs_differ(V, low, high, signed):
    assert colour_range(np.array(V)) == {"low": low, "high": high, "signed": signed}


# Frames and steps by hand


def test_frames_agree_with_the_run(explorer):
    for method in ("value", "policy"):
        explorer.method = method
        frames = explorer.frames()
        assert frames["V"].dtype == np.float32
        np.testing.assert_allclose(frames["V"][-1], explorer.V, atol=1e-5)
        np.testing.assert_allclose(frames["Q"][-1], backup(explorer.mdp, frames["V"][-1].astype(float)), atol=1e-5)
        assert len(frames["labels"]) == len(frames["index"]) == len(frames["bound"])
        assert (frames["distance"] <= frames["bound"] + 1e-9).all()


def test_frames_are_thinned_evenly(explorer, monkeypatch):
    monkeypatch.setattr("tabular.widgets.gridworld.explorer.NUMBERS_SENT", 1000)
    count = len(explorer.run.frames)
    index = explorer.frames()["index"]
    assert len(index) < count and index[0] == 0 and index[-1] == count - 1
    assert explorer.frames()["labels"][-1] == f"sweep {count - 1}"


def test_by_hand_evaluation_and_improvement_reach_the_answer(explorer):
    exact = explorer.solution
    for _ in range(6):
        for _ in range(60):
            explorer.do("evaluate", frame=None)
        explorer.do("improve", frame=None)
    np.testing.assert_allclose(explorer.V, exact.V, atol=1e-3)
    assert explorer.scene()["by_hand"]
    explorer.finish()
    np.testing.assert_allclose(explorer.V, exact.V, atol=1e-12)


def test_by_hand_goes_on_from_the_frame_shown(explorer):
    third = explorer.run.frames[3]
    explorer.sweep(frame=3)
    assert len(explorer.run.frames) == 5
    np.testing.assert_array_equal(explorer.run.frames[3].V, third.V)
    np.testing.assert_allclose(explorer.V, backup(explorer.mdp, third.V).max(1), atol=1e-15)


def test_by_hand_begins_anew_at_the_end_of_a_run(explorer):
    explorer.evaluate()
    assert [frame.phase for frame in explorer.run.frames] == ["start", "evaluate"]


# The agent


def test_walk_returns_average_to_the_expected_return():
    """1000 episodes with returns in [-1, 1]: by Hoeffding their mean is off by more than 0.14 with probability below
    2 exp(-1000 0.14^2 / 2) = 1.1e-4; the seed is fixed."""
    explorer = GridworldExplorer(preset="cliffs", slip=0.3)
    for _ in range(1000):
        explorer.walk()
    walks = np.array(explorer._walks)
    assert abs(walks).max() <= 1
    assert explorer.scene()["walk"]["expected"] == pytest.approx(explorer.J, abs=1e-9)
    assert abs(walks.mean() - explorer.J) < 0.14


def test_walk_follows_the_policy_and_ends_at_the_goal():
    explorer = GridworldExplorer("S...G", gamma=0.9)
    explorer.walk()
    walk = explorer.scene()["walk"]
    assert walk["cells"].tolist() == [[0, c] for c in range(5)]
    assert walk["over"] == "goal"
    assert walk["returns"].tolist() == [pytest.approx(0.9**3)]


def test_walk_under_a_potential_telescopes():
    """The return of a shaped walk is the plain one minus Phi(start), as Phi is 0 at the goal."""
    explorer = GridworldExplorer("S.b.G", rewards={"G": 1, "b": 0.4}, gamma=0.9, potential=True)
    explorer.reward(0, 0, 0.25)
    explorer.walk()
    assert explorer._walks == [pytest.approx(0.9**3 - 0.25)]


def test_walk_gives_up_where_there_is_no_end():
    explorer = GridworldExplorer("S..", gamma=0.9)
    explorer.walk()
    assert explorer.scene()["walk"]["over"] == "limit"
    assert len(explorer.scene()["walk"]["rewards"]) == 200


def test_walks_are_counted_together_only_while_policy_and_world_stay(explorer):
    def returns():
        walk = explorer.scene()["walk"]
        return 0 if walk is None else len(walk["returns"])

    explorer.walk()
    explorer.walk()
    assert returns() == 2
    explorer.method = "policy"  # the same answer, found otherwise
    assert returns() == 2
    explorer.walk(frame=0)  # the policy of the first frame
    assert returns() == 1
    explorer.gamma = 0.8
    assert returns() == 0


def test_temperature_and_sweeps_a_round_change_the_run(explorer):
    explorer.method = "policy"
    seen = set()
    for change in ({}, {"evaluations": 2}, {"alpha": 0.1}):
        explorer.set(**change)
        seen.add(round(float(explorer.run.bound[3]), 9))
    assert len(seen) == 3


# Other MDPs


@pytest.mark.parametrize("name", ["FrozenLake-v1", "CliffWalking-v1"])
def test_gymnasium_tables_are_drawn_and_fixed(name):
    explorer = GridworldExplorer(gamma=0.9)
    explorer.do("gymnasium", name=name)
    np.testing.assert_allclose(explorer.V, solve(from_gymnasium(name, gamma=0.9)).V, atol=1e-10)
    explorer.gamma = 0.8
    np.testing.assert_allclose(explorer.V, solve(from_gymnasium(name, gamma=0.8)).V, atol=1e-10)
    for change in (lambda: explorer.do("toggle", row=0, column=1, kind="#"), lambda: explorer.set(slip=0.5)):
        with pytest.raises(ValueError, match=f"{name} is a table with a fixed map"):
            change()
    explorer.walk()
    assert explorer.scene()["walk"]["over"] in ("goal", "end", "limit")
    explorer.preset("first")
    assert explorer.scene()["world"] == ""
    explorer.toggle(0, 0, "#")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Taxi-v4", "Taxi-v4 can't be drawn: its 500 states lie on no grid"),
        ("FrozenLake", "there is no Gymnasium environment|Did you mean"),
        ("CartPole-v1", "no transition table"),
    ],
)
def test_gymnasium_refuses_with_the_reason_and_nothing_changes(explorer, name, says):
    before = explorer.V.copy()
    if name == "FrozenLake":  # Gymnasium takes a name without a version for the newest one
        name = "FrozenLak-v1"
    with pytest.raises(ValueError, match=says):
        explorer.do("gymnasium", name=name)
    np.testing.assert_array_equal(explorer.V, before)


def test_mdp_with_other_moves_cannot_be_drawn():
    P = np.ones((2, 1, 2)) / 2
    diagonal = Grid(shape=(1, 2), cells=((0, 0), (0, 1)), moves=((1, 1),))
    mdp = make_mdp(P, np.zeros((2, 1)), gamma=0.9, grid=diagonal)
    with pytest.raises(ValueError, match="expected one move up, right, down or left"):
        GridworldExplorer(mdp=mdp)
    large = gridworld("\n".join(["." * 70] * 2))
    with pytest.raises(ValueError, match="it has 2 x 70 cells, expected at most 60"):
        GridworldExplorer(mdp=large)


@pytest.mark.parametrize(("gamma", "shown"), [(0.95, 0.95), (0.995, 0.99)])
def test_mdp_brings_its_discount_as_far_as_the_slider_goes(gamma, shown):
    assert GridworldExplorer(mdp=gridworld("S.G", gamma=gamma)).gamma == shown


def test_goal_that_ends_the_episode_on_arrival_is_no_place_to_act(explorer):
    explorer.gymnasium("CliffWalking-v1")
    scene = explorer.scene()
    assert scene["kinds"][-1] == "G" and scene["stuck"][scene["state"][-1, -1]]


def test_mdp_of_ones_own_is_shown(explorer):
    mdp = gridworld("S.#\n..G", gamma=0.8, stay=True)
    other = GridworldExplorer(mdp=mdp)
    assert other.gamma == 0.8
    np.testing.assert_allclose(other.V, solve(mdp).V, atol=1e-12)
    other.gamma = 0.5
    other.reset()
    assert other.gamma == 0.8 and other.scene()["world"] == "This MDP"


# Lessons: what the presets' texts say is so


def test_preset_discounting_turns_at_the_gamma_it_says():
    explorer = GridworldExplorer(preset="discounting")
    for gamma, right in ((0.66, False), (0.668, False), (0.67, True), (0.7, True)):
        explorer.gamma = gamma
        assert (reached(explorer, (2, 3))[-1] == (2, 10)) == right


def test_preset_cliffs_leaves_the_edge_as_the_slip_rises():
    explorer = GridworldExplorer(preset="cliffs")
    for slip, row in ((0.0, 3), (0.1, 2)):
        explorer.slip = slip
        assert min(row for row, _ in reached(explorer, (4, 0))) == row
    explorer.slip = 0.2
    left = 3
    assert explorer.solution.action[explorer.mdp.grid.state(4, 0)] == left


def test_preset_bridge_is_crossed_only_with_little_slip():
    explorer = GridworldExplorer(preset="bridge")
    assert reached(explorer, (1, 1))[-1] == (1, 0)
    explorer.gamma = 0.99
    assert reached(explorer, (1, 1))[-1] == (1, 0)
    explorer.preset("bridge")
    explorer.slip = 0.05
    assert reached(explorer, (1, 1))[-1] == (1, 6)


def test_preset_soft_prefers_the_room():
    explorer = GridworldExplorer(preset="soft")
    s = explorer.mdp.grid.state(2, 2)
    up, _, down, _ = explorer.pi[s]
    assert down > 2 * up
    explorer.alpha = 0.0
    assert explorer.pi[s].tolist() == [0.5, 0, 0.5, 0]


def test_preset_shaping_farms_the_bonus_unless_it_is_a_potential():
    explorer = GridworldExplorer(preset="shaping")
    bonus = (2, 5)
    assert bonus in reached(explorer, (0, 0)) and reached(explorer, (0, 0))[-1] != (4, 8)
    explorer.potential = True
    assert reached(explorer, (0, 0))[-1] == (4, 8)


@pytest.mark.parametrize("name", list(GridworldExplorer.presets))
def test_presets_are_complete(name):
    explorer = GridworldExplorer(preset=name)
    assert explorer.solution.converged
    assert explorer.run.stop.startswith("stopped after")
    preset = explorer.presets[name]
    assert preset.title and preset.teaches.endswith(".") and preset.task


# Pictures, files, and what stays unloaded


def test_figure_draws_the_scene(explorer, tmp_path):
    axes = explorer.figure().axes[0]
    np.testing.assert_allclose(sorted(axes.images[0].get_array().compressed()), sorted(explorer.V[:-1]), atol=1e-12)
    for kind in ("png", "svg", "pdf"):
        assert explorer.save_figure(tmp_path / f"map.{kind}").stat().st_size > 1000
    explorer.view = "map"
    assert not explorer.figure().axes[0].images


def test_exported_mdp_is_the_one_shown(explorer, tmp_path):
    download = explorer.do("export_mdp")
    path = tmp_path / download.name
    path.write_bytes(download.content)
    np.testing.assert_array_equal(load(path).P, explorer.mdp.P)
    assert explorer.do("export_figure").content.startswith(b"\x89PNG")


def test_animation_shows_the_frames_of_the_run_and_then_rests():
    explorer = GridworldExplorer("S...G", gamma=0.9)
    download = explorer.do("export_animation")
    assert (download.name, download.kind) == ("gridworld.gif", "image/gif")
    with Image.open(io.BytesIO(download.content)) as movie:
        count = getattr(movie, "n_frames", 0)
        durations = [movie.seek(k) or movie.info["duration"] for k in range(count)]
        pixels = [np.asarray((movie.seek(k), movie.convert("RGB"))[1]) for k in (0, count - 1)]
    assert sum(durations) == EACH * (len(explorer.run.frames) - 1) + LAST
    assert (pixels[0] != pixels[1]).any()
    purple = pixels[0].astype(int) - (68, 1, 84)  # V = 0, the lowest colour of viridis
    assert (abs(purple).max(-1) <= 16).mean() > 0.3


@pytest.mark.parametrize("count", [1, 2, 40, 41, 500, 3000])
def test_animation_keeps_the_ends_and_thins_towards_the_last(count):
    kept = chosen(count)
    assert kept[0] == 0 and kept[-1] == count - 1 and len(kept) <= 40
    steps = np.diff(kept)
    assert (steps > 0).all() and (np.diff(steps) >= -1).all()
    assert count > 40 or kept == list(range(count))


def test_widgets_load_neither_browser_nor_plotting():
    program = """import sys; from tabular.widgets import GridworldExplorer as G; e = G(); e.scene(); e.frames()
print([name for name in ("anywidget", "ipywidgets", "matplotlib", "jax", "gymnasium") if name in sys.modules])"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
