"""Aliased blocks: what they can say exactly, the published block operator, and refusals."""

import jax.numpy as jnp
import numpy as np
import pytest

import tabular as tb
from tabular.device import to_device
from tabular.fitting import fit
from tabular.mdp import make_mdp
from tabular.models import aliased_blocks, seed_key
from tabular.models.blocks import BlockTheta
from tabular.objectives import mle, omd
from tabular.worlds.papers import maze10, two_state, wall15

MAZE = maze10()


def displacements(true) -> list[tuple[int, int]]:
    """Those that occur, in lexicographic order, by a plain loop."""
    cells = true.grid.cells
    s, _, t = np.nonzero(to_host(true))
    return sorted({(cells[v][0] - cells[u][0], cells[v][1] - cells[u][1]) for u, v in zip(s, t, strict=True)})


def to_host(true) -> np.ndarray:
    return np.asarray(true.to_dense().P)


def shares(true, size: int) -> np.ndarray:
    """Average over the cells of each block of the distribution over displacements, shape (blocks, A, D)."""
    cells, P, moves = true.grid.cells, to_host(true), displacements(true)
    across = true.grid.shape[1] // size
    average = np.zeros((true.S // size**2, true.A, len(moves)))
    for s, a, t in np.argwhere(P > 0):
        (i, j), (k, m) = cells[s], cells[t]
        average[i // size * across + j // size, a, moves.index((k - i, m - j))] += P[s, a, t] / size**2
    return average


def logarithm(p: np.ndarray) -> BlockTheta:
    with np.errstate(divide="ignore"):
        return BlockTheta(jnp.asarray(np.log(p)), None)


def test_blocks_of_one_cell_say_the_truth():
    theta = logarithm(shares(MAZE, 1))
    model = aliased_blocks(MAZE, 1, learns_reward=False).mdp(to_device(MAZE), theta)
    np.testing.assert_allclose(model.P, to_host(MAZE), atol=1e-14)
    np.testing.assert_array_equal(model.r, MAZE.r)


def test_blocks_of_three_give_the_published_operator():
    """The averaged displacements applied to every cell, cut at the border, walls not seen; a loop over the cells."""
    true = wall15()
    average, moves, cells = shares(true, 3), displacements(true), true.grid.cells
    expected = np.zeros((225, 5, 225))
    for s, (i, j) in enumerate(cells):
        for (di, dj), share in zip(moves, average[i // 3 * 5 + j // 3].T, strict=True):
            k, m = min(max(i + di, 0), 14), min(max(j + dj, 0), 14)
            expected[s, :, true.grid.state(k, m)] += share
    model = aliased_blocks(true, 3, learns_reward=False).mdp(to_device(true), logarithm(average))
    np.testing.assert_allclose(model.P, expected, atol=1e-14)
    through = model.P[true.grid.state(0, 6), 1, true.grid.state(0, 7)]
    assert through > 0 and to_host(true)[true.grid.state(0, 6), 1, true.grid.state(0, 7)] == 0


def test_blocks_alias_cells_and_nothing_else():
    """Interior cells of one block have one distribution over displacements and one reward; blocks differ."""
    model_class = aliased_blocks(MAZE, 5)
    true = to_device(MAZE)
    model = model_class.mdp(true, model_class.init(true, seed_key(1)))
    assert np.allclose(model.P.sum(-1), 1) and (model.P >= 0).all()
    P, here, there, far = np.asarray(model.P), 11, 22, 66
    steps = [-10, -1, 0, 1, 10]
    moved = [[P[s, :, s + step] for step in steps] for s in (here, there, far)]
    np.testing.assert_array_equal(moved[0], moved[1])
    assert model.r[here, 0] == model.r[there, 0] != model.r[far, 0]
    assert abs(np.subtract(moved[0], moved[2])).max() > 1e-3


def test_blocks_stay_where_a_displacement_meets_no_state():
    """A grid whose wall is no state: what would lead into it stays, and rows still sum to 1."""
    true = tb.gridworld("S#G\n...", gamma=0.9)
    model_class = aliased_blocks(true, 1)
    device = to_device(true)
    model = model_class.mdp(device, model_class.init(device, seed_key(1)))
    np.testing.assert_allclose(np.asarray(model.P).sum(-1), 1, rtol=1e-14)


@pytest.mark.parametrize("size", [0, 3, 20, 2.5, -1])
def test_aliased_blocks_refuses_a_size_that_does_not_divide(size):
    with pytest.raises(ValueError, match=rf"size = {size} doesn't divide the 10 x 10 grid .* one of 1, 2, 5, 10"):
        aliased_blocks(MAZE, size)


def test_aliased_blocks_refuses_mdps_without_its_grid():
    with pytest.raises(ValueError, match=r"true has no grid.*low_rank"):
        aliased_blocks(two_state(), 1)
    other = make_mdp(np.ones((3, 1, 3)) / 3, np.zeros((3, 1)), gamma=0.9)
    with pytest.raises(ValueError, match="true has 3 states, expected 100: the blocks are of another grid"):
        fit(other, mle(), aliased_blocks(MAZE, 5), seeds=1)


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 5])
@pytest.mark.parametrize("objective", [mle(), omd(0.1)])
def test_fit_on_the_maze_lowers_the_loss(objective, size):
    found = fit(MAZE, objective, aliased_blocks(MAZE, size), seeds=(1, 2), steps=20, lr=0.05)
    assert (found.history.loss[..., -1] < found.history.loss[..., 0]).all() and np.isfinite(found.J).all()
