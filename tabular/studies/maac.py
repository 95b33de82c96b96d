"""The horizon's trade-off of Clavera et al. 2020 (MAAC), "Model-Augmented Actor-Critic", exactly and in tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tabular.evaluate import Evaluation, evaluate
from tabular.expansion import expansion_error, steve, truncation
from tabular.mdp import MDP, AnyMDP, with_changes
from tabular.operators import policy_reward
from tabular.studies.record import Difference, Record, bar, spread, versions
from tabular.worlds.papers import maze10, two_state
from tabular.worlds.random import garnet

MODEL_ERRORS = (0.0, 0.03, 0.1, 0.3, 1.0)
"""Largest L1 distance of a row of the model's kernel from the true one."""
CRITIC_ERRORS = (0.0, 0.1, 0.3)
"""Largest error of the critic, in units of the range of the true Q."""
SHOWN = 0.3
"""The critic error in the picture."""
MEMBERS = 4
"""Models, and critics, in STEVE's ensemble; all pairs are used."""
H_MAX = 40


def open_maze() -> AnyMDP:
    """`maze10` with starts anywhere but in walls: MAAC starts its rollouts at the states of a replay buffer."""
    mdp = maze10()
    walls = mdp.grid.walls if mdp.grid else frozenset()
    free = np.array([cell not in walls for cell in mdp.states or ()], dtype=float)
    return with_changes(mdp, rho=free / free.sum())


WORLDS: Mapping[str, Callable[[], AnyMDP]] = {
    "two_state": two_state,
    "garnet": lambda: garnet(30, 4, 5, 0.9),
    "maze10": open_maze,
}
TITLES = {"two_state": "two states", "garnet": "Garnet, 30 states", "maze10": "maze, 100 states"}
QUANTITIES = ("value_error", "gradient_error", "cosine")


@dataclass(frozen=True)
class Ensemble:
    """Directions of errors, one for each member; an error of size x is x times the direction."""

    models: np.ndarray
    """Change of the kernel with a largest row of L1 norm 1, shape (..., S, A, S)."""
    critics: np.ndarray
    """Change of Q with a largest entry of one range of Q, shape (..., S, A)."""


def horizon(*, quick: bool = False, progress: bool = False) -> Record:
    """Errors of MAAC's objective and of its gradient over the horizon H, for wrong models and wrong critics.

    The uniform policy is evaluated, as at the start of learning. A model is the mixture of the true kernel with rows
    drawn from Dirichlet(1, ..., 1) on the same successors, a critic the true Q with normal noise. One draw is scaled
    to all sizes of error, so that curves of different sizes differ by nothing else.

    Quantities: `value_error` is `|J_H - J| / |J|`, `gradient_error` the L1 distance from the policy gradient in units
    of its L1 norm, `cosine` that of the angle between the two. The table `steve` has value errors of ensembles: of
    their mean at a fixed H, and of STEVE's mixture of the horizons 0 to H. The table `bound` has the gradient error
    with the true model and critic, and the bound gamma^(H+1) / (1 - gamma) max_s E|A| on it. The table `best` has the
    horizon of the least mean error.
    """
    began = time.perf_counter()
    seeds, H_max = tuple(range(4 if quick else 20)), 20 if quick else H_MAX
    rows, mixed, bounds, extra = [], [], [], {}
    with bar("maac-horizon", len(WORLDS) * len(MODEL_ERRORS) * len(CRITIC_ERRORS), progress, "ensemble") as shown:
        for world, build in WORLDS.items():
            mdp = build()
            policy = evaluate(mdp, np.full((mdp.S, mdp.A), 1 / mdp.A))
            bounds += _bound_rows(world, mdp, H_max)
            extra[world] = _counted_twice(mdp, policy, min(5, H_max))
            for errors, measured, ensembles in _sweep(mdp, policy, seeds, H_max):
                where = {"world": world} | errors
                rows += _rows(where, measured)
                mixed += [row for target, errors in ensembles.items() for row in _mixed_rows(where, target, errors)]
                shown.update()
    settings = {
        "figure": "Clavera et al. 2020, section 5.2, in tables",
        "policy": "uniform",
        "worlds": {"two_state": "two_state()", "garnet": "garnet(30, 4, 5, 0.9)", "maze10": "maze10, any free start"},
        "model_errors": MODEL_ERRORS,
        "model_error": "largest L1 distance of a row of P_hat, P mixed with Dirichlet(1) rows on its support",
        "critic_errors": CRITIC_ERRORS,
        "critic_error": "largest |Q_hat - Q| in units of max Q - min Q, normal noise",
        "members": MEMBERS,
        "H_max": H_max,
        "random_bits": "numpy.random.RandomState([seed, member])",
    }
    return Record(
        "maac-horizon",
        tuple(rows),
        settings,
        seeds,
        quick,
        time.perf_counter() - began,
        versions(),
        tables={"steve": tuple(mixed), "bound": tuple(bounds), "best": tuple(_best(rows))},
        differences=_differences(rows, extra, H_max),
    )


def ensembles(mdp: AnyMDP, Q: np.ndarray, seeds: tuple[int, ...]) -> Ensemble:
    """Directions of model and critic errors for each seed and member, leading axes (n, MEMBERS).

    The rows of a model are drawn anew until the farthest is `max(MODEL_ERRORS)` or more from the true one: a mixture
    can't get further than the rows that it is mixed with.
    """
    P, Q_range = mdp.to_dense().P, float(np.ptp(Q))
    draws = [[np.random.RandomState([seed, member]) for member in range(MEMBERS)] for seed in seeds]
    models = [[_kernel_direction(P, draw) for draw in members] for members in draws]
    critics = [[_noise(Q.shape, draw) * Q_range for draw in members] for members in draws]
    return Ensemble(np.array(models), np.array(critics))


def _kernel_direction(P: np.ndarray, draw: np.random.RandomState) -> np.ndarray:
    largest = 0.0
    change = np.zeros_like(P)
    while largest < max(MODEL_ERRORS):
        rows = draw.standard_exponential(P.shape) * (P > 0)
        change = rows / rows.sum(-1, keepdims=True) - P
        largest = abs(change).sum(-1).max()
    return change / largest


def _noise(shape: tuple[int, ...], draw: np.random.RandomState) -> np.ndarray:
    noise = draw.standard_normal(shape)
    return noise / abs(noise).max()


def _sweep(
    mdp: AnyMDP, policy: Evaluation, seeds: tuple[int, ...], H_max: int
) -> Iterator[tuple[dict[str, float], dict[str, np.ndarray], dict[str, np.ndarray]]]:
    """For each size of errors: the quantities of single models, and the value errors of ensembles, shapes (n, H)."""
    off = ensembles(mdp, policy.Q, seeds)
    P, logits = mdp.to_dense().P, np.zeros(mdp.r.shape)

    def model(P_hat) -> MDP:
        return MDP(P_hat, mdp.r, mdp.gamma, mdp.rho)

    @jax.jit
    @jax.vmap
    def single(P_hat, Q_hat):
        return expansion_error(mdp, model(P_hat), Q_hat, logits, H_max=H_max)

    @jax.jit
    @jax.vmap
    def together(P_hat, Q_hat):
        return steve([model(P_hat[i]) for i in range(MEMBERS)], Q_hat, logits, H_max=H_max)

    for model_error in MODEL_ERRORS:
        for critic_error in CRITIC_ERRORS:
            P_hat, Q_hat = P + model_error * off.models, policy.Q + critic_error * off.critics
            found, mixture = single(P_hat[:, 0], Q_hat[:, 0]), together(P_hat, Q_hat)
            mean = jnp.einsum("nhsa,sa->nh", mixture.mean, policy.pi * mdp.rho[:, None])
            yield (
                {"model_error": model_error, "critic_error": critic_error},
                {
                    "value_error": np.asarray(found.value) / abs(policy.J),
                    "gradient_error": np.asarray(found.gradient / found.gradient_norm[:, None]),
                    "cosine": np.asarray(found.cosine),
                },
                {
                    "mean at H": abs(np.asarray(mean) - policy.J) / abs(policy.J),
                    "steve 0..H": abs(np.asarray(mixture.J) - policy.J) / abs(policy.J),
                },
            )


def _rows(where: dict[str, Any], measured: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    return [
        where | {"H": H, "quantity": quantity} | spread(values)
        for quantity, by_horizon in measured.items()
        for H, values in enumerate(by_horizon.T)
    ]


def _mixed_rows(where: dict[str, Any], target: str, errors: np.ndarray) -> list[dict[str, Any]]:
    return [where | {"target": target, "H": H} | spread(values) for H, values in enumerate(errors.T)]


def _bound_rows(world: str, mdp: AnyMDP, H_max: int) -> list[dict[str, Any]]:
    """The gradient error with nothing wrong, and the bound on it, in units of the policy gradient's norm."""
    found = truncation(mdp, np.zeros(mdp.r.shape), H_max=H_max)
    return [
        {"world": world, "H": H, "quantity": quantity, "value": float(value / found.gradient_norm)}
        for quantity, values in (("bias", found.bias), ("bound", found.bound))
        for H, value in enumerate(np.asarray(values))
    ]


def _best(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The horizon of the best mean of each curve, and the mean there."""
    curves: dict[tuple, list[dict[str, Any]]] = {}
    for row in rows:
        curves.setdefault((row["world"], row["model_error"], row["critic_error"], row["quantity"]), []).append(row)
    for (world, model_error, critic_error, quantity), points in curves.items():
        sign = -1 if quantity == "cosine" else 1
        best = min(points, key=lambda row: sign * row["mean"])
        where = {"world": world, "model_error": model_error, "critic_error": critic_error, "quantity": quantity}
        yield where | {"H": best["H"], "value": best["mean"]}


def _counted_twice(mdp: AnyMDP, policy: Evaluation, H: int) -> float:
    """Relative value error if the rewards are summed to t = H and Q(s_H, a_H) is added: gamma^H E r(s_H, a_H) / J."""
    visits = np.linalg.matrix_power(mdp.gamma * mdp.to_dense().chain(policy.pi).T, H) @ mdp.rho
    return float(abs(visits @ policy_reward(mdp, policy.pi) / policy.J))


def _differences(rows: list[dict[str, Any]], extra: dict[str, float], H_max: int) -> tuple[Difference, ...]:
    exact = [row for row in rows if row["model_error"] == row["critic_error"] == 0 and row["world"] == "two_state"]
    gradient = {row["H"]: row["mean"] for row in exact if row["quantity"] == "gradient_error"}
    value = max(row["mean"] for row in exact if row["quantity"] == "value_error")
    shown = ", ".join(f"{gradient[H]:.3f} at H = {H}" for H in (0, 5, 10, 20))
    doubled = ", ".join(f"{error:.2g} in {world}" for world, error in extra.items())
    return (
        Difference(
            subject="the objective with the true dynamics and the true Q",
            paper="section 4.1: it is the same as the RL objective; section 5.2: with the true dynamics the only error "
            "of the gradient comes from the learned Q",
            code="not consulted; an actor that is updated with a fixed critic has the gradient used here",
            here="the value is the same; the gradient lacks the terms t > H of the policy gradient, since the critic "
            "is frozen",
            effect=f"two_state, nothing wrong: relative value error at most {value:.0e}, gradient error {shown}",
        ),
        Difference(
            subject="the last reward that is summed",
            paper="section 4.1: t = H - 1; appendix A.1: t = H, beside gamma^H Q(s_H, a_H), which counts r(s_H, a_H) "
            "twice",
            code="not consulted",
            here="t = H - 1, with which the value is right for the true model and critic",
            effect=f"summing to t = H adds a relative value error at H = {min(5, H_max)} of {doubled}",
        ),
    )


# the picture


STEVE, BOUND = (0, (1, 1.2)), (0, (5, 3))
PANELS = (
    ("value_error", "value error  $|J_H - J|\\,/\\,|J|$"),
    ("gradient_error", "gradient error  (relative, $L_1$)"),
    ("cosine", "direction error  (1 − cosine)"),
    ("steve", "value error of an ensemble"),
)


def draw_horizon(record: Record) -> Figure:
    """Rows: error of the value, the gradient, its direction, and an ensemble's value; columns: worlds.

    Curves: sizes of the model's error, at the critic error `SHOWN`.
    """
    figure = Figure(figsize=(11.0, 11.4), layout="constrained")
    axes = figure.subplots(len(PANELS), len(WORLDS), sharex=True)
    for row, (quantity, label) in zip(axes, PANELS, strict=True):
        for ax, world in zip(row, WORLDS, strict=True):
            _panel(ax, record, world, quantity)
        row[0].set_ylabel(label)
    for ax, title in zip(axes[0], TITLES.values(), strict=True):
        ax.set_title(title, fontsize=12, loc="left")
    for ax in axes[-1]:
        ax.set_xlabel("horizon $H$ (steps of the model)")
    figure.legend(handles=_legend(), loc="outside lower center", ncols=5, frameon=False, fontsize=9, handlelength=2.8)
    about = f"critic off by {SHOWN} of the range of Q; mean and standard error over {len(record.seeds)} seeds"
    figure.suptitle(f"How far to trust a wrong model\n{about}", fontsize=11)
    if record.quick:
        figure.suptitle("QUICK LOOK: fewer seeds and horizons than the figure has", color="#b00020", fontsize=11)
    return figure


def _panel(ax: Axes, record: Record, world: str, quantity: str) -> None:
    where = {"world": world, "critic_error": SHOWN}
    for model_error, colour in zip(MODEL_ERRORS, _colours(), strict=True):
        here = where | {"model_error": model_error}
        if quantity == "steve":
            _curve(ax, *_points(record.tables["steve"], here | {"target": "mean at H"}), colour)
            H, mean, _ = _points(record.tables["steve"], here | {"target": "steve 0..H"})
            ax.plot(H, mean, color=colour, ls=STEVE, lw=1.8, zorder=4)
        else:
            H, mean, se = _points(record.rows, here | {"quantity": quantity})
            _curve(ax, H, 1 - mean if quantity == "cosine" else mean, se, colour)
    if quantity == "gradient_error":
        for part, dashes in (("bias", "-"), ("bound", BOUND)):
            rows = [row for row in record.tables["bound"] if row["world"] == world and row["quantity"] == part]
            ax.plot(
                [row["H"] for row in rows], [row["value"] for row in rows], color="black", ls=dashes, lw=1, zorder=4
            )
    ax.set_yscale("log")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="#e4e4e4", lw=0.8)


def _points(rows: Sequence[Mapping[str, Any]], where: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Horizons, means and standard errors of the rows with these settings."""
    chosen = [row for row in rows if where.items() <= row.items()]
    H, mean, se = (np.array([row[name] for row in chosen]) for name in ("H", "mean", "se"))
    return H, mean, se


def _curve(ax: Axes, H: np.ndarray, mean: np.ndarray, se: np.ndarray, colour: Any) -> None:
    """A mean with a band of one standard error, and a mark where it is lowest."""
    best = int(mean.argmin())
    ax.plot(H, mean, color=colour, lw=2, zorder=3)
    ax.fill_between(H, np.maximum(mean - se, mean / 10), mean + se, color=colour, alpha=0.16, lw=0)
    ax.plot(H[best], mean[best], "o", ms=8, color=colour, mec="white", mew=1.2, zorder=5, clip_on=False)


def _colours() -> list[Any]:
    """From dark to light with the size of the error; their lightness alone tells them apart."""
    return list(plt.get_cmap("plasma")(np.linspace(0, 0.86, len(MODEL_ERRORS))))


def _legend() -> list[Line2D]:
    sizes = [
        Line2D([], [], color=colour, lw=2, label=f"model off by {error:g} ($L_1$)")
        for error, colour in zip(MODEL_ERRORS, _colours(), strict=True)
    ]
    return [
        *sizes,
        Line2D([], [], color="#777777", marker="o", ms=8, mec="white", ls="", label="best horizon"),
        Line2D([], [], color="#777777", lw=1.4, ls=STEVE, label="STEVE, mix of 0..$H$"),
        Line2D([], [], color="black", lw=1.0, label="nothing wrong: truncation"),
        Line2D([], [], color="black", lw=1.0, ls=BOUND, label="bound on it"),
    ]
