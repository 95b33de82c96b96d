"""Figure 3 of Nikishin et al. 2021: another MDP with the optimal values of the true one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tabular import plot
from tabular.device import to_device
from tabular.equivalence import q_equivalent
from tabular.fitting import Fit, fit
from tabular.mdp import AnyMDP, make_mdp
from tabular.mismatch import reward_error, transition_error
from tabular.models import RANDOM_BITS, pinned_bits, seed_key, softmax_table
from tabular.objectives import omd
from tabular.probability import kl_rows
from tabular.soft import soft_solve
from tabular.solve import solve
from tabular.studies.record import Difference, Record, bar, spread, versions
from tabular.worlds.papers import two_state

ALPHA = 0.01
SEEDS = tuple(range(1, 21))
QUICK_SEEDS = SEEDS[8:11]
STEPS = 50_000
PUBLISHED_STEPS = 10_000
"""Cap of the published code."""
TRUE = "true"
"""What the table `models` calls the true MDP."""


def fig3(*, quick: bool = False, progress: bool = False, shown: int = 9) -> Record:
    """Figure 3: models learned by OMD without a norm bound, which plan like the true MDP and differ from it.

    20 seeds of Adam on the Bellman error, until a fit stops moving. For each seed the rows have

        q_error             max |Q*_alpha - Q_hat|, with the Q of the parameters before the last update
        q_error_own         the same with the Q of the final model; larger where a fit still cycles
        bellman_mse         mean_{s,a} (B_alpha Q_hat - Q_hat)^2
        iterations          steps until the fit stopped moving
        transition_error    max_{s,a} sum_s' |P - P_hat|, at most 2
        reward_error        max_{s,a} |r - r_hat|
        mle_loss            loss of maximum likelihood, mean (r - r_hat)^2 + mean KL(p || p_hat)
        mle_loss_at_start   the same for the random model that the fit started from
        least_top           the least over (s, a) of max_s' P_hat: near 1, the model is deterministic
        reward_residual     max |r_hat - (Q* - gamma P_hat V*)|: the transitions leave rewards no choice
        J                   return of the agent that plans with the model

    and the table `models` has the models themselves.

    Args:
      shown: the seed whose model is drawn.

    Raises:
      ValueError if `shown` isn't among the seeds.
    """
    seeds = QUICK_SEEDS if quick else SEEDS
    if shown not in seeds:
        raise ValueError(f"shown = {shown}, expected a seed of {seeds[0]} to {seeds[-1]}.")
    began = time.perf_counter()
    how: dict[str, Any] = {"lr": 0.01, "steps": STEPS, "tol": 1e-10, "pair": "authors"}
    true, table = two_state(), softmax_table("none", alpha=ALPHA)
    with bar("omd-fig3", how["steps"], progress) as steps:
        found = fit(true, omd(ALPHA, loss="bellman"), table, seeds=seeds, progress=steps.update, **how)
    measured = measure(found)
    rows = tuple(
        {"seed": seed, "quantity": quantity, "value": float(value)}
        for quantity, values in measured.items()
        for seed, value in zip(seeds, values, strict=True)
    )
    settings = how | {
        "figure": "Nikishin et al. 2021, Figure 3",
        "quantity": "how near the learned models' values are, and how far the models",
        "shown": shown,
        "world": "two_state",
        "alpha": ALPHA,
        "optimizer": "adam, b1 = 0.9, b2 = 0.999, eps = 1e-8",
        "random_bits": RANDOM_BITS,
        "mean": {quantity: spread(values)["mean"] for quantity, values in measured.items()},
    }
    models = {TRUE: (true, soft_solve(true, ALPHA).Q)} | {
        str(seed): (found.model(0, n), found.Q[0, n]) for n, seed in enumerate(seeds)
    }
    tables = {"models": tuple(row for name, model in models.items() for row in _model_rows(name, *model))}
    spent = time.perf_counter() - began
    differences = _differences(measured)
    return Record("omd-fig3", rows, settings, seeds, quick, spent, versions(), tables, differences=differences)


def measure(found: Fit) -> dict[str, np.ndarray]:
    """What Figure 3 says of the models of a fit without norm bound, one number for each seed; see `fig3`."""
    true = found.true.to_dense()
    P_hat, r_hat = found.P_hat[0], found.r_hat[0]
    forced = np.stack([q_equivalent(true, P, ALPHA).r for P in P_hat])
    starts = [_start(seed) for seed in found.seeds]
    own = np.stack([soft_solve(found.model(0, n), ALPHA).Q for n in range(len(found.seeds))])
    return {
        "q_error": found.q_error[0],
        "q_error_own": abs(own - soft_solve(true, ALPHA).Q).max((-2, -1)),
        "bellman_mse": found.bellman_mse[0],
        "iterations": found.iterations[0],
        "transition_error": transition_error(true.P, P_hat),
        "reward_error": reward_error(true.r, r_hat),
        "mle_loss": np.array([_mle_loss(*model) for model in zip(P_hat, r_hat, strict=True)]),
        "mle_loss_at_start": np.array([_mle_loss(*start) for start in starts]),
        "least_top": P_hat.max(-1).min((-1, -2)),
        "reward_residual": abs(r_hat - forced).max((-1, -2)),
        "J": found.J[0],
    }


def _start(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Transitions and rewards of the model that a seed starts from."""
    true, table = to_device(two_state()), softmax_table("none", alpha=ALPHA)
    with pinned_bits():
        model = table.mdp(true, table.init(true, seed_key(seed)))
    return np.asarray(model.P), np.asarray(model.r)


def _mle_loss(P_hat: np.ndarray, r_hat: np.ndarray) -> float:
    """`mean_{s,a} (r - r_hat)^2 + mean_{s,a} KL(p || p_hat)`."""
    true = two_state().to_dense()
    return float(np.mean((r_hat - true.r) ** 2 + kl_rows(true.P, P_hat, np.inf)))


def _model_rows(name: str, mdp: AnyMDP, Q: np.ndarray) -> list[dict[str, Any]]:
    """Rows of the table `models` for one model: one for each state, action and successor."""
    P, r = mdp.to_dense().P, mdp.r
    return [
        {"model": name, "s": s, "a": a, "next": t, "P": float(P[s, a, t]), "r": float(r[s, a]), "Q": float(Q[s, a])}
        for s, a, t in np.ndindex(*P.shape)
    ]


def _from_rows(record: Record, name: str) -> tuple[AnyMDP, np.ndarray]:
    """A model of the table `models` and its Q."""
    rows = [row for row in record.tables["models"] if row["model"] == name]
    P, r, Q = (np.array([row[column] for row in rows]).reshape(2, 2, 2) for column in ("P", "r", "Q"))
    true = two_state()
    model = make_mdp(P, r[..., 0], gamma=true.gamma, rho=true.rho, states=true.states, actions=true.actions)
    return model, Q[..., 0]


def _differences(measured: Mapping[str, np.ndarray]) -> tuple[Difference, ...]:
    J = measured["J"]
    return (
        Difference(
            "temperature",
            "Definition 1 is about Q* without entropy",
            f"alpha = {ALPHA:g}: models are equivalent for the soft Q*",
            "as the code",
            f"J between {J.min():.7f} and {J.max():.7f}, against {solve(two_state()).J:.7f} of the best policy",
        ),
        Difference(
            "when a fit ends",
            "not said",
            f"when nothing moves any more, or after {PUBLISHED_STEPS:,} steps",
            f"the same with {STEPS:,} steps: a fit that Adam has thrown off again needs more",
            f"{(measured['iterations'] > PUBLISHED_STEPS).sum()} of {len(J)} fits take more than that; "
            f"the last ends after {measured['iterations'].max():,.0f}",
        ),
        Difference(
            "which model is drawn",
            "one model",
            "the published notebook doesn't keep the seed",
            "any seed of the run, asked for by `shown`; the others are in the table `models`",
            f"max |Q* - Q_hat| is at most {measured['q_error'].max():.1e} in all of {len(J)} seeds, where the largest "
            f"row error is {measured['transition_error'].min():.2f} to {measured['transition_error'].max():.2f}",
        ),
    )


def draw_fig3(record: Record) -> Figure:
    """The true MDP and a learned one side by side."""
    shown = record.settings["shown"]

    def number(quantity: str) -> float:
        return record.column("value", seed=shown, quantity=quantity)[0]

    figure = Figure(figsize=(12, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    true, Q = _from_rows(record, TRUE)
    model, Q_hat = _from_rows(record, str(shown))
    plot.mdp(true, Q, ax=left, title="The true MDP")
    plot.mdp(model, Q_hat, ax=right, title=f"A model learned by OMD (seed {shown})")
    told = (
        rf"The same values: $\max\,|Q^*-\hat Q|$ = {number('q_error'):.0e}. Another MDP: rows of $\hat P$ off by up to "
        rf"{number('transition_error'):.2f} in L1, rewards by up to {number('reward_error'):.2f}"
    )
    figure.supxlabel(told, fontsize=10)
    if record.quick:
        figure.suptitle("QUICK LOOK: fewer seeds than the figure has", color="#b00020", fontsize=11)
    return figure
