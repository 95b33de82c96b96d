"""Training: chunk after chunk on the device, and between two chunks everything else.

    train           one configuration, which may hold several values in some fields, and seeds
    train_many      several configurations in one batch
    resume          a run that was interrupted or killed

After each chunk every run is evaluated; if it has a folder, what was measured and learned is kept there; then the
progress bar moves and Ctrl-C is heard.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, PRNGKeyArray
from tqdm import tqdm

from deep import checkpoints, loop, metrics
from deep import runs as folders
from deep.agents import Learner
from deep.config import SWEPT, Config
from deep.errors import Diverged, Interrupted
from deep.lanes import RANDOM_BITS, Lanes, begin, check_memory, lanes
from deep.measures import next_state_error, transitions
from deep.metrics import Row
from deep.runs import NextStateError, Run, record

EVALUATION, HELD_OUT = 2**31, 2**31 + 1
"""What sets the keys of these apart from those of training."""
TRANSITIONS = 1000
"""New transitions of each run that its model's error is measured on."""

Progress = bool | Callable[[int], object]
Watch = Callable[[Run], object]


def train(
    config: Config,
    seeds: Iterable[int] | int = 0,
    *,
    out: Path | str | None = None,
    progress: Progress = False,
    watch: Watch | None = None,
) -> Run:
    """Train the agents of a configuration, for every combination of its values and every seed at once.

    Args:
      seeds: whole numbers; each draws its own networks and luck, which all settings share.
      out: a new folder to keep the run in, so that it can go on if it is killed.
      progress: True shows a progress bar: steps, mean return, time left. A function is called with numbers of steps
        that add up to `steps`.
      watch: is called after each chunk with the `Run` so far, for curves that grow.

    Returns:
      A `Run`. Rerunning the same seeds and settings on the same machine and versions gives the same bits.

    Raises:
      Interrupted (a KeyboardInterrupt) on Ctrl-C, at the end of the chunk; its `result` is the run so far, which
        `resume` takes. A second Ctrl-C doesn't wait.
      Diverged if a loss or parameter became NaN or infinite.
      ValueError, TypeError or OSError, before anything is compiled, for bad arguments, more runs than memory, or a
        folder that can't be written or is too small.
    """
    return train_many([config], seeds, out=out, progress=progress, watch=watch)


def train_many(
    configs: Iterable[Config],
    seeds: Iterable[int] | int = 0,
    *,
    out: Path | str | None = None,
    progress: Progress = False,
    watch: Watch | None = None,
) -> Run:
    """Train several configurations in one batch; see `train`.

    They may differ in numbers, in the width of the model and in distractors: shapes are padded to the widest with zeros
    that stay zero, so that each run is what it would be alone, up to rounding.
    """
    chosen = lanes(configs, seeds)
    check_memory(chosen)
    folder = None if out is None else folders.create(out, chosen)
    job = _Job(chosen, folder, folders.versions(), progress, watch)
    with _held(folder):
        return _train(job, begin(chosen), [])


def resume(source: Run | Path | str, *, progress: Progress = False, watch: Watch | None = None) -> Run:
    """Go on with a run, by its folder or as `Interrupted.result`, to the bits it would have had without the stop.

    Raises:
      OSError for a folder without a run, or one that another process is training in; and what `train` raises.
    """
    folder = source.folder if isinstance(source, Run) else Path(source).absolute()
    if folder is None:
        return _resume_from_memory(source, progress, watch)  # type: ignore[arg-type]
    chosen = folders.read_lanes(folder)
    check_memory(chosen)
    job = _Job(chosen, folder, folders.versions(), progress, watch)
    with _held(folder):
        step = max(checkpoints.steps(folder), default=0)
        folders.check_disk(folder, chosen, step)
        checkpoints.clean(folder, step)
        rows = metrics.truncate(folder, step)
        return _train(job, checkpoints.load(folder, chosen, step) if step else begin(chosen), rows)


def _resume_from_memory(run: Run, progress: Progress, watch: Watch | None) -> Run:
    if run.state is None:
        raise ValueError("the run has neither a folder nor its state, so it can't go on.")
    job = _Job(run.lanes, None, folders.versions(), progress, watch)
    return _train(job, jax.tree.map(jnp.copy, run.state), _rows(run))


def _rows(run: Run) -> list[Row]:
    """What was measured, as it was."""
    columns = (run.episodes, run.critic_loss, run.model_loss, run.ended)
    return [
        Row(int(step), float(seconds), *(x[:, :, t].reshape(-1, *x.shape[3:]) for x in columns))
        for t, (step, seconds) in enumerate(zip(run.step, run.seconds, strict=True))
    ]


# the loop


@dataclass(frozen=True)
class _Job:
    """What is trained, where it is kept, and who is told."""

    lanes: Lanes
    folder: Path | None
    versions: dict[str, str]
    progress: Progress
    watch: Watch | None

    def record(self, rows: list[Row], **more: Any) -> Run:
        return record(self.lanes, rows, self.versions, self.folder, **more)


def _train(job: _Job, runs: loop.Run, rows: list[Row]) -> Run:
    """Take the steps that are left, then measure and draw."""
    steps = job.lanes.widest.steps
    done = rows[-1].step if rows else 0
    with _told(job.progress, steps, done) as tell, _interruptible() as stopping:
        while done < steps:
            runs, row = _advance(job.lanes, runs, done, rows[-1].seconds if rows else 0.0)
            rows.append(row)
            _keep(job, runs, rows, done)
            tell(row.step - done, row)
            done = row.step
            if job.watch is not None:
                job.watch(job.record(rows))
            if stopping() and done < steps:
                raise Interrupted(_stopped(job, done), job.record(rows, state=runs))
    return _finish(job, runs, rows)


def _advance(lanes: Lanes, runs: loop.Run, done: int, seconds: float) -> tuple[loop.Run, Row]:
    """One chunk and its evaluation."""
    start, config, agent = perf_counter(), lanes.widest, lanes.agent
    learning = done >= config.random_steps
    sizes = {"length": config.chunk, "batch": config.batch, "learning": learning}
    runs, summary = loop.chunk(agent, lanes.envs, runs, lanes.hyper, jnp.int32(done), **sizes)
    keys = _keys(lanes, EVALUATION, done + config.chunk)
    returns = loop.evaluate(agent, lanes.envs, runs.learner, lanes.hyper, keys, episodes=config.episodes)
    returns, critic, model, ended = jax.device_get((returns, *summary.losses, summary.episodes))
    return runs, Row(done + config.chunk, seconds + perf_counter() - start, returns, critic, model, ended)


def _keys(lanes: Lanes, purpose: int, step: int) -> PRNGKeyArray:
    """A key for each lane that depends on its seed only."""
    seeds = jnp.asarray([seed for _, seed in lanes], jnp.uint32)
    return _folded(seeds, jnp.uint32(purpose), jnp.uint32(step))


@jax.jit
def _folded(seeds: Array, purpose: Array, step: Array) -> PRNGKeyArray:
    def one(seed: Array) -> PRNGKeyArray:
        return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed, impl=RANDOM_BITS), purpose), step)

    return jax.vmap(one)(seeds)


def _keep(job: _Job, runs: loop.Run, rows: list[Row], before: int) -> None:
    """Write down the chunk that ended; its checkpoint only if it is sound, so that the last one always is."""
    if job.folder is not None:
        checkpoints.save_replay(job.folder, runs.replay, before, rows[-1].step)
        metrics.append(job.folder, rows[-1])
    _check(job, runs.learner, rows, before)
    if job.folder is not None:
        checkpoints.save_rest(job.folder, runs, rows[-1].step)


def _finish(job: _Job, runs: loop.Run, rows: list[Row]) -> Run:
    """The error of the models, and the figures."""
    error = _model_error(job.lanes, runs.learner) if job.lanes.widest.has_model else None
    found = job.record(rows, model_error=error, state=runs)
    if job.folder is not None:
        if error is not None:
            folders.save_model_error(job.folder, error)
        from deep.figures import draw  # matplotlib takes a second

        draw(found, job.folder / "figures")
    return found


def _model_error(lanes: Lanes, learner: Learner) -> NextStateError:
    config = lanes.widest
    keys = _keys(lanes, HELD_OUT, config.steps)
    seen = transitions(lanes.agent, lanes.envs, learner, lanes.hyper, keys, length=TRANSITIONS)
    parts = np.array([config.environment().observation_size for config in lanes.configs])
    errors = (next_state_error(model, seen) for model in (learner.model, begin(lanes, steps=1).learner.model))
    trained, untrained = (np.asarray(error, float).reshape(lanes.shape) / parts[:, None] for error in errors)
    return NextStateError(trained, untrained, parts)


# what may stop it


def _check(job: _Job, learner: Learner, rows: list[Row], before: int) -> None:
    """Stop at what isn't finite."""
    row, config = rows[-1], job.lanes.widest
    if before < config.random_steps:
        return
    finite = {"critic loss": np.isfinite(row.critic_loss), "a parameter": np.asarray(_finite(learner))}
    if config.has_model:
        finite["model loss"] = np.isfinite(row.model_loss)
    bad = ~np.logical_and.reduce(list(finite.values()))
    if bad.any():
        raise Diverged(_where(job, rows, before, finite, bad), job.record(rows))


def _where(job: _Job, rows: list[Row], before: int, finite: dict[str, np.ndarray], bad: np.ndarray) -> str:
    """Which run, when, what, and from where it can go on."""
    row, lane = rows[-1], int(np.flatnonzero(bad)[0])
    setting, seed = list(job.lanes)[lane]
    several = [name for name in SWEPT if len({getattr(config, name) for config in job.lanes.configs}) > 1]
    run = ", ".join([*(f"{name} = {getattr(setting, name)}" for name in several), f"seed {seed}"])
    what = " and ".join(name for name, sound in finite.items() if not sound[lane])
    good = "no folder was named, so no checkpoint was kept"
    if job.folder is not None:
        good = f"the last good checkpoint is {checkpoints.place(job.folder, before)}, after step {before}"
    return (
        f"{bad.sum()} of {bad.size} runs became NaN or infinite between steps {before} and {row.step}, the first of "
        f"them {run}: {what} (losses of the chunk: critic {row.critic_loss[lane]:g}, model {row.model_loss[lane]:g}); "
        f"{good}. Try smaller step sizes than critic_lr = {setting.critic_lr:g} and model_lr = {setting.model_lr:g}."
    )


@jax.jit
def _finite(learner: Learner) -> Bool[Array, " runs"]:
    """Whether all of a run's networks are finite."""
    trees = jax.tree.leaves((learner.critic, learner.target, learner.model))
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(x), axis=range(1, x.ndim)) for x in trees]), axis=0)


def _stopped(job: _Job, done: int) -> str:
    how = ".result" if job.folder is None else repr(str(job.folder))
    steps = job.lanes.widest.steps
    return f"stopped after {done} of {steps} steps; .result holds the run so far, deep.resume({how}) goes on"


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed; the second one doesn't wait to be asked for."""
    pressed = []

    def hear(number: int, frame: Any) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False  # signals are the main thread's
        return
    before = signal.signal(signal.SIGINT, hear)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _told(progress: Progress, steps: int, done: int) -> Iterator[Callable[[int, Row], object]]:
    """What to call after each chunk, with the steps taken and what was measured."""
    if callable(progress):
        yield lambda taken, row: progress(taken)
        return
    with tqdm(total=steps, initial=done, unit="step", disable=not progress) as bar:

        def tell(taken: int, row: Row) -> None:
            bar.set_postfix_str(f"return {row.returns.mean():.1f}", refresh=False)
            bar.update(taken)

        yield tell


def _held(folder: Path | None):
    return nullcontext() if folder is None else folders.locked(folder)
