"""CartPole in Nikishin et al. 2021: Figures 5 and 6, Table 1.

All three are read off runs that stay in a folder: what is there already, by `deep sweep` on other machines or from an
interrupted start, isn't trained again. Figure 5 and Table 1 share theirs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deep import plot, sweep
from deep.config import Config
from deep.runs import LAST, Run
from deep.sweep import METHODS, Sweep
from deep.training import train_many
from tabular.plot.lines import COLOURS, DASHES, LINE, MARKERS, Curve, curves
from tabular.studies.record import Difference, Published, Record, spread, versions

Runs = dict[Config, Run]
LABELS = {"omd": "OMD", "mle": "MLE", "vep": "VEP"}
TABLE_1 = {
    "mle": {1: 0.9, 2: 0.4, 3: 1e-2, 4: 1e-3, 6: 1e-5, 12: 1e-5},
    "omd": {1: 8.5, 2: 5.8, 3: 4.3, 4: 17.8, 6: 11.6, 12: 5.7},
    "untrained": dict.fromkeys((1, 2, 3, 4, 6, 12), 1.5),
}
"""Published errors of next states, by width of the model."""
FEW = 3
"""Intervals over fewer seeds are as wide as the figure: they are in the table, and aren't drawn."""
X_LABELS = {"model_width": "units of the model's hidden layers", "distractors": "distractors"}


# the runs


def runs(study: str, quick: bool, progress: bool, partial: Path | None) -> tuple[Sweep, Runs]:
    """The runs of a sweep by setting, from STUDY (or STUDY-quick) in a folder; without a folder from memory."""
    chosen = sweep.find(study, quick)
    if partial is None:
        return chosen, _in_memory(chosen, progress)
    return chosen, sweep.complete(chosen, Path(partial) / (study + "-quick" * quick), progress)


@cache
def _in_memory(chosen: Sweep, progress: bool) -> Runs:
    """Trained once in a process."""
    batches = sweep.share(chosen, 0, 1)
    found = [train_many(batch.configs, batch.seeds, progress=progress) for batch in batches]
    return {config: run for run in found for config in run.configs}


def _of(found: Runs, config: Config, quantity: Callable[[Run], np.ndarray]) -> np.ndarray:
    """A quantity (settings, seeds, ...) of a run at one of its settings."""
    return quantity(found[config])[found[config].configs.index(config)]


# Figures 5 and 6


def fig5(*, quick: bool = False, progress: bool = False, partial: Path | None = None) -> Record:
    """Figure 5: final return over the width of the model, for OMD, likelihood (MLE) and value equivalence (VEP).

    The final return of a seed is the mean of its last 10 evaluations of 10 episodes each, 1000 steps apart.

    At width 1 a seed's luck counts twice: the one weight between the two hidden units is + or - sqrt 2 with equal
    chance, and with the minus the second unit and all its derivatives are 0 for ever. Such a model predicts a constant,
    by any method; the published networks are initialised the same way.

    Args:
      partial: a folder that keeps the runs, complete ones and others.
    """
    began = time.perf_counter()
    return returns(*runs("omd-fig5", quick, progress, partial), "omd-fig5", quick, began)


def fig6(*, quick: bool = False, progress: bool = False, partial: Path | None = None) -> Record:
    """Figure 6: final return over the number of distractors; otherwise as `fig5`, with a model of width 32."""
    began = time.perf_counter()
    return returns(*runs("omd-fig6", quick, progress, partial), "omd-fig6", quick, began)


OVER = {"omd-fig5": "model_width", "omd-fig6": "distractors"}
"""What the settings of each study differ in."""


def returns(chosen: Sweep, found: Runs, study: str, quick: bool, began: float) -> Record:
    """Rows: method, the setting, mean, deviation, standard error and half of the 95% interval over seeds.

    Tables: `seeds`, every final return; `curves`, mean return over steps; `gain`, OMD minus each other method.
    """
    over = OVER[study]
    finals = {config: _of(found, config, Run.final) for config in chosen.configs}
    rows = [_told(config, over) | _interval(values) for config, values in finals.items()]
    seeds = [
        _told(config, over) | {"seed": seed, "final": float(x)}
        for config, values in finals.items()
        for seed, x in zip(chosen.seeds, values, strict=True)
    ]
    return Record(
        study,
        tuple(rows),
        _settings(chosen, found, over),
        chosen.seeds,
        quick,
        time.perf_counter() - began,
        _versions(found),
        tables={"seeds": tuple(seeds), "curves": tuple(_over_steps(found, over)), "gain": tuple(_gain(finals, over))},
        differences=DIFFERENCES,
    )


def _told(config: Config, over: str) -> dict[str, Any]:
    return {"method": config.method, over: getattr(config, over)}


def _interval(values: np.ndarray) -> dict[str, float]:
    return spread(values) | {"ci95": float(plot.interval(values))}


def _over_steps(found: Runs, over: str) -> list[dict[str, Any]]:
    """Learning curves, thinned to what a figure shows."""
    rows = []
    for config, run in found.items():
        step, values = plot.coarse(run.step, _of(found, config, lambda run: run.returns))
        for t, mean, half in zip(step, values.mean(0), plot.interval(values), strict=True):
            rows.append(_told(config, over) | {"step": float(t), "mean": float(mean), "ci95": float(half)})
    return rows


def _gain(finals: dict[Config, np.ndarray], over: str) -> list[dict[str, Any]]:
    """OMD's final return minus another method's, seed by seed: a seed draws the same networks for both."""
    rows = []
    for config, values in finals.items():
        other = finals[config.replace(method="omd", warm_moments=config.warm_moments)]
        if config.method != "omd":
            rows.append({"minus": config.method, over: getattr(config, over)} | _interval(other - values))
    return rows


def _settings(chosen: Sweep, found: Runs, over: str) -> dict[str, Any]:
    same = asdict(chosen.configs[0].replace(**{over: getattr(Config(), over)}))
    dropped = {"method", over}
    return {name: value for name, value in same.items() if name not in dropped} | {
        "methods": sorted({config.method for config in chosen.configs}),
        over: sorted({getattr(config, over) for config in chosen.configs}),
        "runs": len(chosen.configs) * len(chosen.seeds),
        "final": f"mean of the last {LAST} evaluations",
        "training_seconds": sum(float(run.seconds[-1]) for run in set(found.values())),
    }


def _versions(found: Runs) -> dict[str, str]:
    """Of what trained the runs, which may have been another machine."""
    return versions() | next(iter(found.values())).versions


DIFFERENCES = (
    Difference(
        subject="optimiser of the inner loop",
        paper="warm-started from one step of the model to the next",
        code="made anew for every step of the model, so that a step of Q has the size of the step size",
        here="as the code; warm_moments=True keeps it",
        effect="not measured here",
    ),
    Difference(
        subject="precision",
        paper="not given",
        code="float64",
        here="float32; precision='float64' is the other",
        effect="not measured here",
    ),
    Difference(
        subject="distractors on CartPole",
        paper="independent N(0, 1) numbers follow the observation (Figure 6); which numbers of them isn't given",
        code="no distractors for CartPole are in it",
        here="as the paper; the numbers are chosen here",
        effect="only the pattern can be compared",
    ),
    Difference(
        subject="bands and final returns",
        paper="standard errors over 10 seeds; how a final return is measured isn't given",
        code="evaluations of 10 episodes every 1000 steps",
        here=f"95% intervals over seeds; a final return is the mean of the last {LAST} evaluations",
        effect="with 10 seeds the interval is 2.26 standard errors",
    ),
)


def draw_fig5(record: Record) -> Figure:
    """Final returns; what OMD gains on the others; learning curves at the smallest width."""
    return _draw(record, "model_width", "Return over the model's width")


def draw_fig6(record: Record) -> Figure:
    """Final returns; what OMD gains on the others; learning curves at the largest number of distractors."""
    return _draw(record, "distractors", "Return over the number of distractors", which=-1)


def _draw(record: Record, over: str, title: str, which: int = 0) -> Figure:
    figure = Figure(figsize=(12.6, 4.1), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    methods = [m for m in METHODS if any(row["method"] == m for row in record.rows)]
    values = sorted({row[over] for row in record.rows})
    series = {LABELS[m]: _columns(record.rows, {"method": m}) for m in methods}
    _points(left, series, values, over)
    left.set(ylabel="final return of an episode", ylim=(0, 515))
    gains = {f"OMD - {LABELS[m]}": _columns(record.tables["gain"], {"minus": m}) for m in methods if m != "omd"}
    _points(middle, gains, values, over, first=1)
    middle.axhline(0, color="#555555", linewidth=1, linestyle=(0, (4, 3)))
    middle.set_ylabel("difference of final returns")
    lines = {}
    for m in methods:
        part = [row for row in record.tables["curves"] if row["method"] == m and row[over] == values[which]]
        step, mean, half = (np.array([row[k] for row in part]) for k in ("step", "mean", "ci95"))
        lines[LABELS[m]] = Curve(step, mean, half if len(record.seeds) >= FEW else None)
    curves(lines, x_label="steps in the environment", y_label="return of an episode", legend="upper left", ax=right)
    right.set_ylim(0, 515)
    right.xaxis.set_major_formatter(lambda x, _: f"{x / 1000:g}k")
    for ax, text in zip(
        (left, middle, right), (title, "What OMD gains", f"{over.replace('_', ' ')} {values[which]}"), strict=True
    ):
        ax.set_title(text, fontsize=11, loc="left")
    _about(figure, record, "; means" + " and 95% intervals over seeds" * (len(record.seeds) >= FEW))
    return figure


def _columns(rows: Sequence[Any], where: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Means and halves of intervals."""
    part = [row for row in rows if where.items() <= row.items()]
    shown = [row["ci95"] if row["n"] >= FEW else 0.0 for row in part]
    return np.array([row["mean"] for row in part]), np.array(shown)


def _points(ax: Axes, series: dict[str, tuple], values: Sequence[int], over: str, first: int = 0) -> None:
    """Means with 95% intervals at evenly spaced settings, moved apart a little."""
    for k, (label, (mean, half)) in enumerate(series.items(), first):
        x = np.arange(len(values)) + 0.09 * (k - 1)
        look = {"color": COLOURS[k], "marker": MARKERS[k], "linestyle": DASHES[k]}
        ax.errorbar(x, mean, np.nan_to_num(half), label=label, capsize=3, elinewidth=1.4, **look, **LINE)
    ax.set_xticks(range(len(values)), [str(value) for value in values])
    ax.set_xlim(-0.5, len(values) - 0.5)
    ax.set_xlabel(X_LABELS[over])
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="#e4e4e4", linewidth=0.8, zorder=0)
    ax.legend(frameon=False, fontsize=9)


def _about(figure: Figure, record: Record, more: str = "") -> None:
    """Seeds, runs and steps; in red if this is the short form."""
    n, total = len(record.seeds), record.settings["runs"]
    text = f"CartPole, {total} runs: {n} seeds, {record.settings['steps']:,} steps each{more}"
    plot.headed(figure, record, text)


# Table 1


def table1(*, quick: bool = False, progress: bool = False, partial: Path | None = None) -> Record:
    """Table 1: error of the learned models' next states over the model's width, beside that of untrained models.

    `|s'_hat - s'|^2`, summed over the parts of a state, mean over 1000 transitions of each trained agent that nothing
    was learned from. The runs are those of Figure 5.

    Rows: method (`untrained` for OMD's models as they began, on the same transitions), model_width, mean, median,
    deviation, standard error over seeds. Table `seeds`: every run's.
    """
    began = time.perf_counter()
    return next_state_errors(*runs("omd-fig5", quick, progress, partial), quick, began)


def next_state_errors(chosen: Sweep, found: Runs, quick: bool, began: float) -> Record:
    """Table 1 from runs; see `table1`."""
    errors = {
        (config.method, config.model_width): _of(found, config, lambda run: run.model_error.summed)  # type: ignore[union-attr]
        for config in chosen.configs
    } | {
        ("untrained", config.model_width): _of(found, config, lambda run: run.model_error.untrained_summed)  # type: ignore[union-attr]
        for config in chosen.configs
        if config.method == "omd"
    }
    told = {key: {"method": key[0], "model_width": key[1]} for key in errors}
    rows = [told[key] | {"median": float(np.median(x))} | spread(x) for key, x in errors.items()]
    seeds = [
        told[key] | {"seed": seed, "error": float(e)}
        for key, x in errors.items()
        for seed, e in zip(chosen.seeds, x, strict=True)
    ]
    published = [
        Published(f"error of next states, {method}, width {width}", TABLE_1[method][width], float(x.mean()), SOURCE)
        for (method, width), x in errors.items()
        if width in TABLE_1.get(method, {})
    ]
    return Record(
        "omd-table1",
        tuple(rows),
        _settings(chosen, found, "model_width") | {"error": "|s'_hat - s'|^2, summed over the parts of a state"},
        chosen.seeds,
        quick,
        time.perf_counter() - began,
        _versions(found),
        tables={"seeds": tuple(seeds)},
        published=tuple(published),
        differences=DIFFERENCES[:2],
    )


SOURCE = "Nikishin et al. 2021, Table 1"
LOOKS = {"omd": 0, "mle": 1, "vep": 2, "untrained": 6}
"""Colour and marker of each method."""


def draw_table1(record: Record) -> Figure:
    """Every run's error as a point, medians as lines, published numbers as crosses."""
    figure = Figure(figsize=(7.6, 4.6), layout="constrained")
    ax = figure.subplots()
    widths = sorted({row["model_width"] for row in record.rows})
    for k, (method, look) in enumerate(LOOKS.items()):
        label, colour = LABELS.get(method, method), COLOURS[look]
        x = np.arange(len(widths)) + 0.1 * (k - 1.5)
        dots = [[row["error"] for row in record.tables["seeds"] if _is(row, method, width)] for width in widths]
        for at, values in zip(x, dots, strict=True):
            ax.plot([at] * len(values), values, ".", color=colour, alpha=0.35, markersize=5)
        medians = [np.median(values) for values in dots]
        ax.plot(x, medians, label=label, color=colour, marker=MARKERS[look], linestyle=DASHES[look % 4], **LINE)
        known = [TABLE_1.get(method, {}).get(width, np.nan) for width in widths]
        if np.isfinite(known).any():
            ax.plot(x, known, "x", color=colour, markersize=8, markeredgewidth=1.8, zorder=4)
    ax.plot([], [], "kx", label="published mean")
    ax.set(yscale="log", xlabel=X_LABELS["model_width"], ylabel=r"$\Vert\hat s' - s'\Vert^2$")
    ax.set_xticks(range(len(widths)), [str(width) for width in widths])
    ax.set_xlim(-0.5, len(widths) - 0.5)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="#e4e4e4", linewidth=0.8, zorder=0)
    ax.legend(frameon=False, fontsize=9)
    ax.set_title("Error of next states: points are seeds, lines medians", fontsize=11, loc="left")
    _about(figure, record)
    return figure


def _is(row: Any, method: str, width: int) -> bool:
    return row["method"] == method and row["model_width"] == width
