"""The map of a grid world as it is edited."""

import numpy as np
import pytest

from tabular.soft import soft_solve
from tabular.solve import solve
from tabular.widgets.drawing import Drawing
from tabular.worlds import gridworld

MAP = "S..#.\n.T#..\n....G"
REWARDS = {"G": 1.0, "T": -2.0}
SETTINGS = {"gamma": 0.9, "slip": 0.3, "step_reward": -0.05}


@pytest.mark.parametrize("absorbing", ["G", "GT"])
def test_mdp_is_that_of_gridworld(absorbing):
    """Same kernel and rewards, but for the ends, whose other actions are left out."""
    drawn = Drawing.from_text(MAP, REWARDS, absorbing).mdp(**SETTINGS)
    world = gridworld(MAP, rewards=REWARDS, absorbing=absorbing, **SETTINGS)
    open_states = drawn.feasible.all(1)
    assert open_states.sum() == world.S - len(absorbing)
    np.testing.assert_allclose(drawn.r[open_states], world.r[open_states], atol=1e-15)
    np.testing.assert_allclose(drawn.P[open_states], world.P[open_states], atol=1e-15)
    np.testing.assert_array_equal(drawn.rho, world.rho)
    np.testing.assert_allclose(solve(drawn).V, solve(world).V, atol=1e-12)
    assert drawn.grid.goals == world.grid.goals


def test_mdp_pays_no_entropy_in_a_goal():
    mdp = Drawing.from_text("S.G").mdp(gamma=0.9, slip=0.0, step_reward=0.0)
    assert soft_solve(mdp, 0.5).V[2] == 0


def test_potential_changes_no_policy_and_shifts_the_values():
    """Ng, Harada & Russell 1999: V_shaped = V - Phi, Q_shaped = Q - Phi, whatever Phi."""
    random = np.random.default_rng(3)
    plain = Drawing.from_text(MAP, REWARDS, "GT")
    phi = np.where(np.isin(plain.kinds, (".", "S")), random.normal(size=plain.shape), 0)
    with_phi = Drawing(plain.kinds, plain.rewards + phi)
    before, after = (each.mdp(**SETTINGS, potential=each is with_phi) for each in (plain, with_phi))
    shift = phi[plain.kinds != "#"]
    gap = solve(after).Q[before.feasible] - (solve(before).Q - shift[:, None])[before.feasible]
    assert abs(gap).max() < 1e-12


def test_painted_changes_cells_and_keeps_the_old_drawing():
    old = Drawing.from_text("S..G")
    new = old.painted([(0, 1), (0, 2)], "#")
    assert (old.text, new.text) == ("S..G", "S##G")


def test_painted_goal_pays_one_and_a_freed_goal_nothing():
    drawing = Drawing.from_text("S..G").toggled(0, 1, "G").toggled(0, 3, "G")
    assert drawing.text == "SG.."
    assert drawing.rewards.tolist() == [[0, 1, 0, 0]]


def test_painted_wall_loses_its_reward():
    walled = Drawing.from_text("S..G").rewarded(0, 1, 0.5).painted([(0, 1)], "#")
    assert walled.rewards.tolist() == [[0, 0, 0, 1]]
    assert walled.painted([(0, 1)], ".").rewards.tolist() == [[0, 0, 0, 1]]


def test_mdp_marks_as_goals_only_ends_that_do_not_punish():
    mdp = Drawing.from_text("S.G.T", REWARDS, "GT").mdp(**SETTINGS)
    assert set(mdp.grid.goals) == {(0, 2)}


def test_mdp_without_a_start_starts_anywhere_but_in_an_end():
    assert Drawing.from_text("..G").mdp(**SETTINGS).rho.tolist() == [0.5, 0.5, 0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d.painted([(0, 3)], "#"), r"cell \(0, 3\) is a goal, a wall can't stand on it.*key g"),
        (lambda d: d.painted([(0, 0)], "#"), r"cell \(0, 0\) is a start, a wall can't stand on it.*key s"),
        (lambda d: d.painted([(0, 3)], "S"), r"cell \(0, 3\) is a goal, an episode can't start there"),
        (lambda d: d.painted([(0, 4)], "#"), "column = 4, expected a whole number from 0 to 3"),
        (lambda d: d.painted([(-1, 0)], "#"), "row = -1, expected a whole number"),
        (lambda d: d.painted([(0.5, 0)], "#"), "row = 0.5, expected a whole number"),
        (lambda d: d.painted([(0, 1)], "X"), "kind = 'X', expected one of"),
        (lambda d: d.painted([(0, 0), (0, 1), (0, 2)], "G"), "no free cell would be left"),
        (lambda d: d.painted([(0, 1)], "#").rewarded(0, 1, 1), "is a wall: nobody enters it"),
        (lambda d: d.rewarded(0, 1, 1000), "reward = 1000, expected a number from -100 to 100"),
        (lambda d: d.rewarded(0, 1, float("nan")), "expected a finite number"),
        (lambda d: d.resized(0, 4), "rows = 0, expected a whole number from 1 to 60"),
        (lambda d: d.resized(1, 61), "columns = 61"),
        (lambda d: d.resized(1.5, 3), "rows = 1.5, expected a whole number"),
        (lambda d: Drawing.from_text("S?G"), "unknown character"),
        (lambda d: Drawing.from_text("." * 61), "the longer side of the map = 61"),
    ],
)
def test_drawing_refuses_what_makes_no_sense(change, says):
    with pytest.raises(ValueError, match=says):
        change(Drawing.from_text("S..G"))


def test_resized_keeps_what_fits():
    drawing = Drawing.from_text("S#\n.G").rewarded(0, 0, 0.5)
    assert drawing.resized(3, 3).text == "S#.\n.G.\n..."
    assert drawing.resized(1, 2).text == "S#"
    assert drawing.resized(1, 2).rewards.tolist() == [[0.5, 0]]
