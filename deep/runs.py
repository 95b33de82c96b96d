"""What a training run leaves behind: a `Run` in memory, a folder on disk.

RUN/
  about.json        configurations, seeds, versions, device
  metrics.jsonl     a line for each chunk, only ever appended to
  model.json        error of the learned models, once training is complete
  checkpoints/      see `deep.checkpoints`
  replay/
  figures/          learning curves and an animation of what was learned
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from deep import checkpoints, loop, metrics
from deep.config import Config
from deep.lanes import Lanes, in_words, lanes, size
from deep.metrics import Row
from tabular.output import plain, write
from tabular.studies.record import versions as tabular_versions

ABOUT, MODEL, LOCK = "about.json", "model.json", "lock"
PACKAGES = ("equinox", "orbax-checkpoint")
LAST = 10
"""Evaluations that the final return is the mean of."""
LINE = 25
"""Characters of a number and what is around it in a line of metrics."""


@dataclass(frozen=True)
class NextStateError:
    """How far the models' next states are from the true ones, on transitions that nothing was learned from.

    The transitions come from the trained agent, acting as in training. Arrays have the shape (settings, seeds).
    """

    trained: np.ndarray
    """Mean over transitions and parts of the state of `(s'_hat - s')^2`; of a distribution, its mean."""
    untrained: np.ndarray
    """The same for the models before training."""
    parts: np.ndarray
    """Parts of a state, distractors included, shape (settings,)."""

    @property
    def summed(self) -> np.ndarray:
        """`trained` with a sum over the parts, `|s'_hat - s'|^2`, as in the likelihood."""
        return self.trained * self.parts[:, None]

    @property
    def untrained_summed(self) -> np.ndarray:
        return self.untrained * self.parts[:, None]


@dataclass(frozen=True, eq=False)
class Run:
    """Runs of one batch. Leading axes of all arrays: (setting, seed, evaluation), written K, N and T."""

    configs: tuple[Config, ...]
    """The settings, K of them, with one value in each field."""
    seeds: tuple[int, ...]
    """N of them. Bits of the numbers belong to this batch: with other lanes beside it a run rounds differently."""
    step: np.ndarray
    """Steps before each evaluation, shape (T,)."""
    episodes: np.ndarray
    """Undiscounted return of each episode, shape (K, N, T, episodes)."""
    critic_loss: np.ndarray
    """Mean over the chunk before, shape (K, N, T); NaN where nothing was learned."""
    model_loss: np.ndarray
    """The same for the model; NaN for agents without one."""
    ended: np.ndarray
    """Training episodes that ended in the chunk before, shape (K, N, T)."""
    seconds: np.ndarray
    """Wall-clock time of training, shape (T,)."""
    model_error: NextStateError | None
    """None for agents without a model, and before the end."""
    versions: dict[str, str]
    folder: Path | None
    """Where it is kept, if it is."""
    state: loop.Run | None = None
    """Everything the next step depends on, on the device; None in a run that was read from its folder."""

    @property
    def returns(self) -> np.ndarray:
        """Mean over the episodes, shape (K, N, T)."""
        return self.episodes.mean(-1)

    @property
    def complete(self) -> bool:
        return bool(len(self.step)) and int(self.step[-1]) == self.configs[0].steps

    def final(self, last: int = LAST) -> np.ndarray:
        """Mean return of the last evaluations, shape (K, N).

        Raises:
          ValueError if there is none.
        """
        if not len(self.step):
            raise ValueError("the run has no evaluation yet.")
        return self.returns[..., -last:].mean(-1)

    @property
    def lanes(self) -> Lanes:
        return Lanes(self.configs, self.seeds)


def record(
    lanes: Lanes,
    rows: Sequence[Row],
    versions: dict[str, str],
    folder: Path | None = None,
    model_error: NextStateError | None = None,
    state: loop.Run | None = None,
) -> Run:
    """A `Run` from what was measured after each chunk."""

    def over_time(name: str) -> np.ndarray:
        columns = [np.asarray(getattr(row, name)) for row in rows]
        empty = (*lanes.shape, 0, lanes.widest.episodes) if name == "returns" else (*lanes.shape, 0)
        return np.stack([x.reshape(*lanes.shape, *x.shape[1:]) for x in columns], 2) if rows else np.empty(empty)

    return Run(
        configs=lanes.configs,
        seeds=lanes.seeds,
        step=np.array([row.step for row in rows], dtype=int),
        episodes=over_time("returns"),
        critic_loss=over_time("critic_loss"),
        model_loss=over_time("model_loss"),
        ended=over_time("ended"),
        seconds=np.array([row.seconds for row in rows], dtype=float),
        model_error=model_error,
        versions=versions,
        folder=folder,
        state=state,
    )


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on, and the device they are computed on."""
    from importlib.metadata import version

    device = jax.devices()[0]
    found = {package: version(package) for package in PACKAGES}
    return tabular_versions() | found | {"device": f"{device.platform} {device.device_kind}"}


# the folder


def create(folder: Path | str, lanes: Lanes) -> Path:
    """A folder for a new run.

    Raises:
      OSError if there is a run already, the folder can't be written, or its disk hasn't room for the whole run.
    """
    folder = Path(folder).absolute()
    if (folder / ABOUT).exists():
        raise FileExistsError(f"{folder} holds a run already: resume it, or name another folder.")
    for part in ("", checkpoints.REPLAY, checkpoints.CHECKPOINTS):
        try:
            (folder / part).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OSError(f"can't make the folder {folder / part}: {error.strerror}") from error
    check_disk(folder, lanes)
    write(folder / ABOUT, _about(lanes))
    return folder


def check_disk(folder: Path, lanes: Lanes, done: int = 0) -> None:
    """Refuse a run that the disk has no room for.

    Raises:
      OSError with the bytes needed and those there are.
    """
    config, need = lanes.widest, size(lanes)
    share = 1 - done / config.steps
    numbers = lanes.size * (config.episodes + 3) * config.steps // config.chunk
    whole = int(share * (need.replay + LINE * numbers)) + (checkpoints.KEPT + 1) * need.rest
    free = shutil.disk_usage(folder).free
    if whole > free:
        raise OSError(
            f"{folder} needs about {in_words(whole)} for this run, and {in_words(free)} are free on its disk: "
            f"make room, name a folder on another disk, or take fewer steps or seeds."
        )


def _about(lanes: Lanes) -> str:
    configs = [json.loads(config.to_json()) for config in lanes.configs]
    return json.dumps({"configs": configs, "seeds": lanes.seeds, "versions": versions()}, indent=1)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """While a process trains here no other can. The system forgets the lock of a process that was killed.

    Raises:
      BlockingIOError if one does.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with (folder / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BlockingIOError(f"another process is training in {folder}.") from error
        yield


def read_lanes(folder: Path | str) -> Lanes:
    """Settings and seeds of the run in a folder.

    Raises:
      OSError, naming the file, if there is none or it can't be read.
    """
    path = Path(folder) / ABOUT
    about = _json(path)
    try:
        return lanes([Config.from_json(json.dumps(config)) for config in about["configs"]], about["seeds"])
    except (KeyError, TypeError, ValueError) as error:
        raise OSError(f"can't read {path}: {error}") from error


def read(folder: Path | str) -> Run:
    """The run in a folder, as far as it is.

    Raises:
      OSError, naming the file, for what is missing or damaged.
    """
    folder = Path(folder).absolute()
    found = read_lanes(folder)
    model = folder / MODEL
    error = NextStateError(**{k: np.array(v, float) for k, v in _json(model).items()}) if model.exists() else None
    return record(found, metrics.read(folder), _json(folder / ABOUT)["versions"], folder, error)


def save_model_error(folder: Path, error: NextStateError) -> None:
    write(folder / MODEL, json.dumps(plain(vars(error))))


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path.parent} holds no run: there is no {path.name}.") from error
    except (OSError, ValueError) as error:
        raise OSError(f"can't read {path}: {error}") from error
