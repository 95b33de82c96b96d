"""Value-gradient weighted models: predictions may be off where values don't change (Voelcker et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tabular.mdp import MDP, AnyMDP
from tabular.objectives.base import check_alpha
from tabular.objectives.itervaml import ByOwnValues
from tabular.objectives.vaml import check_states, finite_matrix, reward_errors
from tabular.operators import soft_value


@partial(jax.tree_util.register_dataclass, data_fields=["points", "ahead", "behind", "width"], meta_fields=[])
@dataclass(frozen=True, eq=False)
class Coordinates:
    """Where states lie, and their neighbours along each axis: what a value gradient is taken from."""

    points: jax.Array
    """Coordinates of each state, shape (S, n)."""
    ahead: jax.Array
    """The neighbour with the next larger coordinate, or the state itself if there is none, shape (S, n)."""
    behind: jax.Array
    """The same with the next smaller one."""
    width: jax.Array
    """Distance from `behind` to `ahead`, shape (S, n); infinite where a state has neither."""

    def __repr__(self) -> str:
        return f"coordinates(shape={self.points.shape})"

    def gradient(self, V: jax.Array) -> jax.Array:
        """`dV/dx_i` at each state, shape (S, n): central differences, one-sided at borders and walls, 0 between two
        of them."""
        return (V[self.ahead] - V[self.behind]) / self.width


@partial(jax.tree_util.register_dataclass, data_fields=["coordinates", "alpha"], meta_fields=["of_mean"])
@dataclass(frozen=True)
class VaGraM(ByOwnValues):
    """`mean_{s,a} E sum_i (dV_hat/dx_i(t))^2 (x_i(t) - x_hat_i)^2 + mean_{s,a} (r_hat - r)^2`; see `vagram`."""

    coordinates: Coordinates
    alpha: float
    of_mean: bool

    def check(self, true: AnyMDP, model: MDP) -> None:
        check_states("coordinates", self.coordinates.points.shape[:1], true)

    def loss(self, true: MDP, model: MDP, Q: jax.Array, step: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The loss, in units of return squared plus reward squared, and Q_hat for the next solve."""
        Q = self.planned(model, Q)
        weight = self.coordinates.gradient(soft_value(Q, self.alpha)) ** 2
        errors = (self._of_mean if self.of_mean else self._of_samples)(true, model, weight)
        return jnp.mean(errors + reward_errors(true, model), where=true.feasible), Q

    def _of_samples(self, true: MDP, model: MDP, weight: jax.Array) -> jax.Array:
        """`E_{t ~ p, u ~ p_hat} sum_i weight_i(t) (x_i(t) - x_i(u))^2`, shape (S, A)."""
        points = self.coordinates.points
        distance = jnp.einsum("ti,tui->tu", weight, (points[:, None] - points[None]) ** 2)
        return jnp.einsum("sau,sau->sa", true.P @ distance, model.P)

    def _of_mean(self, true: MDP, model: MDP, weight: jax.Array) -> jax.Array:
        """`E_{t ~ p} sum_i weight_i(t) (x_i(t) - sum_u p_hat(u) x_i(u))^2`, shape (S, A)."""
        mass = jnp.sum(model.P, axis=-1, keepdims=True)
        points = self.coordinates.points
        mean = model.P @ points / jnp.where(mass > 0, mass, 1.0)
        squares = (points[None, None] - mean[:, :, None]) ** 2
        return jnp.einsum("sat,ti,sati->sa", true.P, weight, squares)


def vagram(coordinates: Coordinates | Any, alpha: float = 0.01, *, of_mean: bool = False) -> VaGraM:
    """Value-gradient weighted model loss, Voelcker et al. 2022, eq. 7, with exact expectations:

        mean_{s,a} E_{t ~ p} sum_i (dV_hat/dx_i (t))^2 (x_i(t) - x_hat_i(s, a))^2 + mean_{s,a} (r_hat - r)^2

    over feasible actions. V_hat is the soft value planned in the model as it is now, a constant in the derivative (see
    `itervaml`), and its gradient is taken by finite differences. Eq. 7 has the factor dim(S), which makes it a bound of
    eq. 6 (it's missing in their algorithm 1); it is left out, as it changes the weight of rewards only.

    The paper's model predicts one point x_hat. Those here are distributions, and the prediction is

        a sample    x_hat = x(u), u ~ p_hat, in expectation (default). Linear in p_hat: the minimum is the one
                    successor that predicts best, so that a deterministic kernel is found exactly wherever V_hat has a
                    slope along every axis, and of a stochastic one a deterministic summary (the collapse of variances);
        the mean    x_hat = sum_u p_hat(u) x(u). It determines the mean only, n of the S - 1 numbers of a row: any
                    mixture of far-away states with this mean is as good, and plans otherwise.

    In a stochastic MDP the loss isn't 0 in the true model, nor is the true model its minimum: the best x_hat_i is the
    mean of x_i weighted with the squared slopes. Where V_hat is flat along an axis, the prediction along it is free.

    Args:
      coordinates: `grid_coordinates(mdp)`, `lattice(points)`, or an array (S, n) for `lattice`.
      alpha: temperature of the agent that plans with the learned model, and of V_hat.
      of_mean: whether the prediction is the mean.

    Raises:
      ValueError as `lattice`, or for a temperature that isn't positive. `fit` refuses coordinates of another number of
      states.
    """
    if not isinstance(coordinates, Coordinates):
        coordinates = lattice(coordinates)
    return VaGraM(coordinates, check_alpha(alpha), bool(of_mean))


def grid_coordinates(mdp: AnyMDP) -> Coordinates:
    """Row and column of each state of a grid world. No difference is taken across the edge of a wall.

    Raises ValueError if the MDP has no grid.
    """
    if mdp.grid is None:
        raise ValueError("mdp has no grid, so its states have no coordinates. Use lattice(points) with points (S, n).")
    return lattice(mdp.grid.cells, walls=[cell in mdp.grid.walls for cell in mdp.grid.cells])


def lattice(points: Any, *, walls: Any = None) -> Coordinates:
    """States on a rectangular grid in n dimensions, such as the discretisation of a continuous state.

    A neighbour along an axis has the next coordinate that occurs on it, and the others equal. Spacings may differ:
    differences are then of first order. There may be holes.

    Args:
      points: coordinates, shape (S, n).
      walls: mask of states that are walls, shape (S,): a wall and another state aren't neighbours.

    Raises:
      ValueError for another shape, entries that aren't finite, two states in one place, or an axis along which no two
      states are neighbours though their coordinates differ.
    """
    points = np.asarray(finite_matrix("points", points, "(S, n), coordinates of each state"))
    walls = np.zeros(len(points), dtype=bool) if walls is None else np.asarray(walls, dtype=bool)
    if walls.shape != points.shape[:1]:
        raise ValueError(f"walls has shape {walls.shape}, expected {points.shape[:1]}, one entry for each state.")
    levels = _levels(points)
    here = np.arange(len(points))[:, None]
    ahead, behind = (_neighbours(levels, walls, step) for step in (1, -1))
    ahead, behind = np.where(ahead < 0, here, ahead), np.where(behind < 0, here, behind)
    axes = np.arange(points.shape[1])
    width = points[ahead, axes] - points[behind, axes]
    lost = (levels.max(0) > 0) & ~(width > 0).any(0)
    if lost.any():
        raise ValueError(
            f"points: no two states are neighbours along axis {np.flatnonzero(lost)[0]}, so values have no slope. "
            "Expected states on the lines of a rectangular grid."
        )
    width = np.where(width > 0, width, np.inf)
    return Coordinates(*(jnp.asarray(x) for x in (points, ahead, behind, width)))


def _levels(points: np.ndarray) -> np.ndarray:
    """Rank of each coordinate among those of its axis, shape (S, n) integers; rounding apart counts as equal."""
    size = np.maximum(np.ptp(points, axis=0), np.finfo(float).tiny)
    scaled = np.round((points - points.min(0)) / size, 9)
    levels = np.stack([np.unique(column, return_inverse=True)[1] for column in scaled.T], axis=1)
    _, first, count = np.unique(levels, axis=0, return_index=True, return_counts=True)
    if (count > 1).any():
        s = first[count > 1][0]
        raise ValueError(f"points[{s}] = {points[s]} is the place of {count.max()} states, expected different places.")
    return levels


def _neighbours(levels: np.ndarray, walls: np.ndarray, step: int) -> np.ndarray:
    """State one level further along each axis, shape (S, n); -1 if there is none or a wall begins or ends there."""
    state = {tuple(level): s for s, level in enumerate(levels.tolist())}
    moves = step * np.eye(levels.shape[1], dtype=int)
    there = np.array([[state.get(tuple(level), -1) for level in (here + moves).tolist()] for here in levels])
    return np.where(walls[there] == walls[:, None], there, -1)
