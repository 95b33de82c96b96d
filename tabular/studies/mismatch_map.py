"""The mismatch map: every objective side by side over the capacity of the model.

For each setting (a true MDP, a model class and its axis of capacity) and each objective, models are learned from
several starts, and each is measured in every way that the five papers measure a model: return of its agent, error of
its Q, divergence of its transitions, and the bounds that hold for it. No paper has this figure.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from tabular import mismatch, optimism
from tabular.evaluate import evaluate
from tabular.fitting import Fit, fit
from tabular.mdp import MDP, AnyMDP, with_changes
from tabular.models import ModelClass, aliased_blocks, low_rank, softmax_table
from tabular.objectives import (
    Objective,
    finite_values,
    grid_coordinates,
    itervaml,
    mle,
    mnm,
    omd,
    paml,
    vagram,
    value_weighted_mle,
    vaml,
    vep,
    vmbpo,
)
from tabular.operators import soft_value, softmax_policy
from tabular.probability import kl_rows
from tabular.soft import soft_solve
from tabular.solve import solve
from tabular.studies.cells import Part, Row, compute_parts
from tabular.studies.record import Record, bar, spread, versions
from tabular.worlds.papers import maze10, two_state, wall15

CLIP = 5.0
"""Limit of a divergence in the objectives that would be infinite outside the support of p; the published notebook's."""


QUANTITIES = ("return_score", "q_error", "backup_bound", "likelihood_bound", "divergence", "lower_bound")


@dataclass(frozen=True)
class Setting:
    """One column of the map."""

    name: str
    world: str
    axis: str
    """What limits the model: kappa, rank or block size."""
    capacities: tuple[float, ...]
    alpha: float
    lr: float
    steps: int
    seeds: int


SETTINGS = (
    Setting("two_state kappa", "two_state", "kappa", (0, 0.5, 1, 1.5, 2, 3, 4, 5, 6), 0.01, 0.01, 6_000, 10),
    Setting("maze10 block", "maze10", "block", (1, 2, 5, 10), 0.1, 0.05, 1_000, 3),
    Setting("maze10 rank", "maze10", "rank", (1, 3, 10, 30, 100), 0.1, 0.05, 1_000, 3),
    Setting("wall15 block", "wall15", "block", (1, 3, 5, 15), 0.1, 0.05, 500, 2),
    Setting("wall15 rank", "wall15", "rank", (1, 5, 20, 80), 0.1, 0.05, 500, 2),
)

QUICK = {
    "two_state kappa": {"capacities": (0.0, 1.0, 3.0), "steps": 500, "seeds": 2},
    "maze10 block": {"capacities": (2, 10), "steps": 30, "seeds": 1},
}
"""What the short form takes of the settings; it leaves the others out."""


def true_mdp(world: str) -> AnyMDP:
    """The true MDP of a setting, with positive rewards: lower bounds on log J need them.

    The two-state MDP pays 0.5 more than the paper's in every step, which adds 5 to every return and changes no policy.
    The mazes start anywhere: from one far corner, an objective that follows its agent hardly sees the goal.
    """
    if world == "two_state":
        mdp = two_state()
        return with_changes(mdp, r=mdp.r + 0.5)
    maze = {"maze10": maze10(reward=1.0), "wall15": wall15()}[world]
    assert maze.grid is not None
    free = np.array([cell not in maze.grid.walls for cell in maze.grid.cells], dtype=float)
    return with_changes(maze, rho=free / free.sum())


def model_class(setting: Setting, true: AnyMDP, capacity: float) -> ModelClass:
    """Models of that capacity, with the true rewards, so that objectives that learn none can be compared."""
    if setting.axis == "kappa":
        return softmax_table("paper_scaled", learns_reward=False)
    if setting.axis == "rank":
        return low_rank(int(capacity), width=int(max(setting.capacities)), learns_reward=False)
    return aliased_blocks(true, int(capacity), learns_reward=False)


def objectives(true: AnyMDP, alpha: float) -> dict[str, Objective]:
    """Every objective that means something in an MDP, by name.

    VEP and VAML are given sets that hold the best: the uniform and the soft-optimal policy, the soft-optimal values and
    those of one step. Nobody has these before planning; it is the most that the two can do.
    """
    V = soft_solve(true, alpha).V
    uniform = true.feasible / true.feasible.sum(1, keepdims=True)
    policies = np.stack([uniform, softmax_policy(soft_solve(true, alpha).Q, alpha)])
    values = np.stack([V, soft_value(true.r, alpha)])
    everywhere: dict[str, Objective] = {
        "mle": mle(alpha),
        "weighted": value_weighted_mle(alpha=alpha),
        "vep": vep(policies, values, alpha=alpha),
        "vaml": vaml(finite_values(values), alpha),
        "itervaml": itervaml(alpha),
        "paml": paml(alpha, temperature=10 * alpha),
        "omd_returns": omd(alpha, anneal=1200.0),
        "omd_bellman": omd(alpha, loss="bellman"),
        "mnm": mnm(alpha, clip=CLIP),
        "vmbpo": vmbpo(alpha, clip=CLIP),
    }
    return everywhere if true.grid is None else everywhere | {"vagram": vagram(grid_coordinates(true), alpha)}


def measure(true: AnyMDP, found: Fit, alpha: float) -> dict[str, np.ndarray]:
    """All quantities of the map for the models of a fit, each of shape (kappas, seeds).

    return_score      J of the model's agent, 0 for the worst policy's and 1 for the best one's
    q_error           max |Q*_alpha - Q_hat|, and two bounds on it:
    backup_bound      max |B Q_hat - B_hat Q_hat| / (1 - gamma)             (Nikishin et al. 2021, Theorem 2 (ii))
    likelihood_bound  gamma eps_p span(r) / (2 (1 - gamma)^2)               (Theorem 2 (i), rewards known)
    divergence        mean over (s, a) of KL(p || p_hat), in nats
    lower_bound       exp of the lower bound on log J by the model and its agent's policy, over the best return
                      (Eysenbach et al. 2021, eq. 2); 0 where the model leaves the support of p
    """
    optimal, best, worst = soft_solve(true, alpha), solve(true).J, -solve(with_changes(true, r=-true.r)).J
    lanes = [
        _measure_one(true.to_dense(), optimal.Q, found.P_hat[at], found.r_hat[at], found.Q[at], found.pi[at], alpha)
        | {"return_score": (found.J[at] - worst) / (best - worst)}
        for at in np.ndindex(*found.J.shape)
    ]
    tables = {name: np.reshape([lane[name] for lane in lanes], found.J.shape) for name in QUANTITIES}
    return tables | {"lower_bound": tables["lower_bound"] / best}


def _measure_one(true: MDP, optimal, P_hat, r_hat, Q_hat, pi, alpha: float) -> dict[str, Any]:
    """The quantities of one model; `lower_bound` in units of return."""
    gamma, feasible = true.gamma, true.feasible
    eps = mismatch.backup_error(true.P, true.r, P_hat, r_hat, soft_value(Q_hat, alpha), gamma)
    eps_p = mismatch.transition_error(true.P, P_hat)
    return {
        "q_error": abs(Q_hat - optimal)[feasible].max(),
        "backup_bound": mismatch.bellman_bound(eps, gamma),
        "likelihood_bound": mismatch.likelihood_bound(0.0, eps_p, mismatch.reward_span(true.r), gamma),
        "divergence": kl_rows(true.P, P_hat, np.inf)[feasible].mean(),
        "lower_bound": _lower_bound(true, P_hat, pi),
    }


def _lower_bound(true: MDP, q: np.ndarray, pi: np.ndarray) -> float:
    """exp of the simple lower bound; 0 where its divergence is infinite."""
    outside = (q > 0) & (true.P == 0) & true.feasible[:, :, None]
    return 0.0 if outside.any() else math.exp(evaluate(optimism.in_model(true, optimism.mnm(true), q), pi).J)


# the map, part by part


def part(setting: dict[str, Any], method: str, capacities: list[float]) -> list[Row]:
    """One objective at some capacities of a setting: the rows of the map."""
    chosen = Setting(**setting)
    true = true_mdp(chosen.world)
    objective = objectives(true, chosen.alpha)[method]
    how: dict[str, Any] = {"seeds": range(chosen.seeds), "lr": chosen.lr, "steps": chosen.steps}
    how |= {"kappa": capacities} if chosen.axis == "kappa" else {}
    found = fit(true, objective, model_class(chosen, true, capacities[0]), **how)
    names = {"setting": chosen.name, "world": chosen.world, "axis": chosen.axis}
    return [
        {**names, "capacity": float(capacity), "method": method, "quantity": quantity, **spread(values)}
        for quantity, table in measure(true, found, chosen.alpha).items()
        for capacity, values in zip(capacities, table, strict=True)
    ]


def mismatch_map(*, quick: bool = False, progress: bool = False, partial: Path | None = None) -> Record:
    """Every objective over model capacity, in two small worlds and one larger one.

    Args:
      partial: folder for finished parts; what is there from an interrupted run isn't computed again.
    """
    began = time.perf_counter()
    settings = _quick() if quick else SETTINGS
    parts = [part for setting in settings for part in _parts(setting)]
    with bar("mismatch-map", len(parts), progress, "part") as shown:

        def tell(part: Part) -> None:
            shown.set_postfix_str(part.name)
            shown.update()

        rows = compute_parts(part, parts, folder=partial, tell=tell, workers=0 if quick else None)
    how = {
        "settings": [asdict(setting) for setting in settings],
        "optimum": {setting.world: solve(true_mdp(setting.world)).J for setting in settings},
        "clip": CLIP,
        "vep and vaml": "know the soft-optimal policy and values, beside the uniform policy and the values of one step",
        "optimizer": "adam",
        "rewards": "known to the model; two_state pays 0.5 more than the paper's, so that rewards are positive",
        "quantities": measure.__doc__,
    }
    found = tuple(row for part in parts for row in rows[part.name])
    seeds = tuple(range(max(setting.seeds for setting in settings)))
    return Record("mismatch-map", found, how, seeds, quick, time.perf_counter() - began, versions())


def _quick() -> tuple[Setting, ...]:
    return tuple(
        Setting(**{field.name: (asdict(setting) | QUICK[setting.name])[field.name] for field in fields(Setting)})
        for setting in SETTINGS
        if setting.name in QUICK
    )


def _parts(setting: Setting) -> list[Part]:
    """One part for each objective, and for each capacity that needs a model class of its own."""
    groups = [list(setting.capacities)] if setting.axis == "kappa" else [[c] for c in setting.capacities]
    names = objectives(true_mdp(setting.world), setting.alpha)
    return [
        Part(
            "-".join([setting.name.replace(" ", "-"), method, *(f"{c:g}" for c in group if len(group) == 1)]),
            {"setting": asdict(setting), "method": method, "capacities": group},
        )
        for method in names
        for group in groups
    ]


# the picture

PANELS = (
    ("return_score", "return of the agent, from the worst policy's (0) to the best one's (1)", "YlGnBu", "linear"),
    ("q_error", r"error of Q, $\max |Q^* - \hat Q|$", "YlOrRd", "log"),
    ("divergence", r"divergence, mean KL$(p \| \hat p)$ in nats", "PuRd", "log"),
    ("backup_bound", r"bound on the error of Q by one backup", "YlOrRd", "log"),
    ("likelihood_bound", r"bound on the error of Q by $\epsilon_p$", "YlOrRd", "log"),
    ("lower_bound", "lower bound on the return (MnM, eq. 2) / best return", "YlGnBu", "linear"),
)
"""Rows of the picture: quantity, title, colour map, scale."""

NOTE = {"facecolor": "white", "edgecolor": "none", "boxstyle": "round,pad=0.6"}

NAMES = {
    "mle": "MLE",
    "weighted": "value-weighted MLE",
    "vep": "VEP",
    "vaml": "VAML (sup)",
    "itervaml": "IterVAML",
    "vagram": "VaGraM",
    "paml": "PAML",
    "omd_returns": "OMD, return",
    "omd_bellman": "OMD, Bellman error",
    "mnm": "MnM",
    "vmbpo": "VMBPO",
}
"""Objectives in the order of the picture, from likelihood to decisions to optimism."""


def draw_mismatch_map(record: Record) -> Figure:
    """A heat map for each quantity (rows) and setting (columns): objectives by capacity, means over seeds."""
    columns = [setting["name"] for setting in record.settings["settings"]]
    figure = Figure(figsize=(3.0 + 2.9 * len(columns), 3.0 * len(PANELS)), layout="constrained")
    axes = figure.subplots(len(PANELS), len(columns), squeeze=False)
    for row, (quantity, title, colours, scale) in zip(axes, PANELS, strict=True):
        tables = {name: _table(record, name, quantity) for name in columns}
        norm = _norm(np.concatenate([table.ravel() for _, _, table in tables.values()]), scale)
        for ax, name in zip(row, columns, strict=True):
            image = _panel(ax, *tables[name], colours, norm)
            if quantity == "lower_bound" and not tables[name][2].any():
                note = "none: these models leave\nthe support of p"
                ax.text(0.5, 0.5, note, transform=ax.transAxes, ha="center", va="center", bbox=NOTE)
        row[0].set_title(title, loc="left", fontsize=11, fontweight="bold")
        figure.colorbar(image, ax=list(row), shrink=0.7, aspect=18, pad=0.01, extend="both" if scale == "log" else None)
    for ax, setting in zip(axes[-1], record.settings["settings"], strict=True):
        axis = {"kappa": r"norm bound $\kappa$", "rank": "rank", "block": "cells along a block (1 = all told apart)"}
        ax.set_xlabel(axis[setting["axis"]], fontsize=9)
    for ax, setting in zip(axes[0], record.settings["settings"], strict=True):
        ax.annotate(
            f"{setting['world']} by {setting['axis']}",
            (0.5, 1.18),
            xycoords="axes fraction",
            ha="center",
            fontsize=12,
        )
    if record.quick:
        figure.suptitle("QUICK LOOK: fewer worlds, points, seeds and steps than the figure has", color="#b00020")
    return figure


def _table(record: Record, setting: str, quantity: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Objectives of the record, capacities, and means, shape (objectives, capacities); NaN where a setting has none."""
    chosen = [row for row in record.rows if row["setting"] == setting and row["quantity"] == quantity]
    capacities = list(dict.fromkeys(row["capacity"] for row in chosen))
    methods = [name for name in NAMES if any(row["method"] == name for row in record.rows)]
    found = {(row["method"], row["capacity"]): row["mean"] for row in chosen}
    means = [[found.get((method, capacity), np.nan) for capacity in capacities] for method in methods]
    return methods, np.array(capacities), np.array(means)


def _norm(values: np.ndarray, scale: str) -> Normalize:
    """Returns from 0 to 1; errors on a logarithmic scale of at most four decades."""
    if scale == "linear":
        return Normalize(0.0, 1.0)
    positive = values[np.isfinite(values) & (values > 0)]
    top = float(positive.max(initial=1e-12))
    return LogNorm(max(float(positive.min(initial=top)), 1e-4 * top), top * (1 + 1e-9))


def _panel(ax: Axes, methods: list[str], capacities: np.ndarray, table: np.ndarray, colours: str, norm: Normalize):
    """One heat map with its numbers; infinite ones are drawn as the worst, and written as such."""
    low, high = norm.vmin or 0.0, norm.vmax or 1.0
    shown = np.clip(np.where(np.isposinf(table), high, table), low, high)
    image = ax.imshow(shown, cmap=colours, norm=norm, aspect="auto")
    for (i, k), value in np.ndenumerate(table):
        dark = not np.isnan(value) and float(norm(shown[i, k])) > 0.6
        ax.text(k, i, _short(value), ha="center", va="center", fontsize=7, color="white" if dark else "#222222")
    ax.set_xticks(range(len(capacities)), [f"{c:g}" for c in capacities], fontsize=8)
    ax.set_yticks(range(len(methods)), [NAMES[name] for name in methods], fontsize=8)
    ax.label_outer()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return image


def _short(value: float) -> str:
    """A number in at most five characters."""
    if not np.isfinite(value):
        return "∞" if value > 0 else "–"
    if abs(value) >= 1000 or 0 < abs(value) < 0.005:
        return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.0f}"
