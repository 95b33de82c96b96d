"""Figures of Nikishin et al. 2021, "Control-Oriented Model-Based RL with Implicit Differentiation"."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
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


def fig2(*, quick: bool = False, progress: bool = False, projections: Sequence[str] = PROJECTIONS) -> Record:
    """Figure 2: return of the agent that plans in a learned model, against the bound kappa on its parameters' norm.

    10 seeds and 10,000 steps of Adam for each projection (see `tabular.models`), method and kappa. The Q that is
    evaluated belongs to the parameters before the last update, as in the published code.
    """
    began = time.perf_counter()
    how: dict[str, Any] = {
        "kappa": KAPPAS[[0, 1, 2, 4, 6, 9, 16]] if quick else KAPPAS,
        "seeds": tuple(range(1, 4 if quick else 11)),
        "steps": 2_000 if quick else 10_000,
        "lr": 0.01,
        "tol": 1e-10,
        "pair": "authors",
    }
    fits = _sweep(how, projections, progress)
    rows = [
        {"projection": projection, "method": method, "kappa": float(kappa), **spread(J)}
        for (projection, method), found in fits.items()
        for kappa, J in zip(found.kappa, found.J, strict=True)
    ]
    settings = {name: value for name, value in how.items() if name != "seeds"} | {
        "figure": "Nikishin et al. 2021, Figure 2",
        "quantity": "J, the return in the true MDP of softmax(Q / alpha)",
        "world": "two_state",
        "alpha": ALPHA,
        "optimal_return": solve(two_state()).J,
        "optimizer": "adam, b1 = 0.9, b2 = 0.999, eps = 1e-8",
        "random_bits": RANDOM_BITS,
        "converged": {" ".join(key): float(found.converged.mean()) for key, found in fits.items()},
    }
    return Record("omd-fig2", tuple(rows), settings, how["seeds"], quick, time.perf_counter() - began, versions())


def _sweep(how: dict[str, Any], projections: Sequence[str], progress: bool) -> dict[tuple[str, str], Fit]:
    """A fit for each projection and method, over all kappas and seeds."""
    fits = {}
    with tqdm(total=len(projections) * len(METHODS) * how["steps"], unit="step", disable=not progress) as bar:
        for projection in projections:
            table = softmax_table(projection, alpha=ALPHA)
            bounds: dict[str, Any] = {} if table.bounded else {"kappa": np.inf}
            for method, objective in METHODS.items():
                bar.set_description(f"omd-fig2 {projection} {method}")
                fits[projection, method] = fit(two_state(), objective, table, **(how | bounds), progress=bar.update)
    return fits


def draw_fig2(record: Record) -> Figure:
    """Figure 2 as it was published, beside the experiment that equation 8 of the paper describes.

    Bands are standard errors over seeds; marks are at the published values of kappa.
    """
    figure = Figure(figsize=(10.5, 4.1), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    published = {"MLE": "mle", "OMD": "omd_returns"}
    described = published | {"OMD, annealed": "omd_returns_annealed", "OMD, Bellman error": "omd_bellman"}
    _panel(left, record, "authors", published, "As published: projection authors")
    _panel(right, record, "paper_scaled", described, "As described in eq. 8: projection paper_scaled")
    if record.quick:
        figure.suptitle("QUICK LOOK: fewer seeds, points and steps than the figure has", color="#b00020", fontsize=11)
    return figure


def _panel(ax: Axes, record: Record, projection: str, methods: dict[str, str], title: str) -> None:
    """One projection's curves: return against kappa, for methods by label."""

    def column(name: str, method: str) -> np.ndarray:
        return record.column(name, projection=projection, method=method)

    optimum = record.settings["optimal_return"]
    curves(
        {label: Curve(column("kappa", m), column("mean", m), column("se", m)) for label, m in methods.items()},
        x_label=r"bound $\kappa$ on the norm of the model's parameters",
        y_label=r"return $J$ in the true MDP",
        reference=optimum,
        reference_label=f"optimal return, {optimum:.4f}",
        title=title,
        legend="lower right",
        ax=ax,
    )
    ax.label_outer()
    marked = np.isin(column("kappa", "mle"), KAPPAS[list(PUBLISHED)])
    for line in ax.lines[: len(methods)]:
        line.set_markevery(np.flatnonzero(marked).tolist())
