"""The pictures in a run's folder: learning curves, and what was learned as an animation."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from deep import animation, plot
from deep.runs import Run
from tabular.output import write_all
from tabular.plot import encoded


def draw(run: Run, folder: Path) -> list[Path]:
    """Write curves.png, and behaviour.gif for environments that can be drawn; returns their paths."""
    contents: dict[Path, str | bytes] = {folder / "curves.png": encoded(learning(run), "png")}
    if run.configs[0].env in animation.DRAWN:
        contents[folder / "behaviour.gif"] = animation.behaviour(run)
    folder.mkdir(exist_ok=True)
    write_all(contents)
    return list(contents)


def learning(run: Run) -> Figure:
    """Returns and losses over steps."""
    quantities = ["returns", "critic_loss"] + ["model_loss"] * run.configs[0].has_model
    figure = Figure(figsize=(7.6, 2.9 * len(quantities)), layout="constrained")
    for ax, quantity in zip(figure.subplots(len(quantities), squeeze=False)[:, 0], quantities, strict=True):
        if quantity == "returns" or len(run.step) > run.configs[0].random_steps // run.configs[0].chunk:
            plot.curves(run, quantity=quantity, title=run.configs[0].method if quantity == "returns" else None, ax=ax)
        else:
            ax.set_axis_off()
    return figure
