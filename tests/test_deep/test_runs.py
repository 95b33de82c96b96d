import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import deep
from deep import checkpoints, metrics, runs
from deep.lanes import lanes, size
from tests.test_deep.small import SEEDS, files, same_bits, small, trained

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A complete run in its folder."""
    return deep.train(small(), SEEDS, out=tmp_path_factory.mktemp("runs") / "kept")


def kill(folder: Path, chunk: int, operation: int, steps: int, **environment: str) -> None:
    """Start or go on with a run that dies while it writes."""
    arguments = [str(folder), str(chunk), str(operation), str(steps)]
    settings = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(
        [sys.executable, "-m", "tests.test_deep.killed", *arguments],
        cwd=ROOT,
        env=settings,
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


# the folder


def test_a_folder_changes_no_bit_of_the_run(kept):
    assert same_bits(kept, trained())


def test_read_gives_what_train_gave(kept):
    read = deep.runs.read(kept.folder)
    assert read.configs == kept.configs and read.seeds == SEEDS and read.complete
    for name in ("step", "episodes", "critic_loss", "model_loss", "ended", "seconds"):
        np.testing.assert_array_equal(getattr(read, name), getattr(kept, name))
    np.testing.assert_array_equal(read.model_error.trained, kept.model_error.trained)
    assert read.versions == kept.versions and "jax" in read.versions and "device" in read.versions


def test_a_folder_holds_configuration_metrics_checkpoints_and_figures(kept):
    names = files(kept.folder)
    assert {"about.json", "metrics.jsonl", "model.json", "figures/curves.png", "figures/behaviour.gif"} <= names
    assert {f"replay/{step:09d}.npz" for step in (50, 100, 150, 200)} <= names
    assert checkpoints.steps(kept.folder) == [150, 200]  # rotated
    assert len((kept.folder / "metrics.jsonl").read_text().splitlines()) == 4
    json.loads((kept.folder / "metrics.jsonl").read_text().splitlines()[0], parse_constant=pytest.fail)


def test_replay_files_hold_the_buffer(kept):
    replay = checkpoints.load_replay(kept.folder, kept.state.replay, 200)
    for on_disk, on_device in zip(replay.data, kept.state.replay.data, strict=True):
        np.testing.assert_array_equal(on_disk, on_device)


def test_create_refuses_a_folder_with_a_run(kept):
    with pytest.raises(FileExistsError, match="holds a run already: resume it"):
        deep.train(small(), SEEDS, out=kept.folder)


def test_create_refuses_what_cant_be_written(here):
    (here / "file").write_text("")
    with pytest.raises(OSError, match="can't make the folder"):
        deep.train(small(), SEEDS, out=here / "file" / "run")
    assert files(here) == {"file"}


def test_a_full_disk_is_said_before_training(here, monkeypatch):
    usage = runs.shutil.disk_usage(here)._replace(free=10_000)
    monkeypatch.setattr(runs.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(OSError, match=r"needs about .* kB for this run, and 10 kB are free"):
        deep.train(small(), SEEDS, out=here / "run")
    assert not (here / "run" / "about.json").exists()


def test_the_disk_estimate_covers_what_is_written(kept):
    """Of the buffer and the metrics; what surrounds the numbers in each file, and the figures, isn't counted."""
    need, around, line = size(kept.lanes), 2000, 150
    written = sum(path.stat().st_size for path in (kept.folder / "replay").iterdir())
    assert need.replay <= written <= need.replay + 4 * around
    numbers = kept.lanes.size * 5 * 4
    assert (kept.folder / "metrics.jsonl").stat().st_size <= runs.LINE * numbers + 4 * line


def test_a_second_process_cant_train_in_the_folder(kept):
    with runs.locked(kept.folder), pytest.raises(BlockingIOError, match="another process is training in"):
        deep.resume(kept.folder)


def test_read_names_what_is_missing_or_damaged(here):
    with pytest.raises(FileNotFoundError, match=r"nothing holds no run: there is no about.json"):
        deep.runs.read(here / "nothing")
    folder = runs.create(here / "run", lanes([small()], SEEDS))
    (folder / "metrics.jsonl").write_text('{"step": 50}\n')
    with pytest.raises(OSError, match=r"can't read .*metrics.jsonl: line 1 is no row"):
        deep.runs.read(folder)


def test_metrics_ignore_a_line_that_was_cut(here):
    row = metrics.Row(50, 1.5, np.array([[1.0, 2.0]]), np.array([np.nan]), np.array([0.1]), np.array([3]))
    metrics.append(here, row)
    with (here / metrics.FILE).open("a") as file:
        file.write('{"step": 100, "sec')
    (read,) = metrics.read(here)
    assert read.step == 50 and np.isnan(read.critic_loss[0]) and read.model_loss[0] == 0.1
    assert metrics.truncate(here, 0) == [] and not (here / metrics.FILE).exists()


# killed and resumed


def test_resume_goes_on_bit_by_bit(kept, here):
    """From every checkpoint, with what a killed run may leave beyond it."""
    folder = here / "run"

    def stop(run):
        if run.step[-1] == 100:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(deep.Interrupted, match="stopped after 100 of 200 steps") as stopped:
        deep.train(small(), SEEDS, out=folder, watch=stop)
    assert list(stopped.value.result.step) == [50, 100] and not stopped.value.result.complete
    (folder / "replay" / "000000150.npz").write_bytes(b"left by a killed run")
    (folder / "checkpoints" / "000000150.orbax-checkpoint-tmp").mkdir()
    with (folder / metrics.FILE).open("a") as file:
        file.write((kept.folder / metrics.FILE).read_text().splitlines()[2] + '\n{"st')
    resumed = deep.resume(folder)
    assert same_bits(resumed, kept)
    assert len((folder / metrics.FILE).read_text().splitlines()) == 4
    assert same_bits(deep.resume(folder), kept)  # of a complete run: nothing is left to do


def test_resume_names_a_damaged_checkpoint(here):
    def stop(run):
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(deep.Interrupted):
        deep.train(small(), SEEDS, out=here / "run", watch=stop)
    (here / "run" / "replay" / "000000050.npz").write_bytes(b"not a zip file")
    with pytest.raises(OSError, match=r"can't read .*000000050.npz"):
        deep.resume(here / "run")


def test_resume_from_memory_goes_on_bit_by_bit():
    def stop(run):
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(deep.Interrupted) as stopped:
        deep.train(small(), SEEDS, watch=stop)
    assert same_bits(deep.resume(stopped.value.result), trained())
    assert same_bits(deep.resume(stopped.value.result), trained())  # the first time used nothing up


def test_a_run_killed_while_writing_loses_at_most_one_chunk(here):
    """In the middle of its first checkpoint: the chunk's transitions and metrics are there, and count for nothing."""
    kill(here / "run", 1, MIDDLE, 200)
    assert checkpoints.steps(here / "run") == [] and len(metrics.read(here / "run")) == 1
    assert list((here / "run" / "checkpoints").iterdir())  # begun
    assert same_bits(deep.resume(here / "run"), trained())


MIDDLE = 7
"""Of the operations on files: after the files of transitions and metrics, and the first of the checkpoint."""


@pytest.mark.slow
def test_a_run_killed_twenty_times_while_writing_ends_with_the_same_bits(here):
    """Every process dies in the writing of its second chunk, each before another operation on files than the others."""
    folder, kills, steps = here / "run", 20, 50 * 44
    cache = {"JAX_COMPILATION_CACHE_DIR": str(here / "cache"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    done, left = 0, 0
    for k in range(kills):
        kill(folder, 2, k + 1, steps, **cache)
        before, done = done, max(checkpoints.steps(folder), default=0)
        measured = metrics.read(folder)[-1].step
        assert done > before and measured - done in (0, 50)
        left += any(
            int(path.stem[:9]) > done
            for path in [*folder.glob("replay/*"), *folder.glob("checkpoints/*")]
            if path.name[0] != "."
        )
    assert left > kills / 4 and done < steps
    assert same_bits(deep.resume(folder), deep.train(small(steps=steps), SEEDS))
