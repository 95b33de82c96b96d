"""Grid worlds against a cell-by-cell construction, closed forms and Gymnasium's FrozenLake."""

import itertools

import numpy as np
import pytest

import tabular as tb
from tabular.sources import from_gymnasium
from tabular.worlds.grid import MOVES, STAY, gridworld, mixed_kernel, reached_states, slip_matrix

MAP = """
    S.#T..
    ..#.#G
    .....S
"""


def cell_by_cell(text, *, slip, slip_kind, step_reward, rewards, absorbing, stay):
    """P[s, a, s'], r[s, a] written as the definition reads, one cell and one move at a time."""
    rows = [line.strip() for line in text.strip().splitlines()]
    cells = [(i, j) for i, row in enumerate(rows) for j, mark in enumerate(row) if mark != "#"]
    moves = [(-1, 0), (0, 1), (1, 0), (0, -1)] + [(0, 0)] * stay
    P = np.zeros((len(cells), len(moves), len(cells)))
    r = np.zeros((len(cells), len(moves)))
    for (s, (i, j)), a in itertools.product(enumerate(cells), range(len(moves))):
        if rows[i][j] in absorbing:
            P[s, a, s] = 1
            continue
        if slip_kind == "random":
            made = [(b, slip / len(moves)) for b in range(len(moves))] + [(a, 1 - slip)]
        elif a == 4:
            made = [(a, 1.0)]
        else:
            made = [(a, 1 - slip), ((a + 1) % 4, slip / 2), ((a + 3) % 4, slip / 2)]
        for b, p in made:
            there = (i + moves[b][0], j + moves[b][1])
            there = there if there in cells else (i, j)
            P[s, a, cells.index(there)] += p
            r[s, a] += p * (step_reward + rewards.get(rows[there[0]][there[1]], 0.0))
    return P, r


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("absorbing", ["G", "GT", ""])
@pytest.mark.parametrize("stay", [False, True])
@pytest.mark.parametrize("slip_kind", ["perpendicular", "random"])
@pytest.mark.parametrize("slip", [0.0, 0.2, 1.0])
def test_gridworld_is_the_construction_cell_by_cell(slip, slip_kind, stay, absorbing, sparse):
    settings = {"slip": slip, "slip_kind": slip_kind, "stay": stay, "absorbing": absorbing}
    settings |= {"step_reward": -0.04, "rewards": {"G": 1.0, "T": -2.0}}
    mdp = gridworld(MAP, **settings, sparse=sparse)
    assert isinstance(mdp, tb.SparseMDP if sparse else tb.MDP)
    P, r = cell_by_cell(MAP, **settings)
    assert abs(mdp.to_dense().P - P).max() < 1e-15
    assert abs(mdp.r - r).max() < 1e-15


def test_gridworld_large_map_is_the_construction_at_its_cells():
    """A 150 x 150 map, built at once: every row of P from the neighbours of its cell."""
    rng = np.random.default_rng(0)
    marks = np.where(rng.random((150, 150)) < 0.2, "#", ".")
    mdp = gridworld("\n".join("".join(row) for row in marks), slip=0.2, absorbing="", rewards={}).to_sparse()
    index = {cell: s for s, cell in enumerate(mdp.grid.cells)}
    assert list(index) == [tuple(cell) for cell in np.argwhere(marks == ".").tolist()]
    for s in rng.integers(mdp.S, size=300):
        i, j = mdp.grid.cells[s]
        ends = [index.get((i + di, j + dj), int(s)) for di, dj in MOVES]
        for a in range(4):
            expected = np.zeros(mdp.S)
            np.add.at(expected, [ends[a], ends[a - 1], ends[(a + 1) % 4]], [0.8, 0.1, 0.1])
            assert abs(mdp.kernel[a * mdp.S + s].toarray()[0] - expected).max() < 1e-15


def test_gridworld_keeps_geometry_and_labels():
    mdp = gridworld(MAP, stay=True, rewards={"G": 1, "T": -1})
    grid = mdp.grid
    assert grid.shape == (3, 6)
    assert grid.cells == mdp.states
    assert grid.walls == {(0, 2), (1, 2), (1, 4)}
    assert grid.starts == {(0, 0), (2, 5)}
    assert grid.goals == {(1, 5)}
    assert grid.moves == (*MOVES, STAY)
    assert mdp.actions == ("up", "right", "down", "left", "stay")
    assert mdp.rho[grid.state(0, 0)] == mdp.rho[grid.state(2, 5)] == 0.5
    assert mdp.rho.sum() == 1
    with pytest.raises(ValueError, match="no state"):
        grid.state(0, 2)


def test_gridworld_without_a_start_starts_anywhere_but_in_an_absorbing_cell():
    mdp = gridworld("..G")
    assert mdp.rho.tolist() == [0.5, 0.5, 0]
    assert gridworld("..G", absorbing="").rho == pytest.approx(1 / 3)


def test_gridworld_corridor_has_the_closed_form_values():
    """d steps from the goal: V = c (1 - gamma^d) / (1 - gamma) + gamma^(d - 1) with step reward c."""
    c, gamma = -0.1, 0.9
    d = np.arange(6, 0, -1)
    solution = tb.solve(gridworld("S.....G", gamma=gamma, step_reward=c), tol=1e-12)
    assert solution.V[:-1] == pytest.approx(c * (1 - gamma**d) / (1 - gamma) + gamma ** (d - 1), abs=1e-12)
    assert solution.V[-1] == 0
    assert (solution.action[:-1] == 1).all()


def test_gridworld_continuing_goal_pays_for_ever():
    """Bumping beside the goal enters it again: V = 1 / (1 - gamma) there."""
    solution = tb.solve(gridworld("SG", gamma=0.9, absorbing=""), tol=1e-10)
    assert solution.V == pytest.approx([10, 10], abs=1e-10)


def test_gridworld_total_reward_is_the_number_of_steps():
    assert tb.solve(gridworld("S...G", gamma=1, step_reward=-1, rewards={})).J == pytest.approx(-4, abs=1e-9)


@pytest.mark.parametrize("name", ["FrozenLake-v1", "FrozenLake8x8-v1"])
def test_gridworld_is_frozen_lake(name):
    """FrozenLake slips with probability 2/3 to the two sides; holes absorb. Same values, except that theirs end."""
    gymnasium = pytest.importorskip("gymnasium")
    desc = gymnasium.make(name).unwrapped.desc.astype(str)
    ours = gridworld("\n".join("".join(row) for row in desc), slip=2 / 3, rewards={"G": 1, "F": 0}, absorbing="GH")
    theirs = from_gymnasium(name)
    assert ours.states == theirs.states
    assert tb.solve(ours, tol=1e-11).V == pytest.approx(tb.solve(theirs, tol=1e-11).V, abs=1e-10)


def test_slip_matrix_rows_sum_to_one():
    for kind in ("perpendicular", "random"):
        for moves in (MOVES, (*MOVES, STAY)):
            for slip in (0, 0.3, 1):
                assert slip_matrix(moves, slip, kind).sum(1) == pytest.approx(1, abs=1e-15)


def test_reached_states_walls_can_be_left_but_not_entered():
    walls = np.array([[False, True, False]])
    reached = reached_states(walls, walls_are_states=True)
    assert reached.tolist() == [[0, 0, 0, 0], [1, 2, 1, 0], [2, 2, 2, 2]]
    assert reached_states(walls).tolist() == [[0, 0, 0, 0], [1, 1, 1, 1]]


def test_mixed_kernel_sums_over_the_moves():
    rng = np.random.default_rng(0)
    reached, mix = rng.integers(5, size=(5, 4)), rng.dirichlet(np.ones(4), size=4)
    expected = np.einsum("ab,sbt->sat", mix, np.eye(5)[reached])
    assert mixed_kernel(reached, mix).toarray().reshape(5, 4, 5) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(
    ("text", "settings", "error", "message"),
    [
        ("", {}, ValueError, "text is empty"),
        ("  \n \n", {}, ValueError, "text is empty"),
        ("##\n##", {}, ValueError, "no free cell"),
        ("S..\n.x.\n..G", {}, ValueError, r"row 1, column 1: unknown character 'x'; the line is '\.x\.'"),
        ("S..\n. .\n..G", {}, ValueError, r"row 1, column 1: unknown character ' '"),
        ("S..\n..\n..G", {}, ValueError, r"row 1: 2 columns, expected 3 as in row 0; the line is '\.\.'"),
        ("S..\n....", {}, ValueError, r"row 1: 4 columns, expected 3 .* differs from column 3"),
        ("S.\n\n.G", {}, ValueError, "row 1: 0 columns"),
        ("GG", {}, ValueError, "nowhere to start"),
        ("SG", {"slip": 1.5}, ValueError, r"slip = 1.5, expected a probability"),
        ("SG", {"slip": -0.1}, ValueError, r"slip = -0.1"),
        ("SG", {"slip": float("nan")}, ValueError, r"slip = nan"),
        ("SG", {"slip": "much"}, TypeError, "slip = 'much', expected a number"),
        ("SG", {"slip_kind": "perpendiculr"}, ValueError, "Did you mean perpendicular"),
        ("SG", {"step_reward": float("inf")}, ValueError, "step_reward = inf"),
        ("SG", {"gamma": 1.1}, ValueError, "gamma = 1.1"),
        ("SG", {"rewards": {"G": float("nan")}}, ValueError, r"rewards\['G'\] = nan"),
        ("SG", {"rewards": {"goal": 1}}, ValueError, "rewards has the key 'goal', expected one character"),
        ("SG", {"rewards": {"#": 1}}, ValueError, r"rewards\['#'\]"),
        ("SG", {"rewards": 1.0}, TypeError, "rewards is float, expected a mapping"),
        ("SG", {"absorbing": "G#"}, ValueError, "absorbing = 'G#'"),
        ("SG", {"absorbing": None}, TypeError, "absorbing = None"),
        (["SG"], {}, TypeError, "text is list"),
    ],
)
def test_gridworld_refuses_bad_input(text, settings, error, message):
    with pytest.raises(error, match=message):
        gridworld(text, **settings)
