"""Runs as lines of text."""

from __future__ import annotations

from collections.abc import Sequence

from deep.agents import Hyper
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
