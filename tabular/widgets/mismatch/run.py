"""A model being learned, picture by picture: what it is, how well it predicts, how well it acts, and every bound."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tabular import mismatch, optimism
from tabular.evaluate import evaluate
from tabular.mdp import MDP, make_mdp, with_changes
from tabular.probability import kl_rows
from tabular.soft import soft_solve
from tabular.solve import Solution, solve
from tabular.widgets.mismatch.worlds import OPTIMISTS, model_class, objective

if TYPE_CHECKING:
    from tabular.fitting import Training

LIVE = {"kappa", "alpha", "lr"}
"""Controls that a training goes on with."""


@dataclass(frozen=True, eq=False)
class Truth:
    """What models are measured against."""

    mdp: MDP
    alpha: float
    optimal: Solution
    """Soft-optimal at temperature alpha: the values and the policy that a perfect model would lead to."""
    best: float
    """Return of the best policy of all."""
    uniform: float
    """Return of the policy that doesn't look."""
    worst: float

    @classmethod
    def of(cls, mdp: MDP, alpha: float) -> Truth:
        """Solve an MDP."""
        feasible = mdp.feasible / mdp.feasible.sum(1, keepdims=True)
        costs = with_changes(mdp, r=np.where(mdp.feasible, -mdp.r, -np.inf))
        return cls(mdp, alpha, soft_solve(mdp, alpha), solve(mdp).J, evaluate(mdp, feasible).J, -solve(costs).J)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A model after some steps, exactly solved and measured."""

    step: int
    P_hat: np.ndarray
    """Shape (S, A, S)."""
    r_hat: np.ndarray
    V_hat: np.ndarray
    """Soft-optimal values of the model: what it promises, shape (S,)."""
    pi: np.ndarray
    """The agent's policy, shape (S, A)."""
    V: np.ndarray
    """What that policy is worth in the true MDP, shape (S,)."""
    J: float
    kl: np.ndarray
    """KL(p || p_hat) of each row, shape (S, A), 0 where infeasible."""
    divergence: float
    """Its mean over feasible (s, a), in nats: what likelihood makes small."""
    backup: np.ndarray
    """`B_hat Q* - B Q*`: what the error of each row costs in value, shape (S, A)."""
    q_error: float
    bounds: tuple[mismatch.Bound, ...]
    """All of `mismatch.bounds`."""
    trivial: float
    """The error of Q that no model with such rewards can exceed: the range of all rewards over 1 - gamma."""
    lower: float
    """exp of MnM's lower bound on log J by this model and this policy; NaN where it has none."""


def snapshot(truth: Truth, step: int, P_hat: np.ndarray, r_hat: np.ndarray, imagined=None) -> Snapshot:
    """Solve and measure a model. `imagined` makes of it what its agent plans in, where that is something else."""
    true, alpha = truth.mdp, truth.alpha
    model = model_of(true, P_hat, r_hat)
    planned = soft_solve(model, alpha)
    agent = planned if imagined is None else soft_solve(imagined(model), alpha)
    followed = evaluate(true, agent.pi)
    kl = np.where(true.feasible, kl_rows(true.P, P_hat, np.inf), 0.0)
    errors = mismatch.mismatch(true, model, alpha)
    V_star = truth.optimal.V
    change = np.where(true.feasible, model.r - np.where(true.feasible, true.r, 0.0), 0.0)
    return Snapshot(
        step=step,
        P_hat=P_hat,
        r_hat=r_hat,
        V_hat=planned.V,
        pi=agent.pi,
        V=followed.V,
        J=followed.J,
        kl=kl,
        divergence=float(kl[true.feasible].mean()),
        backup=change + true.gamma * (P_hat - true.P) @ V_star,
        q_error=errors.q_error,
        bounds=mismatch.bounds(true, model, alpha),
        trivial=errors.joint_size / (1 - true.gamma),
        lower=_lower_bound(true, P_hat, agent.pi),
    )


def model_of(true: MDP, P_hat: np.ndarray, r_hat: np.ndarray) -> MDP:
    """A learned model as an MDP to solve, plot or save."""
    named = {"states": true.states, "actions": true.actions, "grid": true.grid, "terminating": true.terminating}
    return make_mdp(P_hat, r_hat, gamma=true.gamma, rho=true.rho, **named)  # type: ignore[return-value]


def uniform_model(true: MDP, learns: bool) -> tuple[np.ndarray, np.ndarray]:
    """The model of someone who has seen nothing: every successor equally likely, rewards 0 unless they are known."""
    P_hat = np.where(true.feasible[:, :, None], np.full(true.P.shape, 1 / true.S), 0.0)
    if true.terminating:
        P_hat = P_hat * true.P.sum(-1, keepdims=True)
    return P_hat, np.where(true.feasible, 0.0, -np.inf) if learns else true.r


def _lower_bound(true: MDP, q: np.ndarray, pi: np.ndarray) -> float:
    outside = ((q > 0) & (true.P == 0)).any()
    if outside or true.terminating or not (true.r[true.feasible] > 0).all():
        return math.nan
    return math.exp(evaluate(optimism.in_model(true, optimism.mnm(true), q), pi).J)


class Run:
    """One model being learned in front of one's eyes. With no live change on the way it is `tabular.fit` of one seed.

    Before the first step nothing is compiled: the model shown is the uniform one.
    """

    def __init__(self, truth: Truth, values: Mapping[str, Any]):
        self.truth = truth
        self.values = dict(values)
        self.training: Training | None = None
        learns = self.values["rewards"] and self.values["objective"] not in OPTIMISTS
        self.snapshots = [snapshot(truth, 0, *uniform_model(truth.mdp, learns))]
        self.changes: list[tuple[int, str]] = []
        """Number of the picture before which a control was moved, and what it became."""

    @property
    def begun(self) -> bool:
        """Whether the random start has been drawn."""
        return self.training is not None

    @property
    def steps(self) -> int:
        """Steps taken."""
        return self.snapshots[-1].step

    @property
    def over(self) -> bool:
        """Whether the model has stopped moving."""
        return self.training is not None and not self.training.active

    @property
    def failed(self) -> bool:
        """Whether the loss or the parameters became NaN or infinite."""
        return self.training is not None and self.training.failed

    def begin(self) -> None:
        """Draw the random start of the seed, which takes the place of the uniform model. Loads JAX."""
        from tabular.fitting import Training

        models, kappa = model_class(self.truth.mdp, self.values)
        aim = objective(self.truth.mdp, self.values["objective"], self.values["alpha"])
        lr, seed = self.values["lr"], round(self.values["seed"])
        self.training = Training(self.truth.mdp, aim, models, seeds=seed, kappa=kappa, lr=lr)
        self.snapshots = [self._now()]

    def advance(self, steps: int) -> None:
        """Take steps, and add a snapshot."""
        training = self.training
        assert training is not None
        training.advance(training.steps + steps)
        now = self._now()
        if np.isfinite(now.P_hat).all():
            self.snapshots.append(now)

    def change(self, truth: Truth, values: Mapping[str, Any]) -> None:
        """Go on with another norm bound, temperature or step size: the model is projected at once."""
        moved = [name for name in sorted(LIVE) if values[name] != self.values[name]]
        self.truth, self.values = truth, dict(values)
        if self.training is None:
            self.__init__(truth, values)
            return
        aim = objective(truth.mdp, values["objective"], values["alpha"]) if "alpha" in moved else None
        kappa = values["kappa"] if "kappa" in moved and values["model"] == "norm" else None
        self.training.change(objective=aim, kappa=kappa, lr=values["lr"])
        names = {"kappa": "κ", "alpha": "α", "lr": "step size"}
        text = ", ".join(f"{names[name]} = {values[name]:g}" for name in moved)
        self.snapshots.append(self._now())
        self.changes.append((len(self.snapshots) - 1, text))

    def _now(self) -> Snapshot:
        assert self.training is not None
        P_hat, r_hat = (x[0, 0] for x in self.training.kernels)
        return snapshot(self.truth, self.training.steps, P_hat, r_hat, self._imagined())

    def _imagined(self):
        if self.values["objective"] not in OPTIMISTS:
            return None
        aim, true = self.training.objective, self.truth.mdp  # type: ignore[union-attr]

        def made(model: MDP) -> MDP:
            other = aim.imagined(true, model)
            return model_of(true, np.asarray(other.P), np.asarray(other.r))

        return made

    @property
    def path(self) -> tuple[np.ndarray, np.ndarray]:
        """Divergences and returns of all pictures."""
        return np.array([each.divergence for each in self.snapshots]), np.array([each.J for each in self.snapshots])


def numbers(each: Snapshot) -> np.ndarray:
    """What is drawn as curves, in the order of `NUMBERS`."""
    below, *above = each.bounds
    return np.array(
        [each.step, each.J, each.divergence, each.q_error, each.lower, each.trivial, below.lhs]
        + [bound.rhs for bound in above]
    )


NUMBERS = (
    "step",
    "J",
    "kl",
    "q_error",
    "lower",
    "trivial",
    "q_below",
    "q_model",
    "q_true",
    "q_sharp",
    "q_likelihood",
    "loss_q",
    "loss_model",
    "loss_sharp",
    "loss_likelihood",
)
