"""The dynamics explorer: the optimistic model of MnM beside the truth, what it pays for, and what its policy gets."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tabular import optimism
from tabular.mdp import AnyMDP, make_mdp, one_hot
from tabular.solve import Solution, solve
from tabular.widgets.controls import Choice, Download, Slider, Toggle, action
from tabular.widgets.drawing import Drawing
from tabular.widgets.dynamics.dream import (
    Dream,
    Price,
    Successors,
    dream,
    exact_divergence,
    rounds,
    successors,
    value_of,
)
from tabular.widgets.dynamics.presets import PRESETS
from tabular.widgets.dynamics.walks import arrivals, horizon, walks
from tabular.widgets.dynamics.world import check_drawing, paying_mdp
from tabular.widgets.mapped import MapExplorer, states_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NO_LIMIT = 10.0
"""The slider of the limit at this end: log ratios are not clipped."""
ROUNDS = 30
METHODS = {"mnm": "MnM", "vmbpo": "VMBPO"}
SHADES = {"price": "KL", "promise": "Promised", "truth": "True", "gap": "Difference"}
MOVES = {"policy": "Policy", "up": "↑", "right": "→", "down": "↓", "left": "←"}
UNPAID = "without the classifier nothing is paid for divergence. Switch it on."


class DynamicsExplorer(MapExplorer):
    """Draw a grid world, and see which dynamics an optimist would like it to have, and what they cost.

        explorer = DynamicsExplorer("S.#.\\n...G", slip=0.3, gamma=0.9)
        explorer.dream.V, explorer.dream.q, explorer.KL     what is promised, by which model, at what divergence
        explorer.truth, explorer.agents                     what its policy gets; the same for three agents

    Every step in a cell pays the cell's reward, or `base` where it has none; goals are never left. The agent maximises

        MnM     E_q sum_t gamma^t [ (1 - gamma) log(r / (1 - gamma)) - w KL(q || p) ]  <=  log J  for w >= gamma
        VMBPO   E_q sum_t gamma^t [ r - w KL(q || p) ],        at its maximum  >=  J

    over the model q and the policy (Eysenbach et al. 2021, eq. 2 and 3; Chow et al. 2020 with w = 1 / eta), all rewards
    times `scale`. KL is what a perfect classifier of real and imagined transitions reports, its logits clipped to
    +-`limit`; without the classifier nothing is paid, and every move ends where it is best to be.

    Args:
      text: a map as in `tabular.gridworld`; a preset if there is none.
      rewards, absorbing: what the cells pay and the characters that are never left, as in `tabular.gridworld`.
      values: the controls' first values: gamma, slip, base, scale, method, classifier, price, limit, shade, move.

    Raises:
      ValueError for a map that can't be read, a negative reward, or a value out of range.
    """

    title = "Optimistic dynamics"
    scripts = ("board.js", "editor.js", "dynamics/charts.js", "dynamics/layers.js", "dynamics/front.js")
    presets = PRESETS

    gamma = Slider(
        "Discount", 0.9, low=0.5, high=0.98, step=0.01, symbol="γ", hint="A reward k steps later counts γᵏ of its size"
    )
    slip = Slider("Slip", 0.3, low=0, high=1, step=0.05, hint="Probability that a move goes off at a right angle")
    base = Slider(
        "Pay elsewhere", 0.01, low=0.001, high=1, step=0.001, symbol="r₀", hint="Reward of cells that have none"
    )
    scale = Slider("Reward scale", 1.0, low=0.1, high=50, step=0.1, symbol="c", hint="All rewards times c")
    method = Choice("Objective", "mnm", METHODS, group="method")
    classifier = Toggle("Classifier", True, hint="Off: nothing is paid for divergence", group="classifier")
    price = Slider(
        "Price of a nat",
        1.0,
        low=0.05,
        high=2,
        step=0.05,
        symbol="w",
        hint="MnM: 1 in the paper, a bound from γ on. VMBPO: 1/η",
        group="dream",
    )
    limit = Slider(
        "Limit of logits",
        NO_LIMIT,
        low=0.25,
        high=NO_LIMIT,
        step=0.25,
        symbol="L",
        hint="The classifier's log p/q is clipped to ±L; at 10 it isn't. Label smoothing 1/(1 + e^L) bounds it too",
        group="dream",
    )
    shade = Choice("Shade", "price", SHADES, group="view")
    move = Choice("Arrows of", "policy", MOVES, group="arrows")
    numbers = Toggle("Numbers", False, group="numbers")

    def __init__(
        self,
        text: str | None = None,
        *,
        rewards: Mapping[str, float] | None = None,
        absorbing: str = "G",
        preset: str = "first",
        seed: int = 0,
        **values,
    ):
        self.drawing = PRESETS["first"].state["drawing"]
        self._past: list[Drawing] = []
        self._runs = 0
        self._walks: dict[str, Any] | None = None
        self._random = np.random.default_rng(seed)
        self._warm: dict[str, tuple[tuple, np.ndarray]] = {}
        super().__init__()
        if text is not None:
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
        """The true MDP: a step in a cell pays what the cell pays, times `scale`."""
        return paying_mdp(self.drawing, gamma=self.gamma, slip=self.slip, base=self.base, scale=self.scale)

    @cached_property
    def world(self) -> Successors:
        """Its dynamics, row by row."""
        return successors(self.mdp)

    @cached_property
    def objective_reward(self) -> np.ndarray:
        """The objective's reward, shape (S, A)."""
        return (optimism.mnm(self.mdp) if self.method == "mnm" else optimism.vmbpo(self.mdp)).reward

    @cached_property
    def best(self) -> Solution:
        """The optimal policy in truth."""
        found = solve(self.mdp, start=self._start("best"))
        self._keep("best", found.V)
        return found

    @cached_property
    def paying(self) -> Dream:
        """The optimum of the objective with its price."""
        found = dream(self.world, self.objective_reward, self.paid_price, self._start(f"paying {self.method}"))
        self._keep(f"paying {self.method}", found.V)
        return found

    @cached_property
    def free(self) -> Dream:
        """The optimum without a price: every move ends where it is best to be."""
        found = dream(self.world, self.objective_reward, Price(0.0), self._start(f"free {self.method}"))
        self._keep(f"free {self.method}", found.V)
        return found

    @property
    def paid_price(self) -> Price:
        """What divergence costs while the classifier is on."""
        return Price(self.price, None if self.limit == NO_LIMIT else self.limit)

    @property
    def dream(self) -> Dream:
        """The agent shown."""
        return self.paying if self.classifier else self.free

    @property
    def pi(self) -> np.ndarray:
        """Its policy, shape (S, A)."""
        return one_hot(self.dream.action, self.mdp.A)

    @cached_property
    def KL(self) -> np.ndarray:
        """Divergence of its model from the truth, `KL(q || p)` in nats, shape (S, A)."""
        return exact_divergence(self.world.p, self.dream.q)

    @property
    def moves(self) -> np.ndarray:
        """The action of each state whose arrows are drawn, shape (S,)."""
        chosen = self.dream.action
        return chosen if self.move == "policy" else np.where(self.ends, chosen, list(MOVES).index(self.move) - 1)

    @property
    def shades(self) -> dict[str, np.ndarray]:
        """What the colours of the cells may show, each of shape (S,)."""
        price = self.KL[np.arange(self.mdp.S), self.moves]
        return {"price": price, "promise": self.dream.V, "truth": self.truth, "gap": self.truth - self.dream.V}

    @cached_property
    def gets(self) -> dict[str, np.ndarray]:
        """True values of three policies, each of shape (S,): who knows the truth, who pays for a dream, who doesn't."""
        dreamers = {"paying": self.paying, "free": self.free}
        policies = {name: one_hot(found.action, self.mdp.A) for name, found in dreamers.items()}
        values = {name: value_of(self.world, self.world.p, pi, self.mdp.r) for name, pi in policies.items()}
        return {"truth": self.best.V} | values

    @property
    def truth(self) -> np.ndarray:
        """What the policy shown gets, shape (S,), in the units of its promise: log J for MnM, J for VMBPO."""
        return self._units(self.gets["paying" if self.classifier else "free"])

    @cached_property
    def agents(self) -> list[dict[str, Any]]:
        """What each of the three promises and gets from the start, and its share of the best return."""
        rho = self.mdp.rho
        promised = {"truth": self._units(self.best.J), "paying": rho @ self.paying.V, "free": rho @ self.free.V}
        returns = {name: rho @ V for name, V in self.gets.items()}
        return [
            {
                "name": name,
                "promise": float(promised[name]),
                "gets": float(self._units(J)),
                "share": float(J / self.best.J),
            }
            for name, J in returns.items()
        ]

    def discounted(self, nats: np.ndarray) -> float:
        """`E_q sum_t gamma^t` of nats (S, A) along the dream, from the start."""
        return float(self.mdp.rho @ value_of(self.world, self.dream.q, self.pi, nats))

    @property
    def is_lower_bound(self) -> bool:
        """Whether the promise can't be above log J: MnM that pays the whole divergence, at w >= gamma."""
        full = self.classifier and self.paid_price.limit is None
        return self.method == "mnm" and full and self.price >= self.gamma

    def optimistic(self) -> AnyMDP:
        """The MDP of the dream: dynamics q, and the true rewards."""
        mdp = self.mdp
        return make_mdp(self.world.whole(self.dream.q), mdp.r, gamma=mdp.gamma, rho=mdp.rho, grid=mdp.grid)

    def _units(self, J):
        return np.log(J) if self.method == "mnm" else J

    def _start(self, name: str) -> np.ndarray | None:
        """The last answer of this kind, cell by cell, to start from."""
        if name not in self._warm:
            return None
        cells, V = self._warm[name]
        if cells == self.mdp.grid.cells:  # type: ignore[union-attr]
            return V
        values = dict(zip(cells, V, strict=True))
        return np.array([values.get(cell, float(V.min())) for cell in self.mdp.grid.cells])  # type: ignore[union-attr]

    def _keep(self, name: str, V: np.ndarray) -> None:
        self._warm[name] = (self.mdp.grid.cells, V)  # type: ignore[union-attr]

    # Walking

    @action("Walk", key="a", hint="The policy in the dream and in truth, with the same luck", group="agent")
    def walk(self) -> None:
        """One walk in the dream and one in truth from the same start, with the same random numbers."""
        cells = np.array(self.mdp.grid.cells, dtype=np.int32)  # type: ignore[union-attr]
        action, ends = self.dream.action, self.ends
        start = int(self._random.choice(self.mdp.S, p=self.mdp.rho))
        pair = walks(self.world, self.dream.q, action, ends, start, self._random)
        number = 1 if self._walks is None else self._walks["number"] + 1
        self._walks = {"number": number} | {
            name: {"cells": cells[path], "over": self._over(path[-1])} for name, path in pair.items()
        }
        self.refresh()

    @property
    def ends(self) -> np.ndarray:
        """Mask (S,) of the cells that are never left."""
        return self.drawing.kinds[tuple(np.array(self.mdp.grid.cells).T)] == "G"  # type: ignore[union-attr]

    @property
    def goals(self) -> np.ndarray:
        """Mask (S,) of those that pay more than `base`; the others are pits."""
        pays = self.drawing.rewards[tuple(np.array(self.mdp.grid.cells).T)]  # type: ignore[union-attr]
        return self.ends & (pays > self.base)

    def _over(self, s: int) -> str:
        return "goal" if self.goals[s] else "pit" if self.ends[s] else "limit"

    @cached_property
    def arriving(self) -> dict[str, np.ndarray]:
        """Probability of having reached a goal and a pit after t steps, in truth and in the dream."""
        models = {"truth": self.world.p, "dream": self.dream.q}
        goals, pits = self.goals, self.ends & ~self.goals
        found = {
            name: arrivals(self.world.chain(q, self.pi), self.mdp.rho, np.stack([goals, pits], axis=1))
            for name, q in models.items()
        }
        T = horizon([curve[:, 0] for curve in found.values()])
        return {f"{name}_{what}": found[name][:T, k] for name in models for k, what in enumerate(("goal", "pit"))}

    # What is drawn

    def scene(self) -> dict[str, Any]:
        """Map, true and optimistic dynamics, values, and what three agents promise and get."""
        mdp, shown = self.mdp, self.dream
        rows, columns = self.drawing.shape
        return {
            "rows": rows,
            "columns": columns,
            "state": states_of(mdp),
            "kinds": self.drawing.text.replace("\n", ""),
            "rewards": self.drawing.rewards,
            "moves": [list(move) for move in mdp.grid.moves],  # type: ignore[union-attr]
            "stuck": self.ends.astype(np.uint8),
            "goals": self.goals.astype(np.uint8),
            "cells": np.array(mdp.grid.cells, dtype=np.int32),  # type: ignore[union-attr]
            "index": self.world.index.astype(np.int32),
            "p": self.world.p,
            "q": shown.q,
            "KL": self.KL,
            "charge": shown.charge,
            "V": shown.V,
            "truth": self.truth,
            "action": shown.action.astype(np.int32),
            "scales": self._scales(),
            "agents": self.agents,
            "spent": self.discounted(shown.charge),
            "diverges": self.discounted(self.KL),
            "weight": self.price if self.classifier else 0.0,
            "bound": self.is_lower_bound,
            "verdict": self._verdict(),
            "arriving": self.arriving,
            "walk": self._walks,
            "run": self._runs,
            "preset": self.preset_name,
            "undo": len(self._past),
        }

    def _scales(self) -> dict[str, dict[str, Any]]:
        """Colour scales of the shades; promise and truth share one."""
        shades = self.shades
        both = np.append(shades["promise"], shades["truth"])
        values = {"low": float(both.min()), "high": float(max(both.max(), both.min() + 1e-9)), "signed": False}
        price = float(shades["price"].max())
        gap = max(float(abs(shades["gap"]).max()), 1e-9)
        return {
            "price": {"low": 0.0, "high": price if price > 1e-9 else 1.0, "signed": False, "map": "warm"},
            "promise": values,
            "truth": values,
            "gap": {"low": -gap, "high": gap, "signed": True},
        }

    def _verdict(self) -> str:
        """What theory says of the promise."""
        if self.method == "vmbpo":
            return "At its best model VMBPO promises at least what any policy gets: an upper bound."
        if self.is_lower_bound:
            return "A lower bound: no model and no policy promises more than log J."
        if not self.classifier:
            return "Nothing is paid: no bound. Many actions tie; the likeliest is taken."
        if self.paid_price.limit is not None:
            return "Clipped logits don't see all of the divergence: no bound."
        return "A price below γ is too low: no bound."

    def frames(self) -> dict[str, Any]:
        """The rounds of the alternating maximisation from q = p and a uniform policy; the last frame is the optimum."""
        price = self.paid_price if self.classifier else Price(0.0)
        found = list(rounds(self.world, self.objective_reward, price, most=ROUNDS))
        truth = [self._units(value_of(self.world, self.world.p, each.pi, self.mdp.r)) for each in found]
        limit = self.dream
        V = np.stack([each.V for each in found] + [limit.V])
        truth = np.stack([*truth, self.truth])
        KL = [exact_divergence(self.world.p, each.q) for each in found] + [self.KL]
        return {
            "V": V.astype(np.float32),
            "truth": truth.astype(np.float32),
            "q": np.stack([each.q for each in found] + [limit.q]).astype(np.float32),
            "KL": np.stack(KL).astype(np.float32),
            "action": np.stack([each.action for each in found] + [limit.action]).astype(np.int32),
            "promise": V @ self.mdp.rho,
            "gets": truth @ self.mdp.rho,
            "labels": [f"round {k}" if k else "q = p, a random policy" for k in range(len(found))] + ["the optimum"],
        }

    def figure(self) -> Figure:
        """The map with true and optimistic dynamics, and what is promised and gotten."""
        from tabular.widgets.dynamics.figure import draw

        return draw(self)

    # State

    def redrawn(self) -> None:
        """Forget everything."""
        self._forget("mdp", "world", "best")

    def changed(self, names: set[str]) -> None:
        """Forget what depends on these controls."""
        if names & {"gamma", "slip", "base", "scale"}:
            self._forget("mdp", "world", "best")
        elif names & {"method", "classifier", "price", "limit"}:
            self._forget()

    def _forget(self, *names: str) -> None:
        for name in (*names, "objective_reward", "paying", "free", "KL", "gets", "agents", "arriving"):
            vars(self).pop(name, None)
        self._walks = None
        self._runs += 1

    def _draw(self, drawing: Drawing) -> None:
        check_drawing(drawing)
        super()._draw(drawing)

    def disabled(self) -> dict[str, str]:
        """Without the classifier there is no price."""
        return super().disabled() | ({} if self.classifier else dict.fromkeys(("price", "limit"), UNPAID))

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go to a state."""
        with self.together():
            self.set(classifier=True)
            super().restore(state)

    @action("MDP", hint="Download the true MDP (tabular.load reads it)", group="files")
    def export_mdp(self) -> Download:
        """The true MDP as an archive for the browser."""
        return self._download(self.mdp, self._file_name())

    @action("Dream", hint="Download the MDP with the optimistic dynamics (tabular.load reads it)", group="files")
    def export_dream(self) -> Download:
        """The MDP with the optimistic dynamics as an archive for the browser."""
        return self._download(self.optimistic(), f"{self._file_name()}-dream")

    def __repr__(self) -> str:
        rows, columns = self.drawing.shape
        price = f"w={self.price:g}" if self.classifier else "no classifier"
        return f"DynamicsExplorer({rows} x {columns}, {METHODS[self.method]}, {price}, slip={self.slip:g})"
