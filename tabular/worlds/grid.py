"""Grid worlds from text, and the transition kernels of a grid with walls.

A cell is `(row, column)`, rows counted down from the top, both from 0. Actions are up, right, down, left and, if asked
for, stay, in this order. A move off the grid or into a wall leaves the agent where it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import scipy.sparse as sp

from tabular.errors import suggestion
from tabular.geometry import Grid
from tabular.mdp import AnyMDP, make_mdp, suited

MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))
"""Displacement (row, column) of up, right, down, left."""
STAY = (0, 0)
ACTIONS = ("up", "right", "down", "left", "stay")
SLIP_KINDS = ("perpendicular", "random")
WALL, FREE, START, GOAL = "#.SG"
GOAL_REWARD: Mapping[str, float] = MappingProxyType({GOAL: 1.0})


def gridworld(
    text: str,
    *,
    gamma: float = 0.99,
    slip: float = 0.0,
    slip_kind: str = "perpendicular",
    step_reward: float = 0.0,
    rewards: Mapping[str, float] = GOAL_REWARD,
    absorbing: str = "G",
    stay: bool = False,
    sparse: bool | None = None,
) -> AnyMDP:
    """Grid world drawn in characters.

        gridworld('''S...##...G
                     ....##....
                     ..........''', gamma=0.9, slip=0.2)

    The reward is paid on arrival:

        r[s, a] = step_reward + sum_s' P[s, a, s'] rewards[mark of s'],    0 in an absorbing cell,

    so a goal that isn't absorbing pays at every step that ends on it, also after a bump into a wall beside it.

    Args:
      text: the map, one line a row; each line is stripped, empty lines before and after the map are dropped. `#` wall
        (not a state), `.` free, `S` start, `G` goal, and any character named in `rewards` or `absorbing`.
      gamma: discount in [0, 1].
      slip: probability that the chosen move is replaced.
      slip_kind: by what. "perpendicular": one of the two moves at a right angle, half each (staying never slips);
        "random": a uniformly random action, the chosen one included.
      step_reward: reward of every step, also of the one that reaches a goal.
      rewards: reward of entering a cell, by its character; 0 for characters that aren't named.
      absorbing: characters of the cells that keep the agent for ever at reward 0; "" for none.
      stay: whether there is a fifth action that stays.
      sparse: storage; if not given, dense up to 200 states and sparse above.

    Returns:
      The MDP. States are the cells that aren't walls, row by row; their labels are (row, column). `rho` is uniform
      over the `S` cells, or without any over all cells that aren't absorbing. `mdp.grid` holds the geometry.

    Raises:
      ValueError for a map that is empty or ragged, has an unknown character (with row and column), no free cell or
      nowhere to start, and for arguments out of range.
    """
    _check_marks(rewards, absorbing)
    moves = MOVES + (STAY,) * bool(stay)
    mix = slip_matrix(moves, slip, slip_kind)
    cells = _parse(text, known={WALL, FREE, START, GOAL, *rewards, *absorbing})
    walls = cells == WALL
    marks = cells[~walls]
    ends = np.isin(marks, list(absorbing))
    bonus = np.zeros(len(marks))
    for mark, reward in rewards.items():
        bonus[marks == mark] = reward

    reached = reached_states(walls, moves=moves)
    reached[ends] = np.flatnonzero(ends)[:, None]
    r = np.where(ends[:, None], 0.0, _check_number(step_reward, "step_reward") + bonus[reached] @ mix.T)
    grid = grid_of(walls, moves=moves, starts=cells == START, goals=(cells == GOAL) | _at(walls, ends & (bonus > 0)))
    return make_mdp(
        suited(mixed_kernel(reached, mix), sparse),
        r,
        gamma=gamma,
        rho=_start_distribution(marks, ends),
        states=grid.cells,
        actions=ACTIONS[: len(moves)],
        grid=grid,
    )


def reached_states(walls: np.ndarray, *, moves=MOVES, walls_are_states: bool = False) -> np.ndarray:
    """State that each move leads to, shape (S, A) integers; a move off the grid or into a wall stays.

    Args:
      walls: mask of the walls, shape (rows, columns).
      moves: displacement of each action, components -1, 0 or 1.
      walls_are_states: whether walls are states too (they can be left, never entered). States are numbered row by row.
    """
    rows, columns = walls.shape
    is_state = np.ones_like(walls) if walls_are_states else ~walls
    here = np.arange(is_state.sum(), dtype=np.int32)
    index = np.full((rows + 2, columns + 2), -1, dtype=np.int32)
    index[1:-1, 1:-1][is_state] = here
    index[1:-1, 1:-1][walls] = -1
    reached = np.empty((len(here), len(moves)), dtype=np.int32)
    for a, (down, right) in enumerate(moves):
        there = index[1 + down : 1 + down + rows, 1 + right : 1 + right + columns][is_state]
        reached[:, a] = np.where(there < 0, here, there)
    return reached


def slip_matrix(moves, slip: float, slip_kind: str) -> np.ndarray:
    """Probability `mix[a, b]` that move `b` is made when action `a` was chosen, shape (A, A).

        perpendicular:  mix[a, a] = 1 - slip,  mix[a, b] = slip / 2 for the two b at a right angle to a
        random:         mix[a, b] = (1 - slip) [a = b] + slip / A

    The second is the noise of Eysenbach et al. 2021, Figure 2.
    Raises ValueError for a slip outside [0, 1] or an unknown kind.
    """
    slip = _check_number(slip, "slip")
    if not 0 <= slip <= 1:
        raise ValueError(f"slip = {slip:g}, expected a probability in [0, 1].")
    if slip_kind not in SLIP_KINDS:
        hint = suggestion(str(slip_kind), SLIP_KINDS)
        raise ValueError(f"slip_kind = {slip_kind!r}, expected one of {', '.join(SLIP_KINDS)}.{hint}")
    A = len(moves)
    if slip_kind == "random":
        return (1 - slip) * np.eye(A) + slip / A
    steps = np.array(moves)
    moving = np.any(steps, axis=1, keepdims=True)
    across = (steps @ steps.T == 0) & moving & moving.T
    return np.eye(A) * np.where(moving, 1 - slip, 1.0) + slip / 2 * across


def mixed_kernel(reached: np.ndarray, mix: np.ndarray) -> sp.csr_matrix:
    """Transition kernel `P[s, a, t] = sum_b mix[a, b] [reached[s, b] = t]`, shape (S * A, S), rows `s * A + a`.

    A successor that several moves lead to is listed several times; `make_mdp` adds them up.
    """
    S, A = reached.shape
    chosen, made = np.nonzero(mix)
    ends = np.cumsum(np.bincount(chosen, minlength=A))
    pointers = np.concatenate([[0], (np.arange(S)[:, None] * len(made) + ends).ravel()])
    probabilities = np.tile(mix[chosen, made], S)
    return sp.csr_matrix((probabilities, reached[:, made].ravel(), pointers), shape=(S * A, S))


def grid_of(walls: np.ndarray, *, moves=MOVES, starts, goals, walls_are_states: bool = False) -> Grid:
    """Geometry of a grid from its masks, each of shape (rows, columns)."""
    return Grid(
        shape=(int(walls.shape[0]), int(walls.shape[1])),
        cells=tuple(_coordinates(np.ones_like(walls) if walls_are_states else ~walls)),
        walls=frozenset(_coordinates(walls)),
        starts=frozenset(_coordinates(starts)),
        goals=frozenset(_coordinates(goals)),
        moves=tuple(moves),
    )


def _coordinates(mask: np.ndarray):
    rows, columns = np.nonzero(mask)
    return zip(rows.tolist(), columns.tolist(), strict=True)


def _at(walls: np.ndarray, marked: np.ndarray) -> np.ndarray:
    """Mask over the grid from a mask over its free cells."""
    mask = np.zeros_like(walls)
    mask[~walls] = marked
    return mask


def _start_distribution(marks: np.ndarray, ends: np.ndarray) -> np.ndarray:
    starts = marks == START
    if not starts.any():
        starts = ~ends
    if not starts.any():
        raise ValueError("text has nowhere to start: no cell is marked 'S' and all cells are absorbing. Mark one 'S'.")
    return starts / starts.sum()


def _parse(text: str, known: set[str]) -> np.ndarray:
    """Characters of the map, shape (rows, columns)."""
    if not isinstance(text, str):
        raise TypeError(f"text is {type(text).__name__}, expected one string with a line for each row of the map.")
    lines = [line.strip() for line in text.strip().splitlines()]
    if not lines:
        raise ValueError("text is empty, expected a map such as 'S..G'.")
    width = len(lines[0])
    for row, line in enumerate(lines):
        if len(line) != width:
            raise ValueError(
                f"text, row {row}: {len(line)} columns, expected {width} as in row 0; the line is {line!r}, "
                f"it differs from column {min(len(line), width)} on. All rows need the same length; '#' is a wall."
            )
    codes = np.frombuffer("".join(lines).encode("utf-32-le"), dtype=np.uint32).reshape(len(lines), width)
    unknown = np.argwhere(~np.isin(codes, [ord(character) for character in known]))
    if len(unknown):
        row, column = unknown[0]
        raise ValueError(
            f"text, row {row}, column {column}: unknown character {lines[row][column]!r}; the line is {lines[row]!r}. "
            f"Known are {' '.join(sorted(known))}; name others in rewards or absorbing."
        )
    cells = np.ascontiguousarray(codes).view("<U1").reshape(len(lines), width)
    if (cells == WALL).all():
        raise ValueError("text has no free cell: every cell is a wall.")
    return cells


def _check_marks(rewards, absorbing) -> None:
    if not isinstance(rewards, Mapping):
        raise TypeError(f"rewards is {type(rewards).__name__}, expected a mapping such as {{'G': 1.0, 'T': -1.0}}.")
    if not isinstance(absorbing, str):
        raise TypeError(f"absorbing = {absorbing!r}, expected a string of characters such as 'GT', or '' for none.")
    for mark, reward in rewards.items():
        if not isinstance(mark, str) or len(mark) != 1 or mark.isspace():
            raise ValueError(f"rewards has the key {mark!r}, expected one character of the map.")
        _check_number(reward, f"rewards[{mark!r}]")
    if WALL in rewards:
        raise ValueError("rewards['#'] is the reward of entering a wall, which can't happen. Use another character.")
    if WALL in absorbing or any(mark.isspace() for mark in absorbing):
        raise ValueError(f"absorbing = {absorbing!r}, expected characters of cells other than walls ('#') and spaces.")


def _check_number(value, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} = {value!r}, expected a number.") from error
    if not np.isfinite(number):
        raise ValueError(f"{name} = {number}, expected a finite number.")
    return number
