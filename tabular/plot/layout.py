"""Where the nodes, arcs and labels of a small graph lie. Lengths are in inches.

Nodes lie on a circle. There and back, two nodes are joined by arcs that bend to different sides. A label goes where
it covers least: candidates beside its arc, level or along it, are weighed against nodes and lines once, and against
the other labels by turns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

RADIUS = 0.24
"""Radius of a node."""
CROWDED = 8
"""Number of arcs above which labels would rather lie along their arcs than level."""
ALONG = np.array([0.5, 0.43, 0.57, 0.36, 0.64, 0.29, 0.71, 0.22, 0.78])
"""Where along an arc a label may sit, the best place first."""
SHIFTS = np.array([0, 0.12, -0.12, 0.25, -0.25, 0.4, -0.4])
"""How far beside the top of a loop a label may sit, the best place first."""


@dataclass(frozen=True)
class Arc:
    """The way from one node to another or back to itself, and the size of its label."""

    line: np.ndarray
    """Points between the borders of the nodes, shape (n, 2)."""
    away: np.ndarray
    """Unit vector towards the side to which it bends, shape (2,)."""
    loop: bool
    extent: np.ndarray
    """Width and height of the label, shape (2,)."""


@dataclass(frozen=True)
class Label:
    """A place for a label."""

    centre: np.ndarray
    """Shape (2,)."""
    angle: float
    """Slope of the writing in radians."""
    discs: np.ndarray
    """Centres of discs that cover the writing, shape (n, 2)."""
    radius: float
    """Radius of the discs."""


def places(extents: list[np.ndarray], count: int) -> np.ndarray:
    """Centres of the nodes, on a circle wide enough for a label between neighbours and for all labels; (count, 2)."""
    widest = max(extent[0] for extent in extents)
    if count == 2:
        return np.array([[0.0, 0.0], [widest + 1.3, 0.0]])
    room = math.sqrt(4.5 * sum(map(np.prod, extents)) / np.pi)
    radius = max(room, max(2.6, widest + 1.1) / (2 * np.sin(np.pi / count)))
    turn = np.pi / 2 + (np.pi / 4 if count == 4 else 0) - 2 * np.pi * np.arange(count) / count
    return radius * np.stack([np.cos(turn), np.sin(turn)], axis=1)


def arc(nodes: np.ndarray, s: int, t: int, extent: np.ndarray) -> Arc:
    """The arc from node s to node t, with a label of this width and height."""
    start, stop = nodes[s], nodes[t]
    if s == t:
        away = _unit(start - nodes.mean(0)) if len(nodes) > 2 else np.array([0.0, 1.0])
        ahead, aside = 4.4 * RADIUS * away, 2.7 * RADIUS * _left(away)
        controls = np.stack([start, start + ahead + aside, start + ahead - aside, start])
    else:
        away = _left(_unit(stop - start))
        bend = 0.16 * np.linalg.norm(stop - start) + 0.1
        controls = np.stack([start, (start + stop) / 2 + bend * away, stop])
    line = _bezier(controls)
    outside = (_length(line - start) > RADIUS) & (_length(line - stop) > 1.06 * RADIUS)
    return Arc(line[outside], away, s == t, extent)


def labels(arcs: list[Arc], nodes: np.ndarray) -> list[Label]:
    """A place for the label of each arc: chosen one after the other, and over again until none would rather move."""
    choices = [_candidates(arc, level_first=len(arcs) <= CROWDED) for arc in arcs]
    costs = [penalty + _covered(places, arc, arcs, nodes) for arc, (places, penalty) in zip(arcs, choices, strict=True)]
    discs = [np.stack([place.discs for place in places]) for places, _ in choices]
    chosen = [int(np.argmin(cost)) for cost in costs]
    for _ in range(6):
        before = list(chosen)
        for i in range(len(arcs)):
            others = [choices[j][0][chosen[j]] for j in range(len(arcs)) if j != i]
            chosen[i] = int(np.argmin(costs[i] + _shared(discs[i], choices[i][0][0].radius, others)))
        if chosen == before:
            break
    return [places[k] for (places, _), k in zip(choices, chosen, strict=True)]


def bounds(arcs: list[Arc], labels: list[Label], nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower left and upper right corner of the box around everything."""
    points = [nodes - RADIUS, nodes + RADIUS] + [arc.line for arc in arcs]
    points += [label.discs + sign * label.radius for label in labels for sign in (-1, 1)]
    points = np.concatenate(points)
    return points.min(0), points.max(0)


def _candidates(arc: Arc, level_first: bool) -> tuple[list[Label], np.ndarray]:
    """Places for a label: level and slanting, on both sides of several points; and how little each is liked."""
    step = _clear(arc.away, arc.extent) * arc.away
    if arc.loop:
        centres = arc.line[len(arc.line) // 2] + step + SHIFTS[:, None] * _left(arc.away)
        return [_label(centre, 0.0, arc.extent) for centre in centres], abs(SHIFTS)
    index = (ALONG * (len(arc.line) - 1)).astype(int)
    points, ahead = arc.line[index], np.gradient(arc.line, axis=0)[index]
    slopes = np.arctan(ahead[:, 1] / np.where(ahead[:, 0] == 0, 1e-9, ahead[:, 0]))
    slant = (arc.extent[1] / 2 + 0.06) * arc.away
    found, penalty = [], []
    for shift, slanting, late in ((step, 0, 0.0), (-step, 0, 0.3), (slant, 1, 0.0), (-slant, 1, 0.3)):
        found += [_label(p + shift, slanting * a, arc.extent) for p, a in zip(points, slopes, strict=True)]
        later = (0.4 if slanting else 0.0) if level_first else (0.0 if slanting else 0.6)
        penalty.append(abs(ALONG - 0.5) + late + later)
    return found, np.concatenate(penalty)


def _label(centre: np.ndarray, angle: float, extent: np.ndarray) -> Label:
    width, height = extent
    reach = max(width - height, 0) / 2
    offsets = np.linspace(-reach, reach, max(2, math.ceil(width / height) + 1))
    discs = centre + offsets[:, None] * np.array([np.cos(angle), np.sin(angle)])
    return Label(centre, float(angle), discs, 0.55 * height)


def _clear(away: np.ndarray, extent: np.ndarray) -> float:
    """How far from a point a level label must be centred in this direction to leave the point free."""
    return float(np.min(extent / 2 / np.maximum(abs(away), 1e-9))) + 0.07


def _covered(choices: list[Label], arc: Arc, arcs: list[Arc], nodes: np.ndarray) -> np.ndarray:
    """What each choice covers of the nodes (worst), the arrow heads and the lines; shape (choices,)."""
    discs, radius = np.stack([choice.discs for choice in choices]), choices[0].radius
    heads = np.concatenate([other.line[-7:] for other in arcs])
    lines = np.concatenate([other.line[::2] for other in arcs if other is not arc] or [np.empty((0, 2))])

    def hidden(points: np.ndarray, margin: float) -> np.ndarray:
        return (_distances(discs, points) < radius + margin).any(1).sum(1)

    into_nodes = np.maximum(radius + RADIUS + 0.03 - _distances(discs, nodes), 0).sum((1, 2))
    return 20 * into_nodes + 0.3 * hidden(heads, 0.04) + 0.3 * hidden(arc.line, 0) + 0.12 * hidden(lines, 0.02)


def _shared(discs: np.ndarray, radius: float, others: list[Label]) -> np.ndarray:
    """How much each choice, given by its discs, overlaps the other labels; shape (choices,)."""
    if not others:
        return np.zeros(len(discs))
    points = np.concatenate([other.discs for other in others])
    radii = np.concatenate([np.full(len(other.discs), other.radius) for other in others])
    return 20 * np.maximum(radius + radii - _distances(discs, points), 0).sum((1, 2))


def _distances(discs: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Distance of each disc from each point, shape (choices, discs, points)."""
    return _length(discs[:, :, None] - points)


def _bezier(controls: np.ndarray) -> np.ndarray:
    """Points of the Bezier curve with these control points, by de Casteljau's scheme; shape (61, 2)."""
    t = np.linspace(0, 1, 61)[:, None]
    points = [np.broadcast_to(control, (61, 2)) for control in controls]
    while len(points) > 1:
        points = [(1 - t) * p + t * q for p, q in pairwise(points)]
    return points[0]


def _length(vectors: np.ndarray) -> np.ndarray:
    return np.hypot(vectors[..., 0], vectors[..., 1])


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / _length(vector)


def _left(direction: np.ndarray) -> np.ndarray:
    """The direction turned left by a right angle."""
    return np.array([-direction[1], direction[0]])
