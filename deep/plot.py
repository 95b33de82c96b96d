"""Figures of runs: learning curves, and the final return over a setting. Bands are 95% intervals over seeds."""

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
from tabular.plot.lines import Curve
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
    ax: Axes | None = None,
) -> Axes:
    """Mean over seeds and its 95% interval, over steps; a curve for each run and setting.

    Args:
      runs: runs by label, or one run.
      quantity: `returns`, `critic_loss` or `model_loss`; losses are drawn on a logarithmic scale.
      legend: a place inside the axes for a legend, instead of labels at the curves' ends.

    Raises:
      ValueError if there is nothing to draw, or for another quantity.
    """
    if quantity not in Y_LABELS:
        raise ValueError(f"quantity = {quantity!r}, expected one of {', '.join(Y_LABELS)}.")
    named = {"": runs} if isinstance(runs, Run) else dict(runs)
    series = {}
    for label, run in named.items():
        for setting, values in zip(names(run.configs), getattr(run, quantity), strict=True):
            step, values = coarse(run.step, values)
            series[", ".join(filter(None, (label, setting))) or run.configs[0].method] = curve(step, values)
    series = {label: found for label, found in series.items() if np.isfinite(found.mean).any()}
    about = f"{title}\n" if title else ""
    shown: dict[str, Any] = {
        "x_label": "steps in the environment",
        "y_label": Y_LABELS[quantity],
        "title": about + seeds_of(named),
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


def seeds_of(runs: Mapping[str, Run]) -> str:
    """How many seeds, and what the band is."""
    counts = sorted({len(run.seeds) for run in runs.values()})
    if counts == [1]:
        return "one seed"
    how_many = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"mean of {how_many} seeds and its 95% interval"
