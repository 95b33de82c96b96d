"""Grid worlds of Eysenbach et al. 2021, "Mismatched No More": Figure 2a right and Figure 2b."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from tabular.evaluate import evaluate
from tabular.geometry import Grid
from tabular.mdp import MDP
from tabular.optimism import Loop, Objective, best_response, block_average, mnm, optimum, rounds
from tabular.optimism.objective import divergence
from tabular.plot import grid
from tabular.solve import solve
from tabular.studies.record import Difference, Published, Record, bar, versions
from tabular.worlds.papers import maze10, wall15

NOTEBOOK = "the authors' notebook"
PATH = "#d55e00"


def cells_of(world: MDP) -> Grid:
    """The geometry of a world that has one."""
    return cast(Grid, world.grid)


# Figure 2a right

REWARD, GOAL_REWARD = 1e-5, 1e9
PUBLISHED_ROUNDS = 23
PUBLISHED_VALUES = {"V at the start": -7.63979, "V at the goal": 20.29562}
PUBLISHED_DIVERGENCE = {"largest KL(q || p)": 1.870883, "mean KL(q || p)": 0.341471}
PUBLISHED_TILT = {
    ((0, 8), "right"): 0.9928,
    ((1, 9), "up"): 0.9928,
    ((6, 4), "right"): 0.9016,
    ((5, 3), "down"): 0.8660,
}
"""Probability of the intended cell in the learned model; the truth has .625."""
ARROW = 0.4
"""Length of an arrow of probability 1, in cells."""


def dynamics(*, quick: bool = False, progress: bool = False, exact: bool = False) -> Record:
    """Figure 2a right: the dynamics that MnM learns in a 10 x 10 maze, as probabilities of the intended cells.

    Args:
      exact: the model that is best for eq. 2, by its own contraction, instead of the limit of the published loop.
      quick: the same; it takes no time.
    """
    began = time.perf_counter()
    world = maze10(reward=REWARD, goal_reward=GOAL_REWARD).to_dense()
    with bar("mnm-dynamics", 2, progress, "model") as shown:
        run = best_response(world, Loop(mnm(world)))
        shown.update()
        best = optimum(world, mnm(world))
        shown.update()
    q, V, action = (best.q, best.V, best.pi.argmax(1)) if exact else (run.q, run.last.V, run.last.action)
    settings = {
        "figure": "Eysenbach et al. 2021, Figure 2a right",
        "quantity": "q(next_state | state, action), the learned dynamics, beside the true p",
        "world": "maze10",
        "reward": REWARD,
        "goal_reward": GOAL_REWARD,
        "model": "best model of eq. 2" if exact else "limit of the published loop",
        "rounds": len(run.changes) - 1,
        "actions": list(world.actions or ()),
    }
    return Record(
        "mnm-dynamics",
        tuple(_transitions(world, q)),
        settings,
        (),
        quick,
        time.perf_counter() - began,
        versions(),
        tables={"states": tuple(_states(world, q, V, action))},
        published=() if exact else tuple(_published_dynamics(world, run)),
        differences=tuple(_differences_dynamics(world, run, best)),
    )


def _transitions(world: MDP, q: np.ndarray):
    for s, a, t in np.argwhere(world.P > 0).tolist():
        yield {"state": s, "action": a, "next_state": t, "p": float(world.P[s, a, t]), "q": float(q[s, a, t])}


def _states(world: MDP, q: np.ndarray, V: np.ndarray, action: np.ndarray):
    KL = divergence(world, q)
    for s, (row, column) in enumerate(cells_of(world).cells):
        wall = (row, column) in cells_of(world).walls
        yield {"state": s, "row": row, "column": column, "wall": wall} | {
            "V": float(V[s]),
            "KL": float(KL[s].mean()),
            "KL_policy": float(KL[s, action[s]]),
            "policy": int(action[s]),
        }


def _published_dynamics(world: MDP, run):
    intended = maze10(noise=0.0).to_dense().P.argmax(-1)
    names: list[str] = list(world.actions or ())
    ours = {"V at the start": run.last.V[0], "V at the goal": run.last.V[9]}
    ours |= {"largest KL(q || p)": run.last.KL.max(), "mean KL(q || p)": run.last.KL.mean()}
    for quantity, value in (PUBLISHED_VALUES | PUBLISHED_DIVERGENCE).items():
        yield Published(quantity, value, float(ours[quantity]), NOTEBOOK)
    yield Published("rounds until max |q - q_new| < 1e-6", PUBLISHED_ROUNDS, len(run.changes) - 1, NOTEBOOK)
    for ((row, column), name), value in PUBLISHED_TILT.items():
        s, a = 10 * row + column, names.index(name)
        found = float(run.q[s, a, intended[s, a]])
        yield Published(f"q(intended cell | {(row, column)}, {name})", value, found, NOTEBOOK)


def _differences_dynamics(world: MDP, run, best):
    other = maze10().to_dense()
    tilted = best_response(other, Loop(mnm(other))).q
    ends = [math.log(evaluate(world, chosen).J) for chosen in (best.pi, solve(world).pi)]
    yield Difference(
        "best model",
        "eq. 9, q ~ p exp V, together with eq. 2, whose best model is p exp(gamma V)",
        "a loop of half steps with eq. 9 and eq. 2",
        "the loop, as published; exact=True for the best model of eq. 2",
        f"bound at the start {run.last.V[0]:.7f} in the loop, {best.V[0]:.7f} at the optimum; probabilities differ by "
        f"up to {abs(run.q - best.q).max():.4f}",
    )
    yield Difference(
        "rewards of the maze",
        "one gridworld for all of Figure 2a",
        f"{REWARD:g} and {GOAL_REWARD:g} at the goal here, 0.001 and 10 in Figure 2a left",
        "those of the code",
        f"with the rewards of Figure 2a left the largest probability ratio q / p is "
        f"{(tilted / np.where(other.P > 0, other.P, np.inf)).max():.2f}, here "
        f"{(run.q / np.where(world.P > 0, world.P, np.inf)).max():.2f}",
    )
    yield Difference(
        "the bound's policy",
        "optimizing the bound yields reward-maximizing policies",
        "not checked",
        "compared with the optimal policy",
        f"log return {ends[0]:.5f} with the policy of the best bound, {ends[1]:.5f} with the best policy",
    )


def draw_dynamics(record: Record) -> Figure:
    """Figure 2a right: true and learned dynamics as arrows, and what the model pays for being optimistic.

    An arrow points to the cell that its action intends; its length and colour are the probability to get there.
    """
    world = maze10()
    figure = Figure(figsize=(13.6, 4.7), layout="constrained")
    true, learned, price = figure.subplots(1, 3)
    colours = ScalarMappable(Normalize(0, 1), colormaps["Blues"])
    for ax, column, title in ((true, "p", "True dynamics"), (learned, "q", "Dynamics learned by MnM")):
        grid(world, ax=ax, title=title)
        _draw_arrows(ax, record, column, colours)
    scale = learned.inset_axes((1.03, 0, 0.045, 1))
    figure.colorbar(colours, cax=scale)
    scale.set_title("probability", fontsize=9, loc="left")
    states = record.tables["states"]
    KL = np.array([row["KL"] for row in states])
    policy = np.array([row["policy"] for row in states])
    grid(world, KL, policy, ax=price, values=False, label="nats", title="Price of optimism KL(q‖p), and the policy")
    if record.quick:
        figure.suptitle("QUICK LOOK", color="#b00020", fontsize=11)
    return figure


def _draw_arrows(ax: Axes, record: Record, column: str, colours: ScalarMappable) -> None:
    """An arrow for each state and action that intends another cell, from the rows of the record."""
    states = record.tables["states"]
    cells = {row["state"]: np.array((row["row"], row["column"])) for row in states if not row["wall"]}
    moves = np.array(((-1, 0), (0, 1), (1, 0), (0, -1)))
    for row in record.rows:
        if row["state"] not in cells or row["next_state"] not in cells:
            continue
        step = cells[row["next_state"]] - cells[row["state"]]
        if (step == moves[row["action"]]).all():
            y, x = cells[row["state"]] + 0.06 * step
            dy, dx = ARROW * row[column] * step
            style = {"width": 0.035, "head_width": 0.15, "head_length": min(0.13, ARROW * row[column])}
            colour = colours.to_rgba(row[column])
            ax.arrow(x, y, dx, dy, length_includes_head=True, color=colour, linewidth=0, zorder=5, **style)


# Figure 2b

CLIP = 5.0
ROUNDS = 20
BLOCK = 3
ARMS = {
    "exact": "Exact model, with classifier",
    "block_with_classifier": "3 × 3 blocks, with classifier",
    "block_no_classifier": "3 × 3 blocks, no classifier",
}
PUBLISHED_STEPS = {"exact": 26.0, "block_with_classifier": 28.0, "block_no_classifier": math.inf}
PUBLISHED_RETURNS = {"exact": 73.96471, "block_with_classifier": 61.81142, "block_no_classifier": 10.0}
TRIED_CLIPS = (0.5, 1.0, 2.0, 5.0, 20.0)
TRIED_ROUNDS = (10, 15, 20)


def fig2b(*, quick: bool = False, progress: bool = False, clip: float = CLIP) -> Record:
    """Figure 2b: planning with a model that gives each 3 x 3 block of cells one distribution of displacements.

    20 rounds of the published loop, without a stopping test and without the constant of eq. 3. The greedy policy of the
    last round is followed in the true, deterministic world. `steps_to_goal` is infinite if it never gets there.

    Args:
      clip: limit of the divergence of a state and action, in nats. The block model moves into walls, where it would be
        infinite.
      quick: leaves out the table of other limits and numbers of rounds.
    """
    began = time.perf_counter()
    world = wall15().to_dense()
    tried = () if quick else TRIED_CLIPS
    with bar("mnm-fig2b", len(ARMS) + len(tried), progress, "run") as shown:
        runs = {}
        for arm in ARMS:
            shown.set_postfix_str(arm)
            runs[arm] = best_response(world, _loop(world, arm, clip))
            shown.update()
        robustness = []
        for other in tried:
            robustness += _paths_by_round(world, other)
            shown.update()
    paths = {arm: _path(world, run.last.action) for arm, run in runs.items()}
    rows = [_arm_row(world, arm, runs[arm].last.action) for arm in ARMS]
    tables = {
        "paths": tuple(
            {"arm": arm, "step": step, "row": row, "column": column}
            for arm, path in paths.items()
            for step, (row, column) in enumerate(path)
        ),
        "penalty": tuple(_penalty(world, runs)),
    }
    settings = {
        "figure": "Eysenbach et al. 2021, Figure 2b",
        "quantity": "steps to the goal and return in the true world of the greedy policy",
        "world": "wall15",
        "block": BLOCK,
        "clip": clip,
        "rounds": ROUNDS,
        "smoothing": 0.5,
        "last_change": {arm: float(run.changes[-1]) for arm, run in runs.items()},
        "optimal_return": solve(world).J,
    }
    return Record(
        "mnm-fig2b",
        tuple(rows),
        settings,
        (),
        quick,
        time.perf_counter() - began,
        versions(),
        tables=tables | ({"robustness": tuple(robustness)} if robustness else {}),
        published=tuple(_published_fig2b(rows)),
        differences=tuple(_differences_fig2b(world, runs, clip)),
    )


def _loop(world: MDP, arm: str, clip: float) -> Loop:
    """The published loop of an arm: without its classifier the divergence costs nothing."""
    objective = Objective(mnm(world, constant=False).reward, 0.0 if arm == "block_no_classifier" else 1.0)
    loop = Loop(objective, clip=clip, tol=0.0, iterations=ROUNDS)
    if arm == "exact":
        return loop
    return replace(loop, capacity=partial(block_average, grid=cells_of(world), block=BLOCK))


def _path(world: MDP, action: np.ndarray) -> list[tuple[int, int]]:
    """Cells of a policy's path through the deterministic world, until the goal or the first cell seen twice."""
    state, path = int(world.rho.argmax()), []
    while cells_of(world).cells[state] not in path:
        path.append(cells_of(world).cells[state])
        if path[-1] in cells_of(world).goals:
            break
        state = int(world.P[state, action[state]].argmax())
    return path


def _arm_row(world: MDP, arm: str, action: np.ndarray) -> dict[str, Any]:
    path = _path(world, action)
    reached = path[-1] in cells_of(world).goals
    steps = float(len(path) - 1) if reached else math.inf
    return {"arm": arm, "steps_to_goal": steps, "true_return": evaluate(world, action).J, "reached": reached}


def _paths_by_round(world: MDP, clip: float) -> list[dict[str, Any]]:
    """What the blocks with classifier reach after some numbers of rounds, with another limit."""
    found = []
    for t, step in enumerate(rounds(world, _loop(world, "block_with_classifier", clip)), start=1):
        if t in TRIED_ROUNDS:
            row = _arm_row(world, "block_with_classifier", step.action)
            found.append({"clip": clip, "rounds": t} | {name: row[name] for name in ("steps_to_goal", "reached")})
    return found


def _penalty(world: MDP, runs: Mapping[str, Any]):
    for arm, run in runs.items():
        for s, (row, column) in enumerate(cells_of(world).cells):
            yield {"arm": arm, "row": row, "column": column, "KL": float(run.last.KL[s].mean())}


def _published_fig2b(rows: Sequence[Mapping[str, Any]]):
    for row in rows:
        yield Published(f"return, {row['arm']}", PUBLISHED_RETURNS[row["arm"]], row["true_return"], NOTEBOOK)
        if row["reached"]:
            steps = PUBLISHED_STEPS[row["arm"]]
            yield Published(f"steps to the goal, {row['arm']}", steps, row["steps_to_goal"], NOTEBOOK)


def _differences_fig2b(world: MDP, runs: Mapping[str, Any], clip: float):
    blocks = runs["block_with_classifier"].last
    infinite = np.isinf(divergence(world, blocks.q, clip=math.inf)).sum()
    yield Difference(
        "capacity of the classifier",
        "limited, as that of the model",
        f"the exact divergence of each state and action, cut at {CLIP:g} nats (a comment speaks of label smoothing)",
        f"cut at {clip:g}; another limit is asked for by clip=...",
        f"without it the divergence is infinite in {infinite} of {world.S * world.A} rows; what other limits do is in "
        "the table robustness",
    )
    yield Difference(
        "convergence",
        "not spoken of",
        f"{ROUNDS} rounds and no test",
        "the same",
        f"the model still changes by {runs['block_with_classifier'].changes[-1]:.3f} in the last round, since it is "
        f"averaged over blocks once more after each half step; that of the exact model by "
        f"{runs['exact'].changes[-1]:.1e}",
    )
    yield Difference(
        "constant of eq. 3",
        "-(1 - gamma) log(1 - gamma) is part of the reward",
        "left out in this figure",
        "left out",
        f"the same constant {-(1 - world.gamma) * math.log(1 - world.gamma):.3f} in every state and action: no policy "
        "changes",
    )


def draw_fig2b(record: Record) -> Figure:
    """Figure 2b: the paths through the true world, over what the model pays for its errors."""
    world = wall15()
    figure = Figure(figsize=(13.6, 4.9), layout="constrained")
    axes = figure.subplots(1, 3)
    top = max(row["KL"] for row in record.tables["penalty"])
    for ax, (arm, title) in zip(axes, ARMS.items(), strict=True):
        KL = np.array([row["KL"] for row in record.tables["penalty"] if row["arm"] == arm])
        last = ax is axes[-1]
        grid(world, KL, ax=ax, values=False, norm=Normalize(0, top), colorbar=last, label="KL(q‖p), nats")
        for edge in np.arange(BLOCK, 15, BLOCK) - 0.5:
            ax.axhline(edge, color="white", linewidth=0.8, alpha=0.35, zorder=3)
            ax.axvline(edge, color="white", linewidth=0.8, alpha=0.35, zorder=3)
        _draw_path(ax, [row for row in record.tables["paths"] if row["arm"] == arm])
        (row,) = [row for row in record.rows if row["arm"] == arm]
        end = f"{row['steps_to_goal']:.0f} steps to the goal" if row["reached"] else "never gets to the goal"
        ax.set_title(f"{title}\n{end}, return {row['true_return']:.2f}", fontsize=11)
    if record.quick:
        figure.suptitle("QUICK LOOK: without the table of other settings", color="#b00020", fontsize=11)
    return figure


def _draw_path(ax: Axes, path: Sequence[Mapping[str, Any]]) -> None:
    rows, columns = [step["row"] for step in path], [step["column"] for step in path]
    ax.plot(columns, rows, color="white", linewidth=4.5, zorder=5, solid_joinstyle="round")
    ax.plot(columns, rows, color=PATH, linewidth=2.4, zorder=5.5, solid_joinstyle="round")
    ax.plot(columns[-1], rows[-1], "o", color=PATH, markeredgecolor="white", markersize=8, zorder=5.6)
