"""MDPs of textbooks, papers and other solvers' documentation, built from their definitions."""

from __future__ import annotations

import numpy as np

from tabular.mdp import AnyMDP, make_mdp
from tabular.worlds.grid import ACTIONS, grid_of, gridworld, reached_states


def puterman(*, gamma: float = 0.95) -> AnyMDP:
    """The two-state example of Puterman 2005, section 3.1; solved in Example 6.2.1 and in QuantEcon's tests.

    State s1 chooses between a safe action (reward 5, stays with probability 1/2) and a rash one (reward 10, to s2);
    in s2 the only action costs 1 for ever (the other is infeasible: reward -inf). For gamma > 10/11 the safe action
    is optimal, V = (5 - 11/2 gamma) / ((1 - gamma / 2) (1 - gamma)), -1 / (1 - gamma).
    """
    P = [[[0.5, 0.5], [0, 1]], [[0, 1], [0, 0]]]
    r = [[5, 10], [-1, -np.inf]]
    return make_mdp(P, r, gamma=gamma, states=("s1", "s2"), actions=("safe", "rash"))


def toolbox_small(*, gamma: float = 0.9) -> AnyMDP:
    """`mdptoolbox.example.small()` of pymdptoolbox: two states, two actions; V = (1825/43, 1550/43) at gamma = 0.9."""
    P = [[[0.5, 0.5], [0, 1]], [[0.8, 0.2], [0.1, 0.9]]]
    return make_mdp(P, [[5, 10], [-1, 2]], gamma=gamma)


def forest(S: int = 3, *, r1: float = 4.0, r2: float = 2.0, p: float = 0.1, gamma: float = 0.96) -> AnyMDP:
    """Forest management, `mdptoolbox.example.forest(S, r1, r2, p)` of pymdptoolbox.

    State s is the age class of a forest. "wait" lets it grow one class (up to S - 1) unless a fire, of probability p,
    burns it down to class 0; "cut" sells it and restarts at 0. Waiting pays r1 in the oldest class only; cutting pays
    0 in the youngest, 1 between, r2 in the oldest. For r1 = 4, r2 = 2, p = 0.1, S = 3 waiting is always optimal.

    Raises ValueError for S < 2 or p outside [0, 1].
    """
    _check_count(S, "S", 2)
    if not 0 <= p <= 1:
        raise ValueError(f"p = {p}, expected a probability in [0, 1].")
    ages = np.arange(S)
    P = np.zeros((S, 2, S))
    P[ages, 0, np.minimum(ages + 1, S - 1)] = 1 - p
    P[:, 0, 0] += p
    P[:, 1, 0] = 1
    r = np.zeros((S, 2))
    r[1:, 1] = 1
    r[-1] = r1, r2
    return make_mdp(P, r, gamma=gamma, actions=("wait", "cut"))


def mdpsolver_readme(*, gamma: float = 0.8) -> AnyMDP:
    """Three states, two actions: the example in the README of MDPSolver; its optimal policy is (1, 1, 0)."""
    P = [
        [[0.9, 0.1, 0.0], [0.1, 0.9, 0.0]],
        [[0.4, 0.5, 0.1], [0.3, 0.5, 0.2]],
        [[0.2, 0.2, 0.6], [0.5, 0.5, 0.0]],
    ]
    return make_mdp(P, [[5, -1], [1, -2], [50, 0]], gamma=gamma)


def sutton_barto(*, gamma: float = 0.9) -> AnyMDP:
    """The 5 x 5 gridworld of Sutton & Barto 2018, Example 3.5.

    Deterministic moves up, right, down, left. A move off the grid stays and costs 1; every action in A = (0, 1) pays
    10 and leads to (4, 1), every action in B = (0, 3) pays 5 and leads to (2, 3). Figure 3.2 shows the values of the
    random policy (8.8 at A), Figure 3.5 the optimal ones (24.4 at A).
    """
    walls = np.zeros((5, 5), dtype=bool)
    reached = reached_states(walls)
    r = np.where(reached == np.arange(25)[:, None], -1.0, 0.0)
    for cell, target, reward in ((1, 21, 10), (3, 13, 5)):
        reached[cell], r[cell] = target, reward
    nowhere = np.zeros_like(walls)
    grid = grid_of(walls, starts=nowhere, goals=nowhere)
    P = np.eye(25)[reached]
    return make_mdp(P, r, gamma=gamma, states=grid.cells, actions=ACTIONS[:4], grid=grid)


def counter(N: int = 10, *, gamma: float = 0.9) -> AnyMDP:
    """Count from 0 to N, up or down by 1, at a cost of 1 a step until N is reached: the test domain of msdm.

    Down at 0 stays; N is absorbing at reward 0. `V[s] = -(1 - gamma^(N - s)) / (1 - gamma)`; start at 0.
    Raises ValueError for N < 1.
    """
    _check_count(N, "N", 1)
    states = np.arange(N + 1)
    P = np.zeros((N + 1, 2, N + 1))
    P[states, 0, np.minimum(states + 1, N)] = 1
    P[states, 1, np.maximum(states - 1, 0)] = 1
    P[N] = np.eye(N + 1)[N]
    r = np.where(states < N, -1.0, 0.0)[:, None].repeat(2, axis=1)
    return make_mdp(P, r, gamma=gamma, rho=np.eye(N + 1)[0], actions=("up", "down"))


def gamma_zero() -> AnyMDP:
    """Three states without a future, from QuantEcon's `test_ddp_beta_0`: gamma = 0, so V[s] = max_a r[s, a]."""
    return make_mdp(np.full((3, 2, 3), 1 / 3), [[0, 1], [1, 0], [0, 1]], gamma=0)


def chain(*, slip: float = 0.2, gamma: float = 0.99) -> AnyMDP:
    """The five-state chain of Strens 2000, Figure 2 (a version of Dearden et al. 1998).

    "forward" moves one state on at no reward, and in the last state stays and pays 10; "back" returns to the first
    state and pays 2. With probability `slip` the other action's effect, reward included, happens. The optimal policy
    goes forward always and earns 3.677 a step in the long run. Raises ValueError for a slip outside [0, 1].
    """
    if not 0 <= slip <= 1:
        raise ValueError(f"slip = {slip}, expected a probability in [0, 1].")
    forward, back = np.eye(5)[[1, 2, 3, 4, 4]], np.eye(5)[[0] * 5]
    earned = np.array([[0, 0, 0, 0, 10], [2] * 5]).T
    mix = np.array([[1 - slip, slip], [slip, 1 - slip]])
    P = np.einsum("ab,bst->sat", mix, np.stack([forward, back]))
    return make_mdp(P, earned @ mix.T, gamma=gamma, rho=np.eye(5)[0], actions=("forward", "back"))


def river_swim(*, gamma: float = 0.99) -> AnyMDP:
    """RiverSwim, six states, as in Osband, Russo & Van Roy 2013 (after Strehl & Littman 2008).

    "left" drifts with the current for certain and pays 0.005 at the left bank. "right" swims: at the left bank .4 stay,
    .6 right; in between .05 left, .6 stay, .35 right; at the right bank .4 left, .6 stay, and pays 1 there. Start at
    the left bank.
    """
    P = np.zeros((6, 2, 6))
    for s in range(6):
        P[s, 0, max(s - 1, 0)] = 1
    P[0, 1, :2] = 0.4, 0.6
    for s in range(1, 5):
        P[s, 1, s - 1 : s + 2] = 0.05, 0.6, 0.35
    P[5, 1, 4:] = 0.4, 0.6
    r = np.zeros((6, 2))
    r[0, 0], r[5, 1] = 0.005, 1
    return make_mdp(P, r, gamma=gamma, rho=np.eye(6)[0], actions=("left", "right"))


def gambler(*, heads: float = 0.4, target: int = 100, gamma: float = 1.0) -> AnyMDP:
    """The gambler's problem of Sutton & Barto 2018, Example 4.3: reach `target` by betting on a coin.

    State s = 1, ..., target - 1 is the capital (its label; index s - 1), action a = 1, 2, ... the stake, feasible up to
    min(s, target - s). The episode ends at 0, or at the target with reward 1. At gamma = 1, `V[s]` is the probability
    of success: 0.4 with 50 of 100 at heads = 0.4. Raises ValueError for heads outside [0, 1] or target < 2.
    """
    if not 0 <= heads <= 1:
        raise ValueError(f"heads = {heads}, expected a probability in [0, 1].")
    _check_count(target, "target", 2)
    capital, stakes = np.arange(1, target), np.arange(1, target // 2 + 1)
    S, A = len(capital), len(stakes)
    P, r = np.zeros((S, A, S)), np.full((S, A), -np.inf)
    s, a = np.nonzero(stakes <= np.minimum(capital, target - capital)[:, None])
    won, lost = capital[s] + stakes[a], capital[s] - stakes[a]
    r[s, a] = np.where(won == target, heads, 0)
    for outcome, probability in ((won, heads), (lost, 1 - heads)):
        stays = (outcome > 0) & (outcome < target)
        P[s[stays], a[stays], outcome[stays] - 1] = probability
    return make_mdp(P, r, gamma=gamma, terminating=True, states=capital.tolist(), actions=stakes.tolist())


def four_rooms(*, gamma: float = 0.9) -> AnyMDP:
    """The four rooms of Sutton, Precup & Singh 1999, section 3: 104 cells, goal in the eastern hallway.

    The chosen move is made with probability 2/3, each of the other three with 1/9; reaching the goal pays 1 and ends.
    Starts anywhere else.
    """
    text = """#############
              #.....#.....#
              #.....#.....#
              #...........#
              #.....#.....#
              #.....#.....#
              ##.####.....#
              #.....###G###
              #.....#.....#
              #.....#.....#
              #...........#
              #.....#.....#
              #############"""
    return gridworld(text, gamma=gamma, slip=4 / 9, slip_kind="random")


def _check_count(value: int, name: str, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name} = {value!r}, expected an integer of at least {least}.")
