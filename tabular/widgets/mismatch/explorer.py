"""The mismatch explorer: a model is learned, and one sees how well it predicts and how well it acts."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tabular.files import save
from tabular.mdp import MDP, AnyMDP
from tabular.widgets.controls import Choice, Download, Slider, Toggle, action
from tabular.widgets.explorer import Explorer
from tabular.widgets.mismatch.presets import PRESETS
from tabular.widgets.mismatch.run import LIVE, NUMBERS, Run, Snapshot, Truth, model_of, numbers
from tabular.widgets.mismatch.worlds import (
    EQUATIONS,
    MODELS,
    OBJECTIVES,
    OPTIMISTS,
    WORLDS,
    block_size,
    check_choice,
    checked_world,
    no_world,
    refused,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONGEST = 1500
"""Pictures of a run, after which it pauses for good."""
MOST_KEPT = 8


@dataclass(frozen=True)
class Kept:
    """A run that stays in the mismatch plane."""

    objective: str
    capacity: str
    kl: np.ndarray
    J: np.ndarray


class MismatchExplorer(Explorer):
    """Learn a model of an MDP in front of one's eyes: does it predict, and does its agent act well?

        explorer = MismatchExplorer(objective="omd_returns", kappa=2)
        explorer.train(1000)                explorer.J, explorer.divergence, explorer.snapshot.bounds
        explorer.kappa = 1                  projects the model, and goes on
        explorer.objective = "mle"          a new run from the same start; the old one stays in the mismatch plane

    A run without changes on the way is `tabular.fit` with one seed, to the last digit.

    Args:
      mdp: an MDP of one's own instead of the worlds: gamma < 1, and small enough to be drawn and trained live.
      values: the controls' first values.

    Raises:
      ValueError for an MDP that can't be used, a value out of range, or an objective that doesn't suit the world.
    """

    title = "Mismatch"
    scripts = ("board.js", "mismatch/pictures.js", "mismatch/front.js")
    presets = PRESETS

    world = Choice(
        "World", "two_state", {name: each.title for name, each in WORLDS.items()} | {"own": "Yours"}, group="world"
    )
    objective = Choice("Objective", "mle", OBJECTIVES, group="objective")
    model = Choice("Models", "norm", MODELS, group="model")
    kappa = Slider(
        "Norm bound", 2.0, low=0, high=60, step=0.05, symbol="κ", hint="Of all parameters together", group="capacity"
    )
    rank = Slider("Rank", 2, low=1, high=40, step=1, hint="Distributions that all rows mix", group="capacity")
    block = Slider("Block", 2, low=1, high=12, step=1, hint="Cells along a block that looks alike", group="capacity")
    rewards = Toggle("Learn rewards", True, hint="Off: the model is given the true ones", group="capacity")
    alpha = Slider(
        "Temperature",
        0.01,
        low=0.005,
        high=1,
        step=0.005,
        symbol="α",
        hint="The agent follows softmax(Q̂/α)",
        group="agent",
    )
    lr = Slider("Step size", 0.01, low=0.005, high=0.2, step=0.005, hint="Of Adam", group="agent")
    pace = Slider("Steps a picture", 10, low=1, high=100, step=1, group="agent")
    seed = Slider("Start", 1, low=0, high=99, step=1, hint="Seed of the random start", group="agent")
    difference = Choice(
        "Difference",
        "V",
        {"V": "Promise: V̂ − V*", "kl": "Surprise: KL", "loss": "Loss: V* − V of its policy"},
        group="view",
    )

    def __init__(self, *, mdp: AnyMDP | None = None, preset: str = "", **values):
        self.own = None if mdp is None else checked_world(mdp)
        self.kept: tuple[Kept, ...] = ()
        self.playing = False
        self._runs = 0
        super().__init__()
        if mdp is not None:
            grid = mdp.grid is not None
            values = {"world": "own", "model": "blocks" if grid else "norm", "rewards": False, "lr": 0.05} | values
        if preset:
            self.preset(preset)
        self.set(**values)
        self._beginning = self.state()

    # The answers

    @cached_property
    def true(self) -> MDP:
        """The true MDP."""
        if self.world == "own":
            if self.own is None:
                raise no_world(self.world)
            return self.own
        return WORLDS[self.world].make().to_dense()

    @cached_property
    def truth(self) -> Truth:
        """The true MDP, solved."""
        return Truth.of(self.true, self.alpha)

    @cached_property
    def run(self) -> Run:
        """The model being learned."""
        self._runs += 1
        return Run(self.truth, self.values)

    @property
    def snapshot(self) -> Snapshot:
        """The model as it is now."""
        return self.run.snapshots[-1]

    @property
    def J(self) -> float:
        """Return in the true MDP of the agent that plans in the model."""
        return self.snapshot.J

    @property
    def divergence(self) -> float:
        """Mean of KL(p || p_hat), in nats."""
        return self.snapshot.divergence

    @property
    def learned(self) -> MDP:
        """The model as an MDP."""
        return model_of(self.true, self.snapshot.P_hat, self.snapshot.r_hat)

    @property
    def capacity(self) -> str:
        """What limits the models, in words."""
        return capacity_text(self.true, self.values)

    # Training

    def train(self, steps: int) -> None:
        """Take this many steps, in pictures of `pace`. For use without a browser."""
        with self.together():
            if not self.run.begun:
                self.run.begin()
            stop = self.run.steps + steps
            while self.run.steps < stop and not self.run.over:
                self.run.advance(min(round(self.pace), stop - self.run.steps))

    @action()
    def toggle(self) -> None:
        """Train, or pause."""
        self.playing = not self.playing and not self._full

    @action()
    def pause(self) -> None:
        """Stop training; it goes on from here."""
        self.playing = False

    @action()
    def advance(self) -> None:
        """One more picture, while it plays. The first only draws the start: what is then compiled can be announced."""
        if not self.playing:
            return
        if not self.run.begun:
            self.run.begin()
        else:
            self.run.advance(round(self.pace))
        if self.run.over or self._full:
            self.playing = False

    @action("Step", key=".", hint="One picture", group="steps")
    def step(self) -> None:
        """One more picture."""
        self.playing = True
        self.advance()
        self.playing = False

    @action("Start again", key="b", hint="The same start, from its first step", group="steps")
    def again(self) -> None:
        """Back to before the first step."""
        self._forget("run")

    @action("Keep", key="k", hint="The path of this run stays in the plane", group="keep")
    def keep(self) -> None:
        """Keep the path of this run in the plane. Raises ValueError if it has none."""
        if len(self.run.snapshots) < 2:
            raise ValueError("there is no path to keep yet. Train first.")
        self._keep(self.run)

    @action("Clear", key="c", hint="Take kept runs out of the plane", group="keep")
    def clear(self) -> None:
        """Take all kept runs out of the plane."""
        self.kept = ()

    @property
    def working(self) -> bool:
        return self.playing

    @property
    def _full(self) -> bool:
        return len(self.run.snapshots) >= LONGEST

    # Controls

    def set(self, **values) -> None:
        """As `Explorer.set`. A new world comes with settings that suit it."""
        world = values.get("world", self.world)
        if world != self.world and world in WORLDS:
            values = WORLDS[world].settings | {"world": world} | values
            reasons = refused(WORLDS[world].make())
            if "objective" not in values and self.objective in reasons:
                values["objective"] = "mle"
        before, run = dict(self.values), vars(self).get("run")
        try:
            super().set(**values)
        except ValueError:
            self.values = before
            self._forget("true", "truth", "run")
            if run is not None:
                vars(self)["run"] = run
            raise

    def changed(self, names: set[str]) -> None:
        """A live control goes on with the run; another objective keeps its path; all else begins a new one."""
        run: Run | None = vars(self).get("run")
        if "world" in names:
            self._forget("true", "truth")
        check_choice(self.true, self.values)
        if "alpha" in names:
            self._forget("truth")
        capacity = {"norm": set(), "rank": {"rank"}, "blocks": {"block"}}[self.model]
        if "world" in names:
            self.kept = ()
            self._forget("run")
        elif run is not None and names & {"objective", "model", "rewards", "seed"} | names & capacity:
            if "objective" in names and len(run.snapshots) > 1:
                self._keep(run)
            self._forget("run")
        elif run is not None and names & LIVE:
            run.change(self.truth, self.values)

    def _keep(self, run: Run) -> None:
        kept = Kept(run.values["objective"], capacity_text(self.true, run.values), *run.path)
        self.kept = (*self.kept, kept)[-MOST_KEPT:]

    def _forget(self, *names: str) -> None:
        for name in names:
            vars(self).pop(name, None)

    def state(self) -> dict[str, Any]:
        """Controls and kept runs. A run itself isn't kept: it begins again."""
        return super().state() | {"kept": self.kept}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go to a state, before the first step."""
        rest = dict(state)
        kept = rest.pop("kept", ())
        with self.together():
            self.playing = False
            self._forget("run")
            self.set(**rest)
            self._forget("run")
            self.kept = kept

    def disabled(self) -> dict[str, str]:
        """Nothing to keep, or to clear."""
        reasons = {}
        run: Run | None = vars(self).get("run")
        if run is None or len(run.snapshots) < 2:
            reasons |= {"keep": "there is no path to keep yet. Train first.", "export_curves": "train first."}
        return reasons if self.kept else reasons | {"clear": "no run is kept."}

    # What is drawn

    def scene(self) -> dict[str, Any]:
        """The true MDP, the newest picture of the run, and the runs that were kept. The others come as `frames`."""
        run = self.run
        return {
            "true": true_scene(self.true, self.truth),
            "run": self._runs,
            "index": len(run.snapshots) - 1,
            "frame": frame_scene(run.snapshots[-1]),
            "names": list(NUMBERS),
            "best": self.truth.best,
            "uniform": self.truth.uniform,
            "worst": self.truth.worst,
            "kappa_top": WORLDS[self.world].largest_kappa if self.world in WORLDS else 60.0,
            "own": self.own is not None,
            "refused": refused(self.true),
            "optimist": self.objective in OPTIMISTS,
            "equation": EQUATIONS[self.objective],
            "capacity": self.capacity,
            "kept": [vars(each) for each in self.kept],
            "changes": [list(change) for change in run.changes],
            "begun": run.begun,
            "playing": self.playing,
            "status": self._status(),
            "preset": self.preset_name,
        }

    def frames(self) -> dict[str, Any]:
        """All pictures of the run."""
        frames = [frame_scene(each) for each in self.run.snapshots]
        return {name: np.stack([frame[name] for frame in frames]) for name in frames[0]} | {"run": self._runs}

    def _status(self) -> str:
        run = self.run
        if not run.begun:
            return (
                "Preparing: JAX is loaded, and the start is drawn …"
                if self.playing
                else "A model that has seen nothing: every successor equally likely."
            )
        if self.playing:
            compiling = "Compiling this kind of training: a few seconds, once …"
            return compiling if run.steps == 0 else "Training"
        if run.failed:
            return "The loss became infinite or NaN. Lower the step size, and start again."
        if run.over:
            return "The model has stopped moving."
        return f"A run ends after {LONGEST} pictures." if self._full else "Paused"

    def figure(self) -> Figure:
        """Truth and model, and the mismatch plane with the kept runs."""
        from tabular.widgets.mismatch.figure import drawn

        kept = [(OBJECTIVES[each.objective], each.capacity, each.kl, each.J) for each in self.kept]
        now = (OBJECTIVES[self.objective], self.capacity, *self.run.path)
        return drawn(self.truth, self.snapshot, [*kept, now])

    @action("Model", hint="Download the learned model (tabular.load reads it)", group="files")
    def export_model(self) -> Download:
        """The learned model as an archive for the browser."""
        with tempfile.TemporaryDirectory() as folder:
            content = save(self.learned, Path(folder) / "model.npz").read_bytes()
        return Download(f"{self._file_name()}-model.npz", "application/octet-stream", content)

    @action("Curves", hint="Download all curves of this run as CSV", group="files")
    def export_curves(self) -> Download:
        """All numbers of the run, a line for each picture."""
        table = io.StringIO()
        writer = csv.writer(table)
        writer.writerow(NUMBERS)
        writer.writerows([repr(float(x)) for x in numbers(each)] for each in self.run.snapshots)
        return Download(f"{self._file_name()}.csv", "text/csv", table.getvalue().encode())

    def __repr__(self) -> str:
        name = OBJECTIVES[self.objective]
        return f"MismatchExplorer({self.world}, {name}, {self.capacity}, alpha={self.alpha:g}, step {self.run.steps})"


def capacity_text(true: MDP, values: Mapping[str, Any]) -> str:
    """What limits the models, in words."""
    if values["model"] == "norm":
        return f"κ = {values['kappa']:g}"
    if values["model"] == "rank":
        return f"rank {min(round(values['rank']), true.S)}"
    size = block_size(true, values["block"])
    return f"blocks {size} × {size}"


def true_scene(true: MDP, truth: Truth) -> dict[str, Any]:
    """The true MDP and its soft-optimal answer: a map if it lies on a grid, otherwise a table."""
    base = {"V": truth.optimal.V, "pi": truth.optimal.pi, "S": true.S, "A": true.A, "r": true.r}
    if true.grid is None:
        states = [str(s) for s in true.states or (f"s{s}" for s in range(true.S))]
        actions = [str(a) for a in true.actions or (f"a{a}" for a in range(true.A))]
        return base | {"grid": None, "P": true.P, "states": states, "actions": actions}
    rows, columns = true.grid.shape
    at = np.full((rows, columns), -1, dtype=np.int32)
    at[tuple(np.array(true.grid.cells).T)] = np.arange(true.S)
    marks = {"#": true.grid.walls, "G": true.grid.goals, "S": true.grid.starts}
    cells = [(row, column) for row in range(rows) for column in range(columns)]
    kinds = "".join(next((mark for mark, where in marks.items() if cell in where), ".") for cell in cells)
    moves = [list(move) for move in true.grid.moves]
    return base | {"grid": {"rows": rows, "columns": columns, "state": at, "kinds": kinds, "moves": moves}}


def frame_scene(each: Snapshot) -> dict[str, Any]:
    """A picture: its numbers, and the model as a map or a table."""
    shown = {"numbers": numbers(each), "V_hat": each.V_hat, "pi": each.pi, "r_hat": each.r_hat}
    return shown | {"P_hat": each.P_hat, "V": each.V, "kl": each.kl, "backup": each.backup}
