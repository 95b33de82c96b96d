"""Models that can't say everything: blocks of cells that move alike, and kernels of low rank."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tabular.geometry import Grid


def block_average(q: np.ndarray, grid: Grid, block: int = 3) -> np.ndarray:
    """Give all cells of a block the same distribution of *displacements*, the average over the block.

    Eysenbach et al. 2021, Figure 2b: "states in 3 x 3 blocks have the same dynamics". For each block and action, the
    probabilities of the displacements (rows, columns) are averaged over the block's cells; a displacement that would
    leave the grid ends at the border. Walls are ignored: the model moves through them. Linear in q, keeps rows
    distributions, and does not stay put when applied twice (displacements are cut at the border).

    Args:
      q: dynamics, shape (S, A, S).
      grid: geometry in which every cell is a state, walls included.
      block: side of a block in cells; divides the grid's sides.

    Raises:
      ValueError if it doesn't, or a cell is no state.
    """
    rows, columns = _check_blocks(q, grid, block)
    cells = np.array(grid.cells)
    s, a, t = np.nonzero(q)
    moves, which = np.unique(cells[t] - cells[s], axis=0, return_inverse=True)
    block_of = cells[:, 0] // block * (columns // block) + cells[:, 1] // block
    share = np.zeros((block_of.max() + 1, q.shape[1], len(moves)))
    np.add.at(share, (block_of[s], a, which.ravel()), q[s, a, t] / block**2)
    reached = np.clip(cells[:, None] + moves, 0, (rows - 1, columns - 1))
    index = np.empty((rows, columns), dtype=int)
    index[tuple(cells.T)] = np.arange(len(cells))
    averaged = np.zeros(q.shape)
    for move in range(len(moves)):
        ends = index[tuple(reached[:, move].T)]
        averaged[np.arange(len(cells)), :, ends] += share[block_of, :, move]
    return averaged


def _check_blocks(q: np.ndarray, grid: Grid, block: int) -> tuple[int, int]:
    rows, columns = grid.shape
    if block < 1 or rows % block or columns % block:
        raise ValueError(
            f"block = {block!r}, expected a divisor of the {rows} x {columns} grid's sides: 3 divides 15 x 15."
        )
    if len(grid.cells) != rows * columns:
        raise ValueError(
            f"the grid has {len(grid.cells)} states on {rows * columns} cells, expected a state for every cell: cells "
            "of a wall move like the others of their block. worlds.wall15 and maze10 are built so."
        )
    if q.ndim != 3 or q.shape[0] != len(grid.cells):
        raise ValueError(f"q has shape {q.shape}, expected (S, A, S) with S = {len(grid.cells)}.")
    return rows, columns


@dataclass(frozen=True)
class Factors:
    """A kernel that passes through `rank` hidden states: `q[s, a, t] = sum_k weights[s, a, k] features[k, t]`."""

    q: np.ndarray
    """Shape (S, A, S); rows are distributions."""
    weights: np.ndarray
    """Shape (S, A, rank); rows are distributions."""
    features: np.ndarray
    """Shape (rank, S); rows are distributions."""
    divergence: np.ndarray
    """`sum_{s, a} KL(p || q)` after each sweep; it never rises."""


def nearest_low_rank(p: np.ndarray, rank: int, *, seed: int = 0, sweeps: int = 1000, tol: float = 1e-9) -> Factors:
    """The likeliest kernel of a given nonnegative rank: minimises `sum_{s, a} KL(p(.|s, a) || q(.|s, a))`.

    Expectation maximisation for a mixture (Hofmann 1999; the multiplicative updates of Lee & Seung 2001 for the
    divergence, with rows normalised). Every sweep lowers the divergence and keeps rows distributions, which a truncated
    singular value decomposition doesn't; it finds a local optimum, which depends on `seed`. q has mass outside the
    support of p: use it with `clip`.

    Args:
      p: kernel, shape (S, A, S).
      rank: 1 to S; S is p itself.
      sweeps: the most there are; ends before when the divergence falls by less than `tol` times itself.

    Raises:
      ValueError for a rank out of range or rows that are no distributions.
    """
    S, A, _ = p.shape
    if not 1 <= rank <= S:
        raise ValueError(f"rank = {rank!r}, expected 1 to {S}, the number of states.")
    wrong = ~(p >= 0).all(-1) | (abs(p.sum(-1) - 1) > 1e-8)
    if wrong.any():
        s, a = np.argwhere(wrong)[0]
        raise ValueError(f"p[{s}, {a}] sums to {p[s, a].sum():.12g}, expected probabilities that sum to 1.")
    if rank == S:
        return Factors(p, p, np.eye(S), np.zeros(1))
    weights, features, history = _expectation_maximisation(p.reshape(S * A, S), rank, seed, sweeps, tol)
    q = weights @ features
    q /= q.sum(-1, keepdims=True)
    return Factors(q.reshape(S, A, S), weights.reshape(S, A, rank), features, np.array(history))


def _expectation_maximisation(p: np.ndarray, rank: int, seed: int, sweeps: int, tol: float):
    """Factors of the rows of p, and the divergence after each sweep."""
    draw = np.random.RandomState(seed)
    weights = _rows(draw.uniform(0.5, 1.5, (len(p), rank)))
    features = _rows(draw.uniform(0.5, 1.5, (rank, p.shape[1])) * p.mean(0))
    history = [_divergence(p, weights @ features)]
    for _ in range(sweeps):
        ratio = _ratio(p, weights @ features)
        weights, features = _rows(weights * (ratio @ features.T)), _rows(features * (weights.T @ ratio))
        history.append(_divergence(p, weights @ features))
        if history[-2] - history[-1] <= tol * history[-1]:
            break
    return weights, features, history


def _rows(array: np.ndarray) -> np.ndarray:
    """Rows divided by their sums; a row of zeros, a hidden state that nothing uses, becomes uniform."""
    total = array.sum(1, keepdims=True)
    return np.where(total > 0, array / np.where(total > 0, total, 1.0), 1 / array.shape[1])


def _ratio(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    return np.where(p > 0, p / np.where(p > 0, q, 1.0), 0.0)


def _divergence(p: np.ndarray, q: np.ndarray) -> float:
    return float((p * np.log(np.where(p > 0, _ratio(p, q), 1.0))).sum())
