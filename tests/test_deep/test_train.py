import dataclasses
import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import deep
from deep import lanes as batches
from deep import plot
from deep.checkpoints import pack, unpack
from deep.lanes import begin, lanes, layout, size
from deep.measures import next_state_error
from deep.models import model
from deep.replay import Transitions
from tests.test_deep.small import SEEDS, same_bits, small, trained


def test_train_gives_arrays_over_settings_seeds_and_evaluations():
    run = trained()
    assert run.step.tolist() == [50, 100, 150, 200] and run.complete
    assert run.returns.shape == run.critic_loss.shape == run.model_loss.shape == run.ended.shape == (1, 2, 4)
    assert run.episodes.shape == (1, 2, 4, 2) and run.final().shape == (1, 2)
    assert np.isnan(run.critic_loss[..., 0]).all() and np.isfinite(run.critic_loss[..., 1:]).all()
    np.testing.assert_array_equal(run.final(last=2), run.episodes[:, :, 2:].mean((2, 3)))
    assert (np.diff(run.seconds) > 0).all()


def test_train_again_gives_the_same_bits():
    assert same_bits(deep.train(small(), SEEDS), trained())


def test_no_float64_in_a_float32_run():
    kinds = {str(x.dtype) for x in jax.tree.leaves(trained().state)}
    assert kinds == {"float32", "int32", "key<fry>"}


def test_an_episode_pays_one_for_each_step():
    """So returns are whole numbers; and episodes ended as often as the buffer holds an end."""
    run = trained()
    m = np.asarray(run.state.replay.data.m)
    np.testing.assert_array_equal((m == 0).sum(1), run.ended[0].sum(1))
    assert (run.episodes == np.round(run.episodes)).all() and run.episodes.min() >= 8 and run.episodes.max() <= 500


def test_swept_numbers_are_settings_of_one_batch():
    """Each setting gives what it gives alone, but for rounding: networks and luck depend on the seed only."""
    run = deep.train(small(critic_lr=(3e-4, 1e-2)), SEEDS[:1])
    assert run.returns.shape == (2, 1, 4) and [c.critic_lr for c in run.configs] == [3e-4, 1e-2]
    alone = trained()
    np.testing.assert_allclose(run.critic_loss[0, 0, 1], alone.critic_loss[0, 0, 1], rtol=1e-4)
    np.testing.assert_array_equal(run.episodes[:, 0, 0], alone.episodes[[0, 0], 0, 0])
    assert abs(run.critic_loss[1, 0, 1] / run.critic_loss[0, 0, 1] - 1) > 0.01


@pytest.mark.slow
def test_padded_runs_are_what_they_are_alone():
    """Width and distractors as lanes: 150 updates in float64, every number to 1e-6."""
    config = small(precision="float64", method="mle", steps=200)
    narrow = config.replace(model_width=2, distractors=1)
    together = deep.train_many([narrow, config.replace(model_width=4, distractors=3)], SEEDS[:1])
    alone = deep.train(narrow, SEEDS[:1])
    _assert_same(together, alone, 1e-6)
    np.testing.assert_allclose(together.model_error.trained[0], alone.model_error.trained[0], rtol=1e-6)
    np.testing.assert_allclose(together.model_error.untrained[0], alone.model_error.untrained[0], rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["omd", "vep", "itervaml", "vagram"])
def test_padded_runs_of_other_methods_are_what_they_are_alone(method):
    config = small(precision="float64", method=method, steps=400, model_layers=2)
    narrow = config.replace(model_width=1, distractors=0)
    together = deep.train_many([config.replace(distractors=2), narrow], SEEDS[:1])
    _assert_same(together, deep.train(narrow, SEEDS[:1]), 1e-6, setting=1)


def _assert_same(together: deep.Run, alone: deep.Run, rtol: float, setting: int = 0) -> None:
    np.testing.assert_array_equal(together.episodes[setting], alone.episodes[0])
    np.testing.assert_allclose(together.critic_loss[setting], alone.critic_loss[0], rtol=rtol)
    np.testing.assert_allclose(together.model_loss[setting], alone.model_loss[0], rtol=rtol)
    for padded, own in zip(
        jax.tree.leaves((together.state.learner.model, together.state.learner.critic)),
        jax.tree.leaves((alone.state.learner.model, alone.state.learner.critic)),
        strict=True,
    ):
        whole = np.asarray(padded[setting])
        inside = tuple(slice(n) for n in own.shape[1:])
        np.testing.assert_allclose(whole[inside], np.asarray(own[0]), rtol=rtol, atol=rtol)
        outside = whole.copy()
        outside[inside] = 0
        assert not outside.any()


def test_train_many_refuses_what_cant_share_a_batch():
    with pytest.raises(
        ValueError, match=r"configs\[1\].method = 'mle' and configs\[0\].method = 'omd' can't be in one"
    ):
        deep.train_many([small(), small(method="mle")])
    with pytest.raises(ValueError, match="gaussian models of different numbers of distractors"):
        deep.train(small(gaussian=True, distractors=(0, 1)))
    with pytest.raises(ValueError, match="configs is empty"):
        deep.train_many([])
    with pytest.raises(TypeError, match=r"expected a deep\.Config"):
        deep.train_many(["omd"])


@pytest.mark.parametrize("seeds", [(), (-1,), (1, 1), 2**32])
def test_train_refuses_wrong_seeds(seeds):
    with pytest.raises(ValueError, match="expected one or more different whole numbers"):
        deep.train(small(), seeds)


def test_more_runs_than_memory_are_refused_before_anything_is_compiled(monkeypatch):
    monkeypatch.setattr(batches, "begin", pytest.fail)
    with pytest.raises(
        ValueError, match=r"20 runs \(2 settings, 10 seeds\) of 200 steps need .* 10 kB are free .* at most"
    ):
        monkeypatch.setattr(batches, "device_memory", lambda: 10_000)
        deep.train(small(alpha=(0.1, 0.2)), range(10))


def test_device_memory_is_known():
    assert 10**8 < (batches.device_memory() or 0) < 10**14


def test_size_is_what_the_state_takes_and_lanes_begin_as_they_do_alone():
    chosen = lanes([small(), small(model_width=1, distractors=2)], SEEDS[:1])
    need, state = size(chosen), begin(chosen)
    assert need.replay == sum(x.nbytes for x in jax.tree.leaves(state.replay))
    assert need.rest == pack(state._replace(replay=None)).size
    shapes = [jax.tree.map(lambda x: (x.shape, str(x.dtype)), tree) for tree in (layout(chosen), state)]
    assert shapes[0] == shapes[1]
    for padded, own in zip(
        *map(jax.tree.leaves, (state.learner, begin(lanes([small()], SEEDS[:1])).learner)), strict=True
    ):
        inside = tuple(slice(n) for n in own.shape[1:])
        np.testing.assert_array_equal(padded[0][inside], own[0])
        assert np.count_nonzero(padded[0]) == np.count_nonzero(own[0])


def test_unpack_is_the_inverse_of_pack():
    state = trained().state._replace(replay=None)
    packed = pack(state)
    assert np.array_equal(pack(unpack(packed, state)), packed)
    with pytest.raises(ValueError, match=rf"holds {packed.size - 1} bytes, and .* has {packed.size}"):
        unpack(packed[1:], state)


def test_nan_stops_the_run_with_step_loss_and_last_good_checkpoint(here):
    with pytest.raises(deep.Diverged) as stop:
        deep.train(small(critic_lr=(3e-4, 1e30)), SEEDS[:1], out=here / "run")
    message = str(stop.value)
    assert (
        "1 of 2 runs became NaN or infinite between steps 50 and 100, the first of them critic_lr = 1e+30, seed 3"
        in message
    )
    assert f"the last good checkpoint is {here}/run/checkpoints/000000050, after step 50" in message
    assert "losses of the chunk: critic" in message
    assert stop.value.result.step.tolist() == [50, 100]
    assert (here / "run" / "checkpoints" / "000000050").is_dir()
    assert not (here / "run" / "checkpoints" / "000000100").exists()


def test_interrupted_ends_the_chunk_and_gives_the_handler_back():
    before = signal.getsignal(signal.SIGINT)
    told = []
    with pytest.raises(deep.Interrupted, match=r"stopped after 50 of 200 steps; .result holds the run so far"):
        deep.train(small(), SEEDS, progress=told.append, watch=lambda run: signal.raise_signal(signal.SIGINT))
    assert told == [50] and signal.getsignal(signal.SIGINT) is before


def test_progress_adds_up_and_the_bar_shows_return_and_time(capsys):
    told = []
    deep.train(small(), SEEDS, progress=told.append)
    assert told == [50] * 4
    deep.train(small(), SEEDS, progress=True)
    shown = capsys.readouterr().err
    assert "200/200" in shown and "return " in shown and "<00:00" in shown


def test_next_state_error_is_a_mean_of_squared_distances():
    """Closed form: a model that predicts 0 errs by |s'|^2."""
    learned = jax.tree.map(
        lambda x: jnp.zeros((2, *x.shape), x.dtype),
        model(jax.random.key(0), 3, small().environment().actions, (2,), jnp.float64),
    )
    s_next = jax.random.normal(jax.random.key(1), (2, 5, 3), jnp.float64)
    zero = jnp.zeros((2, 5), jnp.float64)
    seen = Transitions(s_next, jnp.zeros((2, 5), jnp.int32), zero, s_next, zero)
    np.testing.assert_allclose(next_state_error(learned, seen), (np.asarray(s_next) ** 2).sum(2).mean(1), rtol=1e-12)


def test_model_error_is_there_for_agents_with_a_model():
    error = trained().model_error
    assert error.trained.shape == error.untrained.shape == (1, 2) and error.parts.tolist() == [4]
    np.testing.assert_array_equal(error.summed, 4 * error.trained)
    assert (error.trained > 0).all() and (error.trained != error.untrained).all()


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_interval_covers_the_mean_as_often_as_it_says(level):
    """4,000 draws of 5 normal numbers: coverage is binomial, 5 standard deviations are one failure in 10^6."""
    values = np.random.default_rng(0).normal(3.0, 2.0, size=(5, 4000))
    covered = abs(values.mean(0) - 3) <= plot.interval(values, level)
    assert abs(covered.mean() - level) < 5 * np.sqrt(level * (1 - level) / 4000)


def test_curves_draw_mean_and_interval():
    run = trained()
    ax = plot.curves({"OMD": run}, title="CartPole")
    (line,) = [line for line in ax.lines if len(line.get_xdata()) == 4]
    np.testing.assert_allclose(np.asarray(line.get_ydata()), run.returns[0].mean(0))
    assert ax.get_title(loc="left") == "CartPole\nmean of 2 seeds and its 95% interval"
    assert ax.get_xlabel() == "steps in the environment"
    with pytest.raises(ValueError, match="quantity = 'loss', expected one of returns"):
        plot.curves(run, quantity="loss")


def three_widths():
    """A run of three settings with 2 seeds, 4 evaluations of 2 episodes."""
    episodes = np.arange(3 * 2 * 4 * 2, dtype=float).reshape(3, 2, 4, 2)
    return dataclasses.replace(trained(), configs=small(model_width=(1, 2, 4)).settings(), episodes=episodes)


def test_curves_without_bands_say_so():
    ax = plot.curves({"OMD": three_widths()}, bands=False)
    assert not ax.collections and ax.get_title(loc="left") == "mean of 2 seeds"


def test_each_seed_is_a_point_beside_the_mean_and_its_interval():
    run = three_widths()
    ax = plot.each_seed({"OMD": run})
    assert [label.get_text() for label in ax.get_yticklabels()] == [f"OMD, model width {n}" for n in (1, 2, 4)]
    points = [line for line in ax.lines if line.get_marker() == "o"]
    np.testing.assert_allclose([np.sort(line.get_xdata()) for line in points], np.sort(run.final()))
    for bars, values in zip(ax.containers, run.final(), strict=True):
        (bar,) = bars[2]
        half = plot.interval(values)
        np.testing.assert_allclose(bar.get_segments()[0][:, 0], [values.mean() - half, values.mean() + half])


def test_finals_draw_a_point_for_each_setting():
    run = three_widths()
    ax = plot.finals({"OMD": run}, "model_width")
    (line,) = [line for line in ax.lines if len(line.get_xdata()) == 3]
    assert list(line.get_xdata()) == [1, 2, 4]
    np.testing.assert_allclose(np.asarray(line.get_ydata()), run.returns.mean((1, 2)))
    with pytest.raises(ValueError, match="over = 'method', expected one of model_width"):
        plot.finals({"OMD": run}, "method")


def test_coarse_averages_neighbours():
    step, values = plot.coarse(np.arange(1, 8), np.arange(14.0).reshape(2, 7), most=3)
    assert step.tolist() == [2.0, 5.0] and values.tolist() == [[1, 4], [8, 11]]


def test_import_deep_loads_neither_optimisers_nor_matplotlib():
    slow = ("equinox", "orbax", "matplotlib", "tyro", "gymnasium")
    code = f"import sys, deep; print([name for name in {slow} if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
    assert set(deep.__all__) <= set(dir(deep)) and deep.Config is type(small())
