"""Bellman residual against error: the cone in which they must lie, and a pair whose order it reverses."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tabular.arithmetic import optimal_q
from tabular.mismatch import backup_error, bellman_bound, bellman_lower_bound
from tabular.studies.record import Record, bar, versions

GAMMA = 0.9
MODELS = 3000
QUICK = "QUICK LOOK: fewer points than the figure has"
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#777777"


def residual(*, quick: bool = False, progress: bool = False) -> Record:
    """Residual `eps = max |B Q_hat - Q_hat|` of random models in their true MDP, against the error `max |Q* - Q_hat|`.

    `eps / (1 + gamma) <= error <= eps / (1 - gamma)` (Nikishin et al. 2021, Theorem 2, second part, and its converse).
    Kind `pair` is one MDP with two models: the one with the smaller residual has the larger error. Kinds `upper edge`
    and `lower edge` attain the cone.

    Args:
      quick: 500 models instead of 3000.
    """
    began = time.perf_counter()
    count = 500 if quick else MODELS
    rows = [*_edges(), *_pair()]
    with bar("lab-residual", count, progress, "model") as shown:
        for i in range(count):
            rows.append({"kind": "random"} | _random(i))
            shown.update()
    settings = {
        "figure": "Nikishin et al. 2021, Theorem 2 (second part)",
        "gamma": GAMMA,
        "models": count,
        "random_bits": "numpy.random.default_rng([0, i])",
        "factor": (1 + GAMMA) / (1 - GAMMA),
    }
    return Record("lab-residual", tuple(rows), settings, (0,), quick, time.perf_counter() - began, versions())


def measured(P, r, P_hat, r_hat) -> dict[str, float]:
    """Residual and error of the model's Q."""
    Q, Q_hat = optimal_q(P, r, GAMMA), optimal_q(P_hat, r_hat, GAMMA)
    eps = backup_error(P, r, P_hat, r_hat, Q_hat.max(axis=1), GAMMA)
    return {"residual": float(eps), "error": float(abs(Q - Q_hat).max())}


def _random(i: int) -> dict[str, float]:
    rng = np.random.default_rng([0, i])
    S, A = int(rng.integers(2, 5)), int(rng.integers(1, 3))
    P, other = (rng.dirichlet(np.full(S, 10 ** rng.uniform(-2, 0.5)), size=(S, A)) for _ in range(2))
    r, size = rng.uniform(-1, 1, size=(S, A)), 10 ** rng.uniform(-2, 0)
    r_hat = r + size * rng.normal(size=(S, A))
    return measured(P, r, (1 - size) * P + size * other, r_hat)


def _edges():
    """Rewards off by a constant attain the upper edge; two states that alternate, off by c and -c, the lower."""
    swap, r = np.array([[[0.0, 1.0]], [[1.0, 0.0]]]), np.zeros((2, 1))
    for c in 10 ** np.linspace(-3, 1, 9):
        yield {"kind": "upper edge"} | measured(swap, r, swap, r + c)
        yield {"kind": "lower edge"} | measured(swap, r, swap, r + c * np.array([[1.0], [-1.0]]))


def _pair():
    """Models of one MDP of three states: rewards wrong by 1/5 for ever, and wrong by 1 once, before an end."""
    P = np.array([[[1.0, 0, 0]], [[0, 0, 1.0]], [[0, 0, 1.0]]])
    r = np.zeros((3, 1))
    yield {"kind": "pair"} | measured(P, r, P, r + np.array([[0.2], [0.0], [0.0]]))
    yield {"kind": "pair"} | measured(P, r, P, r + np.array([[0.0], [1.0], [0.0]]))


def draw_residual(record: Record) -> Figure:
    """The cone on logarithmic axes with its edges attained, a cloud of random models, and the reversed pair."""
    figure = Figure(figsize=(7.4, 5.4), layout="constrained")
    ax = figure.subplots()
    x = np.logspace(-3.2, 1.4, 2)
    ax.fill_between(x, bellman_lower_bound(x, GAMMA), bellman_bound(x, GAMMA), color="#e8f1f7", zorder=0)
    ax.scatter(
        record.column("residual", kind="random"), record.column("error", kind="random"), s=5, color=GREY, alpha=0.4
    )
    for kind in ("upper edge", "lower edge"):
        ax.plot(
            record.column("residual", kind=kind),
            record.column("error", kind=kind),
            "-o",
            color=BLUE,
            markeredgecolor="white",
        )
    _draw_pair(ax, record)
    ax.set(xscale="log", yscale="log", xlim=(1e-3, 15), ylim=(4e-4, 2e2))
    ax.set(xlabel=r"residual in the true MDP,  $\epsilon$ = max $|B\hat{Q} - \hat{Q}|$")
    ax.set_ylabel(r"error,  max $|Q^* - \hat{Q}|$")
    ax.text(3e-3, 4.5e-2, r"$\epsilon\, /\, (1-\gamma)$", color=BLUE, ha="center")
    ax.text(4e-2, 1.1e-2, r"$\epsilon\, /\, (1+\gamma)$", color=BLUE, ha="center")
    factor = record.settings["factor"]
    ax.set_title(f"A residual says the error up to a factor of {factor:.0f} (γ = {GAMMA:g})", loc="left", fontsize=11)
    ax.spines[["top", "right"]].set_visible(False)
    if record.quick:
        figure.suptitle(QUICK, color="#b00020", fontsize=11)
    return figure


def _draw_pair(ax: Axes, record: Record) -> None:
    residuals, errors = record.column("residual", kind="pair"), record.column("error", kind="pair")
    ax.annotate(
        "",
        (residuals[1], errors[1]),
        (residuals[0], errors[0]),
        arrowprops={"arrowstyle": "->", "color": ORANGE, "linewidth": 1.6, "shrinkA": 6, "shrinkB": 6},
    )
    ax.plot(residuals, errors, "D", color=ORANGE, markersize=8, markeredgecolor="white", zorder=5)
    words = [f"residual {e:.3g}, error {q:.3g}" for e, q in zip(residuals, errors, strict=True)]
    place: list[dict[str, Any]] = [{"xytext": (-8, 8), "ha": "right"}, {"xytext": (10, -14), "ha": "left"}]
    for text, x, y, where in zip(words, residuals, errors, place, strict=True):
        ax.annotate(text, (x, y), textcoords="offset points", fontsize=9, color=ORANGE, **where)
