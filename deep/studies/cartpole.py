"""The cart and the pole as a table, solved exactly."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
from jaxtyping import Array, Float

from deep.envs import CartPole
from deep.envs.base import Step
from deep.envs.cartpole import FARTHEST, FIRST, STEEPEST
from tabular.mdp import AnyMDP, make_mdp
from tabular.solve import Solution, solve

FASTEST = (FARTHEST, 2.5, STEEPEST, 2.5)
"""Ends of the mesh: position, velocity, angle, angular velocity. Faster states count as the fastest."""
CROWDING = 2.0
"""How much finer the mesh is around 0 than at its ends."""


@dataclass(frozen=True)
class Mesh:
    """States at which values are known: a product of four axes, finer around 0."""

    points: tuple[int, int, int, int] = (13, 15, 19, 21)
    """Odd numbers, so that 0 is one of the points."""
    axes: tuple[np.ndarray, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        axes = tuple(end * _crowded(n) for end, n in zip(FASTEST, self.points, strict=True))
        object.__setattr__(self, "axes", axes)

    @property
    def size(self) -> int:
        return int(np.prod(self.points))

    def states(self) -> np.ndarray:
        """All of them, shape (size, 4), the last axis fastest."""
        return np.stack(np.meshgrid(*self.axes, indexing="ij"), axis=-1).reshape(-1, 4)

    def weights(self, states: np.ndarray) -> sp.csr_matrix:
        """For each state (n, 4) a row of weights of the 16 corners around it, multilinear: rows sum to 1."""
        below, share = zip(*(_between(axis, x) for axis, x in zip(self.axes, states.T, strict=True)), strict=True)
        rows, columns, weights = [], [], []
        for corner in product((0, 1), repeat=4):
            at = [i + side for i, side in zip(below, corner, strict=True)]
            part = [w if side else 1 - w for w, side in zip(share, corner, strict=True)]
            rows.append(np.arange(len(states)))
            columns.append(np.ravel_multi_index(at, self.points))
            weights.append(np.prod(part, axis=0))
        triples = (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns)))
        return sp.csr_matrix(triples, shape=(len(states), self.size))


def _crowded(n: int) -> np.ndarray:
    """Numbers from -1 to 1, `CROWDING` times as dense around 0 as on average elsewhere."""
    even = np.linspace(-1, 1, n)
    return even * (1 + (CROWDING - 1) * abs(even)) / CROWDING


def _between(axis: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The point below each number, and how far it is on the way to the next one, 0 to 1."""
    x = np.clip(x, axis[0], axis[-1])
    i = np.clip(np.searchsorted(axis, x, side="right") - 1, 0, len(axis) - 2)
    return i, (x - axis[i]) / (axis[i + 1] - axis[i])


def table(mesh: Mesh, gamma: float = 0.99) -> AnyMDP:
    """The MDP on the mesh: a step leads to the corners around where it ends, weighted multilinearly; a fall ends it.

    The weights are probabilities, so it is a proper MDP: that of a cart that is jolted to a point of the mesh after
    every step (Davies 1996). The jolts cost something; the finer the mesh, the less. There is no limit of time.
    """
    states, fallen = _stepped(mesh.states())
    kernel = sp.diags_array((~fallen).astype(float)) @ mesh.weights(states)
    return make_mdp(sp.csr_matrix(kernel), np.ones((mesh.size, 2)), gamma=gamma, rho=_first(mesh), terminating=True)


def _stepped(states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What follows each state and action, in the order s * 2 + a, and whether it is a fall."""
    step = _both(np.asarray(states))
    return np.asarray(step.observation).reshape(-1, 4), np.asarray(step.terminated).reshape(-1)


@jax.jit
def _both(states: Float[Array, "states 4"]) -> Step:
    """Both actions in each state."""
    env, key = CartPole(dtype=jnp.float64), jax.random.key(0)
    one = jax.vmap(partial(env.step, key), in_axes=(None, 0))
    return jax.vmap(one, in_axes=(0, None))(states, jnp.arange(2))


def _first(mesh: Mesh) -> np.ndarray:
    """The start distribution: uniform in a small box around 0, by multilinear weights of its points."""
    points = np.stack(np.meshgrid(*[np.linspace(-FIRST, FIRST, 5)] * 4), axis=-1).reshape(-1, 4)
    rho = np.asarray(mesh.weights(points).mean(axis=0)).ravel()
    return rho / rho.sum()


@dataclass(frozen=True)
class Exact:
    """A table's solution as a function of any state."""

    mesh: Mesh
    solution: Solution
    gamma: float

    def Q(self, states: np.ndarray) -> np.ndarray:
        """Values between the mesh's points, of states (n, 4): shape (n, 2).

        One backup with interpolated values: `r + gamma V(s')`, 0 after a fall.
        """
        after, fallen = _stepped(states)
        V = np.where(fallen, 0.0, self.mesh.weights(after) @ self.solution.V)
        return (1 + self.gamma * V).reshape(-1, 2)

    def returns(self, episodes: int, seed: int, limit: int = 500) -> np.ndarray:
        """Undiscounted returns of its greedy policy in the real environment, shape (episodes,)."""
        rng = np.random.default_rng(seed)
        states, total = rng.uniform(-FIRST, FIRST, (episodes, 4)), np.zeros(episodes)
        going = np.ones(episodes, bool)
        for _ in range(limit):
            best = self.Q(states).argmax(1)
            after, fallen = (x.reshape(episodes, 2, *x.shape[1:]) for x in _stepped(states))
            total += going
            going &= ~fallen[np.arange(episodes), best]
            states = after[np.arange(episodes), best]
        return total


def solved(mesh: Mesh, gamma: float = 0.99) -> Exact:
    """Optimal values of the table, with a certified error."""
    return Exact(mesh, solve(table(mesh, gamma), tol=1e-3), gamma)
