"""Runs as lines of text, and seed by seed as rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deep.agents import Hyper
from deep.config import SWEPT
from deep.plot import interval, names
from deep.runs import Run


def table(runs: Sequence[Run]) -> str:
    """A line for each setting of each run."""
    settings = [label for run in runs for label in names(run.configs)]
    rows = [("run", "method", "environment", "setting", "seeds", "steps", "return", "95%")][: 1 + bool(settings)]
    rows += [row for run in runs for row in _rows(run)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    right = (4, 5, 6, 7)
    lines = [
        "  ".join(x.rjust(n) if k in right else x.ljust(n) for k, (x, n) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def _rows(run: Run) -> list[tuple[str, ...]]:
    done = int(run.step[-1]) if len(run.step) else 0
    steps = f"{done}" if run.complete else f"{done}/{run.configs[0].steps}"
    finals = run.final() if done else None
    found = []
    for k, config in enumerate(run.configs):
        mean, half = ("-", "") if finals is None else (f"{finals[k].mean():.1f}", f"+-{float(interval(finals[k])):.1f}")
        setting = f"width {config.model_width}" + (f", {config.distractors} distractors" if config.distractors else "")
        setting += _numbers(run, k)
        where = run.folder.name if run.folder else "-"
        seeds = str(len(run.seeds))
        found.append((where, config.method, config.env, setting, seeds, steps, mean, half.replace("+-nan", "")))
    return found


def _numbers(run: Run, k: int) -> str:
    """Numbers that the settings of a run differ in."""
    several = [name for name in Hyper._fields if len({getattr(config, name) for config in run.configs}) > 1]
    return "".join(f", {name} {getattr(run.configs[k], name):g}" for name in several)


def seeds(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """A row for each seed of each setting of runs that have an evaluation.

    What the settings differ in, final return (`Run.final`), and once a run with a model is complete the error of its
    next states, `|s'_hat - s'|^2`, trained and untrained (`deep.runs.NextStateError`).
    """
    return [
        {
            "method": config.method,
            "env": config.env,
            **{name: getattr(config, name) for name in SWEPT},
            "seed": seed,
            "steps": int(run.step[-1]),
            "final_return": float(run.final()[k, i]),
            "next_state_error": run.model_error and float(run.model_error.summed[k, i]),
            "untrained_next_state_error": run.model_error and float(run.model_error.untrained_summed[k, i]),
        }
        for run in runs
        for k, config in enumerate(run.configs)
        for i, seed in enumerate(run.seeds)
    ]
