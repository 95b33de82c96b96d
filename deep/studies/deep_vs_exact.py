"""Our own: CartPole as a table, solved exactly, and what deep agents know of it."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deep import plot
from deep.lanes import RANDOM_BITS
from deep.measures import transitions
from deep.presets import omd_cartpole
from deep.runs import Run
from deep.studies.cartpole import Exact, Mesh, solved
from deep.training import train
from tabular.plot.lines import COLOURS, MARKERS, Curve, curves
from tabular.studies.record import Record, bar, spread, versions

FEW = 3
"""Intervals over fewer seeds aren't drawn."""
METHODS = {"omd": "OMD", "mle": "MLE", "model_free": "soft Q-learning"}


@dataclass(frozen=True)
class How:
    """Sizes of a run."""

    steps: int = 100_000
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    model_width: int = 32
    points: tuple[tuple[int, int, int, int], ...] = ((9, 11, 13, 15), (13, 15, 19, 21), (13, 17, 25, 29))
    """Of the meshes, coarse to fine; values are compared with those of the last."""
    episodes: int = 100
    """Of the exact policies."""
    states: int = 200
    """Visited by each trained agent, at which values are compared."""


FULL = How()
QUICK = How(steps=12_000, seeds=(0, 1), points=((9, 11, 13, 15), (13, 15, 19, 21)), episodes=20)


def compare(*, quick: bool = False, progress: bool = False) -> Record:
    """Exact solutions of CartPole on meshes, and OMD, likelihood and model-free agents beside them.

    Rows: method, step, and mean, deviation, standard error and half of the 95% interval of the return over seeds.
    Tables: `values`, Q of agent and table for both actions in states that the agent visits; `agents`, how close they
    are; `exact`, each mesh's value of the start, certified error, and its greedy policy's return in the real CartPole.

    The table's values are hard ones, the agents' soft: soft values lie above by `gamma alpha log 2 / (1 - gamma)` =
    0.69 at most. Agents' Q is the smaller one of their two networks. Without falls a step is worth 1 / (1 - gamma) =
    100.
    """
    began, how = time.perf_counter(), QUICK if quick else FULL
    with bar("deep-vs-exact", len(how.points) + len(METHODS), progress, "part") as shown:
        tables = []
        for points in how.points:
            tables.append(solved(Mesh(points)))
            shown.update()
        runs = {}
        for method in METHODS:
            runs[method] = train(omd_cartpole(method=method, steps=how.steps, model_width=how.model_width), how.seeds)
            shown.update()
    values = [row for method, run in runs.items() for row in _values(method, run, tables[-1], how.states)]
    rows = [row for method, run in runs.items() for row in _curve(method, run)]
    more = {"values": values, "agents": _agents(values), "exact": [_exact(table, how.episodes) for table in tables]}
    return Record(
        "deep-vs-exact",
        tuple(rows),
        asdict(how) | {"gamma": 0.99, "alpha": 0.01},
        how.seeds,
        quick,
        time.perf_counter() - began,
        versions(),
        tables={name: tuple(part) for name, part in more.items()},
    )


def _curve(method: str, run: Run) -> list[dict[str, Any]]:
    step, returns = plot.coarse(run.step, run.returns[0])
    halves = plot.interval(returns)
    return [
        {"method": method, "step": float(t)} | spread(x) | {"ci95": float(half)}
        for t, x, half in zip(step, returns.T, halves, strict=True)
    ]


def _exact(table: Exact, episodes: int) -> dict[str, Any]:
    returns = table.returns(episodes, seed=0)
    return {
        "points": " x ".join(map(str, table.mesh.points)),
        "states": table.mesh.size,
        "value": table.solution.J,
        "certified_error": table.solution.error,
    } | spread(returns)


def _values(method: str, run: Run, table: Exact, states: int) -> list[dict[str, Any]]:
    """Q of each trained agent where it goes, beside the table's."""
    assert run.state is not None
    lanes, learner = run.lanes, run.state.learner
    keys = jax.random.split(jax.random.key(0, impl=RANDOM_BITS), lanes.size)
    seen = transitions(lanes.agent, lanes.envs, learner, lanes.hyper, keys, length=5 * states)
    s = seen.s[:, ::5]
    found = np.asarray(jax.vmap(lambda critic, s: critic(s).min(axis=0))(learner.critic, s), float)
    rows = []
    for seed, own, visited in zip(run.seeds, found, np.asarray(s, float), strict=True):
        for Q, best in zip(own, table.Q(visited), strict=True):
            rows += [
                {"method": method, "seed": seed, "action": a, "deep": float(Q[a]), "exact": float(best[a])}
                for a in (0, 1)
            ]
    return rows


def _agents(values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each agent mean and root mean square of its Q minus the table's, and how often both prefer one action."""
    rows = []
    for method, seed in dict.fromkeys((row["method"], row["seed"]) for row in values):
        part = [row for row in values if (row["method"], row["seed"]) == (method, seed)]
        deep, exact = (np.array([row[name] for row in part]).reshape(-1, 2) for name in ("deep", "exact"))
        agree = np.mean(deep.argmax(1) == exact.argmax(1))
        off = deep - exact
        numbers = {"offset": off.mean(), "rms": np.sqrt(np.mean(off**2)), "same_action": agree}
        rows.append({"method": method, "seed": seed} | {name: float(x) for name, x in numbers.items()})
    return rows


# the picture


def draw(record: Record) -> Figure:
    """Learning curves under the return of the exact policy; values of the agents against exact ones."""
    figure = Figure(figsize=(12.4, 4.3), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    _learning(left, record)
    _scatter(right, record)
    n, steps = len(record.seeds), record.settings["steps"]
    text = f"CartPole, solved as a table and learned: {n} seeds, {steps:,} steps"
    if n >= FEW:
        text += "; bands are 95% intervals"
    plot.headed(figure, record, text)
    return figure


def _learning(ax: Axes, record: Record) -> None:
    shown = 3 if len(record.seeds) >= FEW else 2
    series = {
        label: Curve(*(record.column(name, method=method) for name in ("step", "mean", "ci95")[:shown]))
        for method, label in METHODS.items()
    }
    table = record.tables["exact"][-1]
    label = f"exact, {table['states']:,} states"
    labels: dict[str, Any] = {"x_label": "steps in the environment", "y_label": "return of an episode"}
    curves(series, **labels, reference=table["mean"], reference_label=label, title="Return", ax=ax)
    ax.set_ylim(0, 520)


def _scatter(ax: Axes, record: Record) -> None:
    for k, (method, label) in enumerate(METHODS.items()):
        part = [row for row in record.tables["values"] if row["method"] == method]
        exact, deep = (np.array([row[name] for row in part]) for name in ("exact", "deep"))
        ax.plot(exact, deep, MARKERS[k], color=COLOURS[k], markersize=3, alpha=0.35, label=label, rasterized=True)
    ends = ax.get_xlim()
    ax.plot(ends, ends, color="#555555", linewidth=1, linestyle=(0, (4, 3)), label="equal")
    ax.set(xlabel="exact Q of the table", ylabel="Q of the agent")
    ax.set_title("Values in states that each agent visits", fontsize=11, loc="left")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=9, markerscale=1.6)
