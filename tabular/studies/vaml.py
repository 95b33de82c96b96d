"""Value-aware models against likelihood under limited capacity: the tabular core of Farahmand et al. 2017, Farahmand
2018 and Lovatto et al. 2020."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tabular.fitting import Fit, fit
from tabular.mdp import AnyMDP
from tabular.models import ModelClass, aliased_blocks, low_rank
from tabular.objectives import Objective
from tabular.objectives.itervaml import itervaml
from tabular.objectives.vaml import finite_values, vaml
from tabular.objectives.vep import policy_values, random_policies
from tabular.plot.lines import COLOURS, DASHES, LINE, MARKERS
from tabular.probability import kl_rows
from tabular.solve import solve
from tabular.studies.cells import in_threads
from tabular.studies.record import Record, bar, spread, versions
from tabular.worlds.papers import maze10, two_state
from tabular.worlds.random import garnet

ALPHA = 0.01
POLICIES = 8
"""Number of random policies whose values are the class of `vaml`."""
WIDTHS = {20: 20, 100: 8, 2: 2}
"""By number of states: ranks of a world are laid out alike, so that they share their compiled fits."""
METHODS = {
    "mle": "likelihood",
    "itervaml": "IterVAML",
    "itervaml_0.001": "IterVAML, MLE weight 0.001",
    "itervaml_0.5": "IterVAML, MLE weight 0.5",
    "vaml": f"VAML, values of {POLICIES} policies",
}
"""What the methods of the rows are called in the picture."""
QUANTITIES = {
    "return": r"return $J$ / optimal return",
    "value_error": r"$\max\,|\hat V - V^*|$ / range of $V^*$",
    "value_aware_error": r"rms $(P - \hat P)V^*$ / range of $V^*$",
    "kl": "mean divergence (nats)",
}


@dataclass(frozen=True)
class Setting:
    """A world, a family of model classes of growing capacity, and how they are fitted."""

    world: Callable[[], AnyMDP]
    model_class: Callable[[AnyMDP, int], ModelClass]
    capacities: tuple[int, ...]
    """From the least to the one that holds the truth."""
    lr: float
    steps: int
    seeds: int
    title: str


def _rank(world: AnyMDP, rank: int) -> ModelClass:
    return low_rank(rank, width=WIDTHS[world.S], learns_reward=False)


def _blocks(world: AnyMDP, size: int) -> ModelClass:
    return aliased_blocks(world, size, learns_reward=False)


def _garnet() -> AnyMDP:
    return garnet(20, 3, 5, gamma=0.9, seed=1)


def _maze() -> AnyMDP:
    return maze10(reward=1.0, goal_reward=10.0)


SETTINGS = {
    ("garnet", "low_rank"): Setting(_garnet, _rank, (1, 2, 4, 8, 20), 0.05, 600, 5, "Random MDP, rank of the model"),
    ("maze10", "aliased_blocks"): Setting(
        _maze, _blocks, (10, 5, 2, 1), 0.1, 200, 3, "Maze, cells of one block look alike"
    ),
    ("maze10", "low_rank"): Setting(_maze, _rank, (1, 2, 8), 0.1, 200, 3, "Maze, rank of the model"),
    ("two_state", "low_rank"): Setting(two_state, _rank, (1, 2), 0.05, 600, 5, "Two states, rank of the model"),
}
"""By world and model class, as the rows name them."""
QUICK = (("garnet", "low_rank"), ("maze10", "aliased_blocks"))
"""The settings of the short form."""


def capacity(*, quick: bool = False, progress: bool = False) -> Record:
    """Return and errors of models learned by likelihood and by value-aware objectives, against model capacity.

    Rewards are known, as in Lovatto et al. 2020; expectations are exact, so that nothing but capacity limits a model.
    Quantities, over seeds of the start: `return` of softmax(Q_hat / alpha) in the true MDP, as a share of the optimal
    one; `value_error`, the largest |V_hat - V*|, with V_hat optimal in the model; `value_aware_error`, the root of the
    mean square of sum_t (p - p_hat)(t) V*(t), both as a share of the range of V*; and `kl`, the mean of KL(p || p_hat).

    The likelihood is IterVAML with MLE weight 1, which is the same objective. The class of VAML holds the values of 8
    random policies and not V*, which nobody knows before planning. Fits take the steps of `SETTINGS`; what errors are
    left where a class holds the truth are those of the optimiser, or of a model that the objective can't tell from it.
    """
    began = time.perf_counter()
    chosen = {key: _shortened(SETTINGS[key]) for key in QUICK} if quick else SETTINGS
    total = sum(len(setting.capacities) for setting in chosen.values()) * len(METHODS)
    with bar("vaml-tabular", total, progress, "fit") as shown:

        def one(item: tuple[tuple[str, str], Setting]) -> list[dict]:
            shown.set_postfix_str(" ".join(item[0]))
            return _rows(*item, tell=shown.update)

        rows = [row for rows in in_threads(one, chosen.items()) for row in rows]
    settings = {
        "alpha": ALPHA,
        "lr": {" ".join(key): setting.lr for key, setting in chosen.items()},
        "optimizer": "adam",
        "seeds": {" ".join(key): setting.seeds for key, setting in chosen.items()},
        "rewards": "known",
        "policies": f"{POLICIES} random ones, seed 0",
        "steps": {" ".join(key): setting.steps for key, setting in chosen.items()},
        "worlds": {
            "garnet": "garnet(20, 3, 5, gamma=0.9, seed=1)",
            "maze10": "maze10(reward=1, goal_reward=10)",
            "two_state": "two_state()",
        },
        "capacity": "rank of the kernel (low_rank), or rows and columns of a block (aliased_blocks): 1 holds the truth",
    }
    seeds = tuple(range(1, max(setting.seeds for setting in chosen.values()) + 1))
    return Record("vaml-tabular", tuple(rows), settings, seeds, quick, time.perf_counter() - began, versions())


def _rows(key: tuple[str, str], setting: Setting, tell: Callable[[], object]) -> list[dict]:
    """The rows of one setting; `tell` is called after each fit."""
    world, rows = setting.world(), []
    how = {"seeds": range(1, setting.seeds + 1), "lr": setting.lr, "steps": setting.steps}
    for size in setting.capacities:
        for method, objective in _objectives(world).items():
            found = fit(world, objective, setting.model_class(world, size), **how)
            place = {"world": key[0], "model_class": key[1], "capacity": size, "method": method}
            rows += [place | {"quantity": name} | spread(values) for name, values in _measured(world, found).items()]
            tell()
    return rows


def _shortened(setting: Setting) -> Setting:
    return replace(setting, capacities=setting.capacities[1:3], steps=setting.steps // 4, seeds=2)


def _objectives(world: AnyMDP) -> dict[str, Objective]:
    """What each method of `METHODS` minimises."""
    values = policy_values(world, random_policies(world, POLICIES, seed=0))
    weights = {"mle": 1.0, "itervaml": 0.0, "itervaml_0.001": 0.001, "itervaml_0.5": 0.5}
    mixed: dict[str, Objective] = {name: itervaml(ALPHA, mle_weight=weight) for name, weight in weights.items()}
    return mixed | {"vaml": vaml(finite_values(values), ALPHA)}


def _measured(world: AnyMDP, found: Fit) -> dict[str, np.ndarray]:
    """The quantities of `QUANTITIES`, each of shape (seeds,)."""
    best = solve(world)
    size = np.ptp(best.V)
    P, P_hat = world.to_dense().P, found.P_hat[0]
    planned = np.stack([solve(found.model(0, n)).V for n in range(len(found.seeds))])
    expected = ((P_hat - P) @ best.V) ** 2
    return {
        "return": found.J[0] / best.J,
        "value_error": abs(planned - best.V).max(1) / size,
        "value_aware_error": np.sqrt(expected.mean((1, 2))) / size,
        "kl": kl_rows(np.broadcast_to(P, P_hat.shape), P_hat, clip=np.inf).mean((1, 2)),
    }


def draw_capacity(record: Record) -> Figure:
    """A column for each world and model class, a row for each quantity; bands are standard errors over seeds.

    Above each column, how far the returns of IterVAML and VAML are from that of likelihood where they differ most.
    """
    keys = list(dict.fromkeys((row["world"], row["model_class"]) for row in record.rows))
    figure = Figure(figsize=(3.4 * len(keys) + 0.4, 11), layout="constrained")
    axes = figure.subplots(len(QUANTITIES), len(keys), sharex="col", squeeze=False)
    for column, key in zip(axes.T, keys, strict=True):
        for ax, quantity in zip(column, QUANTITIES, strict=True):
            _panel(ax, record, key, quantity)
        column[0].set_title(_title(record, key), fontsize=10, loc="left")
        column[-1].set_xlabel(_capacity_label(key[1]))
    for ax, label in zip(axes[:, 0], QUANTITIES.values(), strict=True):
        ax.set_ylabel(label)
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(METHODS), frameon=False
    )
    if record.quick:
        figure.suptitle("QUICK LOOK: fewer seeds, points and steps than the figure has", color="#b00020", fontsize=11)
    return figure


def _title(record: Record, key: tuple[str, str]) -> str:
    """What varies, and what the return gains or loses by value-awareness."""
    iterated, fixed = (_verdict(record, key, method) for method in ("itervaml", "vaml"))
    return f"{SETTINGS[key].title}\nIterVAML {iterated}\nVAML {fixed}"


def _panel(ax: Axes, record: Record, key: tuple[str, str], quantity: str) -> None:
    """One quantity over the capacities of one family, which stand at equal distances."""
    for k, (method, label) in enumerate(METHODS.items()):
        where = {"world": key[0], "model_class": key[1], "method": method, "quantity": quantity}
        mean, se = record.column("mean", **where), record.column("se", **where)
        x = np.arange(len(mean)) + 0.06 * (k - 2)
        look = {"color": COLOURS[k], "marker": MARKERS[k], "linestyle": DASHES[k % len(DASHES)]}
        ax.errorbar(x, mean, se, label=label, **look, **LINE)
    capacities = list(dict.fromkeys(record.column("capacity", world=key[0], model_class=key[1])))
    ax.set_xticks(range(len(capacities)), [str(size) for size in capacities])
    ax.set_xlim(-0.4, len(capacities) - 0.6)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="#e4e4e4", linewidth=0.8, zorder=0)
    if quantity in ("value_error", "value_aware_error"):
        ax.set_yscale("log")


def _capacity_label(family: str) -> str:
    return "rank of the model's kernel" if family == "low_rank" else "cells along the side of a block (fewer: finer)"


def _verdict(record: Record, key: tuple[str, str], method: str) -> str:
    """Where a method's return differs most from likelihood's, in words."""
    where = {"world": key[0], "model_class": key[1], "quantity": "return"}
    gain = record.column("mean", **where, method=method) - record.column("mean", **where, method="mle")
    most = int(abs(gain).argmax())
    if abs(gain[most]) < 0.005:
        return "no difference"
    at = record.column("capacity", **where, method="mle")[most]
    what = "rank" if key[1] == "low_rank" else "block size"
    return f"{'helps' if gain[most] > 0 else 'hurts'}, {gain[most]:+.3f} at {what} {at}"
