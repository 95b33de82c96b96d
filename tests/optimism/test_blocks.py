"""Limits of model classes."""

import numpy as np
import pytest
from scipy.special import rel_entr

import tabular as tb
from tabular.optimism import block_average, nearest_low_rank
from tabular.worlds.papers import wall15
from tests.instances import random_mdp


def by_hand(q, shape, block):
    """The published definition, with a loop for every cell."""
    rows, columns = shape
    averaged = np.zeros_like(q)
    for i in range(rows):
        for j in range(columns):
            for x in range(i // block * block, i // block * block + block):
                for y in range(j // block * block, j // block * block + block):
                    for a in range(q.shape[1]):
                        for t in np.flatnonzero(q[x * columns + y, a]):
                            u = min(max(i + t // columns - x, 0), rows - 1)
                            v = min(max(j + t % columns - y, 0), columns - 1)
                            averaged[i * columns + j, a, u * columns + v] += q[x * columns + y, a, t] / block**2
    return averaged


def grid_world(rows, columns):
    return tb.gridworld("\n".join(["." * columns] * rows), gamma=0.9, rewards={}).grid


@pytest.mark.parametrize(("shape", "block"), [((4, 6), 2), ((3, 3), 3), ((3, 3), 1), ((2, 6), 2)])
def test_block_average_is_the_definition_cell_by_cell(shape, block):
    rng = np.random.default_rng(0)
    S = shape[0] * shape[1]
    q = rng.dirichlet(np.full(S, 0.1), size=(S, 2))
    averaged = block_average(q, grid_world(*shape), block)
    np.testing.assert_allclose(averaged, by_hand(q, shape, block), atol=1e-14)
    np.testing.assert_allclose(averaged.sum(-1), 1, atol=1e-12)


def test_block_average_of_single_cells_is_the_model_itself():
    mdp = wall15()
    np.testing.assert_array_equal(block_average(mdp.P, mdp.grid, 1), mdp.P)


def test_block_average_cannot_see_a_wall():
    """Right of (0, 6) stands the wall. In the block of columns 6 to 8 two of nine cells can't go right: (r, 6) and,
    from within the wall, none: so the model moves right with probability 6/9."""
    mdp = wall15()
    q = block_average(mdp.P, mdp.grid, 3)
    blocked = mdp.P[6, 1, 6]
    assert blocked == 1 and 0 < q[6, 1, 7] < 1
    block = [15 * row + column for row in range(3) for column in (6, 7, 8)]
    assert q[6, 1, 7] == pytest.approx(np.mean([mdp.P[s, 1, s + 1] for s in block]))


def test_block_average_refuses_blocks_that_do_not_fit():
    mdp = wall15()
    with pytest.raises(ValueError, match="block = 4, expected a divisor of the 15 x 15 grid"):
        block_average(mdp.P, mdp.grid, 4)
    with pytest.raises(ValueError, match="block = 0"):
        block_average(mdp.P, mdp.grid, 0)
    walled = tb.gridworld("..#\n...\n...", gamma=0.9, rewards={})
    with pytest.raises(ValueError, match="8 states on 9 cells, expected a state for every cell"):
        block_average(walled.to_dense().P, walled.grid, 3)
    with pytest.raises(ValueError, match=r"q has shape \(3, 1, 3\)"):
        block_average(np.ones((3, 1, 3)), mdp.grid, 3)


def test_low_rank_is_a_kernel_of_that_rank_and_rises_in_likelihood_all_the_way():
    for i in range(5):
        P = random_mdp(8, i, S=6, A=3).P
        found = nearest_low_rank(P, 2, sweeps=300)
        np.testing.assert_allclose(found.q.sum(-1), 1, atol=1e-12)
        assert (found.q >= 0).all() and np.linalg.matrix_rank(found.q.reshape(-1, 6), tol=1e-9) <= 2
        assert (np.diff(found.divergence) <= 1e-12 * found.divergence[:-1]).all()
        assert found.divergence[-1] == pytest.approx(rel_entr(P, found.q).sum())
        np.testing.assert_allclose(found.weights @ found.features, found.q, atol=1e-12)


def test_low_rank_of_rank_1_is_the_average_row():
    """A closed form: the one distribution that is nearest to all rows in divergence is their mean."""
    P = random_mdp(8, 1, S=5, A=2).P
    found = nearest_low_rank(P, 1)
    np.testing.assert_allclose(found.q, np.tile(P.mean((0, 1)), (5, 2, 1)), atol=1e-12)


def test_low_rank_finds_a_kernel_that_has_that_rank():
    rng = np.random.default_rng(3)
    P = (rng.dirichlet(np.ones(2), size=(8, 3)) @ rng.dirichlet(np.ones(8), size=2)).reshape(8, 3, 8)
    assert nearest_low_rank(P, 2, sweeps=5000, tol=1e-12).divergence[-1] < 1e-5
    np.testing.assert_array_equal(nearest_low_rank(P, 8).q, P)


def test_low_rank_refuses_ranks_out_of_range_and_rows_that_are_none():
    P = random_mdp(8, 1, S=5, A=2).P
    for rank in (0, 6):
        with pytest.raises(ValueError, match=f"rank = {rank}, expected 1 to 5"):
            nearest_low_rank(P, rank)
    with pytest.raises(ValueError, match=r"p\[0, 0\] sums to 2"):
        nearest_low_rank(2 * P, 2)
