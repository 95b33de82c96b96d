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
import optax
from jax import lax
from jaxtyping import Array
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deep.descent import descend
from deep.envs.base import Box
from deep.envs.random_mlp import RandomMLP, random_mlp
from deep.models import Model, model
from deep.nets import MLP, mlp, padded, stacked
from deep.objectives import itervaml
from deep.plot import headed
from deep.replay import Transitions
from tabular.plot.lines import COLOURS, DASHES, LINE, MARKERS
from tabular.studies.cells import in_threads
from tabular.studies.record import Difference, Record, bar, spread, versions

SETTINGS = {"realizable": 2, "unrealizable": 1}
"""Hidden layers of the model; the truth has two of the same width."""
WEIGHTS = (0.0, 1e-3, 0.5, 1.0)
"""Lovatto's alpha: the share of the likelihood in the loss."""
QUANTITIES = ("empirical", "population", "sigma")
NOISE = -2.0
"""Mean logarithm of the world's noise. At the default -1 all that a model can get wrong is small beside the noise."""


@dataclass(frozen=True)
class How:
    """Sizes of a run. The paper gives 50,000 and 1,000 transitions, 5 repetitions; the rest is chosen here."""

    widths: tuple[int, ...] = (4, 8, 16)
    repetitions: int = 5
    train_rows: int = 50_000
    test_rows: int = 1000
    states: int = 8
    actions: int = 4
    value_width: int = 64
    steps: int = 5000
    batch: int = 128
    lr: float = 1e-2
    """At the beginning; it falls to 0 like a cosine, and the last weights are taken."""
    draws: int = 100
    """Next states drawn from model and truth for each expectation on the test set."""


FULL = How()
QUICK = How(widths=(4, 16), repetitions=2, train_rows=20_000, steps=1000, draws=50)


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
        values = lax.map(lambda key: value(V, prediction.draw(key)), jax.random.split(key, draws))
        return values.mean(0), values.var(0, ddof=1)

    (real, real_var), (said, said_var) = expected(truth, of_truth), expected(learned, of_model)
    noise = real_var.mean()
    empirical = jnp.mean((value(V, test.s_next) - said) ** 2 - said_var / draws)
    population = jnp.mean((real - said) ** 2 - (real_var + said_var) / draws)
    log_std = learned(test.s, test.a).log_std
    assert log_std is not None
    return {"empirical": empirical / noise, "population": population / noise, "sigma": jnp.exp(log_std).mean()}


def learned(how: How, start: Model, V: MLP, rows: Transitions, weight: Array, key: Array) -> Model:
    """A model after Adam on minibatches of the mixed loss."""
    adam = optax.adam(optax.cosine_decay_schedule(how.lr, how.steps))

    def loss(model: Model, batch: Transitions, key: Array) -> Array:
        return itervaml(model, batch, partial(value, V), key, mle_weight=weight)

    def step(carry: tuple[Model, Any], key: Array) -> tuple[tuple[Model, Any], None]:
        of_rows, of_loss = jax.random.split(key)
        at = jax.random.randint(of_rows, (how.batch,), 0, rows.r.shape[0], dtype=jnp.int32)
        slope = jax.grad(loss)(carry[0], Transitions(*(column[at] for column in rows)), of_loss)
        return descend(adam, carry[0], slope, carry[1]), None

    return lax.scan(step, (start, adam.init(start)), jax.random.split(key, how.steps))[0][0]  # type: ignore[arg-type]


def repetition(how: How, truth: Model, start: Model, V: MLP, data: Any, weight: Array, key: Array) -> dict[str, Array]:
    """One fit and its errors."""
    of_fit, of_test = jax.random.split(key)
    rows, test = data
    return errors(truth, learned(how, start, V, rows, weight, of_fit), V, test, of_test, how.draws)


def random_dynamics(*, quick: bool = False, progress: bool = False) -> Record:
    """Value-aware error of models of random dynamics, over the width of both and the weight of the likelihood.

    Realizable: the model is a network like the truth's, with other weights to start from; unrealizable: it has one
    hidden layer fewer. Its loss is the mixture of eq. 10 with one model sample for the expectation, its V a random
    network. Repetitions have their own truth, data, V and start; the weights of the likelihood share them.

    What is seen: value-aware models lose their noise, and gain nothing by it. They miss more of the expected values
    than models of the likelihood, for they learn one number from a row; the less so where the model is
    unrealizable. A thousandth of the likelihood brings them most of the way.

    Rows: setting, width, mle_weight, quantity (`errors`), and mean, deviation and standard error over repetitions.
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
        "noise": NOISE,
        "value_samples": "1 of the model, for each row of a batch",
    }
    seconds = time.perf_counter() - began
    seeds = tuple(range(how.repetitions))
    differences = (*DIFFERENCES, _verdict(rows))
    return Record("vaml-fig1", tuple(rows), settings, seeds, quick, seconds, versions(), differences=differences)


def _measured(how: How, layers: int, worlds: tuple) -> dict[str, np.ndarray]:
    """Quantities for each weight, width and repetition. Networks are padded to the widest, so that all is one batch."""
    truth, V, data, keys = worlds
    start = _padded([_start(how, width, layers, k) for width, k in _runs(how)])
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
    sizes = how.states, how.actions
    envs = _padded([random_mlp(_key(k, 0), *sizes, (width, width), noise=NOISE) for width, k in _runs(how)])
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
            f"{name} " + ", ".join(f"{mean(setting, name, weight):.3g}" for weight in (0.0, 1e-3, 1.0))
            for name in QUANTITIES
        )
        for setting in SETTINGS
    )
    return Difference(
        subject="what knowing the values brings",
        paper="a small margin for VAML where the model is realizable, an inconsistent one where it isn't; its variance "
        "tends to 0",
        code="not published",
        here="the least variance is where models clip it, exp(-5). By eq. 9 all differences are within the bars; by "
        "eq. 8 likelihood is better, less so where the model is unrealizable, and a share of 0.001 of it brings VAML "
        "most of the way. VAML learns one number from a row, likelihood eight: with four times the rows drawn (3 "
        "repetitions, widths 8 and 16, realizable) likelihood comes to 0.013 and 0.032, VAML to 0.042 and 0.089",
        effect=f"VAML (0), mixed (0.001) and likelihood (1), means over widths: {shown}",
    )


DIFFERENCES = (
    Difference(
        subject="the error that is measured",
        paper="the empirical value-aware error (eq. 9) on the test set",
        code="not published",
        here="that one, and the population one (eq. 8), both as shares of the variance of V(s')",
        effect="in the mean over test sets eq. 9 is 1 plus eq. 8 in these units: most of what it shows is the world's "
        "noise",
    ),
    Difference(
        subject="constants",
        paper="sizes of state, action, networks, noise, the optimiser and the values of alpha aren't in the text",
        code="not published",
        here="8 and 4 numbers, widths 4 to 16, Adam with a step size that falls to 0 in place of early stopping, "
        "alpha 0, 0.001, 0.5, 1; a world whose noise has a deviation of 0.135",
        effect="only the pattern can be compared",
    ),
)


# the picture


ROWS = {
    "empirical": "eq. 9: $(V(s') - E\\,V(\\hat s'))^2$",
    "population": "eq. 8: $(E\\,V(s') - E\\,V(\\hat s'))^2$",
    "sigma": "deviation of the model (line: world)",
}


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
    text = "Does it help to know the values?  Errors as shares of the variance of V(s'), which the world's noise makes"
    headed(figure, record, f"{text}\nmeans of {n} repetitions; bars: one standard deviation, as published")
    return figure


def _panel(ax: Axes, record: Record, setting: str, quantity: str) -> None:
    for k, weight in enumerate(WEIGHTS):
        where = {"setting": setting, "quantity": quantity, "mle_weight": weight}
        mean, sd, widths = (record.column(name, **where) for name in ("mean", "sd", "width"))
        x = np.arange(len(mean)) + 0.08 * (k - 1.5)
        look = {"color": COLOURS[k], "marker": MARKERS[k], "linestyle": DASHES[k]}
        ax.errorbar(x, mean, sd, label=f"$\\alpha$ = {weight:g}{NAMES.get(weight, '')}", **look, **LINE)
        ax.set_xticks(range(len(widths)), [str(width) for width in widths])
    if quantity == "sigma":
        ax.axhline(np.exp(record.settings["noise"]), color="#555555", lw=1, ls=(0, (4, 3)), zorder=1)
    ax.set_yscale("linear" if quantity == "empirical" else "log")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="#e4e4e4", linewidth=0.8, zorder=0)


NAMES = {0.0: " (VAML)", 1.0: " (likelihood)"}
