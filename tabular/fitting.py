"""Learning a model: one projected-gradient loop for every objective and every model class.

    theta <- project(Adam(theta, d/dtheta loss(true, model(theta))), kappa)

for many seeds and norm bounds at once. A fit ends when the parameters and the objective's state (for OMD, the Q it
plans with) all move less than `tol max|.| + tol`, or after `steps` steps; NaN is a failure and never convergence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from operator import index
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from tqdm import tqdm

from tabular.device import policy_return, soft_q, to_device
from tabular.errors import NotConverged
from tabular.mdp import MDP, AnyMDP, make_mdp
from tabular.models import RANDOM_BITS, ModelClass, pinned_bits, seed_key
from tabular.objectives import Objective
from tabular.operators import soft_bellman, softmax_policy

CHUNKS = 100
"""How often a fit comes back from the compiled loop: to record history, move the progress bar and hear Ctrl-C."""

Optimizer = Callable[[Any], optax.GradientTransformation]


@dataclass(frozen=True, eq=False)
class Fit:
    """Learned models and how good they are. Leading axes of all arrays: (kappa, seed), written K and N."""

    theta: Any
    """Learned parameters, the model class's pytree with arrays of shape (K, N, ...)."""
    P_hat: np.ndarray
    """Learned transition probabilities, shape (K, N, S, A, S)."""
    r_hat: np.ndarray
    """Learned rewards, shape (K, N, S, A); -inf where infeasible."""
    Q: np.ndarray
    """Soft-optimal values of the model (see `pair`), shape (K, N, S, A)."""
    pi: np.ndarray
    """The agent's policy `softmax(Q / alpha)`, shape (K, N, S, A), with the soft-optimal Q of what the objective makes
    of the model: the model itself, unless the objective says otherwise (see `Objective.imagined`)."""
    J: np.ndarray
    """Return of `pi` in the true MDP, shape (K, N)."""
    bellman_mse: np.ndarray
    """`mean_{s,a} (B_alpha Q - Q)^2` with the true MDP's operator, shape (K, N)."""
    q_error: np.ndarray
    """`max_{s,a} |Q - Q*_alpha|` with the true MDP's soft-optimal Q, shape (K, N)."""
    iterations: np.ndarray
    """Steps taken, shape (K, N)."""
    converged: np.ndarray
    """Whether the fit stopped moving, shape (K, N). False: it used up its steps, or failed."""
    failed: np.ndarray
    """Whether the loss or the parameters became NaN or infinite, shape (K, N). Values above are NaN then."""
    history: History
    kappa: np.ndarray
    """Norm bounds, shape (K,)."""
    seeds: tuple[int, ...]
    """Seeds, N of them."""
    settings: dict[str, Any]
    """What else the fit was asked for, as words and numbers."""
    true: AnyMDP

    def model(self, kappa_index: int, seed_index: int) -> AnyMDP:
        """One learned model as an MDP to solve, plot or save."""
        true, at = self.true, (kappa_index, seed_index)
        named = {"states": true.states, "actions": true.actions, "grid": true.grid, "terminating": true.terminating}
        return make_mdp(self.P_hat[at], self.r_hat[at], gamma=true.gamma, rho=true.rho, **named)


class History(NamedTuple):
    """The loss on the way."""

    step: np.ndarray
    """Number of steps taken, shape (n,)."""
    loss: np.ndarray
    """Loss at the parameters before that step's update, shape (K, N, n); constant after a fit ended."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a fit; `result` holds the `Fit` as it was then."""

    def __init__(self, message: str, result: Fit):
        super().__init__(message)
        self.result = result


def fit(
    true: AnyMDP,
    objective: Objective,
    model_class: ModelClass,
    *,
    seeds: Iterable[int] | int,
    kappa: float | Iterable[float] = np.inf,
    lr: float = 0.01,
    steps: int = 10_000,
    tol: float = 1e-10,
    optimizer: Optimizer = optax.adam,
    pair: str = "own",
    progress: bool | Callable[[int], object] = False,
) -> Fit:
    """Learn models of an MDP by projected gradient steps, for every norm bound and seed.

    Args:
      true: the MDP to be modelled; gamma < 1.
      objective: what a good model is: `mle()`, `omd()`, ...
      model_class: which models there are: `softmax_table("authors")`, ...
      seeds: integers; each draws its own start, which all norm bounds share.
      kappa: norm bounds >= 0; inf is no bound. 0 leaves the model with all parameters 0.
      lr: step size of the optimiser.
      steps: cap on the number of steps.
      tol: see the module's docstring. 0 takes all steps.
      optimizer: an optax optimiser by its step size; `optax.adam` has b1 = 0.9, b2 = 0.999, eps = 1e-8, and `optax.sgd`
        is plain gradient descent. The projection follows each update and leaves the optimiser's moments alone. Another
        function, be it of the same kind, is compiled anew.
      pair: "own" reports the Q of the final parameters. "authors" reports, with the final model, the Q of the
        parameters before the last update, as the code published with Nikishin et al. 2021 does. They differ in fits
        that cycle.
      progress: True shows a progress bar. A function is called with numbers of steps that add up to `steps`.

    Returns:
      A `Fit`. Using up the steps is no error: see `Fit.converged`.

    Raises:
      NotConverged if a loss or parameter became NaN or infinite; it names the seed and kappa, and its `result` holds
        the other fits.
      Interrupted (a KeyboardInterrupt) on Ctrl-C; its `result` holds the fit so far.
      ValueError for a bad argument, a model class that has no models of this MDP (blocks that don't divide its grid),
        or an objective that can't use them (a lower bound on log J needs positive rewards).
    """
    kappas, seeds = _bounds(kappa, model_class), _seeds(seeds)
    _check(true, lr, steps, tol, pair)
    model_class.check(true)
    settings = {
        "objective": repr(objective),
        "model_class": repr(model_class),
        "optimizer": getattr(optimizer, "__name__", repr(optimizer)),
        "lr": lr,
        "steps": steps,
        "tol": tol,
        "pair": pair,
        "random_bits": RANDOM_BITS,
    }
    dense = _bare(true)
    _suits(true, dense, objective, model_class, seeds[0])
    record: list[tuple[int, np.ndarray]] = []

    def report(lanes: _Lane) -> Fit:
        shape = len(kappas), len(seeds)
        values = _evaluate(dense, objective, model_class, lanes, pair, shape)
        return Fit(**values, history=_history(record, shape), kappa=kappas, seeds=seeds, settings=settings, true=true)

    with pinned_bits(), _told(progress, steps) as tell:
        lanes = _start(dense, objective, model_class, optimizer, seeds, kappas)
        try:
            for stop in _stops(steps):
                lanes = _advance(dense, objective, model_class, optimizer, lr, tol, lanes, stop)
                record.append((stop, np.asarray(lanes.loss)))
                tell(stop)
                if not np.any(lanes.active):
                    break
        except KeyboardInterrupt as signal:
            done = f"stopped after {np.max(lanes.step)} of {steps} steps; .result holds the fit so far"
            raise Interrupted(done, report(lanes)) from signal
        return _sound(report(lanes))


# the loop


class _Lane(NamedTuple):
    """One fit under way. Batched: every array has a leading axis of kappas times seeds."""

    theta: Any
    before: Any
    """Parameters before the last update."""
    moments: Any
    state: Any
    loss: jax.Array
    step: jax.Array
    kappa: jax.Array
    active: jax.Array
    converged: jax.Array


def _start(true, objective, model_class, optimizer, seeds, kappas) -> _Lane:
    """All lanes at their random starts: those of one kappa, then those of the next."""
    keys = jnp.stack([seed_key(seed) for seed in seeds])
    drawn = jax.vmap(lambda key: (model_class.init(true, key), objective.init(true, key)))(keys)
    thetas, states = jax.tree.map(lambda x: jnp.concatenate([x] * len(kappas)), drawn)
    return _lanes(optimizer, thetas, states, jnp.repeat(jnp.asarray(kappas), len(seeds)))


@partial(jax.jit, static_argnames="optimizer")
def _lanes(optimizer, thetas, states, kappas) -> _Lane:
    def one(theta, state, kappa):
        moments = optimizer(0.0).init(theta)
        loss, step, active = jnp.asarray(jnp.nan, float), jnp.asarray(0, int), jnp.asarray(True)
        lane = _Lane(theta, theta, moments, state, loss, step, kappa, active, ~active)
        return jax.tree.map(lambda x: jnp.asarray(x, x.dtype), lane)

    return jax.vmap(one)(thetas, states, kappas)


@partial(jax.jit, static_argnames="optimizer")
def _advance(true, objective, model_class, optimizer, lr, tol, lanes: _Lane, stop) -> _Lane:
    """Take steps until every lane has ended or taken `stop` of them. Compiled once for each kind and shape of fit."""
    step = jax.vmap(partial(_step, true, objective, model_class, optimizer(lr), tol))
    return lax.while_loop(lambda lanes: jnp.any(lanes.active & (lanes.step < stop)), step, lanes)


def _step(true, objective, model_class, optimizer, tol, lane: _Lane) -> _Lane:
    """One projected step of one lane; a lane that has ended stays as it is."""

    def loss(theta):
        return objective.loss(true, model_class.mdp(true, theta), lane.state, lane.step)

    (value, state), slope = jax.value_and_grad(loss, has_aux=True)(lane.theta)
    with jax.numpy_dtype_promotion("standard"):  # optax needs it, whatever the caller's setting
        change, moments = optimizer.update(slope, lane.moments, lane.theta)
    theta = model_class.project(optax.apply_updates(lane.theta, change), lane.kappa)
    sound = lane.active & _all(jnp.isfinite, (value, theta))
    still = sound & _all(partial(_still, tol), (theta, state), (lane.theta, lane.state))
    moved = lane._replace(theta=theta, before=lane.theta, moments=moments, state=state)
    return jax.tree.map(partial(jnp.where, sound), moved, lane)._replace(
        loss=jnp.where(lane.active, value, lane.loss),
        step=jnp.where(lane.active, lane.step + 1, lane.step),
        active=sound & ~still,
        converged=lane.converged | still,
    )


def _still(tol, new: jax.Array, old: jax.Array) -> jax.Array:
    """Whether `max |new - old| < tol max |new| + tol`, infinite entries that stay left out. NaN is movement."""
    if not jnp.issubdtype(new.dtype, jnp.inexact):
        return jnp.asarray(True)
    moved = jnp.where(new == old, 0.0, abs(new - old))
    size = jnp.max(jnp.where(jnp.isfinite(new), abs(new), 0.0))
    return jnp.max(moved) < tol * size + tol


def _all(test: Callable, *trees) -> jax.Array:
    """Whether a test holds for all entries of all arrays."""
    tests = jax.tree.leaves(jax.tree.map(lambda *leaves: jnp.all(test(*leaves)), *trees))
    return jnp.all(jnp.stack(tests))


# the report


def _evaluate(true, objective, model_class, lanes: _Lane, pair: str, shape: tuple[int, int]) -> dict[str, Any]:
    """The fields of `Fit` that come out of the loop."""
    P_hat, r_hat = _models(true, model_class, lanes.theta)
    planned = (P_hat, r_hat) if pair == "own" else _models(true, model_class, lanes.before)
    planner = None if type(objective).imagined is Objective.imagined else objective
    measured = _measure(true, objective.alpha, planner, *planned)
    failed = (~lanes.active & ~lanes.converged) | ~jnp.isfinite(measured["J"])
    values = {name: jnp.where(jnp.expand_dims(failed, range(1, x.ndim)), jnp.nan, x) for name, x in measured.items()}
    values |= {"theta": lanes.theta, "P_hat": P_hat, "r_hat": r_hat}
    values |= {"iterations": lanes.step, "converged": lanes.converged, "failed": failed}
    return jax.tree.map(lambda x: np.asarray(x).reshape(shape + x.shape[1:]), values)


@jax.jit
def _models(true, model_class, theta) -> tuple[jax.Array, jax.Array]:
    """Transitions and rewards of every lane's model."""

    def one(theta):
        model = model_class.mdp(true, theta)
        return model.P, model.r

    return jax.vmap(one)(theta)


@jax.jit
def _measure(true, alpha, planner, P_hat, r_hat) -> dict[str, jax.Array]:
    """What becomes of an agent that plans in each of the models, or in what the objective `planner` makes of them."""
    optimal = soft_q(true, alpha)

    def one(P, r):
        model = replace(true, P=P, r=r)
        Q = soft_q(model, alpha)
        agent = Q if planner is None else soft_q(planner.imagined(true, model), alpha)
        pi = softmax_policy(agent, alpha)
        error = jnp.where(true.feasible, soft_bellman(true, Q, alpha) - Q, 0.0)
        return {
            "Q": Q,
            "pi": pi,
            "J": policy_return(true, pi),
            "bellman_mse": jnp.mean(error**2, where=true.feasible),
            "q_error": jnp.max(jnp.where(true.feasible, abs(Q - optimal), 0.0)),
        }

    return jax.vmap(one)(P_hat, r_hat)


def _history(record: list[tuple[int, np.ndarray]], shape: tuple[int, int]) -> History:
    steps = np.array([step for step, _ in record], dtype=int)
    losses = [loss.reshape(shape) for _, loss in record]
    return History(steps, np.stack(losses, axis=-1) if losses else np.empty((*shape, 0)))


def _sound(found: Fit) -> Fit:
    """The fit itself, if no lane failed."""
    if found.failed.any():
        k, n = np.argwhere(found.failed)[0]
        raise NotConverged(
            f"{found.failed.sum()} of {found.failed.size} fits became NaN or infinite; the first at kappa = "
            f"{found.kappa[k]:g} (index {k}), seed {found.seeds[n]}, in step {found.iterations[k, n]}, where the loss "
            f"was {found.history.loss[k, n, -1]:g}. Try lr below {found.settings['lr']:g}. .result holds the others.",
            result=found,
        )
    return found


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


def _check(true: AnyMDP, lr: float, steps: int, tol: float, pair: str) -> None:
    if not true.gamma < 1:
        raise ValueError(f"true.gamma = {true.gamma:g}, expected a discount below 1: a learned model may never end.")
    if not lr > 0:
        raise ValueError(f"lr = {lr}, expected a positive step size.")
    if not (isinstance(steps, int | np.integer) and steps >= 1):
        raise ValueError(f"steps = {steps!r}, expected a whole number of at least 1.")
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


def _stops(steps: int) -> Iterator[int]:
    """Step counts at which the loop comes back."""
    chunk = max(1, -(-steps // CHUNKS))
    return iter([*range(chunk, steps, chunk), steps])


@contextmanager
def _told(progress: bool | Callable[[int], object], steps: int) -> Iterator[Callable[[int], None]]:
    """A function to call with the number of steps taken so far; what is left at the end is told then."""
    bar = tqdm(total=steps, unit="step", disable=progress is False) if isinstance(progress, bool) else None
    tell = bar.update if bar is not None else progress
    told = 0

    def reached(step: int) -> None:
        nonlocal told
        tell(step - told)  # type: ignore[operator]
        told = step

    try:
        yield reached
        reached(steps)
    finally:
        if bar is not None:
            bar.close()
