"""Figure 1 of Voelcker et al. 2022, "Value Gradient weighted Model-Based Reinforcement Learning"."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deep.envs.pendulum import reward, turned
from deep.models import Prediction
from deep.objectives import itervaml, mle, taylor, vagram
from deep.objectives.vagram import slopes
from deep.plot import headed
from deep.replay import Transitions
from deep.studies.pendulum import Mesh, Values, optimal_values
from tabular.studies.record import Difference, Record, bar, versions

HALF = 3.0
"""The window is [-3, 3] in both coordinates, as published."""
BEFORE, TORQUE = (0.9, -1.6), 1.0
"""The transition that is predicted. The published figure has a cross and no numbers: this place is chosen here."""
GAMMA = 0.99
KEY = jax.random.key(0, impl="threefry2x32")

Loss = Callable[[Any, Transitions, Callable[[jax.Array], jax.Array]], jax.Array]
LOSSES: dict[str, Loss] = {
    "vaml": lambda model, batch, V: itervaml(model, batch, V, KEY),
    "mse": lambda model, batch, V: mle(model, batch),
    "vagram": vagram,
    "taylor": taylor,
}
TITLES = {
    "V": "value function  $V^*(x)$",
    "vaml": "VAML  $(V(x) - V(s'))^2$",
    "mse": "MSE  $\\|x - s'\\|^2$",
    "vagram": "VaGraM  $\\Sigma_i\\, g_i^2 (x - s')_i^2$",
    "taylor": "Taylor  $(g^\\top (x - s'))^2$",
}


def transition(dtype=jnp.float64) -> Transitions:
    """The one transition, as a batch; the state is (angle, velocity)."""
    s, u = jnp.asarray([BEFORE], dtype), jnp.asarray([TORQUE], dtype)
    return Transitions(s, u[:, None], reward(s, u), turned(s, u), jnp.ones(1, dtype))


def landscape(loss: Loss, batch: Transitions, V: Values, x: jax.Array) -> np.ndarray:
    """The loss of a model that predicts x, for every row x of (n, 2)."""

    def one(x: jax.Array) -> jax.Array:
        return loss(lambda s, a: Prediction(x[None], None, batch.r), batch, V)

    return np.asarray(jax.jit(jax.vmap(one))(x))


def landscapes(*, quick: bool = False, progress: bool = False) -> Record:
    """Four losses of predicting x where the pendulum goes to s', over angles and velocities x in [-3, 3].

    V is optimal, from exact value iteration on a mesh of angles and speeds, and its gradient g that of a smooth
    interpolation. One row for each x. The settings have s', g, and, for each loss, what a prediction costs that is a
    tenth off in each coordinate (`level`; mean of the four corners), and how far from s' one can be that costs no more
    (`reach`).
    """
    began = time.perf_counter()
    points, mesh = (41, Mesh(120, 121)) if quick else (121, Mesh(160, 161))
    with bar("vagram-fig1", 2, progress, "part") as shown:
        V, solution = optimal_values(mesh, gamma=GAMMA)
        shown.update()
        axis = np.linspace(-HALF, HALF, points)
        x = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
        batch = transition()
        heights = {name: landscape(loss, batch, V, jnp.asarray(x)) for name, loss in LOSSES.items()}
        shown.update()
    heights = {"V": np.asarray(V(jnp.asarray(x)))} | heights
    rows = tuple(
        {"angle": float(angle), "velocity": float(velocity)} | {name: float(z[i]) for name, z in heights.items()}
        for i, (angle, velocity) in enumerate(x)
    )
    s_next = np.asarray(batch.s_next[0])
    level = {name: _level(loss, batch, V) for name, loss in LOSSES.items()}
    settings = {
        "gamma": GAMMA,
        "mesh": (mesh.angles, mesh.speeds),
        "torques": 9,
        "certified_error": solution.error,
        "before": BEFORE,
        "torque": TORQUE,
        "s_next": s_next,
        "g": np.asarray(slopes(V, batch.s_next))[0],
        "level": level,
        "reach": {name: _reach(x[heights[name] <= level[name]], s_next) for name in LOSSES},
    }
    seconds = time.perf_counter() - began
    return Record("vagram-fig1", rows, settings, (), quick, seconds, versions(), differences=DIFFERENCES)


def _level(loss: Loss, batch: Transitions, V: Values) -> float:
    """Mean loss of the four predictions that are a tenth off in each coordinate."""
    corners = np.asarray(batch.s_next[0]) + 0.1 * np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    return float(landscape(loss, batch, V, jnp.asarray(corners)).mean())


def _reach(x: np.ndarray, s_next: np.ndarray) -> float:
    """Distance from s' to the farthest x."""
    return float(np.linalg.norm(x - s_next, axis=1).max(initial=0.0))


DIFFERENCES = (
    Difference(
        subject="the value function",
        paper="of SAC, learned from samples, on (cos, sin, velocity)",
        code="the figure's script isn't published",
        here="optimal, exact on a mesh of (angle, velocity), nine torques, with a certificate",
        effect="the edges of the region from which the pendulum is caught at once are steep; a learned V smooths them. "
        "On a coarse mesh they are in the wrong place: g is (-43, -5) on 60 x 61 points, (-19.3, -3.3) on 120 x 121, "
        "(-18.9, -3.2) on 160 x 161",
    ),
)


def draw_landscapes(record: Record) -> Figure:
    """Five panels: V, then the four losses, their levels equally spaced in the square root; the cross is s'.

    Orange: the predictions that cost no more than one a tenth off in each coordinate.
    """
    figure = Figure(figsize=(14.5, 3.9), layout="constrained")
    axes = figure.subplots(1, len(TITLES), sharey=True)
    points = round(len(record.rows) ** 0.5)
    axis = np.linspace(-HALF, HALF, points)
    for ax, (name, title) in zip(axes, TITLES.items(), strict=True):
        z = record.column(name).reshape(points, points).T
        _panel(ax, axis, z if name == "V" else np.sqrt(z), name == "V")
        if name != "V":
            ax.contourf(axis, axis, z, levels=[0, record.settings["level"][name]], colors=[FORGIVEN])
        ax.plot(*record.settings["s_next"], "x", color="white", ms=5, mew=1.6)
        ax.set(title=title, xlabel=r"angle $\theta$ (0: upright)")
        ax.title.set_fontsize(10)
        ax.set_aspect("equal")
    axes[0].set_ylabel(r"angular velocity $\dot\theta$")
    g = record.settings["g"]
    text = (
        "Which predictions does a loss forgive?  Orange: those no worse than one that is 0.1 off in each coordinate\n"
    )
    about = f"Cross: $s'$, where $\\nabla V = ({g[0]:.1f},\\ {g[1]:.1f})$; dark: low; levels of losses by their root"
    headed(figure, record, text + about)
    return figure


FORGIVEN = "#ff7f50"
"""Colour of what a loss forgives."""


def _panel(ax: Axes, axis: np.ndarray, z: np.ndarray, of_value: bool) -> None:
    levels = np.linspace(z.min(), z.max(), 22)
    ax.contourf(axis, axis, z, levels=levels, cmap="cividis" if of_value else "viridis")
    ax.contour(axis, axis, z, levels=levels[::2], colors="white", linewidths=0.35, alpha=0.6)
