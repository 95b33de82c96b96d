"""Figures of runs: learning curves, and final returns. Bands and bars are 95% intervals over seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from deep.config import SWEPT, Config
from deep.runs import Run
from tabular.plot.lines import COLOURS, Curve
from tabular.plot.lines import curves as draw_curves
from tabular.studies.record import Record

LEVEL = 0.95
MOST_POINTS = 60
"""Markers along a curve; of more evaluations, groups of neighbours are averaged."""


def curves(
    runs: Mapping[str, Run] | Run,
    *,
    quantity: str = "returns",
    title: str | None = None,
    legend: str | None = None,
    bands: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Mean over seeds and its 95% interval, over steps; a curve for each run and setting.

    Args:
      runs: runs by label, or one run.
      quantity: `returns`, `critic_loss` or `model_loss`; losses are drawn on a logarithmic scale.
      bands: whether to draw the intervals; those of many curves hide each other.
      legend: a place inside the axes for a legend, instead of labels at the curves' ends.

    Raises:
      ValueError if there is nothing to draw, or for another quantity.
    """
    if quantity not in Y_LABELS:
        raise ValueError(f"quantity = {quantity!r}, expected one of {', '.join(Y_LABELS)}.")
    named = {"": runs} if isinstance(runs, Run) else dict(runs)
    series = {}
    for label, run, k in settings_of(named):
        step, values = coarse(run.step, getattr(run, quantity)[k])
        found = curve(step, values)
        if np.isfinite(found.mean).any():
            series[label] = found if bands else Curve(found.x, found.mean)
    about = f"{title}\n" if title else ""
    shown: dict[str, Any] = {
        "x_label": "steps in the environment",
        "y_label": Y_LABELS[quantity],
        "title": about + seeds_of(named, bands),
    }
    ax = draw_curves(series, **shown, legend=legend, ax=ax)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.xaxis.set_major_formatter("{x:,.0f}")
    if quantity != "returns":
        ax.set_yscale("log")
    return ax


def finals(runs: Mapping[str, Run], over: str, *, title: str | None = None, ax: Axes | None = None) -> Axes:
    """Mean return of the last evaluations, and its 95% interval over seeds, over a field of the configurations.

    Args:
      over: a field that the settings of each run differ in: `model_width`, `distractors`, `alpha`, ...

    Raises:
      ValueError if there is no run, or the settings don't differ in this field.
    """
    if over not in SWEPT:
        raise ValueError(f"over = {over!r}, expected one of {', '.join(SWEPT)}.")
    series = {
        label: curve([getattr(config, over) for config in run.configs], run.final().T) for label, run in runs.items()
    }
    about = f"{title}\n" if title else ""
    shown: dict[str, Any] = {
        "x_label": over.replace("_", " "),
        "y_label": Y_LABELS["returns"],
        "title": about + seeds_of(runs),
    }
    return draw_curves(series, **shown, ax=ax)


def each_seed(runs: Mapping[str, Run], *, title: str | None = None, ax: Axes | None = None) -> Axes:
    """Return of the last evaluations: a point for each seed, the mean, and its 95% interval as a bar.

    A line for each run and setting, in the colours of `curves`.
    """
    rows = settings_of(runs)
    ax = ax or Figure(figsize=(6.4, 1.2 + 0.45 * len(rows)), layout="constrained").subplots()
    for y, (_, run, k) in enumerate(rows):
        values, colour = run.final()[k], COLOURS[y % len(COLOURS)]
        half = np.nan_to_num(interval(values))
        ax.errorbar(values.mean(), y, xerr=half, color=colour, marker="D", capsize=4, elinewidth=1.6, zorder=3)
        ax.plot(values, np.full(len(values), y - 0.22), "o", color=colour, alpha=0.55, markersize=5, zorder=2)
    ax.set_yticks(range(len(rows)), [label for label, _, _ in rows])
    ax.set(ylim=(len(rows) - 0.5, -0.6), xlabel="final " + Y_LABELS["returns"])
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="x", color="#e4e4e4", linewidth=0.8, zorder=0)
    ax.set_title(
        (f"{title}\n" if title else "") + "points: seeds; bar: mean and its 95% interval", fontsize=11, loc="left"
    )
    return ax


Y_LABELS = {"returns": "return of an episode", "critic_loss": "loss of Q", "model_loss": "loss of the model"}


def curve(x: ArrayLike, values: np.ndarray) -> Curve:
    """Mean and half of its 95% interval over the first axis of values, the seeds."""
    return Curve(x, values.mean(0), interval(values))


def interval(values: np.ndarray, level: float = LEVEL) -> np.ndarray:
    """Half of Student's interval for the mean along the first axis; NaN for one value, which has none."""
    from scipy.stats import t

    n = len(values)
    if n < 2:
        return np.full(values.shape[1:], np.nan)
    return t.ppf((1 + level) / 2, n - 1) * values.std(0, ddof=1) / np.sqrt(n)


def coarse(step: np.ndarray, values: np.ndarray, most: int = MOST_POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Means of neighbouring evaluations, so that no more than `most` are left. The last ones that fill no group go."""
    group = -(-len(step) // most)
    n = len(step) // group * group if group else 0
    return step[:n].reshape(-1, group or 1).mean(1), values[:, :n].reshape(len(values), -1, group or 1).mean(2)


def headed(figure: Figure, record: Record, text: str) -> None:
    """The title over a study's panels, in red with a warning if this is its short form."""
    quick = {"color": "#b00020"} if record.quick else {}
    figure.suptitle(("QUICK LOOK. " if record.quick else "") + text, fontsize=11, **quick)


def names(configs: tuple[Config, ...]) -> list[str]:
    """What tells settings apart: nothing for a single one."""
    several = [name for name in SWEPT if len({getattr(config, name) for config in configs}) > 1]
    return [", ".join(f"{name.replace('_', ' ')} {getattr(config, name)}" for name in several) for config in configs]


def settings_of(runs: Mapping[str, Run]) -> list[tuple[str, Run, int]]:
    """Each setting of each run: its label, the run, and its number there."""
    return [
        (", ".join(filter(None, (label, setting))) or run.configs[0].method, run, k)
        for label, run in runs.items()
        for k, setting in enumerate(names(run.configs))
    ]


def seeds_of(runs: Mapping[str, Run], bands: bool = True) -> str:
    """How many seeds, and what the band is."""
    counts = sorted({len(run.seeds) for run in runs.values()})
    if counts == [1]:
        return "one seed"
    how_many = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"mean of {how_many} seeds" + " and its 95% interval" * bands
