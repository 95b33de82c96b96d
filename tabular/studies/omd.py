"""Figures 2 and 4 of Nikishin et al. 2021, "Control-Oriented Model-Based RL with Implicit Differentiation".

Both are read off the same fits. A fit is computed once in a process: the second of the two figures gets the fits that
they share for nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from tabular.device import evaluate_batch, soft_solve_batch
from tabular.fitting import Fit, fit
from tabular.mismatch import (
    backup_error,
    bellman_bound,
    largest_reward,
    likelihood_bound,
    reward_error,
    reward_span,
    transition_error,
)
from tabular.models import RANDOM_BITS, softmax_table
from tabular.objectives import mle, omd
from tabular.operators import soft_value, softmax_policy
from tabular.plot import Curve, curves
from tabular.soft import soft_solve
from tabular.solve import solve
from tabular.studies.cells import in_threads
from tabular.studies.record import Difference, Published, Record, bar, spread, versions
from tabular.worlds.papers import two_state

ALPHA = 0.01
METHODS = {
    "mle": mle(ALPHA),
    "omd_returns": omd(ALPHA),
    "omd_bellman": omd(ALPHA, loss="bellman"),
    "omd_returns_annealed": omd(ALPHA, anneal=1200.0),
}
PROJECTIONS = ("authors", "paper_raw", "paper_scaled", "none")
BOUNDED = ("authors", "paper_raw", "paper_scaled")
"""The ones that have a norm bound."""
DRAWN = ("authors", "paper_scaled")
"""The ones that pictures show."""
KAPPAS = np.linspace(0, 6, 20)
PUBLISHED = (1, 2, 3, 4, 6, 9, 13, 16)
"""Which of `KAPPAS` are points of the published Figure 2."""
PUBLISHED_BOUNDS = tuple(range(17))
"""Which of `KAPPAS` are points of the published Figure 4."""
SIZES = {"span": reward_span, "r_max": largest_reward}
"""What the likelihood bound takes for the size of rewards: their range, or the largest |r|, as the published code."""

KAPPA_LABEL = r"bound $\kappa$ on the norm of the model's parameters"
AUTHORS_CODE = "published code of Nikishin et al. 2021, mean over seeds 1 to 10"
PUBLISHED_RETURNS = {
    "mle": {0: -0.855, 2: -0.7217, 4: 0.186, 6: 0.657, 16: 1.0126},
    "omd_returns": {0: -0.855, 2: -0.3284, 4: 0.596, 6: 0.9949, 16: 1.0263},
}
"""J by method and index of kappa, with the projection of the published code."""
PUBLISHED_ERRORS = {
    ("mle", "qerr"): {0: 1.829, 4: 1.840, 9: 1.817, 13: 1.785, 16: 1.765},
    ("omd_bellman", "qerr"): {0: 1.829, 4: 1.811, 9: 1.695, 13: 1.498, 16: 1.505},
    ("mle", "gap"): {0: 25.2, 4: 3.76, 9: 3.23, 13: 3.39, 16: 3.27},
    ("omd_bellman", "gap"): {0: 3.171, 4: 3.107, 9: 2.787, 13: 2.282, 16: 2.027},
}
"""Error of Q and tightness by index of kappa, with the projection and the r_max of the published code."""


@dataclass(frozen=True)
class How:
    """What is run for each projection and method."""

    kappa: tuple[float, ...]
    seeds: tuple[int, ...]
    steps: int
    lr: float = 0.01
    tol: float = 1e-10
    pair: str = "authors"
    """See `fit`: the Q that is evaluated belongs to the parameters before the last update."""


COMPARED = 4
"""The index of kappa at which differences are measured."""

FULL = How(tuple(KAPPAS.tolist()), tuple(range(1, 11)), 10_000)
QUICK = How(tuple(KAPPAS[[0, 1, 2, 4, 6, 9, 16]].tolist()), (1, 2, 3), 2_000)

Fits = Mapping[tuple[str, str], Fit]
"""By projection and method."""


@cache
def fitted(projection: str, method: str, how: How) -> Fit:
    """Models of one class by one method, for every norm bound and seed; computed once in a process."""
    table = softmax_table(projection, alpha=ALPHA)
    arguments: dict[str, Any] = asdict(how) if table.bounded else asdict(how) | {"kappa": np.inf}
    return fit(two_state(), METHODS[method], table, **arguments)


def _sweep(study: str, how: How, projections: Sequence[str], methods: Sequence[str], progress: bool) -> Fits:
    """A fit for each projection and method."""
    keys = [(projection, method) for projection in projections for method in methods]
    with bar(study, len(keys), progress, "fit") as shown:

        def one(key: tuple[str, str]) -> Fit:
            found = fitted(*key, how)
            shown.set_postfix_str(" ".join(key))
            shown.update()
            return found

        return dict(zip(keys, in_threads(one, keys), strict=True))


def _settings(how: How, fits: Fits) -> dict[str, Any]:
    """What was run, for the record."""
    return {name: value for name, value in asdict(how).items() if name != "seeds"} | {
        "world": "two_state",
        "alpha": ALPHA,
        "optimizer": "adam, b1 = 0.9, b2 = 0.999, eps = 1e-8",
        "random_bits": RANDOM_BITS,
        "converged": {" ".join(key): float(found.converged.mean()) for key, found in fits.items()},
    }


def _published(numbers: Mapping[int, float], found: Fit, ours: np.ndarray, quantity: str) -> list[Published]:
    """Published means by index of kappa beside ours, (kappas, seeds), where the fit has that kappa."""
    mean = dict(zip(found.kappa.tolist(), ours.mean(1).tolist(), strict=True))
    return [
        Published(f"{quantity} at kappa = {KAPPAS[k]:.3f}", value, mean[KAPPAS[k]], AUTHORS_CODE)
        for k, value in numbers.items()
        if KAPPAS[k] in mean
    ]


# Where paper and code disagree, in both figures


def _norm(fits: Fits, quantity: str, method: str, values: Callable[[Fit], np.ndarray]) -> Difference:
    k = _compared(fits["authors", method])
    shown = [f"{name} {values(fits[name, method])[k].mean():.3f}" for name in BOUNDED if (name, method) in fits]
    return Difference(
        "norm that bounds the model",
        "one Euclidean norm of all logits and rewards (eq. 8)",
        "logits and rewards are scaled each alone, with the first slice of each divided by alpha",
        "authors is what made the figure; paper_raw and paper_scaled have the norm of eq. 8, with raw logits or with "
        "the quotient as parameters",
        f"mean {quantity} of {method} at kappa = {KAPPAS[COMPARED]:.3f}: " + ", ".join(shown),
    )


def _temperature() -> Difference:
    soft, hard = soft_solve(two_state(), ALPHA), solve(two_state())
    return Difference(
        "temperature",
        "theory for alpha -> 0",
        f"alpha = {ALPHA:g} throughout, and the soft Q* as reference",
        "as the code; tabular.solve has the limit",
        f"max |soft Q* - hard Q*| = {abs(soft.Q - hard.Q).max():.2g}; J {soft.J:.7f} and {hard.J:.7f}",
    )


def _bellman_sum(fits: Fits) -> Difference:
    found = fits["authors", "omd_bellman"]
    k, pairs = _compared(found), found.Q[0, 0].size
    mean = found.bellman_mse[k].mean()
    return Difference(
        "squared Bellman errors",
        "a sum over states and actions (eq. 6)",
        "a mean",
        "the mean; omd(loss='bellman', total=True) is the sum. Adam's steps don't change with the scale of a loss",
        f"a factor of {pairs}: at kappa = {found.kappa[k]:.3f} the mean is {mean:.4f}, the sum {pairs * mean:.4f}",
    )


def _deviations(fits: Fits, quantity: str, published: str, values: Callable[[Fit], np.ndarray]) -> Difference:
    sd = max(values(found).std(1).max() for (projection, _), found in fits.items() if projection == "authors")
    seeds = len(next(iter(fits.values())).seeds)
    return Difference(
        "spread over seeds",
        published,
        "the same",
        "rows have the standard deviation and the standard error, bands are standard errors",
        f"largest standard deviation of {quantity} {sd:.3f}, standard error {sd / np.sqrt(seeds):.3f} ({seeds} seeds)",
    )


def _compared(found: Fit) -> int:
    """Index in a fit of the kappa at which differences are measured."""
    return int(abs(found.kappa - KAPPAS[COMPARED]).argmin())


# Figure 2


def fig2(*, quick: bool = False, progress: bool = False, projections: Sequence[str] | None = None) -> Record:
    """Figure 2: return of the agent that plans in a learned model, against the bound kappa on its parameters' norm.

    10 seeds and 10,000 steps of Adam for each projection, method and kappa. The Q that is evaluated belongs to the
    parameters before the last update, as in the published code; the table `own` has the returns with the Q of the final
    parameters.

    Args:
      projections: norms, see `tabular.models`; all, or in a quick run the two that the picture shows.
    """
    began = time.perf_counter()
    how = QUICK if quick else FULL
    projections = projections or (DRAWN if quick else PROJECTIONS)
    fits = _sweep("omd-fig2", how, projections, tuple(METHODS), progress)
    own = _own_returns(fits)
    settings = _settings(how, fits) | {
        "figure": "Nikishin et al. 2021, Figure 2",
        "quantity": "J, the return in the true MDP of softmax(Q / alpha)",
        "optimal_return": solve(two_state()).J,
    }
    return Record(
        "omd-fig2",
        _return_rows(fits, {key: found.J for key, found in fits.items()}),
        settings,
        how.seeds,
        quick,
        time.perf_counter() - began,
        versions(),
        tables={"own": _return_rows(fits, own)},
        published=_published_returns(fits),
        differences=_differences_of_returns(fits, own),
    )


def _return_rows(fits: Fits, returns: Mapping[tuple[str, str], np.ndarray]) -> tuple[dict[str, Any], ...]:
    """Returns of shape (kappas, seeds) by projection and method, in long form."""
    return tuple(
        {"projection": projection, "method": method, "kappa": float(kappa), **spread(values)}
        for (projection, method), J in returns.items()
        for kappa, values in zip(fits[projection, method].kappa, J, strict=True)
    )


def _own_returns(fits: Fits) -> dict[tuple[str, str], np.ndarray]:
    """J of the agent that plans with the final parameters' own Q, shape (kappas, seeds) for each fit."""
    true = two_state()
    P_hat = np.concatenate([found.P_hat.reshape(-1, true.S, true.A, true.S) for found in fits.values()])
    r_hat = np.concatenate([found.r_hat.reshape(-1, true.S, true.A) for found in fits.values()])
    Q = np.asarray(soft_solve_batch(P_hat, r_hat, true.gamma, ALPHA).Q)
    pi = softmax_policy(Q.reshape(-1, true.A), ALPHA).reshape(Q.shape)
    P, r = (np.broadcast_to(array, (len(pi), *array.shape)) for array in (true.to_dense().P, true.r))
    J = np.asarray(evaluate_batch(P, r, true.gamma, pi, rho=true.rho).J)
    ends = np.cumsum([found.J.size for found in fits.values()])[:-1]
    return {key: part.reshape(fits[key].J.shape) for key, part in zip(fits, np.split(J, ends), strict=True)}


def _published_returns(fits: Fits) -> tuple[Published, ...]:
    return tuple(
        number
        for method, numbers in PUBLISHED_RETURNS.items()
        if ("authors", method) in fits
        for number in _published(numbers, fits["authors", method], fits["authors", method].J, f"J, {method}")
    )


def _differences_of_returns(fits: Fits, own: Mapping[tuple[str, str], np.ndarray]) -> tuple[Difference, ...]:
    if not set(DRAWN) <= {projection for projection, _ in fits}:
        return ()
    off = {key: abs(own[key].mean(1) - found.J.mean(1)).max() for key, found in fits.items() if key[0] == "authors"}
    plain, annealed = (fits["paper_scaled", name].J[1:].mean() for name in ("omd_returns", "omd_returns_annealed"))
    raw = [f"{name} {fits['authors', name].J[1:].mean():.3f}" for name in METHODS]
    return (
        _norm(fits, "J", "mle", lambda found: found.J),
        _temperature(),
        Difference(
            "how the loss is minimised",
            "gradient ascent on the return",
            "Adam with step size 0.01 on raw logits, which the model divides by alpha = 0.01: steps of up to 1",
            "Adam; projections authors and paper_raw learn raw logits, paper_scaled the logits themselves; the method "
            "omd_returns_annealed starts with a warm policy",
            f"mean J over kappa > 0: paper_scaled OMD {plain:.3f}, annealed {annealed:.3f}; authors " + ", ".join(raw),
        ),
        _bellman_sum(fits),
        Difference(
            "whose Q is evaluated",
            "J(Q*) of the learned model",
            "the Q of the parameters before the last update",
            "the published code's in the rows, the model's own in the table `own`",
            "largest change of a mean J: " + ", ".join(f"{key[1]} {change:.2g}" for key, change in off.items()),
        ),
        _deviations(fits, "J", "Figure 2 shows none", lambda found: found.J),
    )


def draw_fig2(record: Record) -> Figure:
    """Figure 2 as it was published, beside the experiment that equation 8 of the paper describes.

    Bands are standard errors over seeds; marks are at the published values of kappa.
    """
    figure = Figure(figsize=(10.5, 4.1), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    published = {"MLE": "mle", "OMD": "omd_returns"}
    described = published | {"OMD, annealed": "omd_returns_annealed", "OMD, Bellman error": "omd_bellman"}
    _panel(left, record, "authors", published, "As published: projection authors")
    _panel(right, record, "paper_scaled", described, "As described in eq. 8: projection paper_scaled")
    _warn_if_quick(figure, record)
    return figure


def _panel(ax: Axes, record: Record, projection: str, methods: dict[str, str], title: str) -> None:
    """One projection's curves: return against kappa, for methods by label."""
    optimum = record.settings["optimal_return"]
    curves(
        {label: _curve(record, range(20), projection=projection, method=method) for label, method in methods.items()},
        x_label=KAPPA_LABEL,
        y_label=r"return $J$ in the true MDP",
        reference=optimum,
        reference_label=f"optimal return, {optimum:.4f}",
        title=title,
        legend="lower right",
        ax=ax,
    )
    ax.label_outer()
    marked = np.isin(record.column("kappa", projection=projection, method="mle"), KAPPAS[list(PUBLISHED)])
    for line in ax.lines[: len(methods)]:
        line.set_markevery(np.flatnonzero(marked).tolist())


def _curve(record: Record, points: Sequence[int], **where: Any) -> Curve:
    """Mean over the kappas with these indices, with the standard error as band."""
    shown = np.isin(record.column("kappa", **where), KAPPAS[list(points)])
    return Curve(*(record.column(name, **where)[shown] for name in ("kappa", "mean", "se")))


def _warn_if_quick(figure: Figure, record: Record) -> None:
    if record.quick:
        figure.suptitle("QUICK LOOK: fewer seeds, points and steps than the figure has", color="#b00020", fontsize=11)


# Figure 4


def fig4(
    *, quick: bool = False, progress: bool = False, projections: Sequence[str] | None = None, size: str = "span"
) -> Record:
    """Figure 4: error of the learned Q, the bounds of Theorem 2 on it, and their tightness, against kappa.

    The fits of Figure 2 by likelihood and by OMD with the Bellman error, each with its own bound:

        qerr          max |Q*_alpha - Q_hat|
        bound         mle: eps_r / (1 - gamma) + gamma eps_p size / (2 (1 - gamma)^2); omd_bellman: eps / (1 - gamma)
        gap           bound - qerr
        bellman_mse   mean_{s,a} (B_alpha Q_hat - Q_hat)^2
        J             return of the agent

    Args:
      projections: norms, see `tabular.models`; all that bound, or in a quick run the two that the picture shows.
      size: the size of rewards in the likelihood bound: `span`, their range, or `r_max`, the largest |r|, with which
        the published code evaluates the formula. That isn't a bound where rewards have both signs.

    Raises:
      ValueError for another size.
    """
    if size not in SIZES:
        raise ValueError(f"size = {size!r}, expected {' or '.join(map(repr, SIZES))}.")
    began = time.perf_counter()
    how = QUICK if quick else FULL
    projections = projections or (DRAWN if quick else BOUNDED)
    fits = _sweep("omd-fig4", how, projections, ("mle", "omd_bellman"), progress)
    rows = tuple(
        {"projection": projection, "method": method, "kappa": float(kappa), "quantity": quantity, **spread(values)}
        for (projection, method), found in fits.items()
        for quantity, table in quantities(method, found, size).items()
        for kappa, values in zip(found.kappa, table, strict=True)
    )
    settings = _settings(how, fits) | {
        "figure": "Nikishin et al. 2021, Figure 4",
        "quantity": "error of Q, the bound of Theorem 2 on it, and their difference",
        "size": size,
    }
    return Record(
        "omd-fig4",
        rows,
        settings,
        how.seeds,
        quick,
        time.perf_counter() - began,
        versions(),
        published=_published_errors(fits),
        differences=_differences_of_errors(fits),
    )


def quantities(method: str, found: Fit, size: str) -> dict[str, np.ndarray]:
    """What Figure 4 shows of fits by one method, shape (kappas, seeds) each."""
    bound = _likelihood_bound(found, size) if method == "mle" else _bellman_bound(found)
    return {
        "qerr": found.q_error,
        "bound": bound,
        "gap": bound - found.q_error,
        "bellman_mse": found.bellman_mse,
        "J": found.J,
    }


def _likelihood_bound(found: Fit, size: str) -> np.ndarray:
    """Theorem 2, first part, shape (kappas, seeds)."""
    true = two_state()
    eps_r, eps_p = reward_error(true.r, found.r_hat), transition_error(true.P, found.P_hat)
    return likelihood_bound(eps_r, eps_p, SIZES[size](true.r), true.gamma)


def _bellman_bound(found: Fit) -> np.ndarray:
    """Theorem 2, second part, shape (kappas, seeds)."""
    true = two_state()
    V = soft_value(found.Q.reshape(-1, true.A), ALPHA).reshape(found.Q.shape[:-1])
    return bellman_bound(backup_error(true.P, true.r, found.P_hat, found.r_hat, V, true.gamma), true.gamma)


def _published_errors(fits: Fits) -> tuple[Published, ...]:
    """Beside ours with the published code's r_max, whatever size this run has."""
    return tuple(
        number
        for (method, quantity), numbers in PUBLISHED_ERRORS.items()
        if ("authors", method) in fits
        for found in [fits["authors", method]]
        for number in _published(numbers, found, quantities(method, found, "r_max")[quantity], f"{quantity}, {method}")
    )


def _differences_of_errors(fits: Fits) -> tuple[Difference, ...]:
    if not set(DRAWN) <= {projection for projection, _ in fits}:
        return ()
    likelihood = fits["authors", "mle"]
    k = _compared(likelihood)
    bounds = {size: _likelihood_bound(likelihood, size)[k].mean() for size in SIZES}
    return (
        _norm(fits, "qerr", "omd_bellman", lambda found: found.q_error),
        Difference(
            "size of rewards in the likelihood bound",
            "r_max, for rewards in [0, r_max]",
            "r_max = max |r|, although rewards have both signs",
            "size='span', the range of rewards, which makes it a bound; size='r_max' asks for the published number",
            f"at kappa = {likelihood.kappa[k]:.3f} the mean bound of MLE is {bounds['span']:.3f} with the range, "
            f"{bounds['r_max']:.3f} with max |r| (projection authors)",
        ),
        _temperature(),
        _bellman_sum(fits),
        _deviations(fits, "qerr", "Figure 4 shows standard errors", lambda found: found.q_error),
    )


def draw_fig4(record: Record) -> Figure:
    """Figure 4 as it was published, above the same with the norm of equation 8.

    Bands are standard errors over seeds.
    """
    figure = Figure(figsize=(10.5, 7.6), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True, squeeze=False)
    titles = {"authors": "As published: projection authors", "paper_scaled": "Eq. 8: projection paper_scaled"}
    for row, (projection, title) in zip(panels, titles.items(), strict=True):
        place = "lower left" if projection == "authors" else "upper right"
        _error_panel(row[0], record, projection, "qerr", f"{title}\nError of the learned Q", place)
        _error_panel(row[1], record, projection, "gap", f"{title}\nTightness of each method's bound", "upper right")
    for ax in panels[0]:
        ax.set_xlabel("")
    _warn_if_quick(figure, record)
    return figure


ERROR_LABELS = {
    "qerr": r"$\max\,|Q^*-\hat Q|$, units of return",
    "gap": r"bound $-\ \max\,|Q^*-\hat Q|$, units of return",
}
LEAST = 2.0**-10
"""Errors below this aren't shown: with the norm of equation 8 they go to 0."""


def _error_panel(ax: Axes, record: Record, projection: str, quantity: str, title: str, legend: str) -> None:
    """Likelihood and OMD over the published values of kappa, on a scale of powers of two, down to `LEAST`."""
    labels = {"MLE": "mle", "OMD, Bellman error": "omd_bellman"}
    series = {
        label: _curve(record, PUBLISHED_BOUNDS, projection=projection, method=method, quantity=quantity)
        for label, method in labels.items()
    }
    curves(series, x_label=KAPPA_LABEL, y_label=ERROR_LABELS[quantity], title=title, legend=legend, ax=ax)
    ax.set_yscale("log", base=2)
    low, high = ax.get_ylim()
    ax.set_ylim(bottom=max(low, LEAST))
    if high < 4 * low:
        ax.yaxis.set_major_locator(LogLocator(base=2, subs=(1, 1.125, 1.25, 1.375, 1.5, 1.625, 1.75, 1.875)))
        ax.yaxis.set_major_formatter("{x:g}")
