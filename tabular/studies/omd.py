"""Figures of Nikishin et al. 2021, "Control-Oriented Model-Based Reinforcement Learning with Implicit Differentiation"."""

from __future__ import annotations

import time

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from tabular.fitting import Fit, fit
from tabular.models import RANDOM_BITS, softmax_table
from tabular.objectives import mle, omd
from tabular.plot import Curve, curves
from tabular.solve import solve
from tabular.studies.record import Record, spread, versions
from tabular.worlds.papers import two_state

ALPHA = 0.01
METHODS = {
    "mle": mle(ALPHA),
    "omd_returns": omd(ALPHA),
    "omd_bellman": omd(ALPHA, loss="bellman"),
    "omd_returns_annealed": omd(ALPHA, anneal=1200.0),
}
PROJECTIONS = ("authors", "paper_raw", "paper_scaled", "none")
KAPPAS = np.linspace(0, 6, 20)
PUBLISHED = (1, 2, 3, 4, 6, 9, 13, 16)
"""Which of `KAPPAS` are points of the published Figure 2."""


def fig2(*, quick: bool = False, progress: bool = False) -> Record:
    """Figure 2: return of the agent that plans in a learned model, against the norm bound kappa of the model's parameters.

    10 seeds, 10,000 steps of Adam at step size 0.01, for each projection (see `tabular.models`) and method. The Q that is
    evaluated belongs to the parameters before the last update, as in the published code.
    """
    kappas = KAPPAS[[0, 1, 2, 4, 6, 9, 16]] if quick else KAPPAS
    seeds = range(1, 4) if quick else range(1, 11)
    steps = 2000 if quick else 10_000
    true, began = two_state(), time.perf_counter()
    fits: dict[tuple[str, str], Fit] = {}
    with tqdm(total=len(PROJECTIONS) * len(METHODS) * steps, unit="step", disable=not progress) as bar:
        for projection in PROJECTIONS:
            for method, objective in METHODS.items():
                bar.set_description(f"{projection} {method}")
                bound = np.inf if projection == "none" else kappas
                fits[projection, method] = fit(
                    true,
                    objective,
                    softmax_table(projection, alpha=ALPHA),
                    seeds=seeds,
                    kappa=bound,
                    steps=steps,
                    pair="authors",
                    progress=bar.update,
                )
    rows = [
        {"projection": projection, "method": method, "kappa": float(kappa), **spread(J)}
        for (projection, method), found in fits.items()
        for kappa, J in zip(found.kappa, found.J, strict=True)
    ]
    settings = {
        "figure": "Nikishin et al. 2021, Figure 2",
        "world": "two_state",
        "y": "J, the return of softmax(Q / alpha) in the true MDP, from the uniform start distribution",
        "optimal_return": solve(true).J,
        "alpha": ALPHA,
        "kappa": kappas,
        "optimizer": "adam (b1 = 0.9, b2 = 0.999, eps = 1e-8)",
        "lr": 0.01,
        "steps": steps,
        "tol": 1e-10,
        "pair": "authors: Q of the parameters before the last update",
        "random_bits": RANDOM_BITS,
        "converged": {" ".join(key): float(found.converged.mean()) for key, found in fits.items()},
    }
    return Record("omd-fig2", tuple(rows), settings, tuple(seeds), quick, time.perf_counter() - began, versions())


def draw_fig2(record: Record) -> Figure:
    """Figure 2 as it was published, beside the experiment that the paper's equation 8 describes.

    Bands are standard deviations over seeds; marks are at the published values of kappa.
    """
    figure = Figure(figsize=(11.5, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    published = {"MLE": "mle", "OMD": "omd_returns"}
    described = {"MLE": "mle", "OMD, annealed": "omd_returns_annealed", "OMD, Bellman error": "omd_bellman"}
    _panel(left, record, "authors", published, "As published: the norm in the authors' code (authors)")
    _panel(right, record, "paper_scaled", described, "As described: the norm of eq. 8, logits scaled (paper_scaled)")
    if record.quick:
        figure.suptitle("QUICK LOOK: fewer seeds, points and steps than the figure has", color="#b00020", fontsize=11)
    return figure


def _panel(ax, record: Record, projection: str, methods: dict[str, str], title: str) -> None:
    series = {}
    for label, method in methods.items():
        where = {"projection": projection, "method": method}
        kappa = record.column("kappa", **where)
        series[label] = Curve(kappa, record.column("mean", **where), record.column("sd", **where))
    optimum = record.settings["optimal_return"]
    curves(
        series,
        x_label=r"norm bound $\kappa$ of the model's parameters",
        y_label="return in the true MDP",
        reference=optimum,
        reference_label=f"optimal, {optimum:.4f}",
        title=title,
        ax=ax,
    )
    marked = np.flatnonzero(np.isin(kappa, KAPPAS[list(PUBLISHED)]))
    for line in ax.lines[: len(series)]:
        line.set_markevery(marked.tolist())
