"""Aliased blocks: neighbouring cells of a grid can't be told apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tabular.geometry import Grid
from tabular.mdp import MDP, AnyMDP
from tabular.models.base import ModelClass, as_model


class BlockTheta(NamedTuple):
    """Parameters of a model with aliased blocks."""

    logits: jax.Array
    """Unnormalised log-probabilities of displacements, shape (S, A, displacements). The first `blocks` rows are used,
    so that blocks of all sizes share one compiled fit."""
    reward: jax.Array | None
    """Rewards, shape (S, A), laid out likewise; None where the true ones are known."""


@partial(
    jax.tree_util.register_dataclass, data_fields=["block", "target", "size", "blocks"], meta_fields=["learns_reward"]
)
@dataclass(frozen=True, eq=False)
class AliasedBlocks(ModelClass):
    """One distribution over displacements, and one reward, for all cells of a block; see `aliased_blocks`."""

    block: jax.Array
    """Block of each state, shape (S,)."""
    target: jax.Array
    """Where each displacement leads from each state, shape (S, displacements)."""
    size: int
    """Rows and columns of a block."""
    blocks: int
    """Number of blocks."""
    learns_reward: bool

    def __repr__(self) -> str:
        return f"aliased_blocks(size={self.size}, learns_reward={self.learns_reward})"

    def check(self, true: AnyMDP) -> None:
        if true.S != len(self.block):
            raise ValueError(f"true has {true.S} states, expected {len(self.block)}: the blocks are of another grid.")

    def init(self, true: MDP, key: jax.Array) -> BlockTheta:
        """Logits and rewards uniform on [0, 1); rows that aren't used are 0, and stay so."""
        keys, used = jax.random.split(key), jnp.arange(true.S) < self.blocks
        drawn = jax.random.uniform(keys[0], (true.S, true.A, self.target.shape[1]))
        logits = jnp.where(used[:, None, None], drawn, 0.0)
        reward = jnp.where(used[:, None], jax.random.uniform(keys[1], true.r.shape), 0.0)
        return BlockTheta(logits, reward if self.learns_reward else None)

    def mdp(self, true: MDP, theta: BlockTheta) -> MDP:
        """The model with these parameters."""
        rows = jax.nn.softmax(theta.logits)[self.block]
        states, actions = jnp.indices((true.S, true.A))
        P = (
            jnp.zeros((true.S, true.A, true.S))
            .at[states[..., None], actions[..., None], self.target[:, None]]
            .add(rows)
        )
        return as_model(true, P, None if theta.reward is None else theta.reward[self.block])


def aliased_blocks(true: AnyMDP, size: int = 3, *, learns_reward: bool = True) -> AliasedBlocks:
    """Models of a grid world that see blocks of `size` x `size` cells: the capacity limit of Eysenbach et al. 2021,
    Figure 2b, as a model class.

        P_hat(cell + d | cell, a) = softmax(logits[block(cell), a])(d)

    over the displacements d = (rows, columns) that occur in the true MDP. A displacement that leads out of the grid is
    cut at the border, one into a cell that is no state stays; walls inside a block are not seen.

    Args:
      true: an MDP with a grid (`gridworld`, `worlds.maze10` ...).
      size: rows and columns of a block; 1 tells all cells apart.
      learns_reward: one reward for each block and action; False gives the model the true rewards.

    Raises:
      ValueError if the MDP has no grid, or the size doesn't divide its rows and columns.
    """
    grid = true.grid
    if grid is None:
        raise ValueError("true has no grid, so there are no blocks of cells. Use low_rank(...) for MDPs without one.")
    rows, columns = grid.shape
    fitting = [n for n in range(1, min(rows, columns) + 1) if rows % n == columns % n == 0]
    if size not in fitting:
        raise ValueError(
            f"size = {size!r} doesn't divide the {rows} x {columns} grid into blocks. Use one of "
            f"{', '.join(map(str, fitting))}."
        )
    cells = np.array(grid.cells)
    block = cells[:, 0] // size * (columns // size) + cells[:, 1] // size
    names, block = np.unique(block, return_inverse=True)
    target = _targets(grid, _displacements(true, grid))
    return AliasedBlocks(jnp.asarray(block), jnp.asarray(target), int(size), len(names), learns_reward)


def _displacements(true: AnyMDP, grid: Grid) -> np.ndarray:
    """The displacements that have a positive probability somewhere, shape (D, 2), in lexicographic order."""
    cells = np.array(grid.cells)
    successor = np.zeros((true.S, true.S), dtype=bool)
    for action in range(true.A):
        chain = true.chain(np.eye(true.A)[np.full(true.S, action)])
        dense = chain if isinstance(chain, np.ndarray) else chain.toarray()
        successor |= np.asarray(dense) > 0
    s, t = np.nonzero(successor)
    return np.unique(cells[t] - cells[s], axis=0)


def _targets(grid: Grid, displacements: np.ndarray) -> np.ndarray:
    """State that each displacement leads to from each state, shape (S, D)."""
    cells = np.array(grid.cells)
    state = np.full(grid.shape, -1)
    state[cells[:, 0], cells[:, 1]] = np.arange(len(cells))
    row, column = np.moveaxis(cells[:, None] + displacements, -1, 0)
    reached = state[np.clip(row, 0, grid.shape[0] - 1), np.clip(column, 0, grid.shape[1] - 1)]
    return np.where(reached >= 0, reached, np.arange(len(cells))[:, None])
