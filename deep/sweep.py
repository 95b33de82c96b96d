"""Many settings on many machines: each of N jobs trains its share of a study's runs.

    deep sweep omd-fig5 --index 2 --of 6

trains the third sixth of the settings, in batches of those that can share one. Any scheduler can start the N jobs; a
job that was killed goes on where it was when it is started again. With submitit (extra `cluster`) one command starts
them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deep.config import SWEPT, Config
from deep.presets import omd_cartpole
from deep.registry import known
from deep.runs import ABOUT, Run, read
from deep.training import Progress, resume, train_many


@dataclass(frozen=True)
class Sweep:
    """Settings, each with the same seeds. Neighbours that can share a batch are trained together."""

    configs: tuple[Config, ...]
    seeds: tuple[int, ...]

    def replace(self, **changes: Any) -> Sweep:
        """The same with other values in every configuration."""
        return Sweep(tuple(config.replace(**changes) for config in self.configs), self.seeds)


METHODS = ("omd", "mle", "vep")
WIDTHS = (1, 2, 3, 4, 6, 12)
"""Of Nikishin et al. 2021, Table 1."""
DISTRACTORS = (0, 1, 2, 4, 8, 16)
"""Chosen here: the spread of Nikishin et al. 2021, Figure 6, isn't given in numbers."""


def widths(quick: bool = False) -> Sweep:
    """Three methods over the width of the model (Nikishin et al. 2021, Figure 5 and Table 1)."""
    chosen, more = ((1,), {"steps": 40_000}) if quick else (WIDTHS, {})
    configs = [omd_cartpole(method=m, model_width=chosen, **more).settings() for m in METHODS]
    return Sweep(tuple(c for settings in configs for c in settings), tuple(range(4 if quick else 10)))


def distractors(quick: bool = False) -> Sweep:
    """Three methods over the number of distractors (Nikishin et al. 2021, Figure 6)."""
    chosen, more = ((0, 4), {"steps": 20_000}) if quick else (DISTRACTORS, {})
    configs = [omd_cartpole(method=m, distractors=chosen, **more).settings() for m in METHODS]
    return Sweep(tuple(c for settings in configs for c in settings), tuple(range(2 if quick else 10)))


SWEEPS: dict[str, Callable[[bool], Sweep]] = {"omd-fig5": widths, "omd-fig6": distractors}
"""What may stand for STUDY on the command line; omd-table1 reads the runs of omd-fig5."""


def find(name: str, quick: bool = False) -> Sweep:
    """A sweep by name.

    Raises:
      ValueError for an unknown name; it lists the nearest ones.
    """
    known("study", name, SWEEPS)
    return SWEEPS[name](quick)


def share(sweep: Sweep, index: int, of: int) -> list[Sweep]:
    """The batches of job `index` of `of`, counted from 0: a stretch of the settings, cut where a batch must end.

    Raises:
      ValueError if there is no such job, or there are more jobs than settings.
    """
    n = len(sweep.configs)
    if not 1 <= of <= n:
        raise ValueError(f"of = {of}, expected 1 to {n}: there are {n} settings, and their seeds stay together.")
    if not 0 <= index < of:
        raise ValueError(f"index = {index}, expected 0 to {of - 1}: jobs are counted from 0.")
    mine = sweep.configs[n * index // of : n * (index + 1) // of]
    batches: list[list[Config]] = []
    for config in mine:
        if not batches or _alone(config) != _alone(batches[-1][0]):
            batches.append([])
        batches[-1].append(config)
    return [Sweep(tuple(batch), sweep.seeds) for batch in batches]


def _alone(config: Config) -> Config:
    """The configuration but for what a batch may differ in."""
    default = Config()
    return config.replace(**{name: getattr(default, name) for name in SWEPT})


def run_share(sweep: Sweep, index: int, of: int, out: Path | str, progress: Progress = False) -> list[Run]:
    """Train one job's runs, each batch in a folder of its own under `out`; what is there already isn't trained again.

    Raises:
      ValueError if a folder holds another run, and what `train_many` raises.
    """
    found = []
    for batch in share(sweep, index, of):
        folder = Path(out) / name(batch)
        if (folder / ABOUT).exists():
            there = read(folder)
            if there.configs != batch.configs or there.seeds != batch.seeds:
                raise ValueError(f"{folder} holds a run of another sweep: name another folder with --out.")
            found.append(there if there.complete else resume(folder, progress=progress))
        else:
            found.append(train_many(batch.configs, batch.seeds, out=folder, progress=progress))
    return found


def complete(sweep: Sweep, out: Path | str, progress: Progress = False) -> dict[Config, Run]:
    """All of a sweep's runs by setting: those found below `out`, however they were shared; what is missing is trained.

    Raises:
      what `run_share` raises.
    """
    left = missing(sweep, out)
    if left:
        run_share(Sweep(left, sweep.seeds), 0, 1, out, progress)
    found = _found(sweep, out)
    return {config: found[config] for config in sweep.configs}


def missing(sweep: Sweep, out: Path | str) -> tuple[Config, ...]:
    """Settings without a complete run below a folder."""
    found = _found(sweep, out)
    return tuple(config for config in sweep.configs if config not in found)


def _found(sweep: Sweep, out: Path | str) -> dict[Config, Run]:
    """The complete runs below a folder, by setting."""
    there = gather(out) if Path(out).is_dir() else []
    return {config: run for run in there if run.complete and run.seeds == sweep.seeds for config in run.configs}


def name(batch: Sweep) -> str:
    """Name of a batch's folder: method, and what its settings differ in or aren't at their defaults."""
    parts = [batch.configs[0].method]
    for field in SWEPT:
        values = list(dict.fromkeys(getattr(config, field) for config in batch.configs))
        if values != [getattr(Config(), field)]:
            parts.append(f"{field}={','.join(f'{value:g}' for value in values)}")
    return "-".join(parts)


def gather(out: Path | str) -> list[Run]:
    """All runs in folders below `out`, by name.

    Raises:
      OSError if there is no such folder, or a run can't be read.
    """
    out = Path(out)
    if not out.is_dir():
        raise NotADirectoryError(f"there is no folder {out}.")
    return [read(path.parent) for path in sorted(out.rglob(ABOUT))]


def submit(sweep: Sweep, of: int, out: Path | str, cluster: str | None = None, **parameters: Any) -> list[Any]:
    """Start all N jobs with submitit; returns its jobs.

    Args:
      cluster: "slurm", "local" (processes on this machine), or None for what there is.
      parameters: for submitit: `timeout_min`, `slurm_partition`, `cpus_per_task`, `gpus_per_node` ...

    Raises:
      ImportError if submitit isn't installed.
    """
    try:
        import submitit
    except ImportError as error:
        raise ImportError("submitit is missing: pip install 'mdpscope[cluster]'") from error

    for index in range(of):
        share(sweep, index, of)
    executor = submitit.AutoExecutor(folder=Path(out) / "jobs", cluster=cluster)
    executor.update_parameters(name="deep-sweep", **parameters)
    return executor.map_array(_job, *zip(*[(sweep, index, of, str(out)) for index in range(of)], strict=True))


def _job(sweep: Sweep, index: int, of: int, out: str) -> list[str]:
    """What a submitted job runs; it leaves its results in folders and returns their names."""
    return [str(run.folder) for run in run_share(sweep, index, of, out)]
