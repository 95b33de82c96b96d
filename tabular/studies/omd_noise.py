"""The implicit gradient at a disturbed fixed point: a figure in the appendix of Nikishin et al. 2021.

OMD needs the fixed point Q of the model in every step, and the inverse Jacobian of the Bellman operator there. What if
the inner solver returns Q only up to an error, and what if the inverse is replaced with the identity?
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tabular.device import exact, identity, implicit_q, soft_q
from tabular.device.linear import Inverse
from tabular.evaluate import evaluate
from tabular.fitting import Fit, fit
from tabular.mdp import MDP
from tabular.models import RANDOM_BITS, pinned_bits, random_start, seed_key, softmax_table
from tabular.objectives import Objective
from tabular.operators import soft_bellman, softmax_policy
from tabular.plot import Curve, curves
from tabular.solve import solve
from tabular.studies.cells import in_threads
from tabular.studies.record import Difference, Published, Record, bar, spread, versions
from tabular.worlds.papers import two_state

ALPHA = 0.01
INVERSES = {"inverse": exact, "identity": identity}
SIGMAS = np.logspace(-3, 0.5, 30)
SEEDS = tuple(range(1, 11))
BAND = 0.3
"""Half-width of the published bands in standard deviations."""
PLACES = ("solved", "noisy")
"""Where the Jacobian may be taken."""

PUBLISHED = {
    "inverse": {9: 1.027, 10: 1.025, 13: 0.977, 15: 0.867, 17: 0.792, 20: 0.705, 22: 0.326, 28: -0.091},
    "identity": {9: 1.027, 10: 1.021, 13: 0.902, 15: 0.919, 17: 0.898, 20: 0.706, 22: 0.394, 28: -0.091},
}
"""Mean J of the noisy Q by index of sigma."""


@partial(jax.tree_util.register_dataclass, data_fields=["alpha", "sigma"], meta_fields=["inverse", "jacobian"])
@dataclass(frozen=True)
class NoisyBellman(Objective):
    """OMD with the squared Bellman error of a disturbed solution,

        mean_{s,a} (B_alpha Q(s, a) - Q(s, a))^2,    Q = Q_hat + sigma noise,    Q_hat = B_alpha Q_hat of the model

    with standard normal noise, drawn anew in every step; see `noise`.
    """

    alpha: float
    sigma: float
    inverse: Inverse
    """How the linear system of the implicit derivative is solved."""
    jacobian: str = "solved"
    """Where that system is taken: at the Q_hat that was `solved`, or at the `noisy` Q, as if the solver had erred."""

    def init(self, true: MDP, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The Q that the first solve starts from, and the seed, which is the second half of its key."""
        return random_start(true, key).Q, key[1].astype(int)

    def loss(self, true: MDP, model: MDP, state: Any, step: jax.Array) -> tuple[jax.Array, Any]:
        """The squared Bellman error, with the disturbed Q and the seed for the next step."""
        start, seed = state
        Q = soft_q(model, self.alpha, start=start, inverse=self.inverse) + self.sigma * noise(seed, step, true.r.shape)
        if self.jacobian == "noisy":
            Q = implicit_q(model, self.alpha, Q, self.inverse)
        off = soft_bellman(true, Q, self.alpha) - Q
        return jnp.mean(off**2), (lax.stop_gradient(Q), seed)


def noise(seed: Any, step: Any, shape: tuple[int, ...]) -> jax.Array:
    """The standard normal noise of a step, from the key `10000 seed + step`, as in the published code."""
    with pinned_bits():
        return jax.random.normal(seed_key(10_000 * seed + step), shape)


def ift(
    *, quick: bool = False, progress: bool = False, seeds: Sequence[int] = SEEDS, jacobian: str = "solved"
) -> Record:
    """Return of OMD against the noise sigma of the inner solution, with the exact inverse Jacobian and the identity.

    No norm bound, 10,000 steps of Adam on the Bellman error for each inverse, sigma and seed. The agent plans either
    with the `noisy` Q of the last step, which is what was published, or with the same Q without its noise, `clean`.

    Args:
      seeds: the published code has 1 to 10.
      jacobian: whether the Jacobian is that of the `solved` Q, which gives the published numbers, or of the `noisy`
        one.

    Raises:
      ValueError for another `jacobian`.
    """
    if jacobian not in PLACES:
        raise ValueError(f"jacobian = {jacobian!r}, expected {' or '.join(map(repr, PLACES))}.")
    began = time.perf_counter()
    how: dict[str, Any] = {
        "seeds": tuple(seeds)[:3] if quick else tuple(seeds),
        "steps": 2_000 if quick else 10_000,
        "lr": 0.01,
        "tol": 0.0,
        "pair": "authors",
    }
    sigmas = SIGMAS[::6] if quick else SIGMAS
    with bar("omd-ift", len(INVERSES) * len(sigmas), progress, "fit") as shown:
        work = partial(_fits, how=how, sigmas=sigmas, jacobian=jacobian, tell=shown.update)
        fits = dict(zip(INVERSES, in_threads(work, INVERSES.values()), strict=True))
    found = {
        (inverse, evaluation): [_measured(fit, sigma, evaluation) for sigma, fit in zip(sigmas, column, strict=True)]
        for inverse, column in fits.items()
        for evaluation in ("noisy", "clean")
    }
    rows = tuple(
        {
            "inverse": inverse,
            "evaluation": evaluation,
            "sigma": float(sigma),
            "quantity": quantity,
            **spread(measured[quantity]),
        }
        for (inverse, evaluation), column in found.items()
        for quantity in ("J", "bellman_mse")
        for sigma, measured in zip(sigmas, column, strict=True)
    )
    settings = {name: value for name, value in how.items() if name != "seeds"} | {
        "figure": "Nikishin et al. 2021, appendix",
        "quantity": "J, the return in the true MDP of softmax(Q / alpha)",
        "world": "two_state",
        "alpha": ALPHA,
        "sigma": sigmas,
        "jacobian": jacobian,
        "noise": "sigma N(0, I) from the key 10000 seed + step, added to Q after each solve",
        "optimal_return": solve(two_state()).J,
        "optimizer": "adam, b1 = 0.9, b2 = 0.999, eps = 1e-8",
        "random_bits": RANDOM_BITS,
    }
    record = Record("omd-ift", rows, settings, how["seeds"], quick, time.perf_counter() - began, versions())
    return replace(record, published=_published(record), differences=_differences(record))


def _fits(inverse: Inverse, how: dict[str, Any], sigmas, jacobian: str, tell: Callable[[], object]) -> list[Fit]:
    """A fit for each sigma. They are of one kind and shape, so that the loop is compiled once."""
    table = softmax_table("none", alpha=ALPHA)
    fits = []
    for sigma in sigmas:
        fits.append(fit(two_state(), NoisyBellman(ALPHA, float(sigma), inverse, jacobian), table, **how))
        tell()
    return fits


def _measured(found: Fit, sigma: float, evaluation: str) -> dict[str, np.ndarray]:
    """Return and Bellman error of the last Q of each seed, with its noise or without."""
    if evaluation == "clean":
        return {"J": found.J[0], "bellman_mse": found.bellman_mse[0]}
    true, last = two_state(), found.settings["steps"] - 1
    Q = [Q + sigma * np.asarray(noise(seed, last, Q.shape)) for seed, Q in zip(found.seeds, found.Q[0], strict=True)]
    J = np.array([evaluate(true, softmax_policy(each, ALPHA)).J for each in Q])
    return {"J": J, "bellman_mse": np.array([np.mean((soft_bellman(true, each, ALPHA) - each) ** 2) for each in Q])}


def _published(record: Record) -> tuple[Published, ...]:
    sigmas = record.settings["sigma"].tolist()
    return tuple(
        Published(
            f"J, {inverse}, sigma = {SIGMAS[k]:.3g}",
            value,
            float(record.column("mean", inverse=inverse, evaluation="noisy", quantity="J")[sigmas.index(SIGMAS[k])]),
            "published code of Nikishin et al. 2021, mean over seeds 1 to 10",
        )
        for inverse, numbers in PUBLISHED.items()
        for k, value in numbers.items()
        if SIGMAS[k] in sigmas
    )


def _differences(record: Record) -> tuple[Difference, ...]:
    sd = max(record.column("sd", evaluation="noisy", quantity="J"))
    last = {
        evaluation: record.column("mean", evaluation=evaluation, quantity="J", inverse="inverse")[-1]
        for evaluation in ("noisy", "clean")
    }
    return (
        Difference(
            "width of the band",
            "not said",
            f"{BAND} standard deviations to each side",
            "the published width in the picture, standard deviation and standard error in the rows",
            f"largest standard deviation {sd:.3f}: drawn {BAND * sd:.3f}, standard error "
            f"{sd / np.sqrt(len(record.seeds)):.3f}",
        ),
        Difference(
            "which Q the agent plans with",
            "that of the trained model",
            "the noisy Q of the last step",
            "both: evaluation 'noisy' as published, 'clean' without the last step's noise",
            f"at sigma = {record.settings['sigma'][-1]:.3g} the mean J is {last['noisy']:.3f} noisy, "
            f"{last['clean']:.3f} clean (exact inverse)",
        ),
    )


def draw_ift(record: Record) -> Figure:
    """The published figure, and what remains of it when the agent plans without the last step's noise."""
    figure = Figure(figsize=(10.5, 4.1), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    _panel(left, record, "noisy", "As published: planning with the noisy Q")
    _panel(right, record, "clean", "Planning with the same Q without noise")
    left.legend(loc="lower left", frameon=False, fontsize=9, handlelength=3.2)
    right.get_legend().remove()
    if record.quick:
        figure.suptitle("QUICK LOOK: fewer seeds, points and steps than the figure has", color="#b00020", fontsize=11)
    return figure


def _panel(ax: Axes, record: Record, evaluation: str, title: str) -> None:
    labels = {"inverse": "inverse Jacobian", "identity": "identity instead"}

    def column(inverse: str, name: str) -> np.ndarray:
        return record.column(name, inverse=inverse, evaluation=evaluation, quantity="J")

    optimum = record.settings["optimal_return"]
    series = {
        f"{label}, mean $\\pm$ {BAND} sd": Curve(column(name, "sigma"), column(name, "mean"), BAND * column(name, "sd"))
        for name, label in labels.items()
    }
    curves(
        series,
        x_label=r"noise $\sigma$ of the inner solution $\hat Q$, units of return",
        y_label=r"return $J$ in the true MDP",
        reference=optimum,
        reference_label=f"optimal return, {optimum:.4f}",
        title=title,
        legend="lower left",
        ax=ax,
    )
    ax.set_xscale("log")
    ax.label_outer()
