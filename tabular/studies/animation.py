"""The moving picture of the start page: two models of one maze while they learn.

    python -m tabular.studies.animation docs/images/learning.gif

Both model the 10 x 10 maze of Eysenbach et al. 2021 and can't tell the cells of a 2 x 2 block apart. One learns by
maximum likelihood, the other so that the agent which plans in it earns most (OMD). Each maze shows what that agent does
and what it earns from every cell of the true MDP; the curves show how far the model diverges from the truth, and the
return. Beside the animation stands its last picture, for readers who ask for no motion, and a table of its numbers.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from PIL import Image

from tabular.evaluate import evaluate
from tabular.fitting import fit
from tabular.mdp import AnyMDP
from tabular.models import aliased_blocks
from tabular.objectives import mle, omd
from tabular.output import write_all
from tabular.plot.encode import animated
from tabular.plot.heatmap import grid
from tabular.probability import kl_rows
from tabular.soft import soft_solve
from tabular.studies.record import to_csv
from tabular.worlds import maze10

ALPHA = 0.1
STEPS = (*range(1, 11), *range(12, 21, 2), 23, 26, 30, 35, 40, 50, 60, 80, 100, 130, 160, 200, 250, 300)
METHODS = {"maximum likelihood": mle(alpha=ALPHA), "OMD": omd(alpha=ALPHA, anneal=1200.0)}
INK = {"maximum likelihood": "#0072b2", "OMD": "#d55e00"}
PICTURE, LAST = 140, 2500
"""Milliseconds that a picture stays, and the last one."""


def frames(maze: AnyMDP, steps: tuple[int, ...] = STEPS) -> list[dict[str, Any]]:
    """For every method, after every number of steps: divergence from the truth, return, values and policy."""
    found = []
    models = aliased_blocks(maze, size=2, learns_reward=False)
    for name, objective in METHODS.items():
        for step in steps:
            fitted = fit(maze, objective, models, seeds=1, lr=0.05, steps=step)
            pi = fitted.pi[0, 0]
            seen = {
                "pi": pi,
                "V": evaluate(maze, pi).V,
                "divergence": float(kl_rows(maze.P, fitted.P_hat[0, 0]).mean()),
            }
            found.append({"method": name, "step": step, "J": float(fitted.J[0, 0])} | seen)
    return found


def draw(maze: AnyMDP, found: list[dict[str, Any]], step: int, best: float) -> Figure:
    """One picture: the two mazes after so many steps, and the curves up to there."""
    figure = Figure(figsize=(10.6, 4.2), dpi=100, facecolor="white")
    mazes = figure.add_gridspec(1, 2, left=0.005, right=0.68, top=0.92, bottom=0.08, wspace=0.05)
    curves = figure.add_gridspec(2, 1, left=0.735, right=0.99, top=0.9, bottom=0.12, hspace=0.5)
    norm = LogNorm(10.0, 70.0)
    for column, name in enumerate(METHODS):
        (now,) = [row for row in found if row["method"] == name and row["step"] == step]
        ax = figure.add_subplot(mazes[0, column])
        grid(maze, now["V"], now["pi"], ax=ax, norm=norm, values=False, colorbar=False)
        ax.set_title(f"plans with {name}", color=INK[name], fontsize=12, weight="bold", pad=6)
        ax.text(0.5, -0.03, f"return {now['J']:.2f}", transform=ax.transAxes, ha="center", va="top", fontsize=12)
    panels = (("divergence", "model's divergence from the truth"), ("J", "return of its agent"))
    for row, (quantity, title) in enumerate(panels):
        ax = figure.add_subplot(curves[row, 0])
        _curves(ax, found, step, quantity)
        ax.set_title(title, loc="left", fontsize=11)
        if quantity == "J":
            ax.axhline(best, color="#777777", linestyle=":", linewidth=1.2)
            ax.text(1.05, best, "best possible", fontsize=9, color="#555555", va="bottom")
            ax.set_xlabel("steps of learning", fontsize=10)
    return figure


def _curves(ax, found: list[dict[str, Any]], step: int, quantity: str) -> None:
    every = np.array([row[quantity] for row in found])
    room = 0.12 * (every.max() - every.min())
    for name in METHODS:
        past = [row for row in found if row["method"] == name and row["step"] <= step]
        ax.plot([row["step"] for row in past], [row[quantity] for row in past], color=INK[name], linewidth=2)
        ax.plot(past[-1]["step"], past[-1][quantity], "o", color=INK[name], markersize=5)
    ax.set(xscale="log", xlim=(0.95, STEPS[-1] * 1.1), ylim=(every.min() - room, every.max() + 2 * room))
    ax.set_xticks([1, 10, 100], ["1", "10", "100"])
    ax.tick_params(labelsize=9)
    ax.spines[["top", "right"]].set_visible(False)


def picture(figure: Figure) -> Image.Image:
    """A figure as pixels."""
    held = io.BytesIO()
    figure.savefig(held, format="png", metadata={"Software": None})
    return Image.open(held).convert("RGB")


def animation(pictures: list[Image.Image]) -> bytes:
    """The GIF of all pictures."""
    return animated(pictures, PICTURE, LAST)


def main(path: str) -> None:
    """Write the animation, NAME-still.png and NAME.csv beside it."""
    maze, out = maze10(reward=1.0), Path(path)
    best = soft_solve(maze, alpha=1e-6).J
    found = frames(maze)
    pictures = [picture(draw(maze, found, step, best)) for step in STEPS]
    still = io.BytesIO()
    pictures[-1].quantize(colors=128, dither=Image.Dither.NONE).save(still, "PNG", optimize=True)
    rows = [{name: row[name] for name in ("method", "step", "divergence", "J")} for row in found]
    out.parent.mkdir(parents=True, exist_ok=True)
    texts = {out.with_suffix(".csv"): to_csv(rows).encode()}
    write_all({out: animation(pictures), out.with_name(f"{out.stem}-still.png"): still.getvalue(), **texts})


if __name__ == "__main__":
    main(*sys.argv[1:])
