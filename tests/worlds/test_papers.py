"""The papers' MDPs: their exact values, and the mazes against a construction cell by cell."""

import numpy as np
import pytest

import tabular as tb
from tabular.worlds import maze10, risk3, two_state, wall15
from tabular.worlds.grid import ACTIONS


def grid_cell_by_cell(size, walls, moves, noise):
    """P[s, a, s'] of Eysenbach et al.'s gridworlds: clip at the border, a move into a wall stays, walls are states."""
    P = np.zeros((size * size, len(moves), size * size))
    for i in range(size):
        for j in range(size):
            for a in range(len(moves)):
                for b, (down, right) in enumerate(moves):
                    p = (1 - noise) * (a == b) + noise / len(moves)
                    k, m = np.clip(i + down, 0, size - 1), np.clip(j + right, 0, size - 1)
                    k, m = (i, j) if (k, m) in walls else (k, m)
                    P[size * i + j, a, size * k + m] += p
    return P


def test_two_state_has_the_published_values():
    mdp = two_state()
    solution = tb.solve(mdp, tol=1e-12)
    assert abs(solution.Q - [[0.1636363636, 0.0628181818], [1.8909090909, 0.6628181818]]).max() < 1e-9
    assert solution.J == pytest.approx(1.0272727273, abs=1e-9)
    returns = {
        (0, 0): 1.0272727273,
        (0, 1): -2.0892149088,
        (1, 0): 0.2249134948,
        (1, 1): -0.646,
    }
    for policy, J in returns.items():
        assert tb.evaluate(mdp, np.array(policy)).J == pytest.approx(J, abs=1e-9)
    assert tb.evaluate(mdp, np.full((2, 2), 0.5)).J == pytest.approx(-0.855, abs=1e-9)


def test_two_state_read_with_the_axes_of_the_published_code_is_another_mdp():
    """[a, s, s'] read as [s, a, s'] passes every check, and has the optimal return 1.7002."""
    mdp = two_state().to_dense()
    swapped = tb.make_mdp(mdp.P.transpose(1, 0, 2), mdp.r, gamma=mdp.gamma)
    assert tb.solve(swapped).J == pytest.approx(1.7002, abs=5e-5)


def test_maze10_is_the_construction_cell_by_cell():
    walls = {(i, j) for i in range(6) for j in (4, 5)}
    mdp = maze10()
    assert abs(mdp.P - grid_cell_by_cell(10, walls, [(-1, 0), (0, 1), (1, 0), (0, -1)], 0.5)).max() < 1e-15
    assert mdp.grid.walls == walls
    assert mdp.grid.starts == {(0, 0)} and mdp.grid.goals == {(0, 9)}
    assert mdp.grid.cells[37] == (3, 7)
    assert np.argwhere(mdp.r == 10).tolist() == [[9, a] for a in range(4)]
    assert (np.delete(mdp.r, 9, axis=0) == 0.001).all()
    assert mdp.rho.argmax() == 0 and mdp.rho.max() == 1


def test_maze10_has_the_published_optimal_value():
    assert tb.solve(maze10(), tol=1e-11).J == pytest.approx(1.3875036096, abs=1e-10)


def test_maze10_optimal_log_return_of_figure_3b():
    """With rewards 1 and 10 the log of the optimal return at the start is 2.419467922."""
    assert np.log(tb.solve(maze10(reward=1, goal_reward=10)).J) == pytest.approx(2.419467922, abs=1e-9)


def test_maze10_goal_and_start_can_be_moved():
    mdp = maze10(goal=(5, 9), start=(9, 0))
    assert mdp.grid.goals == {(5, 9)}
    assert mdp.rho[90] == 1 and mdp.r[59, 0] == 10 and mdp.r[9, 0] == 0.001


@pytest.mark.parametrize(
    ("world", "settings", "message"),
    [
        (maze10, {"goal": (0, 4)}, r"goal = \(0, 4\), expected a cell of the 10 x 10 grid that isn't a wall"),
        (maze10, {"start": (10, 0)}, r"start = \(10, 0\)"),
        (maze10, {"start": (0, -1)}, r"start = \(0, -1\)"),
        (maze10, {"noise": 1.5}, "slip = 1.5"),
        (wall15, {"goal": (7, 7)}, r"goal = \(7, 7\)"),
        (risk3, {"wind": 2}, "wind = 2, expected a probability"),
    ],
)
def test_papers_refuse_bad_settings(world, settings, message):
    with pytest.raises(ValueError, match=message):
        world(**settings)


def test_wall15_is_the_construction_cell_by_cell():
    walls = {(i, 7) for i in range(8)}
    mdp = wall15()
    moves = [(-1, 0), (0, 1), (1, 0), (0, -1), (0, 0)]
    assert abs(mdp.P - grid_cell_by_cell(15, walls, moves, 0.0)).max() == 0
    assert mdp.grid.walls == walls and mdp.grid.goals == {(2, 12)}
    assert mdp.r[2 * 15 + 12].tolist() == [100] * 5


def test_wall15_has_the_published_optimal_return_and_path():
    """73.96471 at the start; the goal is reached in 26 steps: 1 a step, then 100 for ever."""
    mdp = wall15().to_dense()
    solution = tb.solve(mdp, tol=1e-10)
    assert solution.J == pytest.approx((1 - 0.9**26) / 0.1 + 100 * 0.9**26 / 0.1, abs=1e-10)
    assert solution.J == pytest.approx(73.96471, abs=5e-6)
    s, steps = 0, 0
    while mdp.grid.cells[s] != (2, 12):
        s, steps = int(mdp.P[s, solution.action[s]].argmax()), steps + 1
    assert steps == 26


def test_risk3_has_the_exact_greedy_values():
    """Left earns 1 + gamma 50 / (1 - gamma) = 451. Right: V(right) = 51 + gamma (V(middle) + V(right)) / 2."""
    mdp = risk3()
    solution = tb.solve(mdp, tol=1e-10)
    assert solution.J == pytest.approx(451, abs=1e-10)
    assert solution.action[1] == ACTIONS.index("left")
    right = tb.evaluate(mdp, np.array([1, 1, 1]))
    V_right = (51 + 0.45) / (1 - 0.45 - 0.405)
    assert right.J == pytest.approx(1 + 0.9 * V_right, abs=1e-10)
    assert right.J == pytest.approx(320.3448276, abs=5e-8)


def test_risk3_wind_blows_only_in_the_right_state():
    P = risk3().to_dense().P
    up, right, down, left = range(4)
    assert P[0, left].tolist() == [1, 0, 0] and P[0, right].tolist() == [0, 1, 0]
    assert P[1, up].tolist() == P[1, down].tolist() == [0, 1, 0]
    assert P[2, right].tolist() == P[2, up].tolist() == [0, 0.5, 0.5]
    assert P[2, left].tolist() == [0, 1, 0]
