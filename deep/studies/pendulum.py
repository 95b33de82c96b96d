"""The pendulum as a table, solved exactly, and its values as a smooth function of the state."""

from __future__ import annotations

import math
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
from jaxtyping import Array, Float

from deep.envs.pendulum import FASTEST, reward, torques, turned, wrapped
from tabular.mdp import AnyMDP, make_mdp
from tabular.solve import Solution, solve


@dataclass(frozen=True)
class Mesh:
    """Angles (periodic) by speeds (from -8 to 8) at which values are known."""

    angles: int = 120
    speeds: int = 121

    def states(self) -> np.ndarray:
        """All of them, shape (angles * speeds, 2), speeds fastest."""
        angle = -math.pi + 2 * math.pi * np.arange(self.angles) / self.angles
        speed = np.linspace(-FASTEST, FASTEST, self.speeds)
        return np.stack(np.meshgrid(angle, speed, indexing="ij"), axis=-1).reshape(-1, 2)

    def place(self, state):
        """Angle and speed in units of the mesh, counted from the first point."""
        angle = (wrapped(state[..., 0]) + math.pi) * (self.angles / (2 * math.pi))
        return angle, (state[..., 1] + FASTEST) * ((self.speeds - 1) / (2 * FASTEST))


def table(mesh: Mesh, actions: int = 9, gamma: float = 0.99) -> AnyMDP:
    """The MDP on the mesh: where a step ends between points, it leads to the corners around, weighted bilinearly.

    The weights are probabilities, so it is a proper MDP; its values are the fixed point of a backup with interpolated
    values (Davies 1996), and tend to those of the pendulum as the mesh gets finer.
    """
    states = jnp.asarray(mesh.states())
    u = torques(actions, jnp.float64)
    pairs = jnp.repeat(states, actions, axis=0), jnp.tile(u, len(states))
    where = mesh.place(turned(*pairs))
    kernel = _corners(mesh, *(np.asarray(x) for x in where))
    return make_mdp(kernel, np.asarray(reward(*pairs)).reshape(-1, actions), gamma=gamma)


def _corners(mesh: Mesh, angle: np.ndarray, speed: np.ndarray) -> sp.csr_matrix:
    """A row for each place, with the weights of the four points around it."""
    i, j = np.floor(angle).astype(int), np.minimum(np.floor(speed).astype(int), mesh.speeds - 2)
    x, y = angle - i, speed - j
    rows, columns, weights = [], [], []
    for di, dj, w in ((0, 0, (1 - x) * (1 - y)), (0, 1, (1 - x) * y), (1, 0, x * (1 - y)), (1, 1, x * y)):
        rows.append(np.arange(len(angle)))
        columns.append((i + di) % mesh.angles * mesh.speeds + j + dj)
        weights.append(np.clip(w, 0, 1))
    triples = (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns)))
    return sp.csr_matrix(triples, shape=(len(angle), mesh.angles * mesh.speeds))


class Values(eqx.Module):
    """Values on a mesh as a function of the state whose gradient is continuous (Catmull-Rom splines)."""

    V: Float[Array, "angles speeds"]
    mesh: Mesh = eqx.field(static=True)

    def __call__(self, state: Float[Array, "*batch 2"]) -> Float[Array, "*batch"]:
        flat = state.reshape(-1, 2)
        return jax.vmap(self._at)(flat).reshape(state.shape[:-1])

    def _at(self, state: Float[Array, "2"]) -> Float[Array, ""]:
        angle, speed = self.mesh.place(state)
        i = jnp.floor(angle)
        j = jnp.clip(jnp.floor(speed), 0, self.mesh.speeds - 2)
        around = jnp.arange(-1, 3, dtype=jnp.int32)
        rows = (i.astype(jnp.int32) + around) % self.mesh.angles
        columns = jnp.clip(j.astype(jnp.int32) + around, 0, self.mesh.speeds - 1)
        return _weights(angle - i) @ self.V[rows][:, columns] @ _weights(speed - j)


def _weights(x: Float[Array, ""]) -> Float[Array, "4"]:
    """Of the two points before and the two points after a place between the middle ones."""
    x2, x3 = x**2, x**3
    return jnp.stack([-x3 + 2 * x2 - x, 3 * x3 - 5 * x2 + 2, -3 * x3 + 4 * x2 + x, x3 - x2]) / 2


def optimal_values(mesh: Mesh, actions: int = 9, gamma: float = 0.99) -> tuple[Values, Solution]:
    """Optimal values of the pendulum, and the solution with the certified error of the table's values."""
    solution = solve(table(mesh, actions, gamma))
    return Values(jnp.asarray(solution.V.reshape(mesh.angles, mesh.speeds)), mesh), solution
