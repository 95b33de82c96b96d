"""Random MDPs: their structure, their laws, and that a seed fixes them."""

from itertools import combinations

import numpy as np
import pytest
import scipy.stats

from tabular.worlds import dirichlet, garnet, random_maze
from tabular.worlds.random import distinct_integers


@pytest.mark.parametrize(("S", "branching"), [(20, 1), (20, 5), (20, 20), (500, 7)])
def test_garnet_has_distinct_successors(S, branching):
    mdp = garnet(S, 3, branching, 0.9, seed=1).to_sparse()
    assert (np.diff(mdp.kernel.indptr) == branching).all()
    assert mdp.kernel.sum(1) == pytest.approx(1, abs=1e-14)
    assert mdp.r.shape == (S, 3)


def test_garnet_storage_follows_the_size_or_the_wish():
    assert type(garnet(200)).__name__ == "MDP"
    assert type(garnet(201)).__name__ == "SparseMDP"
    dense, sparse = garnet(50, sparse=False), garnet(50, sparse=True)
    assert abs(dense.P - sparse.to_dense().P).max() < 1e-15
    assert (dense.r == sparse.r).all()


def test_distinct_integers_takes_every_set_equally_often():
    """Chi-square over the 20 sets of 3 out of 6; fails by chance with probability 1e-6."""
    taken = distinct_integers(60_000, 3, 6, np.random.RandomState(0))
    sets = list(combinations(range(6), 3))
    counts = np.zeros(len(sets))
    found, times = np.unique(np.sort(taken, axis=1), axis=0, return_counts=True)
    counts[[sets.index(tuple(row)) for row in found.tolist()]] = times
    assert len(found) == 20
    assert scipy.stats.chisquare(counts).pvalue > 1e-6


def test_random_worlds_are_fixed_by_their_seed():
    for world in (garnet, dirichlet, random_maze):
        first, again, other = world(seed=3), world(seed=3), world(seed=4)
        assert (first.r == again.r).all()
        assert (first.to_dense().P == again.to_dense().P).all()
        assert first.r.shape != other.r.shape or (first.r != other.r).any()


def test_garnet_stream_is_frozen():
    """The first numbers of seed 0: a NumPy whose stream moved would change every published instance."""
    mdp = garnet(4, 2, 2, 0.9, seed=0)
    assert mdp.P[0, 0] == pytest.approx([0.56723485, 0, 0, 0.43276515], abs=1e-8)
    assert mdp.r[0] == pytest.approx([-0.40602374, 0.26644534], abs=1e-8)


def test_dirichlet_rows_have_the_moments_of_the_law():
    """Mean 1/S, variance (1 - 1/S) / (S (S c + 1)); 6 standard errors of 20,000 rows, error probability below 1e-8."""
    S, c = 4, 0.5
    P = dirichlet(S, 5000, seed=0, concentration=c).to_dense().P.reshape(-1, S)
    assert abs(P.mean(0) - 1 / S).max() < 6 * P.std() / np.sqrt(len(P))
    squares = (P - 1 / S) ** 2
    variance = (1 - 1 / S) / (S * (S * c + 1))
    assert abs(squares.mean(0) - variance).max() < 6 * squares.std() / np.sqrt(len(P))


@pytest.mark.parametrize("concentration", [1e-6, 1e-3, 1.0, 1e6])
def test_dirichlet_stays_a_distribution_at_any_concentration(concentration):
    P = dirichlet(30, 2, concentration=concentration).to_dense().P
    assert P.sum(-1) == pytest.approx(1, abs=1e-14)
    if concentration == 1e-6:
        assert (P.max(-1) > 0.999).mean() > 0.95
    if concentration == 1e6:
        assert abs(P - 1 / 30).max() < 1e-3


def test_random_maze_costs_and_goal():
    mdp = random_maze(25, seed=1)
    assert (mdp.r <= 0).all() and (mdp.r[-1] == 0).all()
    assert (mdp.r == mdp.r[:, :1]).all()
    assert mdp.rho[0] == 1
    assert mdp.grid.goals == {(24, 24)}
    assert 30 < len(mdp.grid.walls) < 100


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: garnet(0), "S = 0, expected a positive integer"),
        (lambda: garnet(4, A=-2), "A = -2"),
        (lambda: garnet(4, 2, 5), "branching = 5, expected at most S = 4"),
        (lambda: garnet(4, 2, 2, gamma=2), "gamma = 2"),
        (lambda: garnet(4, 2, 2, seed=-1), "seed = -1"),
        (lambda: garnet(4, 2, 2, seed=2**32), "seed = 4294967296"),
        (lambda: dirichlet(4, 2, concentration=0), "concentration = 0"),
        (lambda: dirichlet(4, True), "A = True"),
        (lambda: random_maze(1), "size = 1"),
        (lambda: random_maze(5, walls=-0.1), "walls = -0.1"),
    ],
)
def test_random_worlds_refuse_bad_settings(build, message):
    with pytest.raises(ValueError, match=message):
        build()
