"""The two-state explorer: all policies of a small MDP, and the polytope of their values."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tabular import polytope as geometry
from tabular.equivalence import q_equivalent_dimension
from tabular.evaluate import Evaluation, evaluate
from tabular.files import save
from tabular.mdp import MDP, AnyMDP, make_mdp
from tabular.polytope import Line, Polytope, is_value, policy_values
from tabular.soft import soft_solve
from tabular.solve import Solution, solve
from tabular.widgets.controls import Choice, Download, Slider, Toggle, action, finite, whole
from tabular.widgets.explorer import Explorer
from tabular.widgets.two_state import models
from tabular.widgets.two_state.models import Cloud, Learned
from tabular.widgets.two_state.presets import PRESETS
from tabular.widgets.two_state.scene import MOST_ACTIONS, check_shown, frame, new_names, outline, swept

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LARGEST_REWARD = 1000.0
MESH = {2: 8, 3: 5, 4: 4}
"""Steps of the grid of policies that is drawn, by the number of actions."""
FIELD = 25
"""Points a side at which the return is sampled over the square of policies."""
TICKS = 10
CLOUD = 50
PATHS = {"none": "None", "improvement": "Policy iteration", "values": "Value iteration", "soft": "Soft policies"}
MODELS = {"none": "None", "data": "From data", "other": "Other transitions", "equivalent": "Q*-equivalent"}
EDITED = ("mdp", "solution", "polytope", "mesh", "field", "soft_path", "learned")


class TwoStateExplorer(Explorer):
    """All policies of a 2-state MDP and their values: the value-function polytope (Dadashi et al. 2019).

        explorer = TwoStateExplorer(gamma=0.8)
        explorer.policy(0, [0.3, 0.7])          pi(.|s0)
        explorer.edit(0, 1, to=1, p=0.5)        P(s1 | s0, a1)
        explorer.mdp, explorer.V, explorer.polytope, explorer.learned

    Args:
      mdp: a 2-state MDP with 2 to 4 actions; the preset "first" if not given.
      values: the controls' first values: gamma, start, path, source, samples, eps ...

    Raises:
      ValueError for an MDP that has no polytope in the plane, or a value out of range.
    """

    title = "Two states"
    scripts = ("two_state/graph.js", "two_state/plane.js", "two_state/front.js")
    presets = PRESETS

    gamma = Slider(
        "Discount", 0.9, low=0, high=0.99, step=0.01, symbol="γ", hint="A reward k steps later counts γᵏ of its size"
    )
    start = Slider("Start in s0", 0.5, low=0, high=1, step=0.05, symbol="ρ", hint="J = ρ V(s0) + (1 − ρ) V(s1)")
    path = Choice("Path", "none", PATHS, group="view", hint="What an algorithm does, from the present policy on")
    mesh_shown = Toggle("Grid of policies", True, group="view")
    lines_shown = Toggle("Lines", True, group="view")
    source = Choice("Model", "none", MODELS, group="model")
    samples = Slider(
        "Transitions", 10, low=1, high=models.MOST_SAMPLES, step=1, hint="Seen of each state and action", group="data"
    )
    eps = Slider("Distance", 1.0, low=0, high=1, step=0.01, symbol="ε", hint="P̂ = (1 − ε) P + ε random", group="eps")

    def __init__(self, mdp: AnyMDP | None = None, *, preset: str = "first", **values):
        self._cloud: Cloud | None = None
        self._world = PRESETS["first"].state["world"]
        self.pi = np.full((2, 2), 0.5)
        self.seed = 0
        super().__init__()
        if mdp is None:
            self.preset(preset)
        else:
            self.show(mdp)
        self.set(**values)
        self._beginning = self.state()

    # The answers

    @cached_property
    def mdp(self) -> MDP:
        """The MDP, with the discount and the start of the sliders."""
        world = self._world
        made = make_mdp(
            world.P,
            world.r,
            gamma=self.gamma,
            rho=[self.start, 1 - self.start],
            states=world.states,
            actions=world.actions,
        )
        return made.to_dense()

    @property
    def names(self) -> tuple:
        """Names of the actions."""
        return tuple(self._world.actions or ())

    @cached_property
    def solution(self) -> Solution:
        """Its optimal values, with a certified error."""
        return solve(self.mdp)

    @cached_property
    def polytope(self) -> Polytope:
        """The values of all policies."""
        return geometry.polytope(self.mdp)

    @cached_property
    def mesh(self) -> np.ndarray:
        """Segments that cover it, shape (n, 2, 2)."""
        return geometry.mesh(self.mdp, MESH[self.mdp.A])

    @cached_property
    def evaluation(self) -> Evaluation:
        """Values, action values and return of the present policy."""
        return evaluate(self.mdp, self.pi)

    @property
    def V(self) -> np.ndarray:
        """Values of the present policy, shape (2,)."""
        return self.evaluation.V

    @property
    def J(self) -> float:
        """Its return."""
        return self.evaluation.J

    @cached_property
    def lines(self) -> tuple[Line, Line]:
        """How its values move when the policy changes in s0 only, and in s1 only."""
        return geometry.line(self.mdp, self.pi, 0, TICKS), geometry.line(self.mdp, self.pi, 1, TICKS)

    @cached_property
    def field(self) -> np.ndarray:
        """V of all policies on a grid, for two actions: shape (FIELD, FIELD, 2), axes pi(a0|s0), pi(a0|s1), V."""
        share = np.linspace(0, 1, FIELD)
        first = np.stack(np.meshgrid(share, share, indexing="ij"), -1).reshape(-1, 2)
        return policy_values(self.mdp, np.stack([first, 1 - first], -1)).reshape(FIELD, FIELD, 2)

    @cached_property
    def trail(self) -> np.ndarray:
        """The path chosen, as values, shape (k, 2)."""
        if self.path == "improvement":
            return policy_values(self.mdp, geometry.policy_iteration(self.mdp, self.pi))
        if self.path == "values":
            return swept(self.mdp, self.V, self.solution.V)
        return self.soft_path if self.path == "soft" else np.empty((0, 2))

    @cached_property
    def soft_path(self) -> np.ndarray:
        """Values of the soft-optimal policies, from a high temperature to a low one, shape (k, 2)."""
        size = float(np.ptp(self.mdp.r)) / (1 - self.gamma) or 1.0
        policies = [soft_solve(self.mdp, size * 10.0**power).pi for power in np.linspace(1.5, -3, 28)]
        return policy_values(self.mdp, np.stack(policies))

    @cached_property
    def learned(self) -> Learned | None:
        """The model chosen, and what planning in it costs."""
        if self.source == "none":
            return None
        if self.source == "data":
            model = models.most_likely(self.mdp, round(self.samples), self.seed)
        else:
            model = models.MODELS[self.source](self.mdp, self.eps, self.seed)
        return models.learned(self.mdp, model)

    # The policy

    @action()
    def policy(self, state: int, row) -> None:
        """The policy in one state: probabilities of the actions. Raises ValueError if they are none."""
        s = whole(state, "state", 0, 1)
        row = np.array([finite(p, f"pi[{s}]") for p in row])
        if len(row) != self.mdp.A or (row < 0).any() or abs(row.sum() - 1) > 1e-6:
            raise ValueError(
                f"pi[{s}] = {row.tolist()}, expected {self.mdp.A} probabilities, 0 or more, that sum to 1."
            )
        pi = self.pi.copy()
        pi[s] = row / row.sum()
        self._follow(pi)

    @action()
    def point(self, first) -> None:
        """Both states at once, for two actions: `pi(a0|s0)` and `pi(a0|s1)`. Raises ValueError outside 0 to 1."""
        share = np.array([finite(p, "pi(a0)") for p in first])
        if share.shape != (2,) or self.mdp.A != 2 or (share < 0).any() or (share > 1).any():
            raise ValueError(f"pi(a0|s) = {share.tolist()}, expected 2 probabilities of an MDP with 2 actions.")
        self._follow(np.stack([share, 1 - share], axis=1))

    @action()
    def towards(self, V) -> None:
        """The policy with these values or, where there is none, one near by. Raises ValueError unless they are 2."""
        target = np.array([finite(v, "V") for v in V])
        if target.shape != (2,):
            raise ValueError(f"V = {target.tolist()}, expected 2 numbers: the values of the two states.")
        self._follow(geometry.policy_at(self.mdp, target, self.pi))

    @action("Improve", key="i", hint="Jump to the greedy policy: a step of policy iteration", group="steps")
    def improve(self) -> None:
        """One step of policy iteration."""
        self._follow(geometry.improved(self.evaluation.Q, self.pi))

    @action("Best", key="b", hint="The optimal policy", group="steps")
    def best(self) -> None:
        """The optimal policy."""
        self._follow(self.solution.pi)

    @action("Even", key="e", hint="All actions alike", group="steps")
    def even(self) -> None:
        """All actions alike, in both states."""
        self._follow(np.full_like(self.pi, 1 / self.mdp.A))

    def _follow(self, pi: np.ndarray) -> None:
        self.pi = pi
        self._forget("evaluation", "lines", "trail")
        self.refresh()

    # The MDP

    @action()
    def edit(self, s: int, a: int, to: int | None = None, p: float | None = None, r: float | None = None) -> None:
        """Change `P(to | s, a)`, the other probability with it, or the reward. Raises ValueError out of range."""
        s, a = whole(s, "s", 0, 1), whole(a, "a", 0, self.mdp.A - 1)
        P, rewards = self._world.P.copy(), self._world.r.copy()
        if p is not None:
            t, share = whole(to, "to", 0, 1), finite(p, "p")
            if not 0 <= share <= 1:
                raise ValueError(f"P[{s}, {a}, {t}] = {share:g}, expected a probability from 0 to 1.")
            P[s, a, t], P[s, a, 1 - t] = share, 1 - share
        if r is not None:
            rewards[s, a] = finite(r, "r")
            if abs(rewards[s, a]) > LARGEST_REWARD:
                raise ValueError(
                    f"r[{s}, {a}] = {rewards[s, a]:g}, expected at most {LARGEST_REWARD:g} up or down: multiply all "
                    "rewards by a smaller number, which changes no policy."
                )
        self._rebuild(P, rewards, self.names)

    @action("Add", hint="One more action in both states", group="actions")
    def add_action(self) -> None:
        """One more action in both states: to either state alike, at reward 0; no policy takes it yet."""
        world, A = self._world, self.mdp.A
        P = np.concatenate([world.P, np.full((2, 1, 2), 0.5)], axis=1)
        self.pi = np.column_stack([self.pi, np.zeros(2)])
        self._rebuild(P, np.column_stack([world.r, np.zeros(2)]), new_names(self.names, A))

    @action("Remove", hint="Remove the last action", group="actions")
    def remove_action(self) -> None:
        """Remove the last action; a policy that took it for certain becomes even."""
        world, rest = self._world, self.pi[:, :-1]
        mass = rest.sum(1, keepdims=True)
        self.pi = np.where(mass > 0, rest / np.where(mass > 0, mass, 1.0), 1 / rest.shape[1])
        self._rebuild(world.P[:, :-1], world.r[:, :-1], self.names[:-1])

    def _rebuild(self, P: np.ndarray, r: np.ndarray, actions: tuple) -> None:
        self._look_at(make_mdp(P, r, gamma=0.0, states=self._world.states, actions=actions).to_dense())
        self.refresh()

    def show(self, mdp: AnyMDP, name: str = "This MDP") -> None:
        """Look at another MDP. Raises ValueError if it has no polytope in the plane, or too many actions."""
        check_shown(mdp, name)
        with self.together():
            self.set(gamma=mdp.gamma, start=float(mdp.rho[0]))
            self.preset_name = ""
            self.pi = np.full((2, mdp.A), 1 / mdp.A)
            self._look_at(mdp.to_dense())

    def _look_at(self, world: MDP) -> None:
        names = {"states": world.states or ("s0", "s1"), "actions": world.actions or new_names((), 0, world.A)}
        self._world = make_mdp(world.P, world.r, gamma=0.0, **names).to_dense()
        self._changed_world()

    def _changed_world(self) -> None:
        self._cloud = None
        self._forget(*EDITED, "evaluation", "lines", "trail")

    # The model

    @action("New draw", key="n", hint="Other data, or another random model", group="draw")
    def draw(self) -> None:
        """Other data, or another random model."""
        self.choose(self.seed + 1)

    @action()
    def choose(self, seed: int) -> None:
        """The model of this seed."""
        self.seed = whole(seed, "seed", 0, 10**9)
        self._forget("learned")
        self.refresh()

    @action(
        "Draw 50", key="m", hint="Fifty models at once: their likelihood, and what planning in them costs", group="draw"
    )
    def scatter(self) -> None:
        """Fifty pairs of models: the same transitions with the true rewards, and with those that make up for them."""
        self._cloud = models.cloud(self.mdp, self.eps, np.arange(self.seed, self.seed + CLOUD))
        self.refresh()

    # What is drawn

    def scene(self) -> dict[str, Any]:
        """The MDP, the present policy and its lines, the polytope, the path, and the model beside it."""
        mdp, found, value = self.mdp, self.solution, self.evaluation
        return {
            "states": [str(state) for state in mdp.states or ()],
            "actions": [str(name) for name in self.names],
            "P": mdp.P,
            "r": mdp.r,
            "pi": self.pi,
            "V": value.V,
            "Q": value.Q,
            "J": value.J,
            "best": {"V": found.V, "error": found.error},
            "polytope": outline(self.polytope),
            "mesh": self.mesh if self.mesh_shown else np.empty((0, 2, 2)),
            "lines": [{"V": line.V, "pi": line.pi[:, s, 0]} for s, line in enumerate(self.lines)],
            "field": (self.field @ mdp.rho).astype(np.float32) if mdp.A == 2 else None,
            "path": self._path_scene(),
            "model": self._model_scene(),
            "cloud": self._cloud_scene(),
            "range": frame(self._visible()),
            "preset": self.preset_name,
        }

    def _visible(self) -> np.ndarray:
        """All points that the frame has to hold, shape (n, 2)."""
        points = [self.polytope.V, self.trail]
        if self.learned is not None:
            points.append(geometry.polytope(self.learned.mdp).V)
        return np.concatenate(points)

    def _path_scene(self) -> dict[str, Any]:
        outside = (
            [not is_value(self.mdp, V) for V in self.trail] if self.path == "values" else [False] * len(self.trail)
        )
        return {"V": self.trail, "outside": np.array(outside, dtype=np.uint8)}

    def _model_scene(self) -> dict[str, Any] | None:
        found = self.learned
        if found is None:
            return None
        polytope = geometry.polytope(found.mdp)
        return {
            "polytope": outline(polytope),
            "P": found.mdp.P,
            "r": found.mdp.r,
            "V": policy_values(found.mdp, self.pi[None])[0],
            "best": found.solution.V,
            "J": found.solution.J,
            "plan": found.solution.action.astype(np.int32),
            "plan_V": found.plan_V,
            "plan_J": float(self.mdp.rho @ found.plan_V),
            "loss": max(found.loss, 0.0) if abs(found.loss) > 1e-12 else 0.0,
            "q_error": found.q_error,
            "kl": found.kl if np.isfinite(found.kl) else None,
            "dimension": q_equivalent_dimension(self.mdp),
            "parameters": 2 * 2 * self.mdp.A,
            "seed": self.seed,
        }

    def _cloud_scene(self) -> dict[str, Any] | None:
        drawn = self._cloud
        if drawn is None or self.source not in models.MODELS:
            return None
        return {"seeds": drawn.seeds.astype(np.int32), "kl": drawn.kl, **drawn.loss}

    def figure(self) -> Figure:
        """The graph, and the polytope with the present policy."""
        import matplotlib.pyplot as plt

        from tabular import plot

        figure, axes = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained", width_ratios=(1, 1.15))
        plot.mdp(
            self.mdp, self.solution.Q, ax=axes[0], title=f"γ = {self.gamma:g}, optimal return {self.solution.J:.4f}"
        )
        model = None if self.learned is None else self.learned.mdp
        title = PRESETS[self.preset_name].title if self.preset_name else None
        plot.polytope(self.mdp, self.pi, model=model, path=self.trail, ax=axes[1], title=title)
        return figure

    # State

    def changed(self, names: set[str]) -> None:
        """Forget what depends on these controls."""
        if names & {"gamma", "start"}:
            self._changed_world()
        if names & {"source", "samples", "eps"}:
            self._forget("learned")
        if "eps" in names:
            self._cloud = None
        if "path" in names:
            self._forget("trail")

    def _forget(self, *names: str) -> None:
        for name in names:
            vars(self).pop(name, None)

    def disabled(self) -> dict[str, str]:
        """What makes no sense now."""
        reasons = {}
        if len(self.names) >= MOST_ACTIONS:
            reasons["add_action"] = f"there are {MOST_ACTIONS} actions already, more can't be drawn."
        if len(self.names) <= 2:
            reasons["remove_action"] = "with one action there is one policy: a point."
        if self.source == "none":
            reasons["draw"] = "no model is shown."
        if self.source not in models.MODELS:
            reasons["scatter"] = "it compares models with other transitions: choose one of these two first."
        return reasons

    def state(self) -> dict[str, Any]:
        """Controls, the MDP, the policy, and the seed of the model."""
        return super().state() | {"world": self._world, "pi": self.pi, "seed": self.seed}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go to a state. Without a policy in it, the even one."""
        rest = dict(state)
        world = rest.pop("world", self._world)
        pi = rest.pop("pi", np.full((2, world.A), 1 / world.A))
        self.seed = rest.pop("seed", 0)
        with self.together():
            self.pi = np.array(pi, dtype=float)
            self._look_at(world)
            self.set(**rest)

    @action("MDP", hint="Download the MDP (tabular.load reads it)", group="files")
    def export_mdp(self) -> Download:
        """The MDP as an archive for the browser."""
        with tempfile.TemporaryDirectory() as folder:
            content = save(self.mdp, Path(folder) / "mdp.npz").read_bytes()
        return Download(f"{self._file_name()}.npz", "application/octet-stream", content)

    def __repr__(self) -> str:
        return f"TwoStateExplorer({self.mdp.A} actions, gamma={self.gamma:g}, V={np.round(self.V, 4).tolist()})"
