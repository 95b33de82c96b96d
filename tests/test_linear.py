"""The linear system of a policy: its solvers against each other, and the choice between them."""

import numpy as np
import pytest
import scipy.sparse as sp

from tabular.linear import factor, is_narrow, spreads
from tabular.worlds import garnet, random_maze


def ring(S: int) -> sp.csr_matrix:
    return sp.csr_matrix(np.roll(np.eye(S), 1, axis=1))


def policy_chain(mdp) -> sp.csr_matrix:
    return mdp.to_sparse().chain(np.zeros(mdp.S, dtype=int))


def test_is_narrow_tells_grids_and_rings_from_random_graphs():
    wide, maze = policy_chain(garnet(5000, 2, 5, gamma=0.9)), policy_chain(random_maze(60, gamma=0.9))
    assert (is_narrow(wide), spreads(wide)) == (False, True)
    assert (is_narrow(maze), spreads(maze)) == (True, False)
    assert (is_narrow(ring(500)), spreads(ring(500))) == (True, False)


@pytest.mark.parametrize("make", [lambda: ring(900), lambda: policy_chain(garnet(4000, 2, 5, gamma=0.9))])
@pytest.mark.parametrize("gamma", [0.9, 0.999])
def test_factor_solves_both_systems(make, gamma):
    """Residuals at the level of rounding, by sparse LU on the ring and by iterations on the random graph."""
    chain = make()
    b = np.random.default_rng(0).normal(size=chain.shape[0])
    for solve, matrix in zip(factor(chain, gamma), (chain, chain.T.tocsr()), strict=True):
        x = solve(b)
        assert abs(b - x + gamma * (matrix @ x)).max() <= 1e-13 * (1 + abs(x).max())
