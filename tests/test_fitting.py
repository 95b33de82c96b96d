"""The projected-gradient loop: against a NumPy copy of it, its bookkeeping, and what it does when things go wrong."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tabular as tb
from tabular.device import to_device
from tabular.errors import NotConverged
from tabular.fitting import Interrupted, Training, fit, loop
from tabular.mdp import make_mdp
from tabular.models import Theta, random_start, seed_key, softmax_table
from tabular.objectives import Objective, mle, omd
from tabular.worlds.papers import two_state

TRUE = two_state()
RAW, SCALED = softmax_table("paper_raw"), softmax_table("paper_scaled")

# Most tests fit 2 kappas and 2 seeds with one of few objectives, so that the loop is compiled for few shapes.


def adam_by_hand(true, seed: int, kappa: float, steps: int, alpha: float = 0.01, lr: float = 0.01):
    """Projected Adam on the likelihood with the norm of eq. 8, its derivative by hand; (L, r) after each step."""
    start = random_start(to_device(true), seed_key(seed))
    theta = [np.asarray(start.logits), np.asarray(start.reward)]
    first, second = [np.zeros_like(x) for x in theta], [np.zeros_like(x) for x in theta]
    path = []
    for step in range(1, steps + 1):
        weights = np.exp((theta[0] - theta[0].max(-1, keepdims=True)) / alpha)
        P_hat = weights / weights.sum(-1, keepdims=True)
        slopes = [(P_hat - true.P) / alpha / 4, 2 * (theta[1] - true.r) / 4]
        for k, slope in enumerate(slopes):
            first[k] = 0.9 * first[k] + 0.1 * slope
            second[k] = 0.999 * second[k] + 0.001 * slope**2
            theta[k] = theta[k] - lr * first[k] / (1 - 0.9**step) / (np.sqrt(second[k] / (1 - 0.999**step)) + 1e-8)
        norm = np.sqrt(((theta[0] / alpha) ** 2).sum() + (theta[1] ** 2).sum())
        theta = [x * kappa / norm for x in theta] if norm > kappa else theta
        path.append(theta)
    return path


@pytest.mark.parametrize("kappa", [0.5, 60.0])
def test_fit_takes_the_steps_of_projected_adam(kappa):
    found = fit(TRUE, mle(), RAW, seeds=(3, 7), kappa=(kappa, np.inf), steps=30)
    for k, bound in enumerate((kappa, np.inf)):
        for n, seed in enumerate((3, 7)):
            L, r = adam_by_hand(TRUE, seed, bound, 30)[-1]
            np.testing.assert_allclose(found.theta.logits[k, n], L, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(found.theta.reward[k, n], r, rtol=1e-9, atol=1e-12)


def test_fit_reports_what_the_host_engine_finds_in_the_learned_models():
    found = fit(TRUE, omd(0.1), SCALED, seeds=(1, 2), kappa=(0.5, 3.0), steps=50)
    optimal = tb.soft_solve(TRUE, 0.1).Q
    for at in np.ndindex(2, 2):
        agent = tb.soft_solve(found.model(*at), 0.1)
        np.testing.assert_allclose(found.Q[at], agent.Q, atol=1e-11)
        assert found.J[at] == pytest.approx(tb.evaluate(TRUE, agent.pi).J, abs=1e-10)
        assert found.q_error[at] == pytest.approx(abs(agent.Q - optimal).max(), abs=1e-10)
        V = agent.Q.max(1) + 0.1 * np.log(np.exp((agent.Q - agent.Q.max(1, keepdims=True)) / 0.1).sum(1))
        error = TRUE.r + 0.9 * TRUE.P @ V - agent.Q
        assert found.bellman_mse[at] == pytest.approx((error**2).mean(), abs=1e-10)
    assert found.model(0, 1).states == TRUE.states


def test_fit_pair_of_the_authors_is_the_q_before_the_last_update():
    run = partial(fit, TRUE, mle(), RAW, seeds=(1, 2), kappa=(2.0, 4.0), tol=0)
    last, before, pair = run(steps=21), run(steps=20), run(steps=21, pair="authors")
    np.testing.assert_array_equal(pair.P_hat, last.P_hat)
    np.testing.assert_allclose(pair.Q, before.Q, atol=1e-11)
    assert abs(pair.Q - last.Q).max() > 1e-3


def test_fit_of_a_lane_does_not_depend_on_its_neighbours():
    one = fit(TRUE, omd(), RAW, seeds=(1, 2), kappa=(0.5, 2.0), steps=40)
    other = fit(TRUE, omd(), RAW, seeds=(2, 3), kappa=(2.0, 9.0), steps=40)
    np.testing.assert_array_equal(one.theta.logits[1, 1], other.theta.logits[0, 0])
    assert one.J.shape == (2, 2) and abs(one.J[1, 0] - other.J[0, 1]) > 1e-3


@pytest.mark.parametrize("flag", [True, False])
def test_fit_draws_the_same_bits_whatever_the_global_flag(flag):
    with jax.threefry_partitionable(flag):
        found = fit(TRUE, mle(), RAW, seeds=(1, 2), kappa=(1.0, np.inf), steps=1)
    L, _ = adam_by_hand(TRUE, 1, np.inf, 1)[0]
    np.testing.assert_allclose(found.theta.logits[1, 0], L, atol=1e-12)
    assert found.settings["random_bits"] == "threefry2x32, partitionable=False"


def test_fit_without_bound_recovers_the_truth_by_likelihood():
    found = fit(TRUE, mle(), softmax_table("none"), seeds=(1, 2))
    assert found.J.shape == (1, 2) and found.kappa == np.inf
    assert found.converged.all() and (found.iterations < 1000).all()
    np.testing.assert_allclose(found.P_hat, np.broadcast_to(np.asarray(TRUE.P), found.P_hat.shape), atol=1e-5)
    np.testing.assert_allclose(found.r_hat, np.broadcast_to(TRUE.r, found.r_hat.shape), atol=1e-5)
    assert (np.diff(found.history.loss[..., [0, 1, 2, -1]], axis=-1) < 0).all()
    bounded = fit(TRUE, mle(), RAW, seeds=(1, 2), kappa=(np.inf, 1.0))
    np.testing.assert_allclose(found.theta.logits[0], bounded.theta.logits[0], atol=1e-9)


@pytest.mark.parametrize(
    ("name", "objective"), [("authors", mle()), ("paper_raw", mle()), ("paper_raw", omd()), ("paper_scaled", omd())]
)
def test_fit_at_bound_zero_is_the_uniform_model(name, objective):
    found = fit(TRUE, objective, softmax_table(name), seeds=(1, 2), kappa=(0.0, 0.0))
    assert found.converged.all() and (found.iterations <= 5).all()
    np.testing.assert_array_equal(found.P_hat, 0.5)
    np.testing.assert_array_equal(found.r_hat, 0)
    np.testing.assert_allclose(found.J, -0.855, atol=1e-12)


def test_fit_stops_when_parameters_and_state_are_still():
    """With tol = 0 the same fit goes on, and in 200 more steps gets no further than 1e-5 from where it stopped."""
    run = partial(fit, TRUE, mle(), RAW, seeds=(1, 2), kappa=(np.inf, np.inf))
    stopped = run()
    on = run(steps=int(stopped.iterations.max()) + 200, tol=0)
    assert not on.converged.any() and (on.iterations > stopped.iterations).all()
    np.testing.assert_allclose(on.theta.logits, stopped.theta.logits, atol=1e-5)
    started = run(steps=int(stopped.iterations.min()) - 300)
    assert not started.converged.any()


def test_fit_runs_with_another_optimiser():
    """Plain descent on the unbounded likelihood, first step: L - lr (p_hat - p) / (alpha S A)."""
    found = fit(TRUE, mle(), softmax_table("none"), seeds=1, steps=1, lr=1e-4, optimizer=optax.sgd)
    start = random_start(to_device(TRUE), seed_key(1))
    P_hat = jax.nn.softmax(start.logits / 0.01)
    np.testing.assert_allclose(found.theta.logits[0, 0], start.logits - 1e-4 * (P_hat - TRUE.P) / 0.04, atol=1e-13)


def test_fit_keeps_infeasible_actions_and_ends():
    P = np.array([[[0.3, 0.2], [0, 0]], [[0, 1.0], [0.5, 0.5]]])
    true = make_mdp(P, [[1.0, -np.inf], [0, 0]], gamma=0.9, terminating=True)
    for objective in (mle(), omd(0.1, loss="bellman")):
        found = fit(true, objective, SCALED, seeds=(1, 2), kappa=(0.5, 5.0), steps=200)
        assert np.isfinite(found.J).all() and np.isfinite(found.q_error).all()
        assert tb.solve(found.model(1, 0)).Q[0, 1] == -np.inf


# what it costs


def compiled() -> list[int]:
    """How many times each compiled function of the loop has been compiled."""
    functions = (loop.advance, loop.measure, loop.models, loop.lanes_of)
    return [f._cache_size() for f in functions]  # type: ignore[attr-defined]


def test_fit_compiles_once_for_problems_of_one_shape():
    fit(TRUE, omd(), RAW, seeds=(1, 2), kappa=(1.0, 2.0), steps=3)
    before = compiled()
    other = make_mdp(TRUE.P[::-1], TRUE.r, gamma=0.8, states=("x", "y"))
    fit(other, omd(0.2), SCALED, seeds=(8, 9), kappa=(0.1, 7.0), steps=250, lr=0.1, tol=1e-6)
    assert compiled() == before


# when things go wrong


@partial(jax.tree_util.register_dataclass, data_fields=["seeds"], meta_fields=[])
@dataclass(frozen=True)
class Breaks(Objective):
    """The likelihood, which turns NaN in step 5 for the seeds given: the state is the seed."""

    seeds: tuple[float, ...]
    alpha = 0.01

    def init(self, true, key):
        return jnp.asarray(key[1], float)

    def loss(self, true, model, state, step):
        value, _ = mle().loss(true, model, None, step)
        broken = jnp.any(jnp.asarray([state == bad for bad in self.seeds]))
        return jnp.where((step == 5) & broken, jnp.nan, value), state


def test_fit_names_the_lanes_that_became_nan_and_keeps_the_others():
    with pytest.raises(NotConverged, match=r"2 of 4 fits .* kappa = 0.5 \(index 0\), seed 4, in step 6") as caught:
        fit(TRUE, Breaks((4.0,)), RAW, seeds=(2, 4), kappa=(0.5, 9.0), steps=20)
    found = caught.value.result
    np.testing.assert_array_equal(found.failed, [[False, True]] * 2)
    np.testing.assert_array_equal(found.iterations, [[20, 6]] * 2)
    assert not found.converged.any() and np.isnan(found.J[:, 1]).all()
    sound = fit(TRUE, mle(), RAW, seeds=(2, 4), kappa=(0.5, 9.0), steps=20)
    np.testing.assert_allclose(found.J[:, 0], sound.J[:, 0], atol=1e-10)


def test_fit_never_takes_a_nan_state_for_stillness():
    """A state that is NaN from the start never moves; the loss doesn't see it."""

    @partial(jax.tree_util.register_dataclass, data_fields=[], meta_fields=[])
    @dataclass(frozen=True)
    class Hidden(Objective):
        alpha = 0.01

        def init(self, true, key):
            return jnp.full(3, jnp.nan)

        def loss(self, true, model, state, step):
            return mle().loss(true, model, None, step)[0], state

    found = fit(TRUE, Hidden(), RAW, seeds=(1, 2), kappa=(np.inf, np.inf), steps=2000)
    assert not found.converged.any() and (found.iterations == 2000).all()


def test_fit_interrupted_hands_back_what_it_has():
    def stop_at_the_third(steps):
        stop_at_the_third.calls += 1
        if stop_at_the_third.calls == 3:
            raise KeyboardInterrupt

    stop_at_the_third.calls = 0
    with pytest.raises(Interrupted, match="stopped after 300 of 10000 steps") as caught:
        fit(TRUE, mle(), RAW, seeds=(1, 2), kappa=(2.0, 3.0), progress=stop_at_the_third)
    found = caught.value.result
    assert (found.iterations == 300).all() and np.isfinite(found.J).all()
    np.testing.assert_array_equal(found.history.step, [100, 200, 300])


@pytest.mark.parametrize("steps", [1, 7, 100, 250, 1000])
def test_fit_progress_adds_up_to_the_steps(steps):
    told = []
    found = fit(TRUE, mle(), RAW, seeds=(1, 2), kappa=(2.0, np.inf), steps=steps, progress=told.append)
    assert sum(told) == steps and min(told) >= 0
    assert found.history.step[-1] >= found.iterations.max()
    assert found.history.loss.shape == (2, 2, len(found.history.step))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kappa": -1}, "kappa = -1, expected a norm bound of 0 or more"),
        ({"kappa": (1, np.nan)}, "kappa = nan, expected a norm bound"),
        ({"kappa": ()}, r"kappa has shape \(0,\)"),
        ({"seeds": ()}, r"seeds = \(\), expected one or more integers"),
        ({"seeds": (1, -2)}, "expected one or more integers of 0 or more"),
        ({"steps": 0}, "steps = 0, expected a whole number of at least 1"),
        ({"lr": 0}, "lr = 0, expected a positive step size"),
        ({"tol": -1}, "tol = -1, expected 0 or more"),
        ({"pair": "mine"}, "pair = 'mine', expected 'own' or 'authors'"),
    ],
)
def test_fit_complains(options, message):
    with pytest.raises(ValueError, match=message):
        fit(TRUE, mle(), softmax_table("authors"), **({"seeds": 1, "kappa": 1.0} | options))


def test_fit_refuses_a_bound_that_would_have_no_effect():
    with pytest.raises(ValueError, match="kappa = 3 has no effect"):
        fit(TRUE, mle(), softmax_table("none"), seeds=1, kappa=3)


def test_fit_refuses_a_seed_that_is_no_integer():
    with pytest.raises(TypeError):
        fit(TRUE, mle(), softmax_table("none"), seeds=(1.5,))  # type: ignore[arg-type]


def test_fit_refuses_total_reward():
    true = make_mdp([[[0.0, 1.0]], [[0.0, 0.5]]], [[1.0], [0.0]], gamma=1.0, terminating=True)
    with pytest.raises(ValueError, match=r"true\.gamma = 1, expected a discount below 1"):
        fit(true, mle(), softmax_table("none"), seeds=1)


def test_theta_is_a_record_with_leading_axes():
    found = fit(TRUE, mle(), RAW, seeds=(1, 2), kappa=(1.0, 2.0), steps=1)
    assert isinstance(found.theta, Theta) and found.theta.logits.shape == (2, 2, 2, 2, 2)


# step by step


def test_training_in_pieces_is_that_of_fit():
    whole = fit(TRUE, omd(), RAW, seeds=(1, 2), kappa=(1.0, 2.0), steps=60)
    training = Training(TRUE, omd(), RAW, seeds=(1, 2), kappa=(1.0, 2.0))
    for stop in (1, 17, 60):
        training.advance(stop)
    found = training.report()
    np.testing.assert_array_equal(found.theta.logits, whole.theta.logits)
    np.testing.assert_array_equal(training.kernels[0], whole.P_hat)
    np.testing.assert_array_equal(found.J, whole.J)
    assert (training.steps, training.active, training.failed) == (60, True, False)
    np.testing.assert_array_equal(found.history.step, [1, 17, 60])


def test_training_goes_on_with_another_bound():
    training = Training(TRUE, mle(), SCALED, seeds=(1, 2), kappa=(3.0, 3.0))
    training.advance(40)
    before = training.report().theta
    training.change(kappa=0.5)
    after = training.report().theta
    size = np.sqrt((after.logits**2).sum((2, 3, 4)) + (after.reward**2).sum((2, 3)))
    np.testing.assert_allclose(size, 0.5, atol=1e-12)
    np.testing.assert_allclose(
        after.logits / after.logits[..., :1, :1, :1], before.logits / before.logits[..., :1, :1, :1]
    )
    training.advance(41)
    assert training.steps == 41


def test_training_that_had_converged_moves_again_after_a_change():
    training = Training(TRUE, mle(), SCALED, seeds=(1, 2), kappa=(0.0, 0.0))
    training.advance(50)
    assert not training.active and not training.failed
    training.change(kappa=1.0)
    training.advance(60)
    assert training.active and abs(training.kernels[0] - 0.5).max() > 1e-3


def test_training_refuses_an_objective_of_another_kind():
    training = Training(TRUE, mle(), SCALED, seeds=(1, 2), kappa=(1.0, 1.0))
    with pytest.raises(ValueError, match="objective is a OMDReturns, expected a MLE"):
        training.change(objective=omd())
    with pytest.raises(ValueError, match="lr = -1, expected a positive step size"):
        training.change(lr=-1)
    assert training.lr == 0.01


def test_training_that_failed_says_so():
    training = Training(TRUE, Breaks((4.0,)), RAW, seeds=(2, 4), kappa=(0.5, 9.0))
    training.advance(20)
    assert training.failed and training.active
