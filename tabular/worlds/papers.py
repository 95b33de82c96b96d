"""The MDPs of the papers, with the constants of their published figures."""

from __future__ import annotations

import numpy as np

from tabular.mdp import AnyMDP, make_mdp, suited
from tabular.worlds.grid import ACTIONS, MOVES, STAY, grid_of, mixed_kernel, reached_states, slip_matrix


def two_state() -> AnyMDP:
    """Two states, two actions: Dadashi et al. 2019, appendix A(d); Nikishin et al. 2021, Figures 2 to 4.

    gamma = 0.9, uniform start, `P[s, a, s']` is [[[.7, .3], [.99, .01]], [[.2, .8], [.99, .01]]], rewards
    [[-.45, -.1], [.5, .5]].
    Both published codes store the transitions as [a, s, s']; read as [s, a, s'] those numbers are another valid MDP
    (optimal return 1.7002 instead of 1.0273).
    """
    P = [[[0.7, 0.3], [0.99, 0.01]], [[0.2, 0.8], [0.99, 0.01]]]
    r = [[-0.45, -0.1], [0.5, 0.5]]
    return make_mdp(P, r, gamma=0.9, states=("s0", "s1"), actions=("a0", "a1"))


def maze10(
    *,
    reward: float = 0.001,
    goal_reward: float = 10.0,
    goal: tuple[int, int] = (0, 9),
    start: tuple[int, int] = (0, 0),
    noise: float = 0.5,
    gamma: float = 0.9,
) -> AnyMDP:
    """The 10 x 10 maze of Eysenbach et al. 2021, Figures 2a and 3b.

    Walls fill rows 0-5 of columns 4-5; they are states that can't be entered. With probability `noise` a uniformly
    random one of the four actions replaces the chosen one. The reward depends on the state that is left: `goal_reward`
    in the goal cell, which doesn't end anything, `reward` elsewhere.

    The published notebooks use (reward, goal_reward) = (0.001, 10) in Figure 2a left (the default), (1e-5, 1e9) in
    Figure 2a right and (1, 10) in Figure 3b. Raises ValueError for a goal or start off the grid or in a wall.
    """
    walls = np.zeros((10, 10), dtype=bool)
    walls[:6, 4:6] = True
    return _maze(walls, MOVES, noise, reward, goal_reward, goal, start, gamma)


def wall15(
    *,
    reward: float = 1.0,
    goal_reward: float = 100.0,
    goal: tuple[int, int] = (2, 12),
    start: tuple[int, int] = (0, 0),
    noise: float = 0.0,
    gamma: float = 0.9,
) -> AnyMDP:
    """The 15 x 15 grid with one wall of Eysenbach et al. 2021, Figure 2b: deterministic, five actions (the last stays).

    The wall fills rows 0-7 of column 7; its cells are states that can't be entered. The reward depends on the state
    that is left, as in `maze10`. Raises ValueError for a goal or start off the grid or in a wall.
    """
    walls = np.zeros((15, 15), dtype=bool)
    walls[:8, 7] = True
    return _maze(walls, (*MOVES, STAY), noise, reward, goal_reward, goal, start, gamma)


def risk3(*, rewards: tuple[float, float, float] = (50.0, 1.0, 51.0), wind: float = 0.5, gamma: float = 0.9) -> AnyMDP:
    """Three states in a line, start in the middle: the risk MDP of Eysenbach et al. 2021, Figure 3a.

    Actions up, right, down, left. Left and middle are deterministic. In the right state every action is replaced by
    "left" with probability `wind`. The reward depends on the state that is left. Going left earns 451 from the start,
    going right 320.345, with the higher variance.
    """
    if not 0 <= wind <= 1:
        raise ValueError(f"wind = {wind}, expected a probability in [0, 1].")
    walls = np.zeros((1, 3), dtype=bool)
    reached = reached_states(walls)
    P = mixed_kernel(reached, np.eye(4)).toarray().reshape(3, 4, 3)
    P[2] = (1 - wind) * P[2] + wind * np.eye(3)[1]
    starts = np.array([[False, True, False]])
    grid = grid_of(walls, starts=starts, goals=np.zeros_like(walls))
    r = np.repeat(np.reshape(rewards, (3, 1)), 4, axis=1)
    names = ("left", "middle", "right")
    return make_mdp(P, r, gamma=gamma, rho=starts[0], states=names, actions=ACTIONS[:4], grid=grid)


def _maze(walls, moves, noise, reward, goal_reward, goal, start, gamma) -> AnyMDP:
    """Grid whose walls are states too, with a reward `r[s]` that depends on the state alone."""
    starts, goals = _one_cell(walls, start, "start"), _one_cell(walls, goal, "goal")
    reached = reached_states(walls, moves=moves, walls_are_states=True)
    kernel = mixed_kernel(reached, slip_matrix(moves, noise, "random"))
    r = np.where(goals.ravel(), goal_reward, reward)[:, None].repeat(len(moves), axis=1)
    grid = grid_of(walls, moves=moves, starts=starts, goals=goals, walls_are_states=True)
    return make_mdp(
        suited(kernel, sparse=False),
        r,
        gamma=gamma,
        rho=starts.ravel(),
        states=grid.cells,
        actions=ACTIONS[: len(moves)],
        grid=grid,
    )


def _one_cell(walls: np.ndarray, cell: tuple[int, int], name: str) -> np.ndarray:
    row, column = cell
    rows, columns = walls.shape
    if not (0 <= row < rows and 0 <= column < columns) or walls[row, column]:
        raise ValueError(f"{name} = {cell}, expected a cell of the {rows} x {columns} grid that isn't a wall.")
    mask = np.zeros_like(walls)
    mask[row, column] = True
    return mask
