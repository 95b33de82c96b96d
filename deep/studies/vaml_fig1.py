"""Figure 1 of Lovatto et al. 2020, "Decision-Aware Model Learning for Actor-Critic Methods", section 5.1."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deep.ensembles import train
from deep.envs.base import Box
from deep.envs.random_mlp import RandomMLP, random_mlp
from deep.fitting import Schedule
from deep.models import Model, model
from deep.nets import MLP, mlp, padded, stacked
from deep.objectives import itervaml
from deep.replay import Transitions
from tabular.plot.lines import COLOURS, DASHES, LINE, MARKERS
from tabular.studies.cells import in_threads
from tabular.studies.record import Difference, Record, bar, spread, versions

SETTINGS = {"realizable": 2, "unrealizable": 1}
"""Hidden layers of the model; the truth has two of the same width."""
WEIGHTS = (0.0, 1e-3, 0.5, 1.0)
"""Lovatto's alpha: the share of the likelihood in the loss."""
QUANTITIES = ("empirical", "population", "sigma")


@dataclass(frozen=True)
class How:
    """Sizes of a run. The paper gives 50,000 and 1,000 transitions, 5 repetitions; the rest is chosen here."""

    widths: tuple[int, ...] = (4, 8, 16, 32)
    repetitions: int = 5
    train_rows: int = 10_000
    """A fifth of the published number, for the sake of time: the schedule sees 40,000 rows in all."""
    test_rows: int = 1000
    states: int = 8
    actions: int = 4
    value_width: int = 64
    epochs: int = 12
    steps: int = 50
    batch: int = 64
    lr: float = 3e-3
    patience: int = 5
    draws: int = 100
    """Next states drawn from model and truth for each expectation on the test set."""


FULL = How()
QUICK = How(widths=(4, 16), repetitions=2, train_rows=2000, epochs=6, draws=50)


def collected(env: RandomMLP, key: Array, rows: int) -> Transitions:
    """Transitions of episodes with uniformly random actions, side by side."""
    of_start, of_steps = jax.random.split(key)
    episodes = -(-rows // env.time_limit)
    s, _ = jax.vmap(env.reset)(jax.random.split(of_start, episodes))

    def step(s: Array, key: Array) -> tuple[Array, Transitions]:
        of_action, of_step = jax.random.split(key)
        a = jax.random.uniform(of_action, (episodes, env.actions.size), env.dtype, env.actions.low, env.actions.high)
        after = jax.vmap(env.step)(jax.random.split(of_step, episodes), s, a)
        going_on = jnp.ones(episodes, env.dtype)
        return after.state, Transitions(s, a, after.reward, after.state, going_on)

    _, found = lax.scan(step, s, jax.random.split(of_steps, env.time_limit))
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:rows], found)


def value(net: MLP, s: Array) -> Array:
    """A random value function."""
    return net(s)[..., 0]


def errors(truth: Model, learned: Model, V: MLP, test: Transitions, key: Array, draws: int) -> dict[str, Array]:
    """The value-aware error on a test set, as published and without the noise of the truth.

    `empirical` is eq. 9, mean (V(s') - E V(s'_hat))^2, which holds the variance of V(s') that no model can remove;
    `population` is eq. 8, mean (E V(s') - E V(s'_hat))^2. Expectations are means over draws, whose own variance is
    taken off both. Both are shares of that mean variance. `sigma` is the model's standard deviation, its mean over
    rows and parts of the state.
    """
    of_truth, of_model = jax.random.split(key)

    def expected(model: Model, key: Array) -> tuple[Array, Array]:
        prediction = model(test.s, test.a)
        values = jax.vmap(lambda key: value(V, prediction.draw(key)))(jax.random.split(key, draws))
        return values.mean(0), values.var(0, ddof=1)

    (real, real_var), (said, said_var) = expected(truth, of_truth), expected(learned, of_model)
    noise = real_var.mean()
    empirical = jnp.mean((value(V, test.s_next) - said) ** 2 - said_var / draws)
    population = jnp.mean((real - said) ** 2 - (real_var + said_var) / draws)
    log_std = learned(test.s, test.a).log_std
    assert log_std is not None
    return {"empirical": empirical / noise, "population": population / noise, "sigma": jnp.exp(log_std).mean()}


def repetition(how: How, truth: Model, start: Model, V: MLP, data: Any, weight: Array, key: Array) -> dict[str, Array]:
    """One fit and its errors."""
    of_fit, of_test = jax.random.split(key)
    schedule = Schedule(how.epochs, how.steps, how.batch, how.lr, how.patience)

    def loss(model: Model, batch: Transitions, key: Array) -> Array:
        return itervaml(model, batch, partial(value, V), key, mle_weight=weight)

    rows, test = data
    found = train(start, rows, of_fit, elites=1, loss=loss, schedule=schedule, bootstrap=False)
    learned = jax.tree.map(lambda x: x[0], found.members)
    return errors(truth, learned, V, test, of_test, how.draws) | {"epochs": found.fitted.epoch}


def random_dynamics(*, quick: bool = False, progress: bool = False) -> Record:
    """Value-aware error of models of random dynamics, over the width of both and the weight of the likelihood.

    Realizable: the model is a network like the truth's, with other weights to start from; unrealizable: it has one
    hidden layer fewer. Its loss is the mixture of eq. 10 with one model sample for the expectation, its V a random
    network. Repetitions have their own truth, data, V and start; the weights of the likelihood share them.

    Rows: setting, width, mle_weight, quantity (`errors`; `epochs` until training stopped, early or at the most), and
    mean, deviation and standard error over repetitions.
    """
    began = time.perf_counter()
    how = QUICK if quick else FULL
    with bar("vaml-fig1", len(SETTINGS), progress, "setting") as shown:
        worlds = _worlds(how)

        def one(setting: str) -> list[dict[str, Any]]:
            found = _rows(setting, how, _measured(how, SETTINGS[setting], worlds))
            shown.update()
            return found

        rows = [row for found in in_threads(one, SETTINGS) for row in found]
    settings = asdict(how) | {
        "mle_weight": WEIGHTS,
        "optimizer": "adam",
        "value_samples": "1 of the model, for each row of a batch",
        "held_out": "a fifth of the training rows",
    }
    seconds = time.perf_counter() - began
    seeds = tuple(range(how.repetitions))
    differences = (*DIFFERENCES, _verdict(rows))
    return Record("vaml-fig1", tuple(rows), settings, seeds, quick, seconds, versions(), differences=differences)


def _measured(how: How, layers: int, worlds: tuple) -> dict[str, np.ndarray]:
    """Quantities for each weight, width and repetition. Networks are padded to the widest, so that all is one batch."""
    truth, V, data, keys = worlds
    start = jax.tree.map(lambda x: x[:, None], _padded([_start(how, width, layers, k) for width, k in _runs(how)]))
    over_runs = jax.vmap(partial(repetition, how), in_axes=(0, 0, 0, 0, None, 0))
    over_weights = jax.vmap(over_runs, in_axes=(None, None, None, None, 0, None))
    found = jax.jit(over_weights)(truth, start, V, data, jnp.asarray(WEIGHTS, jnp.float32), keys)
    shape = (len(WEIGHTS), len(how.widths), how.repetitions)
    return {name: np.asarray(values, dtype=float).reshape(shape) for name, values in found.items()}


def _runs(how: How) -> list[tuple[int, int]]:
    """Width and number of each repetition."""
    return list(product(how.widths, range(how.repetitions)))


def _key(k: int, part: int) -> Array:
    return jax.random.fold_in(jax.random.key(k, impl="threefry2x32"), part)


def _padded(nets: list) -> Any:
    """Networks in the order of their width, stacked in the shape of the last."""
    return stacked([padded(net, nets[-1]) for net in nets])


def _start(how: How, width: int, layers: int, k: int) -> Model:
    """A model before it learns."""
    hidden, actions = (width,) * layers, Box(how.actions, -1.0, 1.0)
    return model(_key(k, 1), how.states, actions, hidden, jnp.float32, gaussian=True, relative=True)


def _worlds(how: How) -> tuple:
    """For each run a truth, a value function, training and test data, and a key."""
    envs = _padded([random_mlp(_key(k, 0), how.states, how.actions, (width, width)) for width, k in _runs(how)])
    truth = Model(envs.dynamics, envs.payment, envs.actions, gaussian=True, relative=True)
    V = stacked([mlp(_key(k, 2), (how.states, how.value_width, 1), jnp.float32, last_gain=1.0) for _, k in _runs(how)])
    parts = [jnp.stack([_key(k, part) for _, k in _runs(how)]) for part in (3, 4, 5)]
    seen = [
        jax.jit(jax.vmap(partial(collected, rows=rows)))(envs, keys)
        for rows, keys in zip((how.train_rows, how.test_rows), parts[:2], strict=True)
    ]
    return truth, V, tuple(seen), parts[2]


def _rows(setting: str, how: How, measured: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    return [
        {"setting": setting, "width": width, "mle_weight": weight, "quantity": quantity} | spread(values)
        for quantity, by_weight in measured.items()
        for weight, by_width in zip(WEIGHTS, by_weight, strict=True)
        for width, values in zip(how.widths, by_width, strict=True)
    ]


def _verdict(rows: list[dict[str, Any]]) -> Difference:
    """What came out, against what the paper states."""

    def mean(setting: str, quantity: str, weight: float) -> float:
        where = {"setting": setting, "quantity": quantity, "mle_weight": weight}
        return float(np.mean([row["mean"] for row in rows if where.items() <= row.items()]))

    shown = "; ".join(
        f"{setting}: "
        + ", ".join(
            f"{name} {mean(setting, name, 0.0):.3g} against {mean(setting, name, 1.0):.3g}" for name in QUANTITIES
        )
        for setting in SETTINGS
    )
    return Difference(
        subject="what knowing the values brings",
        paper="a small margin for VAML where the model is realizable, an inconsistent one where it isn't; its variance "
        "tends to 0",
        code="not published",
        here="the same measures, with the constants of this study",
        effect=f"VAML against likelihood, means over widths: {shown}",
    )


DIFFERENCES = (
    Difference(
        subject="the error that is measured",
        paper="the empirical value-aware error (eq. 9) on the test set",
        code="not published",
        here="that one, and the population one (eq. 8), both as shares of the variance of V(s')",
        effect="eq. 9 is at least 1 in these units for every model: most of what it shows is the world's noise",
    ),
    Difference(
        subject="constants",
        paper="sizes of state, action, networks, noise, the optimiser and the values of alpha aren't in the text",
        code="not published",
        here="8 and 4 numbers, widths 4 to 32, Adam, alpha 0, 0.001, 0.5, 1; 10,000 transitions for 50,000",
        effect="only the pattern can be compared",
    ),
)


# the picture


ROWS = {
    "empirical": "eq. 9: $(V(s') - E\\,V(\\hat s'))^2$",
    "population": "eq. 8: $(E\\,V(s') - E\\,V(\\hat s'))^2$",
    "sigma": "standard deviation of the model",
}
FIRST, SECOND = "both errors as shares of the variance of V(s')", "bars: one standard deviation, as published"


def draw_random_dynamics(record: Record) -> Figure:
    """Columns: realizable or not; rows: the two errors and the model's noise. Bars are standard deviations."""
    figure = Figure(figsize=(9.6, 8.6), layout="constrained")
    axes = figure.subplots(len(ROWS), len(SETTINGS), sharex=True, sharey="row")
    for line, (quantity, label) in zip(axes, ROWS.items(), strict=True):
        for ax, setting in zip(line, SETTINGS, strict=True):
            _panel(ax, record, setting, quantity)
        line[0].set_ylabel(label)
    for ax, (setting, layers) in zip(axes[0], SETTINGS.items(), strict=True):
        ax.set_title(f"{setting}: the model has {layers} hidden layer{'s' * (layers > 1)}, the truth 2", fontsize=10)
    for ax in axes[-1]:
        ax.set_xlabel("width of the hidden layers, truth and model")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    n = len(record.seeds)
    figure.suptitle(f"Does it help to know the values?  {FIRST}\n{n} repetitions; {SECOND}", fontsize=11)
    if record.quick:
        figure.suptitle("QUICK LOOK: fewer widths, rows and steps than the figure has", color="#b00020", fontsize=11)
    return figure


def _panel(ax: Axes, record: Record, setting: str, quantity: str) -> None:
    for k, weight in enumerate(WEIGHTS):
        where = {"setting": setting, "quantity": quantity, "mle_weight": weight}
        mean, sd, widths = (record.column(name, **where) for name in ("mean", "sd", "width"))
        x = np.arange(len(mean)) + 0.08 * (k - 1.5)
        look = {"color": COLOURS[k], "marker": MARKERS[k], "linestyle": DASHES[k]}
        ax.errorbar(x, mean, sd, label=f"$\\alpha$ = {weight:g}{NAMES.get(weight, '')}", **look, **LINE)
        ax.set_xticks(range(len(widths)), [str(width) for width in widths])
    ax.set_yscale("log")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="#e4e4e4", linewidth=0.8, zorder=0)


NAMES = {0.0: " (VAML)", 1.0: " (likelihood)"}
