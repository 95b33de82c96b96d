"""Fits under way."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import index
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from tabular.device import to_device
from tabular.fitting.loop import Lane, advance, measure, models, resumed, start
from tabular.fitting.result import Fit, History
from tabular.mdp import MDP, AnyMDP
from tabular.models import RANDOM_BITS, ModelClass, pinned_bits, seed_key
from tabular.objectives import Objective

Optimizer = Callable[[Any], optax.GradientTransformation]


class Training:
    """Fits under way: what `fit` does, to be gone through in pieces and looked at on the way.

        training = Training(true, mle(), softmax_table("paper_scaled"), seeds=1, kappa=2)
        training.advance(100)               up to 100 steps in all
        training.kernels, training.active   the models so far, and whether any fit is still moving
        training.change(kappa=1.0)          goes on with smaller models
        training.report()                   a `Fit`, of which some may have failed

    Arguments and errors are those of `fit`. Without `change`, all numbers are those of `fit` with the same steps.
    """

    def __init__(
        self,
        true: AnyMDP,
        objective: Objective,
        model_class: ModelClass,
        *,
        seeds: Iterable[int] | int,
        kappa: float | Iterable[float] = np.inf,
        lr: float = 0.01,
        tol: float = 1e-10,
        optimizer: Optimizer = optax.adam,
        pair: str = "own",
    ):
        self.kappa, self.seeds = _bounds(kappa, model_class), _seeds(seeds)
        _check(true, lr, tol, pair)
        model_class.check(true)
        self.true, self.objective, self.model_class = true, objective, model_class
        self.lr, self.tol, self.optimizer, self.pair = lr, tol, optimizer, pair
        self.settings: dict[str, Any] = {
            "objective": repr(objective),
            "model_class": repr(model_class),
            "optimizer": getattr(optimizer, "__name__", repr(optimizer)),
            "lr": lr,
            "tol": tol,
            "pair": pair,
            "random_bits": RANDOM_BITS,
        }
        self._dense = _bare(true)
        _suits(true, self._dense, objective, model_class, self.seeds[0])
        self._record: list[tuple[int, np.ndarray]] = []
        with pinned_bits():
            self._lanes = start(self._dense, objective, model_class, optimizer, self.seeds, self.kappa)

    @property
    def steps(self) -> int:
        """Steps taken by the fit that has taken the most."""
        return int(np.max(self._lanes.step))

    @property
    def active(self) -> bool:
        """Whether any fit still moves: it has neither converged nor failed."""
        return bool(np.any(self._lanes.active))

    @property
    def failed(self) -> bool:
        """Whether the loss or the parameters of any fit became NaN or infinite."""
        return bool(np.any(~self._lanes.active & ~self._lanes.converged))

    @property
    def kernels(self) -> tuple[np.ndarray, np.ndarray]:
        """Transitions and rewards of the models so far, shapes (K, N, S, A, S) and (K, N, S, A)."""
        found = models(self._dense, self.model_class, self._lanes.theta)
        P_hat, r_hat = (np.asarray(x).reshape(*self._shape, *x.shape[1:]) for x in found)
        return P_hat, r_hat

    def advance(self, stop: int) -> None:
        """Go on until every fit has ended or taken `stop` steps in all."""
        with pinned_bits():
            self._lanes = advance(
                self._dense, self.objective, self.model_class, self.optimizer, self.lr, self.tol, self._lanes, stop
            )
        self._record.append((stop, np.asarray(self._lanes.loss)))

    def change(
        self, *, objective: Objective | None = None, kappa: float | None = None, lr: float | None = None
    ) -> None:
        """Go on with an objective of the same kind, another norm bound or another step size.

        The parameters are projected at once, the optimiser keeps its moments, and fits that had converged move again.

        Raises:
          ValueError for an objective of another kind (its state would mean something else), and as `fit`.
        """
        if objective is not None and type(objective) is not type(self.objective):
            raise ValueError(f"objective is a {type(objective).__name__}, expected a {type(self.objective).__name__}.")
        lr = self.lr if lr is None else lr
        _check(self.true, lr, self.tol, self.pair)
        kappas = self.kappa if kappa is None else np.full_like(self.kappa, _bounds(kappa, self.model_class))
        self.objective, self.lr, self.kappa = objective or self.objective, lr, kappas
        self._lanes = resumed(self.model_class, self._lanes, jnp.repeat(jnp.asarray(self.kappa), len(self.seeds)))

    def report(self) -> Fit:
        """The fits as they are now."""
        values = evaluated(self._dense, self.objective, self.model_class, self._lanes, self.pair, self._shape)
        history = history_of(self._record, self._shape)
        return Fit(
            **values, history=history, kappa=self.kappa, seeds=self.seeds, settings=self.settings, true=self.true
        )

    @property
    def _shape(self) -> tuple[int, int]:
        return len(self.kappa), len(self.seeds)


# the report


def evaluated(true, objective, model_class, lanes: Lane, pair: str, shape: tuple[int, int]) -> dict[str, Any]:
    """The fields of `Fit` that come out of the loop."""
    P_hat, r_hat = models(true, model_class, lanes.theta)
    planned = (P_hat, r_hat) if pair == "own" else models(true, model_class, lanes.before)
    planner = None if type(objective).imagined is Objective.imagined else objective
    measured = measure(true, objective.alpha, planner, *planned)
    failed = (~lanes.active & ~lanes.converged) | ~jnp.isfinite(measured["J"])
    values = {name: jnp.where(jnp.expand_dims(failed, range(1, x.ndim)), jnp.nan, x) for name, x in measured.items()}
    values |= {"theta": lanes.theta, "P_hat": P_hat, "r_hat": r_hat}
    values |= {"iterations": lanes.step, "converged": lanes.converged, "failed": failed}
    return jax.tree.map(lambda x: np.asarray(x).reshape(shape + x.shape[1:]), values)


def history_of(record: list[tuple[int, np.ndarray]], shape: tuple[int, int]) -> History:
    steps = np.array([step for step, _ in record], dtype=int)
    losses = [loss.reshape(shape) for _, loss in record]
    return History(steps, np.stack(losses, axis=-1) if losses else np.empty((*shape, 0)))


# arguments


def _bounds(kappa: float | Iterable[float], model_class: ModelClass) -> np.ndarray:
    kappas = np.asarray([*kappa] if isinstance(kappa, Iterable) else [kappa], dtype=float)
    wrong = ~(kappas >= 0)
    if kappas.ndim != 1 or not len(kappas):
        raise ValueError(f"kappa has shape {kappas.shape}, expected a number or a list of them.")
    if wrong.any():
        raise ValueError(f"kappa = {kappas[wrong][0]:g}, expected a norm bound of 0 or more (inf for none).")
    if not model_class.bounded and np.isfinite(kappas).any():
        raise ValueError(
            f"kappa = {kappas[0]:g} has no effect: {model_class!r} has no norm bound. Leave kappa out, or choose a "
            "model class that has one, such as softmax_table('paper_scaled')."
        )
    return kappas


def _seeds(seeds: Iterable[int] | int) -> tuple[int, ...]:
    seeds = tuple(index(seed) for seed in (seeds if isinstance(seeds, Iterable) else (seeds,)))
    if not seeds or min(seeds) < 0:
        raise ValueError(f"seeds = {seeds}, expected one or more integers of 0 or more.")
    return seeds


def _check(true: AnyMDP, lr: float, tol: float, pair: str) -> None:
    if not true.gamma < 1:
        raise ValueError(f"true.gamma = {true.gamma:g}, expected a discount below 1: a learned model may never end.")
    if not lr > 0:
        raise ValueError(f"lr = {lr}, expected a positive step size.")
    if not tol >= 0:
        raise ValueError(f"tol = {tol}, expected 0 or more.")
    if pair not in ("own", "authors"):
        raise ValueError(f"pair = {pair!r}, expected 'own' or 'authors'.")


def _suits(true, dense, objective, model_class, seed) -> None:
    """Let the objective look at the MDP and at a model before any work. Raises its ValueError."""
    with pinned_bits():
        model = model_class.mdp(dense, model_class.init(dense, seed_key(seed)))
    objective.check(true, model)


def _bare(true: AnyMDP) -> MDP:
    """The MDP on the device without labels, so that one compiled loop serves all MDPs of a shape."""
    dense = to_device(true)
    return MDP(dense.P, dense.r, jnp.asarray(dense.gamma), dense.rho, dense.terminating)
