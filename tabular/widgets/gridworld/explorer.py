"""The gridworld explorer: draw a grid world and watch it being solved."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tabular.evaluate import evaluate
from tabular.mdp import AnyMDP, with_changes
from tabular.soft import soft_solve
from tabular.solve import Solution, solve
from tabular.sources import from_gymnasium
from tabular.summary import never_left
from tabular.widgets.controls import Choice, Download, Slider, Toggle, action
from tabular.widgets.drawing import LARGEST, Drawing
from tabular.widgets.gridworld import sweeps
from tabular.widgets.gridworld.presets import PRESETS
from tabular.widgets.gridworld.sweeps import Frame, Run
from tabular.widgets.mapped import MapExplorer, states_of
from tabular.worlds.grid import MOVES, STAY

if TYPE_CHECKING:
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

LONGEST_WALK = 200
NUMBERS_SENT = 3_000_000
"""Above this many numbers, frames are left out evenly."""
METHODS = {"value": "Value iteration", "policy": "Policy iteration"}
VIEWS = {"V": "Values", "Q": "Action values", "map": "Map only"}


class GridworldExplorer(MapExplorer):
    """Draw a grid world, and watch it being solved sweep by sweep.

        explorer = GridworldExplorer("S..#\\n..#.\\n...G", gamma=0.9)
        explorer.paint([(0, 1)], "#")       # a wall
        explorer.V, explorer.Q, explorer.pi, explorer.J, explorer.solution.error

    Args:
      text: a map as in `tabular.gridworld`; the preset "first" if neither it nor `mdp` is given.
      rewards, absorbing: rewards of entering cells and the characters that end an episode, as in `tabular.gridworld`.
      mdp: an MDP with a grid, to look at instead: its map is fixed.
      values: the controls' first values: gamma, slip, step_reward, alpha, potential, method, evaluations, view ...

    Raises:
      ValueError for a map that can't be read, an MDP that can't be drawn, or a value out of range.
    """

    title = "Gridworld"
    scripts = ("board.js", "editor.js", "gridworld/front.js")
    presets = PRESETS

    gamma = Slider(
        "Discount", 0.95, low=0, high=0.99, step=0.01, symbol="γ", hint="A reward k steps later counts γᵏ of its size"
    )
    slip = Slider("Slip", 0.0, low=0, high=1, step=0.05, hint="Probability that a move goes off at a right angle")
    step_reward = Slider("Step reward", 0.0, low=-1, high=1, step=0.01, hint="Paid for every step")
    alpha = Slider(
        "Temperature",
        0.0,
        low=0,
        high=0.5,
        step=0.005,
        symbol="α",
        hint="0: greedy; above: softmax(Q/α), paid for its entropy",
    )
    potential = Toggle(
        "Potential Φ", False, hint="Cell rewards Φ pay γΦ(s′) − Φ(s), which changes no policy (goals pay as before)"
    )
    method = Choice("Method", "value", METHODS, group="player")
    evaluations = Slider(
        "Sweeps a round",
        10,
        low=1,
        high=100,
        step=1,
        hint="Policy iteration: sweeps of evaluation before each improvement",
        group="player",
    )
    view = Choice("Show", "V", VIEWS, group="view")
    arrows = Toggle("Policy", True, group="view")
    numbers = Toggle("Numbers", True, group="view")

    def __init__(
        self,
        text: str | None = None,
        *,
        rewards: Mapping[str, float] | None = None,
        absorbing: str = "G",
        mdp: AnyMDP | None = None,
        preset: str = "first",
        seed: int = 0,
        **values,
    ):
        self.drawing = PRESETS["first"].state["drawing"]
        self._imported: tuple[str, AnyMDP] | None = None
        self._past: list[Drawing] = []
        self._hand: tuple[Frame, ...] = ()
        self._runs = 0
        self._walks: list[float] = []
        self._path: dict[str, Any] | None = None
        self._random = np.random.default_rng(seed)
        self._warm: tuple[tuple, Solution] | None = None
        super().__init__()
        if mdp is not None:
            self.show(mdp)
        elif text is not None:
            more = {} if rewards is None else {"rewards": rewards}
            self._draw(Drawing.from_text(text, absorbing=absorbing, **more))
        else:
            self.preset(preset)
        self.set(**values)
        self._past = []
        self._beginning = self.state()

    # The answers

    @cached_property
    def mdp(self) -> AnyMDP:
        """The MDP that is drawn."""
        if self._imported is not None:
            return with_changes(self._imported[1], gamma=self.gamma)
        return self.drawing.mdp(
            gamma=self.gamma, slip=self.slip, step_reward=self.step_reward, potential=self.potential
        )

    @cached_property
    def solution(self) -> Solution:
        """Its optimal values, or soft-optimal ones at a temperature above 0, with a certified error."""
        start = self._start()
        found = soft_solve(self.mdp, self.alpha, start=start) if self.alpha > 0 else solve(self.mdp, start=start)
        self._warm = (self.mdp.grid.cells, found)  # type: ignore[union-attr]
        return found

    def _start(self) -> Solution | np.ndarray | None:
        """The last answer, to start from: as it is, or cell by cell where the map has changed."""
        if self._warm is None:
            return None
        cells, last = self._warm
        if last.Q.shape == self.mdp.r.shape:
            return last
        values = dict(zip(cells, last.V, strict=True))
        return np.array([values.get(cell, 0.0) for cell in self.mdp.grid.cells])  # type: ignore[union-attr]

    @cached_property
    def run(self) -> Run:
        """All frames of the method chosen, or those made by hand."""
        if self._hand:
            frames = iter(self._hand)
        elif self.method == "value":
            frames = sweeps.value_iteration(self.mdp, self.alpha)
        else:
            frames = sweeps.policy_iteration(self.mdp, self.alpha, round(self.evaluations))
        return sweeps.recorded(self.mdp, frames, self.alpha, self.solution.V)

    @property
    def V(self) -> np.ndarray:
        """The values shown, shape (S,): the optimal ones, or those reached by hand."""
        return self._hand[-1].V if self._hand else self.solution.V

    @property
    def Q(self) -> np.ndarray:
        """The action values shown, shape (S, A)."""
        return self.run.Q[-1] if self._hand else self.solution.Q

    @property
    def pi(self) -> np.ndarray:
        """The policy shown, shape (S, A); actions that tie share it evenly."""
        if self._hand:
            return self._hand[-1].pi
        if self.alpha > 0:
            return self.solution.pi
        best = self.solution.ties
        return best / best.sum(1, keepdims=True)

    @property
    def J(self) -> float:
        """What the values shown promise at the start, `rho @ V`."""
        return float(self.mdp.rho @ self.V)

    # Drawing

    @action()
    def gymnasium(self, name: str) -> None:
        """Look at a table of Gymnasium: "FrozenLake-v1". Raises ValueError if there is none or it can't be drawn."""
        self.show(from_gymnasium(name.strip(), gamma=self.gamma), name.strip())

    def show(self, mdp: AnyMDP, name: str = "This MDP") -> None:
        """Look at an MDP with a grid; its map is fixed. Raises ValueError if it can't be drawn."""
        check_drawable(mdp, name)
        with self.together():
            gamma = min(mdp.gamma, type(self).controls()["gamma"].high)  # type: ignore[attr-defined]
            self._imported = (name, mdp)
            self.preset_name = ""
            self._forget("mdp", "solution", "run")
            self.set(gamma=gamma)

    def _draw(self, drawing: Drawing) -> None:
        if self._imported is not None:
            raise ValueError(self.disabled()["paint"])
        super()._draw(drawing)

    def redrawn(self) -> None:
        """Forget everything."""
        self._forget("mdp", "solution", "run")

    # Going on by hand, and walking

    @action("Sweep", key="1", hint="One sweep of value iteration from the frame shown", group="steps")
    def sweep(self, frame: int | None = None) -> None:
        """V <- max_a Q(V), from a frame of the run (the last)."""
        self._go_on(frame, sweeps.sweep)

    @action("Evaluate", key="2", hint="One sweep of policy evaluation from the frame shown", group="steps")
    def evaluate(self, frame: int | None = None) -> None:
        """V <- sum_a pi Q(V), from a frame of the run (the last)."""
        self._go_on(frame, sweeps.evaluate)

    @action("Improve", key="3", hint="The policy made greedy with respect to the values shown", group="steps")
    def improve(self, frame: int | None = None) -> None:
        """pi <- greedy with respect to Q(V), from a frame of the run (the last)."""
        self._go_on(frame, sweeps.improve)

    @action("Solve", key="4", hint="The answer, and all frames of the method chosen", group="answer")
    def finish(self) -> None:
        """Leave what was done by hand."""
        self._forget("run")
        self.refresh()

    def _go_on(self, frame: int | None, step) -> None:
        """By hand from a frame; from the very beginning if the frame is the end of a run that is done."""
        frames = self.run.frames
        k = len(frames) - 1 if frame is None else min(max(int(frame), 0), len(frames) - 1)
        done = not self._hand and k == len(frames) - 1
        past = (sweeps.first(self.mdp),) if done else frames[: k + 1]
        self._forget("run")
        self._hand = (*past, step(self.mdp, past[-1], self.alpha))
        self.refresh()

    @action("Walk", key="a", hint="An agent follows the policy shown", group="agent")
    def walk(self, frame: int | None = None) -> None:
        """One episode of at most 200 steps with the policy of a frame of the run (that shown, if None)."""
        frames = None if frame is None else self.run.frames
        pi = self.pi if frames is None else frames[min(max(int(frame or 0), 0), len(frames) - 1)].pi
        states, rewards, over = episode(self.mdp, pi, self._random, self._paid)
        total = float(rewards @ self.gamma ** np.arange(len(rewards)))
        if self._path is not None and not np.array_equal(self._path["pi"], pi):
            self._walks = []
        self._walks = [*self._walks[-999:], total]
        self._path = {
            "pi": pi,
            "states": states,
            "rewards": rewards,
            "over": over,
            "expected": evaluate(self.mdp, pi).J,
        }
        self.refresh()

    def _paid(self, s: int, a: int, t: int) -> float:
        """Reward of a step from s to t by action a: the actual one where it is known, otherwise the expected one."""
        ends = not np.isfinite(self.mdp.r[s]).all()
        if self._imported is not None or ends:
            return float(self.mdp.r[s, a])
        cells = self.mdp.grid.cells  # type: ignore[union-attr]
        worth, goal = self.drawing.rewards, self.drawing.kinds == "G"
        if not self.potential or goal[cells[t]]:
            return self.step_reward + float(worth[cells[t]]) - float(self.potential * worth[cells[s]])
        return self.step_reward + self.gamma * float(worth[cells[t]]) - float(worth[cells[s]])

    # What is drawn

    def scene(self) -> dict[str, Any]:
        """Geometry, the answer (or the last frame made by hand), the colour scale, and the agent's last walk."""
        mdp, grid = self.mdp, self.mdp.grid
        rows, columns = grid.shape  # type: ignore[union-attr]
        V, Q = self.V, self.Q
        stuck = never_left(mdp)
        return {
            "rows": rows,
            "columns": columns,
            "state": states_of(mdp),
            "kinds": self._kinds(),
            "rewards": np.zeros((rows, columns)) if self._imported else self.drawing.rewards,
            "moves": [list(move) for move in grid.moves],  # type: ignore[union-attr]
            "stuck": (stuck | self._never_entered_goals()).astype(np.uint8),
            "V": V,
            "Q": Q,
            "pi": self.pi,
            "scale": colour_range(V[~stuck]),
            "J": self.J,
            "alpha": self.alpha,
            "by_hand": bool(self._hand),
            "run": self._runs,
            "world": self._imported[0] if self._imported else "",
            "preset": self.preset_name,
            "answer": self._answer(),
            "walk": self._walk_scene(),
            "undo": len(self._past),
            "largest": LARGEST,
        }

    def _never_entered_goals(self) -> np.ndarray:
        """Mask (S,) of goals that end the episode on arrival, in a table: nobody ever acts there."""
        cells, goals = self.mdp.grid.cells, self.mdp.grid.goals  # type: ignore[union-attr]
        entered = self.mdp.expect_adjoint(self.mdp.feasible.astype(float)) > 0
        return np.array([cell in goals for cell in cells]) & ~entered

    def _kinds(self) -> str:
        """The characters of the map, row by row."""
        if not self._imported:
            return "".join(self.drawing.kinds.ravel())
        grid = self.mdp.grid
        marks = {"#": grid.walls, "G": grid.goals, "S": grid.starts}  # type: ignore[union-attr]
        cells = [(row, column) for row in range(grid.shape[0]) for column in range(grid.shape[1])]  # type: ignore[union-attr]
        return "".join(next((mark for mark, where in marks.items() if cell in where), ".") for cell in cells)

    def _answer(self) -> str:
        found = self.solution
        if self._hand:
            return f"Reached by hand: up to {abs(self.V - found.V).max():.2g} away from V*"
        star = "V*" if self.alpha == 0 else "soft V*"
        count = f"{found.iterations} iteration{'s' * (found.iterations != 1)}"
        return f"{star} solved exactly: certified error {found.error:.1e}, {count} of {found.method}"

    def _walk_scene(self) -> dict[str, Any] | None:
        if self._path is None:
            return None
        cells = np.array(self.mdp.grid.cells, dtype=np.int32)[self._path["states"]]  # type: ignore[union-attr]
        facts = {name: self._path[name] for name in ("rewards", "over", "expected")}
        return facts | {"cells": cells, "returns": np.array(self._walks), "discount": self.gamma}

    def frames(self) -> dict[str, Any]:
        """All frames for the player, evenly thinned if there are very many numbers."""
        run = self.run
        K, S, A = run.Q.shape
        every = -(-K * S * (2 * A + 1) // NUMBERS_SENT)
        index = np.unique(np.append(np.arange(0, K, every), K - 1)).astype(np.int32)
        kept = [run.frames[k] for k in index]
        V = np.stack([frame.V for frame in run.frames])
        return {
            "index": index,
            "V": np.stack([frame.V for frame in kept]).astype(np.float32),
            "Q": run.Q[index].astype(np.float32),
            "pi": np.stack([frame.pi for frame in kept]).astype(np.float32),
            "bound": run.bound[index],
            "distance": abs(V[index] - self.solution.V).max(1),
            "phases": [frame.phase for frame in kept],
            "labels": np.array(sweeps.frame_labels(run.frames))[index].tolist(),
            "stop": run.stop,
        }

    def _norm(self) -> Normalize:
        """The colour scale of the values shown, for matplotlib."""
        from tabular import plot

        return plot.scale(self.V, 0.0, signed=colour_range(self.V[~never_left(self.mdp)])["signed"])

    def figure(self) -> Figure:
        """The map with the values and the policy shown."""
        from tabular import plot

        V = None if self.view == "map" else self.V
        norm = None if V is None else self._norm()
        title = f"γ = {self.gamma:g}, slip = {self.slip:g}" + f", α = {self.alpha:g}" * (self.alpha > 0)
        name = self._imported[0] if self._imported else (PRESETS[self.preset_name].title if self.preset_name else "")
        pi = self.pi if self.arrows else None
        axes = plot.grid(self.mdp, V, pi, norm=norm, title=": ".join(filter(None, (name, title))))
        return axes.figure  # type: ignore[return-value]

    # State

    def changed(self, names: set[str]) -> None:
        """Forget what depends on these controls."""
        if names & {"gamma", "slip", "step_reward", "potential"}:
            self._forget("mdp", "solution", "run")
        elif "alpha" in names:
            self._forget("solution", "run")
        elif names & {"method", "evaluations"}:
            self._forget("run")

    def _forget(self, *names: str) -> None:
        for name in names:
            vars(self).pop(name, None)
        self._hand = ()
        self._runs += 1
        if "solution" in names:
            self._path, self._walks = None, []

    def disabled(self) -> dict[str, str]:
        """A table's map, slip and rewards are fixed."""
        if self._imported is None:
            return super().disabled()
        reason = f"{self._imported[0]} is a table with a fixed map and fixed rewards. Choose a preset to draw again."
        names = ("slip", "step_reward", "potential", "paint", "toggle", "reward", "resize", "undo")
        return dict.fromkeys(names, reason)

    def state(self) -> dict[str, Any]:
        """Controls, the drawing, and the table shown instead."""
        return super().state() | {"table": self._imported}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go to a state. Without a table in it, back to a drawing."""
        rest = dict(state)
        self._imported = None
        table = rest.pop("table", None)
        with self.together():
            super().restore(rest)
            self._imported = table
            self._forget("mdp", "solution", "run")

    @action("Animation", hint="Download the frames as a moving picture (GIF)", group="files")
    def export_animation(self) -> Download:
        """The run as a GIF of at most 40 pictures on one colour scale, densest at the beginning."""
        from tabular.widgets.gridworld.moving import moving_picture

        return Download(f"{self._file_name()}.gif", "image/gif", moving_picture(self.mdp, self.run, self._norm()))

    @action("MDP", hint="Download the MDP (tabular.load reads it)", group="files")
    def export_mdp(self) -> Download:
        """The MDP as an archive for the browser."""
        return self._download(self.mdp, self._file_name())

    def __repr__(self) -> str:
        rows, columns = self.mdp.grid.shape  # type: ignore[union-attr]
        return f"GridworldExplorer({rows} x {columns}, gamma={self.gamma:g}, slip={self.slip:g}, alpha={self.alpha:g})"


def check_drawable(mdp: AnyMDP, name: str) -> None:
    """Raises ValueError, with the reason, unless an MDP can be drawn as a grid."""
    if mdp.grid is None:
        raise ValueError(
            f"{name} can't be drawn: its {mdp.S} states lie on no grid (mdp.grid is None). Gymnasium's FrozenLake and "
            "CliffWalking can; so can gridworld(...) and make_mdp(..., grid=Grid(...))."
        )
    if max(mdp.grid.shape) > LARGEST:
        rows, columns = mdp.grid.shape
        raise ValueError(f"{name} can't be drawn: it has {rows} x {columns} cells, expected at most {LARGEST} a side.")
    other = [move for move in mdp.grid.moves if move not in (*MOVES, STAY)]
    if other or len(mdp.grid.moves) != mdp.A:
        raise ValueError(
            f"{name} can't be drawn: its {mdp.A} actions move by {list(mdp.grid.moves)}, expected one move up, right, "
            "down or left, or none, for each action."
        )


def colour_range(V: np.ndarray) -> dict[str, Any]:
    """The colour scale of values: from or to 0 where all have one sign, otherwise centred at 0 in two hues."""
    low, high = min(float(V.min(initial=0)), 0.0), max(float(V.max(initial=0)), 0.0)
    tiny = 0.02 * max(-low, high)
    signed = -low > tiny and high > tiny
    if signed:
        high = max(-low, high)
        low = -high
    return {"low": low, "high": high if high > low else low + 1.0, "signed": signed}


def episode(mdp: AnyMDP, pi: np.ndarray, random: np.random.Generator, paid) -> tuple[np.ndarray, np.ndarray, str]:
    """States and rewards of one episode, and why it ended: "goal", "end" (it terminated) or "limit"."""
    stuck = never_left(mdp)
    s = int(random.choice(mdp.S, p=mdp.rho))
    states, rewards = [s], []
    while len(rewards) < LONGEST_WALK and not stuck[s]:
        a = int(random.choice(mdp.A, p=pi[s]))
        row = mdp.expect_adjoint(indicator(mdp, s, a))
        end = max(0.0, 1 - float(row.sum()))
        t = int(random.choice(mdp.S + 1, p=np.append(row, end) / (row.sum() + end)))
        rewards.append(paid(s, a, min(t, mdp.S - 1)))
        if t == mdp.S:
            return np.array(states), np.array(rewards), "end"
        s = t
        states.append(s)
    return np.array(states), np.array(rewards), "goal" if stuck[s] else "limit"


def indicator(mdp: AnyMDP, s: int, a: int) -> np.ndarray:
    """1 at (s, a) and 0 elsewhere, shape (S, A)."""
    mu = np.zeros((mdp.S, mdp.A))
    mu[s, a] = 1.0
    return mu
