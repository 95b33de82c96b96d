"""Long studies in parts: each part is computed once, in parallel, and kept on disk until the whole is done."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tabular.output import write

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Part:
    """One part of a study: what to compute, in plain values that JSON can hold."""

    name: str
    """Names the file that it is kept in, beside a digest of the settings."""
    settings: Mapping[str, Any]

    def path(self, folder: Path) -> Path:
        """Where it is kept. Other settings have another path, so that a changed study never reads old numbers."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]
        return folder / f"{self.name}-{digest}.json"


def compute_parts(
    function: Callable[..., list[Row]],
    parts: Iterable[Part],
    *,
    folder: Path | None,
    tell: Callable[[Part], object],
    workers: int | None = None,
) -> dict[str, list[Row]]:
    """`function(**part.settings)` for all parts, in processes of their own; returns the rows by the part's name.

    Args:
      function: importable by name; its rows hold plain numbers and strings.
      folder: where finished parts are kept, each written atomically. What is there already isn't computed again.
      tell: called with each part as it is finished, or found.
      workers: number of processes; None is one for each core, 0 computes here.

    Raises:
      whatever the function raises, after the parts under way have ended; finished parts are kept.
    """
    parts, rows, todo = list(parts), {}, []
    for part in parts:
        kept = _read(part, folder)
        if kept is None:
            todo.append(part)
        else:
            rows[part.name] = kept
            tell(part)

    def finish(part: Part, result: list[Row]) -> None:
        rows[part.name] = result
        _keep(part, folder, result)
        tell(part)

    if workers == 0 or len(todo) < 2:
        for part in todo:
            finish(part, function(**part.settings))
    else:
        _in_processes(function, todo, finish, workers)
    return {part.name: rows[part.name] for part in parts}


def in_threads(function: Callable[[Any], Any], jobs: Iterable[Any]) -> list[Any]:
    """`[function(job) for job in jobs]`, two at a time: for jobs of JAX, which works outside Python's lock.

    Two jobs that compile the same thing at the same time both do it: put jobs that share a compiled function into one.
    """
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(function, job) for job in jobs]
        try:
            return [job.result() for job in running]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _in_processes(function, todo: list[Part], finish: Callable[[Part, list[Row]], None], workers: int | None) -> None:
    """Compute parts side by side. Processes are spawned: JAX's threads don't survive a fork."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers or _cores(), len(todo)), mp_context=spawn) as pool:
        running = {pool.submit(function, **part.settings): part for part in todo}
        try:
            for done in as_completed(running):
                finish(running[done], done.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _read(part: Part, folder: Path | None) -> list[Row] | None:
    """The rows of a part that was finished before."""
    if folder is None or not part.path(folder).exists():
        return None
    return json.loads(part.path(folder).read_text(encoding="utf-8"))


def _keep(part: Part, folder: Path | None, rows: list[Row]) -> None:
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    write(part.path(folder), json.dumps(rows))
