"""Figure 2 of Voelcker et al. 2022, "Value Gradient weighted Model-Based Reinforcement Learning"."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Float
from matplotlib.figure import Figure

from deep.agents import METHODS, Hyper, SoftQ
from deep.critics import Critic, value
from deep.descent import descend
from deep.envs import Discrete, Pendulum
from deep.envs.pendulum import FASTEST, STRONGEST, observed, reward, turned
from deep.loop import begin, chunk
from deep.models import Model, model
from deep.nets import stacked
from deep.objectives import itervaml, mle, vagram
from deep.plot import headed
from deep.replay import Transitions
from tabular.plot.lines import COLOURS, DASHES
from tabular.studies.cells import in_threads
from tabular.studies.record import Difference, Record, bar, spread, versions

Loss = Callable[[Model, Transitions, Callable[[Array], Array], Array], Array]
LOSSES: dict[str, Loss] = {
    "vaml": lambda model, batch, V, key: itervaml(model, batch, V, key),
    "vagram": lambda model, batch, V, key: vagram(model, batch, V),
    "mse": lambda model, batch, V, key: mle(model, batch),
}
NAMES = {"vaml": "VAML", "vagram": "VaGraM", "mse": "MSE"}
MODELS = {"linear": ((), True), "network": ((16,), True), "absolute": ((16,), False)}
"""Hidden layers, and whether a model predicts the change of the state or, as the paper may have it, the state."""
TITLES = {
    "linear": "linear model of the change",
    "network": "one hidden layer of 16, of the change",
    "absolute": "one hidden layer of 16, of the state",
}
QUANTITIES = ("error", "distance", "off")


@dataclass(frozen=True)
class How:
    """Sizes of a run. Published: 600 values, each 200 environment steps after the last, 1,000 model steps each."""

    values: int = 60
    """Value functions, one after the other."""
    env_steps: int = 200
    """Steps of the agent between two of them."""
    model_steps: int = 150
    """Steps of the model for each."""
    seeds: tuple[int, ...] = tuple(range(8))
    rows: int = 1000
    batch: int = 32
    lr: float = 1e-3
    torques: int = 5
    critic_hidden: tuple[int, ...] = (32, 32)
    alpha: float = 0.1
    critic_lr: float = 1e-3


FULL = How()
QUICK = How(values=8, model_steps=100, seeds=(0, 1))


def learned_values(how: How) -> Critic:
    """Target networks of a model-free soft Q-learner, saved every `env_steps` steps, stacked."""
    env = Pendulum(actions=Discrete(how.torques))
    agent = SoftQ(METHODS["model_free"], critic_hidden=how.critic_hidden, model_hidden=(2,))
    hyper = jax.tree.map(lambda x: jnp.full(1, x, jnp.float32), Hyper(alpha=how.alpha, critic_lr=how.critic_lr))
    runs, saved = begin(agent, env, (0,), how.values * how.env_steps), []
    for k in range(how.values):
        position = jnp.asarray(k * how.env_steps, jnp.int32)
        runs, _ = chunk(agent, env, runs, hyper, position, length=how.env_steps, batch=64, learning=True)
        saved.append(jax.tree.map(lambda x: jnp.array(x[0]), runs.learner.target))
    return stacked(saved)


def uniform_rows(key: Array, rows: int) -> Transitions:
    """Transitions of the pendulum, states and torques uniform over all there are."""
    high = jnp.asarray([np.pi, FASTEST, STRONGEST], jnp.float32)
    x = jax.random.uniform(key, (rows, 3), jnp.float32, -1, 1) * high[None]
    state, u = x[:, :2], x[:, 2]
    pays, after = reward(state, u), observed(turned(state, u))
    return Transitions(observed(state), u[:, None], pays, after, jnp.ones_like(u))


def follow(how: How, which: Array, start: Model, critics: Critic, key: Array) -> dict[str, Float[Array, " values"]]:
    """Train one model on a loss, by its number, through the sequence of values; what it is like at the end of each.

    `error` is the VAML error on held-out rows for the current values, as a share of their variance; `distance` the root
    mean square distance of predictions; `off` that of (cos, sin) from the circle.
    """
    of_train, of_held, of_steps = jax.random.split(key, 3)
    train, held = uniform_rows(of_train, how.rows), uniform_rows(of_held, how.rows)
    adam = optax.adam(how.lr)

    def epoch(carry: tuple[Model, Any], part: tuple[Critic, Array]):
        critic, key = part
        V = partial(value, critic, alpha=jnp.asarray(how.alpha, jnp.float32), hard=False)

        def step(carry: tuple[Model, Any], key: Array) -> tuple[tuple[Model, Any], None]:
            of_rows, of_loss = jax.random.split(key)
            at = jax.random.randint(of_rows, (how.batch,), 0, how.rows, dtype=jnp.int32)
            batch = Transitions(*(column[at] for column in train))
            slopes = [lambda model, loss=loss: jax.grad(loss)(model, batch, V, of_loss) for loss in LOSSES.values()]
            slope = lax.switch(which, slopes, carry[0])
            return descend(adam, carry[0], slope, carry[1]), None

        carry, _ = lax.scan(step, carry, jax.random.split(key, how.model_steps))
        return carry, _measured(carry[0], held, V)

    keys = jax.random.split(of_steps, how.values)
    return lax.scan(epoch, (start, adam.init(start)), (critics, keys))[1]  # type: ignore[arg-type]


def _measured(model: Model, held: Transitions, V: Callable[[Array], Array]) -> dict[str, Array]:
    said, real = model(held.s, held.a).mean, V(held.s_next)
    radius = jnp.sqrt(jnp.sum(said[:, :2] ** 2, axis=-1))
    return {
        "error": jnp.mean((V(said) - real) ** 2) / real.var(),
        "distance": jnp.sqrt(jnp.mean(jnp.sum((said - held.s_next) ** 2, axis=-1))),
        "off": jnp.sqrt(jnp.mean((radius - 1) ** 2)),
    }


def moving_values(*, quick: bool = False, progress: bool = False) -> Record:
    """VAML error of models while the value function that it is measured with, and trained with, changes.

    The values are those of a model-free soft Q-learner of the pendulum with discrete torques, saved while it learns.
    Models predict (cos, sin, velocity), or its change, from transitions uniform over the state space; they are a linear
    map or a network with one hidden layer of 16, trained with Adam on the mean squared error, VAML or VaGraM. Whether
    the paper's models predict states or changes isn't said; a network of the state starts at a prediction of 0.

    Rows: model, loss, epoch (one value function each), quantity (`follow`), and mean, deviation and standard error over
    seeds, each with its own data and weights. All losses share data, weights and batches; all seeds share one learner's
    value functions, as published, so that the errors say nothing about other learners.
    """
    began = time.perf_counter()
    how = QUICK if quick else FULL
    with bar("vagram-fig2", 1 + len(MODELS) * len(LOSSES), progress, "fit") as shown:
        critics = learned_values(how)
        shown.update()
        keys = jnp.stack([jax.random.key(seed, impl="threefry2x32") for seed in how.seeds])
        starts = {name: _start(name, keys) for name in MODELS}

        run = jax.jit(jax.vmap(partial(follow, how), in_axes=(None, 0, None, 0)))

        def one(name: str) -> list[dict[str, Any]]:
            rows = []
            for k, loss in enumerate(LOSSES):
                found = run(jnp.asarray(k, jnp.int32), starts[name], critics, keys)
                rows += _rows(name, loss, jax.tree.map(np.asarray, found))
                shown.update()
            return rows

        rows = [row for found in in_threads(one, MODELS) for row in found]
    settings = asdict(how) | {"optimizer": "adam", "gamma": 0.99, "epsilon": 0.1, "agent": "model-free soft Q-learning"}
    seconds = time.perf_counter() - began
    return Record(
        "vagram-fig2", tuple(rows), settings, how.seeds, quick, seconds, versions(), differences=_differences(rows)
    )


def _start(name: str, keys: Array) -> Model:
    """Models with random weights, one for each key."""
    hidden, relative = MODELS[name]
    actions = Pendulum().actions
    return stacked([model(key, 3, actions, hidden, jnp.float32, relative=relative) for key in keys])


def _rows(name: str, loss: str, found: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    return [
        {"model": name, "loss": loss, "epoch": k + 1, "quantity": quantity} | spread(column)
        for quantity, values in found.items()
        for k, column in enumerate(values.T)
    ]


def last_means(rows: list[dict[str, Any]], quantity: str) -> dict[tuple[str, str], float]:
    """Means of a quantity over the last fifth of the epochs, by model and loss."""
    after = 0.8 * max(row["epoch"] for row in rows)
    chosen = [row for row in rows if row["quantity"] == quantity and row["epoch"] > after]
    keys = dict.fromkeys((row["model"], row["loss"]) for row in chosen)
    return {key: float(np.mean([row["mean"] for row in chosen if (row["model"], row["loss"]) == key])) for key in keys}


def _differences(rows: list[dict[str, Any]]) -> tuple[Difference, ...]:
    found = last_means(rows, "error")
    shown = "; ".join(
        f"{TITLES[name]}: " + ", ".join(f"{NAMES[loss]} {found[name, loss]:.3g}" for loss in LOSSES) for name in MODELS
    )
    far = last_means(rows, "distance")
    away = ", ".join(f"{TITLES[name]} {far[name, 'vaml']:.2g} (MSE {far[name, 'mse']:.2g})" for name in MODELS)
    return (
        Difference(
            subject="the sequence of value functions, and the optimiser",
            paper="SAC, 600 of them, 1,000 steps of SGD each",
            code="the figure's script isn't published",
            here="soft Q-learning with discrete torques, fewer of them and fewer steps (settings); Adam, since the "
            "losses differ in size by the square of the values",
            effect=f"error in the last fifth of the epochs: {shown}",
        ),
        Difference(
            subject="the linear model",
            paper="stable; VAML has the least error, VaGraM's is significantly less than that of MSE",
            code="the figure's script isn't published",
            here="the same order; how much VaGraM gains on MSE, 1.2 to 1.5 times in three learners' value functions, "
            "depends on them",
            effect=", ".join(f"{NAMES[loss]} {found['linear', loss]:.3g}" for loss in LOSSES),
        ),
        Difference(
            subject="the network under VAML",
            paper="converges for the first value function, then diverges rapidly, its predictions outside of the state "
            "space; VaGraM and MSE tend to one solution",
            code="the figure's script isn't published; whether models predict states or changes isn't said",
            here="nothing diverges. A network of the state, which begins at 0, does end far outside and stays there: "
            "its error stops falling, or rises with new value functions. One of the change begins next to the truth, "
            "and finds it. So too with 1,000 steps for each of 24 value functions (4 seeds): of the state, VAML's "
            "error goes from 0.004 up to 0.027, at a distance of 8, while that of MSE falls from 0.006 to 0.003; of "
            "the change, it falls to 0.0002",
            effect=f"distance of VAML's predictions from the truth: {away}",
        ),
    )


def draw_moving_values(record: Record) -> Figure:
    """A column for each kind of model; above the VAML error, below the distance of predictions."""
    figure = Figure(figsize=(13.2, 6.6), layout="constrained")
    axes = figure.subplots(2, len(MODELS), sharex=True, sharey="row")
    labels = {"error": "VAML error / variance of $V(s')$", "distance": "distance $\\|\\hat s' - s'\\|$ (rms)"}
    for line, (quantity, label) in zip(axes, labels.items(), strict=True):
        for ax, name in zip(line, MODELS, strict=True):
            for k, loss in enumerate(LOSSES):
                where = {"model": name, "loss": loss, "quantity": quantity}
                x, mean, se = (record.column(column, **where) for column in ("epoch", "mean", "se"))
                ax.plot(x, mean, color=COLOURS[k], ls=DASHES[k], lw=1.8, label=NAMES[loss])
                ax.fill_between(x, np.maximum(mean - se, mean / 10), mean + se, color=COLOURS[k], alpha=0.18, lw=0)
            ax.set_yscale("log")
            ax.spines[["top", "right"]].set_visible(False)
            ax.grid(axis="y", color="#e4e4e4", lw=0.8)
        line[0].set_ylabel(label)
    for ax, title in zip(axes[0], TITLES.values(), strict=True):
        ax.set_title(title, fontsize=10, loc="left")
    for ax in axes[-1]:
        ax.set_xlabel("epoch (a new value function each)")
    axes[0, 0].legend(frameon=False, fontsize=9, handlelength=3, title="trained on", title_fontsize=9)
    n = len(record.seeds)
    headed(figure, record, f"Models of the pendulum while the values change: mean and standard error over {n} seeds")
    return figure
