"""What MAAC's Theorem 4.1 says a policy can lose, and what it can: over the discount."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tabular.arithmetic import policy_values
from tabular.studies.record import Record, bar, versions

TAU = 0.1
"""Largest total variation between the two policies."""
GAMMAS = tuple(float(g) for g in np.round(np.linspace(0.0, 0.98, 50), 2))
TRIES = 400
REWARDS = {"from 0 to 1": (0.0, 1.0), "from -1 to 1": (-1.0, 1.0)}
R_MAX = 1.0
QUICK = "QUICK LOOK: fewer points than the figure has"
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#777777"


def maac41(*, quick: bool = False, progress: bool = False) -> Record:
    """Largest loss of return between two policies of total variation TAU: printed, corrected and sharp bound, attained.

    The loss `attained` is that of an MDP of two absorbing states, solved for every discount; `random` is the largest
    among random MDPs and pairs of policies. `printed` is the line of the appendix from which the theorem follows,
    `2 r_max tau / (1 - gamma)` (Clavera et al. 2020).

    Args:
      quick: 40 random MDPs for each point instead of 400.
    """
    began = time.perf_counter()
    tries = 40 if quick else TRIES
    rows: list[dict[str, Any]] = []
    with bar("lab-maac41", len(REWARDS) * len(GAMMAS), progress, "discount") as shown:
        for rewards, (low, high) in REWARDS.items():
            for gamma in GAMMAS:
                rows.append({"rewards": rewards, "gamma": gamma} | _losses(low, high, gamma, tries))
                shown.update()
    settings = {
        "figure": "Clavera et al. 2020, Theorem 4.1",
        "tau": TAU,
        "r_max": R_MAX,
        "random_mdps": tries,
        "fails_above": {rewards: crossing(low, high) for rewards, (low, high) in REWARDS.items()},
    }
    return Record("lab-maac41", tuple(rows), settings, (0,), quick, time.perf_counter() - began, versions())


def crossing(low: float, high: float) -> float:
    """The discount above which the printed bound fails: `R / (1 - gamma + gamma tau) = 2 r_max`, R the range of r."""
    return max(0.0, (1 - (high - low) / (2 * R_MAX)) / (1 - TAU))


def _losses(low: float, high: float, gamma: float, tries: int) -> dict[str, float]:
    printed = 2 * R_MAX * TAU / (1 - gamma)
    return {
        "printed": printed,
        "corrected": printed / (1 - gamma),
        "sharp": (high - low) * TAU / ((1 - gamma) * (1 - gamma + gamma * TAU)),
        "attained": _extreme_loss(low, high, gamma),
        "random": max(_random_loss(low, high, gamma, i) for i in range(tries)),
    }


def _extreme_loss(low: float, high: float, gamma: float) -> float:
    """Loss of a policy that leaves the better of two absorbing states with probability tau."""
    P = np.zeros((2, 2, 2))
    P[0, 0, 0] = P[0, 1, 1] = P[1, :, 1] = 1
    r = np.array([[high, low], [low, low]])
    stay, leave = (np.array([[1 - tau, tau], [1, 0]]) for tau in (0.0, TAU))
    return float((policy_values(P, r, gamma, stay) - policy_values(P, r, gamma, leave))[0])


def _random_loss(low: float, high: float, gamma: float, i: int) -> float:
    """Largest loss in a state of a random near-deterministic MDP, between a policy and one within TAU of it."""
    rng = np.random.default_rng([0, i])
    S, A = int(rng.integers(2, 4)), 2
    P = rng.dirichlet(np.full(S, 10 ** rng.uniform(-2.5, 0)), size=(S, A))
    r = rng.choice([low, high], size=(S, A))
    pi = np.eye(A)[rng.integers(A, size=S)]
    other = (1 - TAU) * pi + TAU * rng.dirichlet(np.full(A, 0.3), size=S)
    return float((policy_values(P, r, gamma, pi) - policy_values(P, r, gamma, other)).max())


def draw_maac41(record: Record) -> Figure:
    """Losses over the discount, in units of the printed bound: above 1 it is violated."""
    figure = Figure(figsize=(11.6, 4.4), layout="constrained")
    for ax, rewards in zip(figure.subplots(1, 2), REWARDS, strict=True):
        _draw_losses(ax, record, rewards)
    if record.quick:
        figure.suptitle(QUICK, color="#b00020", fontsize=11)
    return figure


def _draw_losses(ax: Axes, record: Record, rewards: str) -> None:
    gamma, printed = record.column("gamma", rewards=rewards), record.column("printed", rewards=rewards)
    share = {
        name: record.column(name, rewards=rewards) / printed for name in ("corrected", "sharp", "attained", "random")
    }
    fails = record.settings["fails_above"][rewards]
    ax.axvspan(fails, 1, color="#fbe9df", zorder=0)
    ax.axhline(1, color=ORANGE, linestyle=(0, (5, 2)))
    ax.plot(gamma, share["corrected"], color=GREY, linestyle=(0, (1, 1.5)))
    ax.plot(gamma, share["sharp"], color=BLUE)
    ax.plot(gamma[::4], share["attained"][::4], "o", color=BLUE, markersize=5.5, markeredgecolor="white")
    ax.plot(gamma, share["random"], ".", color=GREY, markersize=4)
    ax.set(xlim=(0, 1), ylim=(0.4, 60), yscale="log", xlabel=r"discount $\gamma$")
    ax.set_yticks([0.5, 1, 2, 5, 10, 20, 50], labels=["0.5", "1", "2", "5", "10", "20", "50"])
    ax.set_ylabel("loss of return / printed bound")
    where = f"above γ = {fails:.2f}" if fails else "at every γ > 0"
    ax.set_title(f"Rewards {rewards}: the printed bound fails {where}", loc="left", fontsize=11)
    ax.spines[["top", "right"]].set_visible(False)
    words = {"fontsize": 9, "ha": "left", "va": "top"}
    ax.text(0.02, 0.93, r"printed: $2\, r_{max} \tau\, /\, (1-\gamma)$", color=ORANGE, **words)
    corner = {"transform": ax.transAxes, "fontsize": 9, "ha": "left"}
    ax.text(0.03, 0.93, r"dotted: corrected, $2\, r_{max} \tau\, /\, (1-\gamma)^2$", color=GREY, **corner)
    ax.text(0.03, 0.87, r"line: sharp, $R\, \tau\, /\, ((1-\gamma)(1-\gamma+\gamma\tau))$", color=BLUE, **corner)
    ax.text(0.03, 0.81, "circles: two states, solved", color=BLUE, **corner)
    ax.text(0.03, 0.75, f"dots: worst of {record.settings['random_mdps']} random MDPs", color=GREY, **corner)
