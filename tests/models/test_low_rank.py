"""Low rank: the rank of the kernel, what full rank can say, and refusals."""

import jax.numpy as jnp
import numpy as np
import pytest

from tabular.device import to_device
from tabular.fitting import fit
from tabular.models import low_rank, seed_key
from tabular.models.low_rank import RankTheta
from tabular.objectives import mle, omd
from tabular.worlds.papers import maze10, two_state

MAZE = maze10().to_dense()


def test_low_rank_has_rows_of_sum_one_and_its_rank():
    true = to_device(MAZE)
    for rank in (1, 5):
        model_class = low_rank(rank)
        model = model_class.mdp(true, model_class.init(true, seed_key(1)))
        np.testing.assert_allclose(model.P.sum(-1), 1, rtol=1e-13)
        assert (model.P > 0).all()
        assert np.linalg.matrix_rank(np.asarray(model.P).reshape(400, 100), tol=1e-10) == rank


def test_low_rank_at_full_rank_says_the_truth():
    """With a distribution for each successor, the mixture weights are the kernel itself."""
    with np.errstate(divide="ignore"):
        theta = RankTheta(jnp.asarray(np.log(MAZE.P)), jnp.asarray(np.log(np.eye(100))), jnp.asarray(MAZE.r))
    model = low_rank(100).mdp(to_device(MAZE), theta)
    np.testing.assert_allclose(model.P, MAZE.P, atol=1e-14)


def test_low_rank_mixes():
    """Two successor distributions, weights 1/4 and 3/4, by hand."""
    nu = np.array([[0.9, 0.1], [0.2, 0.8]])
    weights = np.log(np.full((2, 2, 2), [0.25, 0.75]))
    model = low_rank(2, learns_reward=False).mdp(
        to_device(two_state()), RankTheta(jnp.asarray(weights), jnp.asarray(np.log(nu)), None)
    )
    np.testing.assert_allclose(model.P, np.full((2, 2, 2), [0.375, 0.625]), rtol=1e-14)


@pytest.mark.parametrize("rank", [0, -1, 2.0, True])
def test_low_rank_refuses_what_is_no_rank(rank):
    with pytest.raises(ValueError, match=f"rank = {rank}, expected a whole number from 1 to the number of states"):
        low_rank(rank)


def test_fit_refuses_a_rank_above_the_number_of_states():
    with pytest.raises(ValueError, match="rank = 3, expected at most 2, the number of states"):
        fit(two_state(), mle(), low_rank(np.int64(3)), seeds=1)


@pytest.mark.slow
@pytest.mark.parametrize("objective", [mle(), omd(0.1)])
def test_fit_on_the_maze_lowers_the_loss(objective):
    found = fit(MAZE, objective, low_rank(5), seeds=(1, 2), steps=20, lr=0.05)
    assert (found.history.loss[..., -1] < found.history.loss[..., 0]).all() and np.isfinite(found.J).all()
