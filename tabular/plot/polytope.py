"""The value functions of all policies of a 2-state MDP, in the way of Dadashi et al. 2019."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from tabular import polytope as geometry
from tabular.evaluate import evaluate
from tabular.mdp import AnyMDP, policy_matrix
from tabular.polytope import Polytope
from tabular.solve import solve

TRUE, MODEL, INK = "#0072b2", "#d55e00", "#222222"
LINES = ("#009e73", "#aa4499")
"""Colours of the lines on which the values move when the policy changes in s0, and in s1."""
MESH = {2: 8, 3: 5}
SIZE = (6.4, 4.8)


def polytope(
    mdp: AnyMDP,
    pi=None,
    *,
    model: AnyMDP | None = None,
    path=None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """The polytope of a 2-state MDP: filled, with its deterministic policies and V* marked.

    Args:
      pi: a policy to mark, with the two lines on which its values move when it changes in one state only; ticks are
        equal steps of the policy.
      model: a model, whose polytope is drawn dashed.
      path: values, shape (k, 2), joined in this order; open dots are the values of no policy.

    Raises:
      ValueError unless the MDPs have 2 states, gamma < 1 and no infeasible actions; for a wrong `pi`.
    """
    found = geometry.polytope(mdp)
    ax = ax or plt.subplots(figsize=SIZE, layout="constrained")[1]
    _fill(ax, found)
    for segment in geometry.mesh(mdp, MESH.get(mdp.A, 4)):
        ax.plot(*segment.T, color=TRUE, linewidth=0.5, alpha=0.45, zorder=2)
    if model is not None:
        _dashed(ax, model)
    if pi is not None:
        _policy(ax, mdp, policy_matrix(mdp, pi))
    if path is not None and len(path):
        _path(ax, mdp, np.asarray(path))
    _corners(ax, mdp, found)
    ax.plot(*solve(mdp).V, "*", color=TRUE, markersize=16, markeredgecolor="white", zorder=8, label="V*")
    names = [str(state) for state in mdp.states or ("s0", "s1")]
    ax.set(xlabel=f"V({names[0]})", ylabel=f"V({names[1]})", title=title)
    ax.margins(0.12)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=8, loc="lower right")
    return ax


def _fill(ax: Axes, found: Polytope) -> None:
    """The union of its pieces: first their outlines, then their insides over what of these lies inside."""
    for style in ({"edgecolor": TRUE, "linewidth": 2.4, "zorder": 1}, {"edgecolor": "none", "zorder": 1.5}):
        for piece in found.pieces:
            ax.fill(*piece.T, facecolor="#dcebf5", **style)


def _dashed(ax: Axes, model: AnyMDP) -> None:
    found = geometry.polytope(model)
    for k, segment in enumerate(found.edges.reshape(-1, 2, 2)):
        ax.plot(
            *segment.T, "--", color=MODEL, linewidth=1.3, zorder=4, label="the model's polytope" if k == 0 else None
        )
    ax.plot(*solve(model).V, "*", color="none", markeredgecolor=MODEL, markersize=20, zorder=9, label="the model's V*")


def _policy(ax: Axes, mdp: AnyMDP, pi: np.ndarray) -> None:
    for s, colour in enumerate(LINES):
        state = mdp.states[s] if mdp.states else f"s{s}"
        style = {"color": colour, "linewidth": 1.8, "markersize": 3.5, "zorder": 5}
        ax.plot(*geometry.line(mdp, pi, s).V.T, "o-", label=f"π changes in {state} only", **style)
    style = {"color": "white", "markeredgecolor": INK, "markersize": 9, "zorder": 7}
    ax.plot(*evaluate(mdp, pi).V, "o", label="V of the policy", **style)


def _path(ax: Axes, mdp: AnyMDP, path: np.ndarray) -> None:
    """Joined points; open ones are the values of no policy."""
    outside = [not geometry.is_value(mdp, V) for V in path]
    ax.plot(*path.T, ".-", color=INK, linewidth=1.2, markersize=5, zorder=6, label="path")
    style = {"markersize": 5, "color": "white", "markeredgecolor": MODEL, "zorder": 6.5}
    if any(outside):
        ax.plot(*path[outside].T, "o", label="values of no policy", **style)


def _corners(ax: Axes, mdp: AnyMDP, found: Polytope) -> None:
    """All deterministic policies; names only where there is room for them."""
    middle, size = found.V.mean(0), np.maximum(np.ptp(found.V, axis=0), 1e-9)
    names = [str(name) for name in mdp.actions or [f"a{a}" for a in range(mdp.A)]]
    ax.plot(*found.V.T, "s", color=INK, markersize=4, zorder=7)
    named: list[np.ndarray] = []
    for actions, V in zip(found.policies, found.V, strict=True):
        if any((abs(V - other) < 0.05 * size).all() for other in named):
            continue
        named.append(V)
        side = np.where(middle <= V, 1, -1)
        style: dict[str, Any] = {"ha": "left" if side[0] > 0 else "right", "va": "bottom" if side[1] > 0 else "top"}
        text = ax.annotate(
            ", ".join(names[a] for a in actions), V, (6 * side[0], 6 * side[1]), textcoords="offset points", **style
        )
        text.set(fontsize=8, color=INK, zorder=9, path_effects=[withStroke(linewidth=2.5, foreground="white")])
