"""`fit`: a training from its start to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import optax
from tqdm import tqdm

from tabular.errors import NotConverged
from tabular.fitting.result import Fit, Interrupted
from tabular.fitting.training import Optimizer, Training
from tabular.mdp import AnyMDP
from tabular.models import ModelClass
from tabular.objectives import Objective

CHUNKS = 100
"""How often a fit comes back from the compiled loop: to record history, move the progress bar and hear Ctrl-C."""


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
    _check_steps(steps)
    training = Training(
        true, objective, model_class, seeds=seeds, kappa=kappa, lr=lr, tol=tol, optimizer=optimizer, pair=pair
    )
    training.settings["steps"] = steps
    with _told(progress, steps) as tell:
        try:
            for stop in _stops(steps):
                training.advance(stop)
                tell(stop)
                if not training.active:
                    break
        except KeyboardInterrupt as signal:
            done = f"stopped after {training.steps} of {steps} steps; .result holds the fit so far"
            raise Interrupted(done, training.report()) from signal
        return _sound(training.report())


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


def _check_steps(steps: int) -> None:
    if not (isinstance(steps, int | np.integer) and steps >= 1):
        raise ValueError(f"steps = {steps!r}, expected a whole number of at least 1.")


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
