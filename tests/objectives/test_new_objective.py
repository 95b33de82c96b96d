"""A new objective is one class, and nothing else is to be edited: the class below is all there is to it."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tabular as tb
from tabular.fitting import fit
from tabular.models import low_rank, softmax_table
from tabular.objectives import Objective

GRID = tb.gridworld("S.\n.G", gamma=0.9, slip=0.2)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SquaredError(Objective):
    """Mean squared error of transition probabilities and rewards."""

    alpha: float = 0.01

    def loss(self, true, model, state, step):
        return jnp.mean((model.P - true.P) ** 2) + jnp.mean((model.r - true.r) ** 2), state


@pytest.mark.parametrize("model_class", [softmax_table("paper_scaled"), low_rank(4)], ids=["table", "rank"])
def test_new_objective_is_fitted_like_the_others(model_class):
    found = fit(GRID, SquaredError(), model_class, seeds=(1, 2), lr=0.1, steps=600)
    first, last = found.history.loss[0, :, 0], found.history.loss[0, :, -1]
    by_hand = ((found.P_hat[0] - GRID.P) ** 2).mean((1, 2, 3)) + ((found.r_hat[0] - GRID.r) ** 2).mean((1, 2))
    np.testing.assert_allclose(last, by_hand, atol=1e-4)
    assert (first > 0.1).all() and (last < 0.01).all()
    assert found.settings["objective"] == "SquaredError(alpha=0.01)"


def test_objective_without_a_loss_cannot_be_made():
    class Nothing(Objective):
        alpha = 0.01

    with pytest.raises(TypeError, match="abstract method"):
        Nothing()  # type: ignore[abstract]
