"""The simulation lemma in one picture: random models, the printed bound, the sharp one, and the trivial ceiling."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tabular.arithmetic import optimal_q
from tabular.mismatch import likelihood_bound, sharp_bound, transition_error
from tabular.studies.record import Record, bar, versions

GAMMA = 0.9
PAIRS = 4000
SEED = 0
REWARDS = {"from 0 to 1": (0.0, 1.0), "from -1 to 1": (-1.0, 1.0)}
"""Ranges of the rewards, both with the r_max = max |r| = 1 of the published code."""
ROUNDING = 1e-9
"""An error above the bound by less than this isn't counted: rounding alone moves it by about 1e-13."""
QUICK = "QUICK LOOK: fewer points than the figure has"
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#777777"


def simulation(*, quick: bool = False, progress: bool = False) -> Record:
    """Error of Q against transition error, for random pairs of MDPs with the same rewards and for the extreme pair.

    Rows: random pairs, with `violated` where the error exceeds the printed bound of Nikishin et al. 2021, Theorem 2
    (first part) at r_max = max |r|. Table "lines": that bound, the sharp one, the ceiling, and the extreme pair's
    error, solved, over the transition error.

    Args:
      quick: 600 pairs instead of 4000 for each range of rewards.
    """
    began = time.perf_counter()
    count = 600 if quick else PAIRS
    with bar("lab-simulation", count * len(REWARDS), progress, "pair") as shown:
        rows = []
        for rewards, ends in REWARDS.items():
            for i in range(count):
                rows.append({"rewards": rewards, "i": i} | _random_pair(ends, i))
                shown.update()
    settings = {
        "figure": "the simulation lemma and Theorem 2 (first part) of Nikishin et al. 2021",
        "gamma": GAMMA,
        "pairs": count,
        "r_max": 1.0,
        "random_bits": "numpy.random.default_rng([0, i])",
        "vacuous_above": 2 * (1 - GAMMA) / GAMMA,
    }
    return Record(
        "lab-simulation",
        tuple(rows),
        settings,
        (SEED,),
        quick,
        time.perf_counter() - began,
        versions(),
        tables={"lines": tuple(_lines())},
    )


def _random_pair(ends: tuple[float, float], i: int) -> dict[str, Any]:
    """A near-deterministic MDP with rewards at the ends of their range or between, and a model of it."""
    rng = np.random.default_rng([SEED, i])
    S, A = int(rng.integers(2, 5)), int(rng.integers(1, 3))
    P, other = (rng.dirichlet(np.full(S, 10 ** rng.uniform(-2.5, 0.5)), size=(S, A)) for _ in range(2))
    r = rng.choice(ends, size=(S, A)) if rng.random() < 0.6 else rng.uniform(*ends, size=(S, A))
    share = 10 ** rng.uniform(-2.5, 0)
    P_hat = (1 - share) * P + share * other
    eps_p = float(transition_error(P, P_hat))
    error = float(abs(optimal_q(P, r, GAMMA) - optimal_q(P_hat, r, GAMMA)).max())
    violated = error > likelihood_bound(0.0, eps_p, 1.0, GAMMA) + ROUNDING
    return {"eps_p": eps_p, "q_error": error, "violated": bool(violated)}


def _lines():
    """Bounds over the transition error, and the error of the extreme pair."""
    for rewards, (low, high) in REWARDS.items():
        for eps_p in np.linspace(0, 2, 81):
            yield {
                "rewards": rewards,
                "eps_p": float(eps_p),
                "printed": float(likelihood_bound(0.0, eps_p, 1.0, GAMMA)),
                "sharp": float(sharp_bound(0.0, eps_p, high - low, GAMMA)),
                "ceiling": (high - low) / (1 - GAMMA),
                "attained": _extreme_pair(eps_p, low, high),
            }


def _extreme_pair(eps_p: float, low: float, high: float) -> float:
    """Error of Q of two absorbing states, the better of which leaks into the worse in the model."""
    P, r = np.eye(2)[:, None, :], np.array([[high], [low]])
    P_hat = P.copy()
    P_hat[0, 0] = [1 - eps_p / 2, eps_p / 2]
    return float(abs(optimal_q(P, r, GAMMA) - optimal_q(P_hat, r, GAMMA)).max())


def draw_simulation(record: Record) -> Figure:
    """A cloud of random models under the lines that should bound it; violations of the printed line in orange."""
    figure = Figure(figsize=(11.6, 4.5), layout="constrained")
    for ax, rewards in zip(figure.subplots(1, 2), REWARDS, strict=True):
        _draw_cloud(ax, record, rewards)
    if record.quick:
        figure.suptitle(QUICK, color="#b00020", fontsize=11)
    return figure


def _draw_cloud(ax: Axes, record: Record, rewards: str) -> None:
    eps_p, error = record.column("eps_p", rewards=rewards), record.column("q_error", rewards=rewards)
    violated = record.column("violated", rewards=rewards)
    lines = [row for row in record.tables["lines"] if row["rewards"] == rewards]
    x, printed, sharp, attained = (
        np.array([row[k] for row in lines]) for k in ("eps_p", "printed", "sharp", "attained")
    )
    ceiling = lines[0]["ceiling"]
    ax.scatter(eps_p[~violated], error[~violated], s=5, color=GREY, alpha=0.35, linewidth=0, zorder=2)
    ax.scatter(eps_p[violated], error[violated], s=14, color=ORANGE, linewidth=0, zorder=4, marker="D")
    ax.plot(x, printed, color=ORANGE, linestyle=(0, (5, 2)), zorder=3)
    ax.plot(x, sharp, color=BLUE, zorder=3)
    ax.plot(x[::8], attained[::8], "o", color=BLUE, markersize=5, markeredgecolor="white", zorder=5)
    ax.axhline(ceiling, color=GREEN, linewidth=1.2, linestyle=(0, (1, 1.5)))
    top = 1.28 * ceiling
    _mark_vacuous(ax, ceiling, top)
    ax.set(xlim=(0, 2), ylim=(0, top), xlabel=r"transition error $\epsilon_p$ (largest $L_1$ of a row)")
    ax.set_ylabel(r"error of Q,  max $|Q^* - \hat{Q}|$")
    above = f"{violated.sum()}" if violated.any() else "none"
    text = f"{above} of {len(violated)} models above the printed line"
    ax.set_title(f"Rewards {rewards}: {text}", loc="left", fontsize=11)
    ax.spines[["top", "right"]].set_visible(False)
    label = {"fontsize": 9, "va": "bottom"}
    ax.text(1.98, ceiling * 1.01, r"ceiling: range of rewards / $(1-\gamma)$", color=GREEN, ha="right", **label)
    ax.text(1.98, np.interp(1.6, x, sharp) * 0.86, "sharp bound, attained (circles)", color=BLUE, ha="right", **label)
    ax.text(
        0.97 * top * 2 * (1 - GAMMA) ** 2 / GAMMA + 0.04, 0.93 * top, r"printed, $r_{max} = 1$", color=ORANGE, **label
    )


def _mark_vacuous(ax: Axes, ceiling: float, top: float) -> None:
    """Above the ceiling a bound says nothing."""
    ax.axhspan(ceiling, top, color="#f2f2f2", zorder=0)
    ax.text(1.98, top * 0.985, "vacuous: no Q is off by so much", ha="right", va="top", fontsize=8.5, color=GREY)
