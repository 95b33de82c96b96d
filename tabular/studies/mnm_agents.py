"""Sampled agents of Eysenbach et al. 2021, "Mismatched No More": Figure 2a left and Figure 13."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tabular.agents import (
    AGENTS,
    MNM,
    Q_LEARNING,
    Agent,
    Learning,
    Stream,
    learn,
    mersenne_twister,
    threefry,
)
from tabular.errors import NotConverged
from tabular.mdp import AnyMDP
from tabular.optimism import Loop, best_response, mnm
from tabular.plot import Curve, curves, grid
from tabular.plot.lines import COLOURS
from tabular.solve import solve
from tabular.studies.record import Difference, Published, Record, bar, spread, versions
from tabular.worlds.papers import maze10

# Figure 2a left

LOG = dataclasses.replace(Q_LEARNING, name="Q-learning, log reward", log=True)
OPTIMISTIC_START = dataclasses.replace(Q_LEARNING, name="Q-learning, Q0 = 10", Q0=10.0)
NO_CLASSIFIER = dataclasses.replace(MNM, name="MnM without classifier", kl=False)
NO_LOG = Agent("optimistic dynamics, raw reward", optimistic=True)

ABLATION = (LOG, MNM, NO_LOG, OPTIMISTIC_START, NO_CLASSIFIER)
"""MnM, what is left of it when a part is taken away, and Q-learning on the true dynamics with two other starts."""
ARMS = (*AGENTS.values(), *(agent for agent in ABLATION if agent is not MNM))

LEVEL = 1.0
"""A run counts as a success from this return on; the optimum is 1.3875."""
NOTEBOOK = {"Q-learning": 1.2902, "MnM": 1.3734, "VMBPO": 0.5244}
"""Final returns of the authors' code, its random numbers taken from `numpy.random.RandomState(0)`."""


def fig2a(
    *,
    quick: bool = False,
    progress: bool = False,
    seeds: Iterable[int] | None = None,
    stream: Stream = threefry,
) -> Record:
    """Figure 2a left: the true return of sampled agents over iterations, and what the gain of MnM is due to.

    Args:
      seeds: 0 to 19 if None; the paper has five, the notebook published with it one.
      stream: `threefry`, or `mersenne_twister` for the random numbers of the notebook.
    """
    began = time.perf_counter()
    mdp = maze10()
    seeds = tuple(range(4 if quick else 20) if seeds is None else seeds)
    with bar("mnm-fig2a", 1501, progress, unit="iteration") as shown:
        found = learn(mdp, ARMS, seeds=seeds, stream=stream, progress=shown.update)
    first, final = found.first_above(LEVEL), found.returns[..., -1]
    summary = tuple(
        {
            "arm": agent.name,
            "reached": float(np.isfinite(first[g]).mean()),
            "final_above": float((final[g] > LEVEL).mean()),
            "median_first": float(np.median(first[g])),
            **_named("final", final[g]),
            "n": len(seeds),
        }
        for g, agent in enumerate(found.agents)
    )
    settings = found.settings | {
        "figure": "Eysenbach et al. 2021, Figure 2a left",
        "quantity": "J, the true return of the greedy policy",
        "world": "maze10, reward 0.001, goal_reward 10",
        "optimal_return": solve(mdp).J,
        "level": LEVEL,
        "reached_level": {row["arm"]: row["reached"] for row in summary},
        "median_first_above_level": {row["arm"]: row["median_first"] for row in summary},
    }
    return Record(
        "mnm-fig2a",
        _over_iterations(found, "arm"),
        settings,
        seeds,
        quick,
        time.perf_counter() - began,
        versions(),
        tables={"summary": summary, "seeds": _seed_by_seed(found)},
        published=() if quick else _notebook(mdp),
        differences=_differences(mdp, summary),
    )


def _over_iterations(found: Learning, arm: str, **where: Any) -> tuple[dict[str, Any], ...]:
    """Rows of the recorded returns: mean over seeds at each iteration."""
    return tuple(
        {**where, arm: agent.name, "iteration": int(iteration), **spread(J)}
        for agent, returns in zip(found.agents, found.returns, strict=True)
        for iteration, J in zip(found.iteration, returns.T, strict=True)
    )


def _seed_by_seed(found: Learning) -> tuple[dict[str, Any], ...]:
    """The published agents' recorded returns, each seed by itself."""
    return tuple(
        {"arm": agent.name, "seed": seed, "iteration": int(iteration), "value": float(J)}
        for agent, returns in zip(found.agents, found.returns, strict=True)
        if agent.name in AGENTS
        for seed, values in zip(found.seeds, returns, strict=True)
        for iteration, J in zip(found.iteration, values, strict=True)
    )


def _named(name: str, values: np.ndarray) -> dict[str, float]:
    """Mean and standard deviation with a prefix."""
    return {f"{name}_{key}": value for key, value in spread(values).items() if key in ("mean", "sd")}


def _notebook(mdp: AnyMDP) -> tuple[Published, ...]:
    """The run of the authors' code with seed 0, repeated with its random numbers."""
    again = learn(mdp, AGENTS, seeds=0, stream=mersenne_twister).returns[:, 0, -1]
    source = "the authors' code with numpy.random.RandomState(0) for its random numbers (printed with 4 decimals)"
    return tuple(
        Published(f"final return of {name}, seed 0", NOTEBOOK[name], float(J), source)
        for name, J in zip(AGENTS, again, strict=True)
    )


def _differences(mdp: AnyMDP, summary: tuple[dict[str, Any], ...]) -> tuple[Difference, ...]:
    by_arm = {row["arm"]: row for row in summary}
    q, mnm, log, start = (by_arm[agent.name] for agent in (Q_LEARNING, MNM, LOG, OPTIMISTIC_START))
    usual = float((1 - mdp.gamma) * np.log(mdp.r.min()))
    return (
        Difference(
            "rewards of the maze",
            "one gridworld for Figures 2a and 3b",
            "(0.001, 10) in this figure, (1e-5, 1e9) in Figure 2a right, (1, 10) in Figure 3b",
            "(0.001, 10)",
            f"off the goal (1 - gamma) log r is {usual:.3f} at every step, so that Q0 = 0 is optimistic under the "
            "log reward, and pessimistic under the raw one",
        ),
        Difference(
            "seeds",
            "mean and standard deviation over random seeds",
            "one run, unseeded",
            f"{q['n']} seeds; seeds=range(5) for five",
            f"Q-learning ends at {q['final_mean']:.3f} with standard deviation {q['final_sd']:.3f}: "
            f"{q['final_above']:.0%} of its runs end above {LEVEL:g}, so one run shows either outcome",
        ),
        Difference(
            "Q-learning with the perfect model",
            "an oracle method that MnM outperforms thanks to its optimistic dynamics",
            "raw reward and Q0 = 0, while MnM has the log reward",
            "as the code, beside Q-learning with the log reward, and with the raw reward and Q0 = 10",
            f"on the true dynamics Q-learning ends at {log['final_mean']:.3f} with the log reward and at "
            f"{start['final_mean']:.3f} with Q0 = 10, MnM at {mnm['final_mean']:.3f}; they first exceed {LEVEL:g} at "
            f"the median iterations {log['median_first']:g}, {start['median_first']:g} and {mnm['median_first']:g}",
        ),
    )


def draw_fig2a(record: Record) -> Figure:
    """Left the figure as published, every seed a thin line and the mean a thick one; right the ablation.

    Bands on the right are standard errors over seeds.
    """
    figure = Figure(figsize=(11.5, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    n = len(record.seeds)
    _curves(left, record, AGENTS, f"As published: mean over {n} seeds, thin lines are seeds", band=False)
    _seeds(left, record)
    _curves(right, record, [agent.name for agent in ABLATION], _message(record), band=True)
    if record.quick:
        figure.suptitle("QUICK LOOK: fewer seeds than the figure has", color="#b00020", fontsize=11)
    return figure


def _curves(ax: Axes, record: Record, arms: Iterable[str], title: str, band: bool) -> None:
    def curve(arm: str) -> Curve:
        se = record.column("se", arm=arm) if band else None
        return Curve(record.column("iteration", arm=arm), record.column("mean", arm=arm), se)

    optimum = record.settings["optimal_return"]
    curves(
        {arm: curve(arm) for arm in arms},
        x_label="iteration (200 steps each)",
        y_label=r"true return $J$ of the greedy policy",
        reference=optimum,
        reference_label=f"optimal return, {optimum:.4f}",
        title=title,
        legend="upper left",
        ax=ax,
    )
    ax.legend(loc="upper left", ncols=2, frameon=False, fontsize=9, handlelength=3.2, columnspacing=1.2)
    ax.label_outer()
    ax.set_ylim(-0.04, 1.32 * optimum)
    for k, line in enumerate(ax.lines):
        line.set_markevery((3 * k, 12))


def _seeds(ax: Axes, record: Record) -> None:
    """A thin line for each seed of the published agents, in the colour of the agent's mean."""
    rows = record.tables["seeds"]
    for arm, colour in zip(AGENTS, COLOURS, strict=False):
        for seed in record.seeds:
            points = [(row["iteration"], row["value"]) for row in rows if row["arm"] == arm and row["seed"] == seed]
            ax.plot(*zip(*points, strict=True), color=colour, alpha=0.3, linewidth=0.6, zorder=1.5)


def _message(record: Record) -> str:
    """What the ablation says, in words that the numbers support."""
    final = {row["arm"]: row["final_mean"] for row in record.tables["summary"]}
    true, mnm, no_log = min(final[LOG.name], final[OPTIMISTIC_START.name]), final[MNM.name], final[NO_LOG.name]
    if no_log < 0.7 * mnm and true > 0.95 * mnm:
        return (
            "The optimistic start decides, not the optimistic dynamics:\n"
            f"true dynamics with it end at {true:.2f}, tilted ones without it at {no_log:.2f}"
        )
    return (
        f"Final return {mnm:.2f} of MnM, {true:.2f} of true dynamics with an\n"
        f"optimistic start, {no_log:.2f} of tilted dynamics without one"
    )


# Figure 13

SOURCE = (0, 9)
"""Goal of the task that the optimistic dynamics are made for."""
GOALS = (SOURCE, (1, 9), (0, 8), (5, 9), (9, 0))
"""Goals of the new tasks, from the source's own to one far from it."""
SHARE = 0.5
"""A run counts as a success from this share of the optimal return on."""
TRUE, OPTIMISTIC = "true p", "optimistic q"


def transfer(
    *, quick: bool = False, progress: bool = False, seeds: Iterable[int] | None = None, stream: Stream = threefry
) -> Record:
    """Figure 13: Q-learning on new tasks, in the true dynamics or in optimistic dynamics kept from another task.

    The paper doesn't say how its figure was made. Here the dynamics q are those of MnM by value iteration for the goal
    (0, 9), rewards 0.001 and 10. On a task with another goal, Q-learning of raw rewards makes its steps in p or in q,
    and its greedy policy is evaluated in p. The table `variants` has what doesn't work.

    Args:
      seeds: 0 to 29 if None.
      stream: `threefry` or `mersenne_twister`.
    """
    began = time.perf_counter()
    goals = (SOURCE, GOALS[-1]) if quick else GOALS
    seeds = tuple(range(4 if quick else 30) if seeds is None else seeds)
    source = _dynamics(maze10(goal=SOURCE))
    wide = _dynamics(maze10(goal=SOURCE, reward=1e-5, goal_reward=1e9))  # the rewards of Figure 2a right
    agents = (Agent(TRUE), Agent(OPTIMISTIC, kernel=source))
    how: dict[str, Any] = {"seeds": seeds, "stream": stream}
    with bar("mnm-transfer", 1501 * (len(goals) + 1), progress, unit="iteration") as shown:
        found = {goal: learn(maze10(goal=goal), agents, **how, progress=shown.update) for goal in goals}
        failing = learn(maze10(goal=SOURCE), _failing(source, wide), **how, progress=shown.update)
    summary = tuple(
        row for goal, tasks in found.items() for row in _successes(tasks, {"goal": _cell(goal)}, "dynamics")
    )
    variants = _successes(found[SOURCE], {}, "variant") + _successes(failing, {}, "variant")
    settings = found[SOURCE].settings | {
        "figure": "Eysenbach et al. 2021, Figure 13",
        "quantity": "J, the true return of the greedy policy",
        "world": "maze10, reward 0.001, goal_reward 10",
        "source": f"limit of the smoothed iteration of MnM for the goal {_cell(SOURCE)}",
        "level": f"{SHARE:g} of the optimal return",
        "optimal_return": {row["goal"]: row["optimal_return"] for row in summary},
    }
    return Record(
        "mnm-transfer",
        tuple(row for goal, tasks in found.items() for row in _over_iterations(tasks, "dynamics", goal=_cell(goal))),
        settings,
        seeds,
        quick,
        time.perf_counter() - began,
        versions(),
        tables={"summary": summary, "variants": variants},
        differences=(_design(summary, variants),),
    )


def _dynamics(mdp: AnyMDP) -> np.ndarray:
    """Optimistic dynamics of MnM for a task, shape (S, A, S), by the published loop."""
    run = best_response(mdp, Loop(mnm(mdp)))
    if not run.converged:
        raise NotConverged(f"the dynamics still changed by {run.changes[-1]:.3g} after {len(run.changes)} rounds", run)
    return run.q


def _failing(source: np.ndarray, wide: np.ndarray) -> tuple[Agent, ...]:
    """Designs under which optimistic dynamics don't speed up learning; the first is what the second compares with."""
    return (
        Agent("log reward, true p", log=True),
        Agent("log reward, optimistic q", log=True, kernel=source),
        Agent("optimistic q, less KL(q || p)", kl=True, kernel=source),
        Agent("q of the rewards (1e-5, 1e9)", kernel=wide),
    )


def _successes(found: Learning, where: Mapping[str, Any], label: str) -> tuple[dict[str, Any], ...]:
    """For each agent: how soon and how often it gets to the share of the optimal return, and where it ends."""
    optimum = solve(found.mdp).J
    first, final = found.first_above(SHARE * optimum), found.returns[..., -1]
    return tuple(
        {
            **where,
            label: agent.name,
            "median_first": float(np.median(first[g])),
            "reached": float(np.isfinite(first[g]).mean()),
            **_named("final", final[g]),
            "optimal_return": optimum,
            "n": len(found.seeds),
        }
        for g, agent in enumerate(found.agents)
    )


def _cell(goal: tuple[int, int]) -> str:
    return f"({goal[0]}, {goal[1]})"


def _design(summary: tuple[dict[str, Any], ...], variants: tuple[dict[str, Any], ...]) -> Difference:
    sooner = [p["median_first"] - q["median_first"] for p, q in zip(summary[::2], summary[1::2], strict=True)]
    each = ", ".join(f"{goal['goal']} {gain:+g}" for goal, gain in zip(summary[::2], sooner, strict=True))
    ends = "; ".join(f"{row['variant']}: {row['median_first']:g}, {row['final_mean']:.3f}" for row in variants)
    return Difference(
        "how dynamics are transferred",
        "not described",
        "none published",
        "Q-learning of raw rewards in the frozen q of the source task, evaluated in p; other designs in `variants`",
        f"iterations saved until half of the optimal return, median over {summary[0]['n']} seeds, by goal: {each}. "
        f"Iteration and final return at {_cell(SOURCE)} under each design: {ends}",
    )


def draw_transfer(record: Record) -> Figure:
    """Figure 13: a map of the goals, and for each goal the returns in units of the optimal one.

    Bands are standard errors over seeds.
    """
    goals = dict(zip(dict.fromkeys(row["goal"] for row in record.rows), "GABCDEFHIJK", strict=False))
    rows = -(-(len(goals) + 1) // 3)
    figure = Figure(figsize=(11.5, 3.6 * rows), layout="constrained")
    first, *axes = figure.subplots(rows, 3).ravel()
    _map(first, goals)
    for ax, (goal, letter) in zip(axes, goals.items(), strict=False):
        _task(ax, record, goal, letter)
    for ax in axes[1 : len(goals)]:
        ax.get_legend().remove()
    for ax in axes[len(goals) :]:
        ax.set_axis_off()
    if record.quick:
        figure.suptitle("QUICK LOOK: fewer seeds and goals than the figure has", color="#b00020", fontsize=11)
    return figure


def _map(ax: Axes, goals: Mapping[str, str]) -> None:
    """The maze with the goals of all tasks."""
    grid(maze10(goal=SOURCE), ax=ax)
    ax.set_title("Dynamics q are made for the goal G", fontsize=11, loc="left")
    for goal, letter in goals.items():
        row, column = (int(part) for part in goal.strip("()").split(","))
        if (row, column) != SOURCE:
            ax.text(column, row, letter, ha="center", va="center", fontsize=10, fontweight="bold", color=COLOURS[1])


def _task(ax: Axes, record: Record, goal: str, letter: str) -> None:
    """Returns on one task, as shares of the optimal return."""
    optimum = record.settings["optimal_return"][goal]
    first = {row["dynamics"]: row["median_first"] for row in record.tables["summary"] if row["goal"] == goal}

    def curve(dynamics: str) -> Curve:
        mean, se = (record.column(name, goal=goal, dynamics=dynamics) / optimum for name in ("mean", "se"))
        return Curve(record.column("iteration", goal=goal, dynamics=dynamics), mean, se)

    curves(
        {f"steps in the {dynamics}": curve(dynamics) for dynamics in (TRUE, OPTIMISTIC)},
        x_label="iteration (200 steps each)",
        y_label="true return / optimal return",
        reference=SHARE,
        reference_label="half of the optimal return",
        title=f"Goal {letter}, {goal}\nmedian run at half: {first[TRUE]:g} in p, {first[OPTIMISTIC]:g} in q",
        legend="upper left",
        ax=ax,
    )
    ax.set_ylim(-0.03, 1.22)
    for k, line in enumerate(ax.lines):
        line.set_markevery((3 * k, 12))
