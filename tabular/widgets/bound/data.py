"""Bounds on MDPs of one's own: a model beside its truth, and models learned from more and more trials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from tabular.counts import certificate, weissman_radius
from tabular.counts.counting import Counts
from tabular.mdp import MDP, AnyMDP, make_mdp, with_changes
from tabular.mismatch import Bound, bounds, require_alike, sharp_bound
from tabular.solve import solve
from tabular.widgets.bound.batch import optimal_q, policy_values
from tabular.widgets.bound.family import Family, Line, Sides, Values, rows

LARGEST = 40
"""States at most: everything is solved again while a slider moves."""
TRIALS = np.round(np.linspace(1.0, 5.0, 41), 1)
"""Logarithms of the numbers of trials."""
REPEATS = 40
"""How often the whole trial is simulated."""
DRAWN = 6
"""Rows of an instance that are drawn: those with the largest errors."""


def check_size(mdp: AnyMDP, name: str) -> None:
    """Raises ValueError unless an MDP is small enough, endless and has a discount below 1."""
    if mdp.S > LARGEST:
        raise ValueError(f"{name} has {mdp.S} states, expected at most {LARGEST}: it is solved as sliders move.")
    if mdp.gamma > 0.99:
        raise ValueError(f"{name}.gamma = {mdp.gamma:g}, expected at most 0.99, the end of the slider.")


# A model beside its truth


@dataclass(frozen=True)
class Blend:
    """Models on the way from the truth to a model: `(1 - t) P + t P_model`, and the same for rewards."""

    true: MDP
    model: MDP

    @classmethod
    def of(cls, true: AnyMDP, model: AnyMDP) -> Blend:
        """Raises ValueError if the two can't be compared or are too large."""
        for mdp, name in ((true, "true"), (model, "model")):
            check_size(mdp, name)
        require_alike(true, model)
        return cls(true.to_dense(), model.to_dense())

    def at(self, t: float, gamma: float) -> tuple[AnyMDP, AnyMDP]:
        """The truth and the model at t, at a discount."""
        true, end = self.true, self.model
        r = np.where(true.feasible, true.r, 0.0) * (1 - t) + np.where(true.feasible, end.r, 0.0) * t
        blend = make_mdp(
            (1 - t) * true.P + t * end.P,
            np.where(true.feasible, r, -np.inf),
            gamma=gamma,
            rho=true.rho,
            terminating=true.terminating or end.terminating,
            states=true.states,
            actions=true.actions,
        )
        return with_changes(true, gamma=gamma), blend

    def found(self, x: Values) -> list[tuple[Bound, ...]]:
        """`mismatch.bounds` of every instance."""
        return [bounds(*self.at(float(t), float(gamma))) for t, gamma in zip(x["blend"], x["gamma"], strict=True)]

    def trivial(self, gamma: np.ndarray) -> np.ndarray:
        """Range of both rewards (and of an end, which pays 0) over 1 - gamma."""
        ends = [0.0] if self.true.terminating or self.model.terminating else []
        rewards = np.concatenate([*(mdp.r[mdp.feasible] for mdp in (self.true, self.model)), ends])
        return np.ptp(rewards) / (1 - gamma)

    def q_sides(self, x: Values) -> Sides:
        """Bounds 1, 2, 4 and 5 on the error of Q."""
        below, backup, _, sharp, likelihood, *_ = zip(*self.found(x), strict=True)
        return {
            "true": np.array([bound.lhs for bound in backup]),
            "trivial": self.trivial(x["gamma"]),
            "likelihood": _right(likelihood),
            "sharp": _right(sharp),
            "backup": _right(backup),
            "below": np.array([bound.lhs for bound in below]),
        }

    def loss_sides(self, x: Values) -> Sides:
        """Bounds 6 to 9 on the return lost."""
        *_, values, backup, sharp, likelihood = zip(*self.found(x), strict=True)
        return {
            "true": np.array([bound.lhs for bound in values]),
            "trivial": self.trivial(x["gamma"]),
            "likelihood": _right(likelihood),
            "sharp": _right(sharp),
            "values": _right(values),
            "backup": _right(backup),
        }

    def drawn(self, values: Mapping[str, float]) -> dict[str, Any]:
        """The rows with the largest errors."""
        true, model = (mdp.to_dense() for mdp in self.at(values["blend"], values["gamma"]))
        return worst_rows(true, model)

    def families(self) -> dict[str, Family]:
        """The error of Q, and the return lost."""
        both: dict[str, Any] = {
            "statement": "Your true MDP and your model. At t = 0 the model is the truth, at t = 1 it is yours, and "
            "between them probabilities and rewards are mixed.",
            "parameters": ("blend", "gamma"),
            "instance": self.drawn,
            "pair": lambda values: self.at(values["blend"], values["gamma"]),
        }
        likelihood = {
            "likelihood": Line("likelihood", "εᵣ/(1−γ) + γ εₚ R / (2(1−γ)²)", "Theorem 2 (i), range of rewards"),
            "sharp": Line("likelihood, sharp", "(εᵣ + γ εₚ R/(2(1−γ))) / (1−γ+γ εₚ/2)", "derived here"),
        }
        of_q = likelihood | {
            "backup": Line("one backup", "ε / (1−γ)", "Nikishin et al. 2021, Theorem 2 (ii)"),
            "below": Line("from below", "ε / (1+γ)", "derived here", below=True),
        }
        of_loss = {name: Line(line.label, f"2 × {line.equation}", line.source) for name, line in likelihood.items()}
        of_loss |= {
            "values": Line("error of Q̂", "2 max |Q* − Q̂| / (1−γ)", "Singh & Yee 1994"),
            "backup": Line("one backup", "2ε / (1−γ)", "residual bound, for π* and for π̂"),
        }
        return {
            "pair": Family("Your model: Q", "max |Q* − Q̂|", lines=of_q, sides=self.q_sides, **both),
            "pair_loss": Family("Your model: loss", "J* − J(π̂)", lines=of_loss, sides=self.loss_sides, **both),
        }


def _right(found: tuple[Bound, ...]) -> np.ndarray:
    return np.array([bound.rhs for bound in found])


def worst_rows(true: MDP, model: MDP, title: str = "") -> dict[str, Any]:
    """The state-action pairs with the largest errors of P, drawn row by row."""
    s, a = np.nonzero(true.feasible)
    off = abs(true.P - model.P)[s, a].sum(1) + abs(true.r[s, a] - model.r[s, a])
    worst = np.sort(np.argsort(-off, kind="stable")[:DRAWN])
    s, a = s[worst], a[worst]
    states = [str(label) for label in true.states or (f"s{i}" for i in range(true.S))]
    actions = [str(label) for label in true.actions or (f"a{j}" for j in range(true.A))]
    names = [f"{states[i]}, {actions[j]}" for i, j in zip(s, a, strict=True)]
    shown = title or ("All rows" if len(off) <= DRAWN else f"The {DRAWN} rows with the largest errors of {len(off)}")
    return rows(names, (true.r[s, a], true.P[s, a]), (model.r[s, a], model.P[s, a]), states, shown)


# Models learned from trials


@dataclass
class Trials:
    """Every state and action is tried n times, and the model is what was counted. Rewards are known.

    The whole trial is simulated 40 times; with more trials each goes on from what it has already.
    """

    true: MDP
    robust: dict[tuple[int, float], float] = field(default_factory=dict)
    """Loss bounds of `counts.certificate` found so far, by number of trials and delta."""

    @classmethod
    def of(cls, true: AnyMDP) -> Trials:
        """Raises ValueError for an MDP that is too large, ends, or has infeasible actions."""
        check_size(true, "true")
        if true.terminating or not true.feasible.all():
            raise ValueError(
                "true has episodes that end or infeasible actions, expected neither: give ends a state that pays 0 "
                "for ever, and let infeasible actions repeat a feasible one."
            )
        return cls(true.to_dense())

    @cached_property
    def counted(self) -> np.ndarray:
        """Successors counted, shape (41, 40, S, A, S): by number of trials and repetition."""
        rng = np.random.default_rng(0)
        more = np.diff(sizes(), prepend=0)
        shape = (REPEATS, *self.true.r.shape)
        return np.cumsum([rng.multinomial(count, self.true.P, size=shape) for count in more], axis=0)

    @cached_property
    def losses(self) -> np.ndarray:
        """Return lost by the plan of each model, shape (41, 40)."""
        true = self.true
        K, n = self.counted.shape[:2]
        P_hat = (self.counted / sizes()[:, None, None, None, None]).reshape(K * n, *true.P.shape)
        gamma = np.full(K * n, true.gamma)
        P, r = (np.broadcast_to(array, (K * n, *array.shape)) for array in (true.P, true.r))
        plans = optimal_q(P_hat, r, gamma).argmax(2)
        best = solve(true)
        lost = best.J - policy_values(P, r, gamma, plans) @ true.rho
        return np.where(lost > 4 * best.error, lost, 0.0).reshape(K, n)

    def certify(self, delta: float) -> Iterator[None]:
        """Find the bound of every size at level 1 - delta, one at a time; from what the first repetition has seen."""
        for k, n in enumerate(sizes()):
            if (int(n), delta) not in self.robust:
                counts = self.table(k)
                found = certificate(counts, self.true.gamma, delta, None, rho=self.true.rho, adaptive=False)
                self.robust[int(n), delta] = found.loss_robust
                yield

    def table(self, k: int) -> Counts:
        """What the first repetition has counted at size k."""
        N, n, r = self.counted[k, 0], float(sizes()[k]), self.true.r
        return Counts(
            N=sp.csr_matrix(N.reshape(-1, self.true.S).astype(float)),
            n=np.full(r.shape, n),
            reward_sum=n * r,
            reward_squares=np.zeros(r.shape),
            reward_range=(float(r.min()), float(r.max())),
            terminating=False,
            states=self.true.states,
            actions=self.true.actions,
        )

    def sides(self, x: Values) -> Sides:
        """What is lost on average, what the worst repetition loses, and two guarantees; NaN where none is there yet."""
        true, k = self.true, self.index(x["trials"])
        n, R = sizes()[k], np.ptp(true.r)
        radius = weissman_radius(n, true.S, x["delta"] / true.r.size)
        found = [self.robust.get((int(i), float(d)), np.nan) for i, d in zip(n, x["delta"], strict=True)]
        return {
            "true": self.losses[k].mean(1),
            "trivial": np.full(len(n), R / (1 - true.gamma)),
            "rows": 2 * sharp_bound(0.0, radius, R, true.gamma),
            "robust": np.array(found),
        }

    def drawn(self, values: Mapping[str, float]) -> dict[str, Any]:
        """The rows that the first repetition has got most wrong."""
        true, model = self.pair(values)
        n = sizes()[self.index(values["trials"])]
        return worst_rows(true.to_dense(), model.to_dense(), f"What {n} trials of each pair have shown")

    def pair(self, values: Mapping[str, float]) -> tuple[AnyMDP, AnyMDP]:
        """The truth, and what the first repetition believes."""
        counts = self.table(int(self.index(values["trials"])))
        return self.true, counts.mdp(self.true.gamma, rho=self.true.rho)

    @staticmethod
    def index(trials) -> np.ndarray:
        """The number among the sizes that is nearest to a logarithm of trials."""
        return np.rint((np.asarray(trials) - TRIALS[0]) * 10).astype(int)

    def family(self) -> Family:
        """The loss against the number of trials."""
        return Family(
            title="From data",
            quantity="J* − J(π̂), mean of 40 trials",
            statement="Every action is tried n times in every state, the frequencies are the model, and its plan is "
            "followed. What the plan loses is one thing, what the data can prove with probability 1 − δ another.",
            parameters=("trials", "delta"),
            fixed=("delta",),
            lines={
                "rows": Line("errors of rows", "2 × sharp,  εₚ² = 2 ln((2ˢ−2) SA/δ) / n", "Weissman et al. 2003"),
                "robust": Line("confidence set", "J − J in the best and worst MDP allowed", "Strehl & Littman 2008"),
            },
            sides=self.sides,
            instance=self.drawn,
            pair=self.pair,
        )


def sizes() -> np.ndarray:
    """Numbers of trials, 10 to 100 000."""
    return np.rint(10.0**TRIALS).astype(int)
