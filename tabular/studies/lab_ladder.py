"""MnM's lower bounds over one parameter of the model, with the four models that somebody called the best."""

from __future__ import annotations

import math
import time

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tabular.mdp import MDP, make_mdp
from tabular.optimism import ladder
from tabular.studies.record import Record, bar, versions

GAMMA = 0.9
BRANCHES = (1.0, 4.0)
"""Rewards of the two absorbing states to which the start leads with probability 1/2 each."""
STARTS = (2.5, 10.0)
"""Rewards of the start state."""
BOUNDS = {
    "simple": "eq. 2, price KL",
    "gamma_kl": r"the same, price $\gamma$ KL",
    "tight": "eq. 10, learned time",
    "stopping": "stopping learned per state",
}
ARGMAX = {
    "true": r"$q = p$",
    "eq. 2": r"$q \propto p\,e^{\gamma V}$",
    "eq. 9": r"$q \propto p\,e^{V}$",
    "claimed": r"$q(\tau) \propto p(\tau) R(\tau)$",
}
"""Models that are best for something: the likelihood, eq. 2, eq. 2 with price gamma KL, the return of whole paths."""
COLOURS = {"simple": "#d55e00", "gamma_kl": "#0072b2", "tight": "#009e73", "stopping": "#cc79a7"}
DASHES = {"simple": "-", "gamma_kl": "-", "tight": "-", "stopping": (0, (4, 4))}
MARKS = {"true": "o", "eq. 2": "s", "eq. 9": "^", "claimed": "D"}
QUICK = "QUICK LOOK: fewer points than the figure has"


def branch(reward: float) -> MDP:
    """A start with a reward, from which a coin leads to one of two absorbing states."""
    P = np.array([[[0, 0.5, 0.5]], [[0, 1, 0]], [[0, 0, 1]]])
    return make_mdp(P, np.array([[reward], *([r] for r in BRANCHES)]), gamma=GAMMA, rho=[1, 0, 0]).to_dense()


def mnm_ladder(*, quick: bool = False, progress: bool = False) -> Record:
    """Lower bounds on log J at the start over the model's probability q of the better branch.

    Table "argmax": four models, and what each bound is there.

    Args:
      quick: 21 points instead of 199.
    """
    began = time.perf_counter()
    points = np.linspace(0.025, 0.975, 20) if quick else np.linspace(0.005, 0.995, 199)
    rows, argmax = [], []
    with bar("lab-mnm-ladder", len(points) * len(STARTS), progress, "model") as shown:
        for reward in STARTS:
            for q in points:
                rows += [
                    {"r0": reward, "q": float(q), "bound": bound, "value": v} for bound, v in _at(reward, q).items()
                ]
                shown.update()
            argmax += [
                {"r0": reward, "model": model, "q": q} | _at(reward, q) for model, q in best_models(reward).items()
            ]
    settings = {
        "figure": "lower bounds of Eysenbach et al. 2021 on log J",
        "gamma": GAMMA,
        "r0": STARTS,
        "branches": BRANCHES,
        "log_return": {f"{reward:g}": math.log(_return(reward)) for reward in STARTS},
    }
    return Record(
        "lab-mnm-ladder",
        tuple(rows),
        settings,
        (),
        quick,
        time.perf_counter() - began,
        versions(),
        tables={"argmax": tuple(argmax)},
    )


def _return(reward: float) -> float:
    """`r0 + gamma mean(branches) / (1 - gamma)`."""
    return reward + GAMMA * sum(BRANCHES) / 2 / (1 - GAMMA)


def best_models(reward: float) -> dict[str, float]:
    """The probability of the better branch in four models.

    The branches' values in eq. 2 are log r / (1 - gamma) (1 - gamma), that is log(r / (1 - gamma)) with the constant,
    so that q is proportional to r^gamma (eq. 2), r (eq. 9, and price gamma KL) or the return of the whole path.
    """

    def share(weights) -> float:
        return weights[1] / sum(weights)

    return {
        "true": 0.5,
        "eq. 2": share([r**GAMMA for r in BRANCHES]),
        "eq. 9": share(BRANCHES),
        "claimed": share([reward + GAMMA * r / (1 - GAMMA) for r in BRANCHES]),
    }


def _at(reward: float, q: float) -> dict[str, float]:
    """The bounds at the start for one model."""
    world = branch(reward)
    model = world.P.copy()
    model[0, 0] = [0, 1 - q, q]
    found = ladder(world, model, np.zeros(world.S, dtype=int))
    return {bound: float(getattr(found, bound)[0]) for bound in BOUNDS}


def draw_mnm_ladder(record: Record) -> Figure:
    """The bounds as curves under log J, one panel for each reward of the start, and the four models on them."""
    figure = Figure(figsize=(12.2, 4.9), layout="constrained")
    for ax, reward in zip(figure.subplots(1, 2), STARTS, strict=True):
        _draw_panel(ax, record, reward)
    if record.quick:
        figure.suptitle(QUICK, color="#b00020", fontsize=11)
    return figure


def _draw_panel(ax: Axes, record: Record, reward: float) -> None:
    log_J = record.settings["log_return"][f"{reward:g}"]
    ax.axhline(log_J, color="black", linewidth=1.2, linestyle=(0, (4, 2)))
    argmax = {row["model"]: row for row in record.tables["argmax"] if row["r0"] == reward}
    for bound, label in BOUNDS.items():
        ax.plot(
            *_curve(record, reward, bound), color=COLOURS[bound], linestyle=DASHES[bound], label=label, linewidth=1.8
        )
        for model, row in argmax.items():
            ax.plot(row["q"], row[bound], MARKS[model], color=COLOURS[bound], markersize=7, markeredgecolor="white")
    low = argmax["true"]["simple"]
    span = log_J - low
    ax.set(xlim=(0.45, 1), ylim=(low - 0.35 * span, log_J + 0.12 * span))
    ax.text(0.455, log_J + 0.01 * span, "log J, the truth", va="bottom", fontsize=9)
    gap = log_J - argmax["eq. 9"]["gamma_kl"]
    title = "a price of γ KL closes the gap" if gap < 1e-9 else "the claimed best model is the best for no bound"
    ax.set_title(f"Start pays {reward:g}: {title}", loc="left", fontsize=11)
    ax.set(xlabel=f"the model's probability of the branch that pays {BRANCHES[1]:g} (truth: 1/2)")
    ax.set_ylabel("bound on log J at the start")
    ax.spines[["top", "right"]].set_visible(False)
    _legends(ax)


def _curve(record: Record, reward: float, bound: str) -> tuple[np.ndarray, np.ndarray]:
    return record.column("q", r0=reward, bound=bound), record.column("value", r0=reward, bound=bound)


def _legends(ax: Axes) -> None:
    """One legend for the bounds, one for the models."""
    lines = ax.get_legend_handles_labels()[0]
    bounds = ax.legend(handles=lines, loc="lower left", bbox_to_anchor=(0.13, 0), frameon=False, fontsize=9)
    ax.add_artist(bounds)
    marks = [
        Line2D([], [], marker=MARKS[model], color="#444444", linestyle="", markeredgecolor="white", label=label)
        for model, label in ARGMAX.items()
    ]
    ax.legend(handles=marks, loc="lower left", bbox_to_anchor=(0.56, 0), frameon=False, fontsize=9, title="the model")
