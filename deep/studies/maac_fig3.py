"""Figure 3 of Clavera et al. 2020 (MAAC), "Model-Augmented Actor-Critic: Backpropagating through Paths"."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deep.ensembles import train
from deep.envs.base import Box
from deep.expansion import expanded_gradients
from deep.fitting import Schedule
from deep.models import Model, model
from deep.nets import stacked
from deep.plot import headed
from deep.replay import Transitions
from tabular.plot.lines import COLOURS, DASHES
from tabular.studies.record import Difference, Record, bar, spread, versions
from tabular.worlds.continuous import (
    LinearQuadratic,
    critic_matrix,
    double_integrator,
    linear_expansion_gradient,
    linear_gradient,
)

GAINS = {"settles": (-1.0, -1.5), "swings": (-1.0, 0.0)}
"""Policies a = K s whose gradients are measured: the first brings the mass to rest, the second lets it swing for ever
(spectral radius 1.00125; the return is finite thanks to the discount)."""
START = (1.0, 1.0)
DT = 0.05
REACH = (3.0, 3.0, 4.0)
"""Samples are uniform within plus and minus these sizes of position, velocity and action."""
ACTIONS = Box(1, -REACH[2], REACH[2])


@dataclass(frozen=True)
class How:
    """Sizes of a run; they aren't published, and chosen here."""

    seeds: tuple[int, ...] = tuple(range(8))
    horizons: int = 500
    """The largest H."""
    gamma: float = 0.99
    model_rows: tuple[int, ...] = (30, 100, 1000)
    """Samples that the model is fitted on, in one case each."""
    critic_rows: int = 300
    hidden: tuple[int, ...] = (32, 32)
    epochs: int = 60
    steps: int = 50
    batch: int = 64
    lr: float = 3e-3


FULL = How()
QUICK = How(seeds=(0, 1, 2), model_rows=(30,), epochs=40)
CURVES = {
    "learned": "learned f ({rows} samples), learned Q",
    "true": "true f, learned Q",
    "exact": "true f, true Q: the critic is frozen",
}


def samples(system: LinearQuadratic, K: Array, rows: int, key: Array) -> Transitions:
    """States and actions from a box, their successors, and Q^K in units of `q_size` in place of rewards."""
    reach = jnp.asarray(REACH)
    x = jax.random.uniform(key, (rows, 3), jnp.float64, -1, 1) * reach[None]
    s_next = x @ jnp.asarray(system.step.W).T
    Q = _quadratic(critic_matrix(system, np.asarray(K)), x) / q_size(system, K)
    numbers = x[:, :2], x[:, 2:], Q, s_next, jnp.ones(rows)
    return Transitions(*(column.astype(jnp.float32) for column in numbers))


def q_size(system: LinearQuadratic, K: Array) -> float:
    """A typical |Q| in the box: what targets are divided by."""
    H = critic_matrix(system, np.asarray(K))
    return float(np.sum(np.diag(H) * np.array(REACH) ** 2) / 6)


def _quadratic(H: np.ndarray, x: Float[Array, "batch 3"]) -> Float[Array, " batch"]:
    return -jnp.einsum("bi,ij,bj->b", x, jnp.asarray(H), x) / 2


def _dynamics_error(model: Model, batch: Transitions, key: Array) -> Array:
    """Squared errors of the change of state in units of dt, so that they are of order 1."""
    return jnp.mean(((model(batch.s, batch.a).mean - batch.s_next) / DT) ** 2)


def _critic_error(model: Model, batch: Transitions, key: Array) -> Array:
    return jnp.mean((model(batch.s, batch.a).r - batch.r) ** 2)


def fitted(how: How, loss: Callable[..., Array], data: Transitions, keys: Array) -> Model:
    """A network for each seed, fitted on its own samples (leading axis) with early stopping."""
    made = [model(key, 2, ACTIONS, how.hidden, jnp.float32, relative=True) for key in keys]
    members = jax.tree.map(lambda x: x[:, None], stacked(made))
    return jax.tree.map(lambda x: x[:, 0], _fits(how, loss, members, data, keys))


@partial(jax.jit, static_argnums=(0, 1))
def _fits(how: How, loss: Callable[..., Array], members: Model, data: Transitions, keys: Array) -> Model:
    schedule = Schedule(how.epochs, how.steps, how.batch, how.lr, patience=10)
    learn = partial(train, elites=1, loss=loss, schedule=schedule, bootstrap=False)
    return jax.vmap(learn)(members, data, keys).members


def gradients(system: LinearQuadratic, how: How, f: Callable, Q: Callable, K: Array) -> Float[Array, "horizons 2"]:
    """MAAC's gradient of the return by the gains for H = 0, ..., horizons, with this model and this critic."""

    def reward(s: Array, a: Array) -> Array:
        return _quadratic(system.M, jnp.concatenate([s, a])[None])[0]

    def policy(K: Array, s: Array, key: Array) -> Array:
        return K @ s

    start, key = jnp.asarray(START), jax.random.key(0, impl="threefry2x32")
    measure = partial(expanded_gradients, H_max=how.horizons, gamma=system.gamma)
    return measure(K, policy, lambda s, a, key: f(s, a), reward, Q, start, key)[:, 0]


def gradient_error(*, quick: bool = False, progress: bool = False) -> Record:
    """L1 error of the gradient of the H-step objective over H, relative to the norm of the exact policy gradient.

    The system is the double integrator without clipping, the policy linear, its exact gradient from the discrete
    Lyapunov equation (`tabular.worlds.continuous`). Networks for the dynamics and for the policy's Q are fitted on
    samples without noise; rewards are known, as in the published code. The gradient runs through float32 networks; all
    else is float64.

    Rows: policy, curve, `rows` (samples for f; 0: the true f), H, and mean, deviation and standard error over seeds,
    each with its own samples and networks. The table `best` has, for each curve, the horizon of the least mean error,
    that error, and the ones at both ends; `own_at_0` and `own_at_last` are distances to the gradient of the same H with
    nothing wrong in the model and the critic: the errors that Lemma 4.1 speaks of.
    """
    began = time.perf_counter()
    how = QUICK if quick else FULL
    system = double_integrator(DT, how.gamma)
    S = np.outer(START, START)
    keys = jnp.stack([jax.random.key(seed, impl="threefry2x32") for seed in how.seeds])
    errors: Errors = {}
    with bar("maac-fig3", len(how.model_rows) + len(GAINS), progress, "fit") as shown:
        models: dict[int, Model | None] = {0: None}
        for rows in how.model_rows:
            models[rows] = _learned(system, how, jnp.asarray([GAINS["settles"]]), rows, keys, 1, _dynamics_error)
            shown.update()
        for policy, gain in GAINS.items():
            K = jnp.asarray([gain])
            critics = _learned(system, how, K, how.critic_rows, keys, 0, _critic_error)
            found = {("exact", 0): _truncated(system, K, S, how)[None]}
            for rows, model in models.items():
                found["learned" if rows else "true", rows] = _through(system, how, K, model, critics)
            exact, frozen = linear_gradient(system, np.asarray(K), S)[0], found["exact", 0]
            errors |= {
                (policy, *key): np.stack([_off(g, exact, exact), _off(g, frozen, exact)]) for key, g in found.items()
            }
            shown.update()
    rows = [
        {"policy": policy, "curve": curve, "rows": rows, "H": H} | spread(values)
        for (policy, curve, rows), (error, _) in errors.items()
        for H, values in enumerate(error.T)
    ]
    settings = asdict(how) | {
        "gains": GAINS,
        "start": START,
        "dt": DT,
        "samples": f"uniform within +-{REACH} of position, velocity, action; no noise",
        "optimizer": "adam",
    }
    best = {"best": tuple(_best(errors))}
    seconds = time.perf_counter() - began
    differences = _differences(errors)
    return Record("maac-fig3", tuple(rows), settings, how.seeds, quick, seconds, versions(), best, (), differences)


Errors = dict[tuple[str, str, int], np.ndarray]
"""By policy, curve and samples: shape (2, seeds, horizons + 1), distances to the policy gradient and to the gradient of
the same H with nothing wrong, as shares of the size of the policy gradient."""


def _off(gradients: np.ndarray, right: np.ndarray, unit: np.ndarray) -> np.ndarray:
    return abs(gradients - right).sum(-1) / abs(unit).sum()


def _truncated(system: LinearQuadratic, K: Array, S: np.ndarray, how: How) -> np.ndarray:
    """The gradients with nothing wrong, in closed form."""
    gain = np.asarray(K)
    return np.stack([linear_expansion_gradient(system, gain, S, H)[0] for H in range(how.horizons + 1)])


def _learned(system: LinearQuadratic, how: How, K: Array, rows: int, keys: Array, part: int, loss: Callable) -> Model:
    """Networks fitted on samples of their own, for each seed."""
    keys = jax.vmap(lambda key: jax.random.fold_in(key, part))(keys)
    data = [samples(system, K, rows, jax.random.fold_in(key, 1)) for key in keys]
    return fitted(how, loss, jax.tree.map(lambda *columns: jnp.stack(columns), *data), keys)


def _through(system: LinearQuadratic, how: How, K: Array, models: Model | None, critics: Model) -> np.ndarray:
    """Gradients for each seed, shape (seeds, horizons + 1, 2)."""
    return np.asarray(_walks(how, K, jnp.asarray(q_size(system, K)), models, critics))


@partial(jax.jit, static_argnums=0)
def _walks(how: How, K: Array, size: Array, models: Model | None, critics: Model) -> Array:
    """The same, compiled once for all policies; `size` is the unit of the critic's numbers."""
    system = double_integrator(DT, how.gamma)
    W = jnp.asarray(system.step.W)

    def one(model: Model | None, critic: Model) -> Array:
        def f(s: Array, a: Array) -> Array:
            if model is None:
                return W @ jnp.concatenate([s, a])
            return model(s.astype(jnp.float32), a.astype(jnp.float32)).mean.astype(jnp.float64)

        def Q(s: Array, a: Array) -> Array:
            return size * critic(s.astype(jnp.float32), a.astype(jnp.float32)).r.astype(jnp.float64)

        return gradients(system, how, f, Q, K)

    return jax.vmap(one)(models, critics)


def _best(errors: Errors):
    for (policy, curve, rows), both in errors.items():
        mean, own = both.mean(1)
        H = int(mean.argmin())
        where = {"policy": policy, "curve": curve, "rows": rows, "H": H}
        ends = {"at_0": mean[0], "at_last": mean[-1], "own_at_0": own[0], "own_at_last": own[-1]}
        yield where | {"error": float(mean[H])} | {name: float(x) for name, x in ends.items()}


def _differences(errors: Errors) -> tuple[Difference, ...]:
    exact = errors["settles", "exact", 0][0, 0]
    shown = ", ".join(f"{exact[H]:.3f} at H = {H}" for H in (0, 20, 50, 100))
    best = list(_best(errors))
    critics = ", ".join(f"{row['own_at_0']:.2g} ({row['policy']})" for row in best if row["curve"] == "true")
    ends = "; ".join(
        f"{row['policy']}, {row['rows']} samples: least {row['error']:.3f} at H = {row['H']}, then {row['at_last']:.3f}"
        for row in best
        if row["curve"] == "learned"
    )
    return (
        Difference(
            subject="what is left with the true dynamics",
            paper="the only error comes from the learned Q, weighted down by gamma^H",
            code="the figure's script isn't published",
            here="also with the true Q (black): its own parameters are held, so the gradient lacks the terms t > H. "
            "Most of the fall over short horizons is that",
            effect=f"nothing wrong: relative error {shown}; of the 1 at H = 0 the learned Q's own part is {critics}",
        ),
        Difference(
            subject="shape of the error with learned dynamics",
            paper="falls over short horizons, grows over long ones",
            code="the figure's script isn't published; how good the model was isn't said",
            here="so with a model of few samples; with more, the best horizon is longer, and the error grows less. "
            "The growth has an end: discounted, the gradient through a wrong model tends to that of another system",
            effect=ends,
        ),
        Difference(
            subject="the environment",
            paper="linear dynamics, quadratic cost",
            code="the step pays a tenth of the model's reward, and clips states at -1 and actions at 1",
            here="linear and quadratic; DoubleIntegrator.published() is the other one",
            effect="with clipping there is no closed form",
        ),
    )


SHOWN = {"settles": 200, "swings": 500}
"""The largest H in the picture."""
TITLES = {"settles": "$K = (-1, -1.5)$: comes to rest", "swings": "$K = (-1, 0)$: swings for ever"}


def draw_gradient_error(record: Record) -> Figure:
    """Error over the horizon, a panel for each policy; bands are standard errors, dots the best horizons of models."""
    figure = Figure(figsize=(10.6, 4.6), layout="constrained")
    axes = figure.subplots(1, len(GAINS), sharey=True)
    for ax, policy in zip(axes, GAINS, strict=True):
        keys = dict.fromkeys((row["curve"], row["rows"]) for row in record.rows if row["curve"] != "exact")
        for k, (curve, rows) in enumerate(keys):
            _curve(ax, record, (policy, curve, rows), COLOURS[k], DASHES[k % len(DASHES)])
        _curve(ax, record, (policy, "exact", 0), "black", DASHES[2])
        ax.set(
            yscale="log",
            ylim=(1e-3, 3),
            xlim=(-0.02 * SHOWN[policy], SHOWN[policy]),
            xlabel="horizon $H$ (steps of the model)",
        )
        ax.set_title(TITLES[policy], fontsize=10, loc="left")
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="y", color="#e4e4e4", lw=0.8)
    axes[0].set_ylabel("gradient error  (relative, $L_1$)")
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, frameon=False, fontsize=9, handlelength=3, loc="outside lower center", ncols=3)
    n = len(record.seeds)
    headed(figure, record, f"How far to trust a model: mean and standard error over {n} seeds; dots: best horizons")
    return figure


def _curve(ax: Axes, record: Record, key: tuple[str, str, int], colour: Any, dashes: Any) -> None:
    where = dict(zip(("policy", "curve", "rows"), key, strict=True))
    H, mean, se = (record.column(name, **where) for name in ("H", "mean", "se"))
    ax.plot(H, mean, color=colour, ls=dashes, lw=1.8, label=CURVES[key[1]].format(rows=key[2]), zorder=3)
    ax.fill_between(H, np.maximum(mean - se, mean / 10), mean + se, color=colour, alpha=0.16, lw=0)
    if key[1] == "learned":
        best = int(mean.argmin())
        ax.plot(H[best], mean[best], "o", ms=8, color=colour, mec="white", mew=1.2, zorder=5, clip_on=False)
