"""Custom classes: the same fit as the built-in one, and refusals before any work."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tabular.device import to_device
from tabular.fitting import fit
from tabular.models import Theta, custom, random_start, softmax_table
from tabular.objectives import mle, omd
from tabular.worlds.papers import maze10, two_state

TRUE = two_state()
UNIFORM, ZERO = np.full((2, 2, 2), 0.5), np.zeros((2, 2))


def table(theta):
    return jax.nn.softmax(theta.logits), theta.reward


def start(key):
    return Theta(*random_start(to_device(TRUE), key)[1:])


def test_custom_fit_is_that_of_the_softmax_table_written_again():
    run = {"seeds": (1, 2), "kappa": (2.0, 4.0), "steps": 30}
    own, built_in = (
        fit(TRUE, mle(), classes, **run) for classes in (custom(table, start), softmax_table("paper_scaled"))
    )
    np.testing.assert_allclose(own.P_hat, built_in.P_hat, rtol=1e-12)
    np.testing.assert_allclose(own.r_hat, built_in.r_hat, rtol=1e-12)


def test_custom_parameters_are_any_pytree_and_become_float64():
    classes = custom(
        lambda theta: (jnp.asarray(UNIFORM), theta["r"][0]), lambda key: {"r": [np.zeros((2, 2), np.float32)]}
    )
    theta = classes.init(to_device(TRUE), jax.random.PRNGKey(0))
    assert theta["r"][0].dtype == jnp.float64
    classes.check(TRUE)


def rows(P, r=ZERO):
    return custom(lambda theta: (jnp.asarray(P) + 0 * theta, jnp.asarray(r)), lambda key: jnp.zeros(()))


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (rows(UNIFORM[:1]), r"arrays of shapes \(1, 2, 2\) and \(2, 2\), expected P of shape \(2, 2, 2\) and r of"),
        (rows(UNIFORM, ZERO[0]), r"arrays of shapes \(2, 2, 2\) and \(2,\)"),
        (rows(UNIFORM * [[[1], [1]], [[1.2], [1]]]), r"P\[1, 0\] .* sums to 1.2 with least entry 0.6.*softmax"),
        (
            rows(np.add(UNIFORM, [[0, 0], [1, -1]])),
            r"P\[0, 1\] .* sums to 1 with least entry -0.5, expected a distribution",
        ),
        (rows(UNIFORM * np.nan), r"P\[0, 0\] .* sums to nan"),
        (
            rows(UNIFORM, [[0, 0], [0, np.inf]]),
            r"r\[1, 1\] of function\(start\(key\)\) is inf, expected a finite reward",
        ),
    ],
)
def test_fit_refuses_what_is_no_model(classes, message):
    with pytest.raises(ValueError, match=message):
        fit(TRUE, mle(), classes, seeds=1)


def test_custom_refuses_what_is_no_function_or_pair():
    with pytest.raises(TypeError, match="start is a int, expected a function"):
        custom(table, 0)
    with pytest.raises(TypeError, match=r"function returned a .*, expected a pair \(P, r\)"):
        fit(TRUE, mle(), custom(lambda theta: jnp.asarray(UNIFORM), start), seeds=1)


@pytest.mark.slow
@pytest.mark.parametrize("objective", [mle(), omd(0.1)])
def test_fit_on_the_maze_lowers_the_loss(objective):
    """A kernel between the true one and the uniform one: a single number decides."""
    maze = maze10()

    def blurred(theta):
        share = jax.nn.sigmoid(theta["share"])
        return (1 - share) * jnp.asarray(maze.P) + share / 100, jnp.asarray(maze.r) * theta["scale"]

    classes = custom(blurred, lambda key: {"share": jax.random.uniform(key), "scale": jnp.asarray(0.5)})
    found = fit(maze, objective, classes, seeds=(1, 2), steps=20, lr=0.05)
    assert (found.history.loss[..., -1] < found.history.loss[..., 0]).all() and np.isfinite(found.J).all()
