"""Table 1 of Eysenbach et al. 2021, "Mismatched No More": four properties of four lower bounds, by machine."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tabular.evaluate import evaluate
from tabular.mdp import MDP, make_mdp
from tabular.optimism import horizon_conditioned, in_model, mnm, optimum, tight
from tabular.probability import tilt
from tabular.solve import solve
from tabular.studies.record import Difference, Record, bar, versions

QUICK = "QUICK LOOK: fewer points than the figure has"
BLUE, ORANGE = "#0072b2", "#d55e00"

PAPER_TABLE = {
    "Luo et al.": ("no", "yes", "no", "no"),
    "Kearns-Singh": ("yes", "no", "no", "yes"),
    "MnM (eq. 2)": ("yes", "yes", "yes", "no"),
    "MnM (eq. 10)": ("yes", "yes", "yes", "yes"),
}
PROPERTIES = ("holds globally", "efficient to compute", "unified objective", "tight at optimality")
INSTANCES = 120
ROUNDING = 1e-9
"""Relative; a bound is violated by more than this, and a gap below it is none."""


@dataclass(frozen=True)
class Instance:
    """A true MDP, two models, a policy and the policy that collected the data."""

    mdp: MDP
    q: np.ndarray
    other: np.ndarray
    pi: np.ndarray
    reference: np.ndarray

    @property
    def collected_by_itself(self) -> Instance:
        """The same with data from the policy itself."""
        return replace(self, reference=self.pi)


def instance(i: int) -> Instance:
    """Random MDP of 3 to 5 states, many near-deterministic, start in state 0; deterministic policies.

    Models are wrong in about half of the actions, and in every other instance only where the data don't go.
    """
    draw = np.random.RandomState([7, i])
    S, A = draw.randint(3, 6), draw.randint(2, 4)
    pi, reference = (np.eye(A)[draw.randint(A, size=S)] for _ in range(2))

    def kernel() -> np.ndarray:
        log_weights = np.log(draw.standard_gamma(10 ** draw.uniform(-2, 1), (S, A, S)) + 1e-300)
        weights = np.exp(log_weights - log_weights.max(-1, keepdims=True))
        return 0.999 * weights / weights.sum(-1, keepdims=True) + 0.001 / S

    def model() -> np.ndarray:
        share = draw.uniform(size=(S, A)) * (draw.uniform(size=(S, A)) < 0.5) * (1 - i % 2 * reference)
        return (1 - share[:, :, None]) * P + share[:, :, None] * kernel()

    P = kernel()
    mdp = make_mdp(P, 10 ** draw.uniform(-1, 1, (S, A)), gamma=0.9, rho=np.eye(S)[0])
    return Instance(mdp.to_dense(), model(), model(), pi, reference)


def kearns_singh(case: Instance, q: np.ndarray) -> float:
    """Lower bound on J by the simulation lemma (Kearns & Singh 2002): `J_q - gamma eps R / (2 (1 - gamma)^2)`,

    eps the largest L1 error of a row of q, R the range of the rewards.
    """
    mdp, gamma = case.mdp, case.mdp.gamma
    eps = abs(q - mdp.P).sum(-1).max()
    return _model_return(case, q) - gamma * eps * np.ptp(mdp.r) / (2 * (1 - gamma) ** 2)


def luo(case: Instance, q: np.ndarray) -> float:
    """Lower bound on J near the policy that collected the data (after Luo et al. 2019, in the discrete metric):

        J_q - gamma / (1 - gamma) span(V_q) E_(s, a)~reference, t~p, u~q [t != u].

    The expectation, over the true visits of the reference policy, isn't 0 for q = p where p is stochastic.
    """
    mdp, gamma = case.mdp, case.mdp.gamma
    V = evaluate(with_model(mdp, q), case.pi).V
    visits = (1 - gamma) * evaluate(mdp, case.reference).occupancy
    apart = 1 - (mdp.P * q).sum(-1)
    return _model_return(case, q) - gamma / (1 - gamma) * np.ptp(V) * float((visits * apart).sum())


def eq_2(case: Instance, q: np.ndarray) -> float:
    """exp of the simple bound of MnM, from the start distribution."""
    return math.exp(evaluate(in_model(case.mdp, mnm(case.mdp), q), case.pi).J)


def eq_10(case: Instance, q: np.ndarray) -> float:
    """exp of the tight bound of MnM, from the start distribution."""
    return math.exp(float(case.mdp.rho @ tight(case.mdp, q, case.pi)))


BOUNDS: Mapping[str, Callable[[Instance, np.ndarray], float]] = {
    "Luo et al.": luo,
    "Kearns-Singh": kearns_singh,
    "MnM (eq. 2)": eq_2,
    "MnM (eq. 10)": eq_10,
}
LIKELIHOOD = ("Luo et al.", "Kearns-Singh")
"""Bounds whose methods fit the model by maximum likelihood."""


def with_model(mdp: MDP, q: np.ndarray) -> MDP:
    """The true rewards on a model's dynamics."""
    return make_mdp(q, mdp.r, gamma=mdp.gamma, rho=mdp.rho).to_dense()


def _model_return(case: Instance, q: np.ndarray) -> float:
    return evaluate(with_model(case.mdp, q), case.pi).J


def table1(*, quick: bool = False, progress: bool = False) -> Record:
    """Table 1: four properties of four lower bounds, on random MDPs.

    holds globally: share of the instances in which the bound is above the true return. efficient to compute: share in
    which it changes when the true dynamics change where neither the policy nor the data ever go; a bound that doesn't
    can be estimated from trajectories. unified objective: share of pairs of models in which the one that the method's
    model training prefers has the lower bound; for MnM they are one function by definition. tight at optimality: median
    of 1 - bound / J at the model and policy of `OPTIMA`; for eq. 10 these are models for every horizon.

    Args:
      quick: 40 instances.
    """
    began = time.perf_counter()
    count = 40 if quick else INSTANCES
    found: dict[str, list[dict[str, float]]] = {bound: [] for bound in BOUNDS}
    details: list[dict[str, float]] = []
    with bar("mnm-table1", count, progress, "instance") as shown:
        for i in range(count):
            case = instance(i)
            for bound, function in BOUNDS.items():
                found[bound].append(_measured(case, bound, function))
            details.append(_details(case))
            shown.update()
    rows = [_verdict(bound, name, found[bound]) for bound in BOUNDS for name in PROPERTIES]
    settings = {
        "figure": "Eysenbach et al. 2021, Table 1",
        "quantity": "verdict on a property, and the number it was decided by",
        "instances": count,
        "gamma": 0.9,
        "rewards": "10^U(-1, 1)",
        "states": "3 to 5",
        "random_bits": "numpy.random.RandomState([7, i])",
    }
    extra = tuple(_detail_rows(details))
    return Record(
        "mnm-table1",
        tuple(rows),
        settings,
        tuple(range(count)),
        quick,
        time.perf_counter() - began,
        versions(),
        tables={"details": extra},
        differences=tuple(_differences_table(extra)),
    )


def _measured(case: Instance, bound: str, function: Callable[[Instance, np.ndarray], float]) -> dict[str, float]:
    """What decides the four properties, on one instance; NaN where the instance says nothing."""
    J = evaluate(case.mdp, case.pi).J
    here = function(case, case.q)
    return {
        "holds globally": float(here > J * (1 + ROUNDING)),
        "efficient to compute": float(abs(function(_changed_unseen(case), case.q) - here) > ROUNDING * J),
        "unified objective": _mismatched(case, function) if bound in LIKELIHOOD else 0.0,
        "tight at optimality": _gap(case.mdp, bound, function),
    }


def _changed_unseen(case: Instance) -> Instance:
    """Other true dynamics for the actions that neither the policy nor the reference takes."""
    unseen = (case.pi == 0) & (case.reference == 0)
    P = np.where(unseen[:, :, None], np.roll(case.mdp.P, 1, axis=-1), case.mdp.P)
    return replace(case, mdp=make_mdp(P, case.mdp.r, gamma=case.mdp.gamma, rho=case.mdp.rho).to_dense())


def _mismatched(case: Instance, function: Callable[[Instance, np.ndarray], float]) -> float:
    """Whether the likelier of the two models has the lower bound."""

    def likelihood(q: np.ndarray) -> float:
        return float((case.mdp.P * np.log(q)).sum())

    likelier = likelihood(case.q) > likelihood(case.other)
    return float(likelier != (function(case, case.q) > function(case, case.other)))


def _gap(mdp: MDP, bound: str, function: Callable[[Instance, np.ndarray], float]) -> float:
    """1 - bound / J*, at the best model and policy of the bound; that of likelihood is the true model."""
    best = solve(mdp)
    if bound in LIKELIHOOD:
        return 1 - function(Instance(mdp, mdp.P, mdp.P, best.pi, best.pi), mdp.P) / best.J
    if bound == "MnM (eq. 2)":
        return 1 - math.exp(optimum(mdp, mnm(mdp)).J) / best.J
    return 1 - math.exp(float(mdp.rho @ horizon_conditioned(mdp, best.pi))) / best.J


def _details(case: Instance) -> dict[str, float]:
    """Further measurements: what the verdicts depend on."""
    mdp, J = case.mdp, evaluate(case.mdp, case.pi).J
    best, own, simple = solve(mdp), optimum(mdp, mnm(mdp)), optimum(mdp, mnm(mdp), pi=case.pi)
    of_eq_9 = evaluate(in_model(mdp, mnm(mdp), tilt(mdp.P, simple.V)), case.pi).J
    stationary = float(mdp.rho @ tight(mdp, own.q, best.pi))
    return {
        "Luo et al.: violated with data from the policy itself": float(
            luo(case.collected_by_itself, case.q) > J * (1 + ROUNDING)
        ),
        "MnM (eq. 2): the model of eq. 9 is not its best model": float(of_eq_9 < simple.J - ROUNDING),
        "MnM (eq. 2): its best policy is not optimal": float(evaluate(mdp, own.pi).J < best.J * (1 - ROUNDING)),
        "MnM (eq. 10): gap with one model for all horizons": 1 - math.exp(stationary) / best.J,
    }


def _detail_rows(details: list[dict[str, float]]) -> Iterable[dict[str, Any]]:
    for name in details[0]:
        values = np.array([row[name] for row in details])
        gap = "gap" in name
        yield {
            "measurement": name,
            "statistic": "median of the relative gap" if gap else "share of instances",
            "number": float(np.median(values) if gap else values.mean()),
        }


MEASURED = {
    "holds globally": "share of random models, policies and data where the bound exceeds the true return",
    "efficient to compute": "share of instances where it depends on true transitions that no trajectory shows",
    "unified objective": "share of pairs of models where the likelier one has the lower bound",
    "tight at optimality": "median of 1 - bound / return at ",
}
OPTIMA = {
    "Luo et al.": "the true model and the optimal policy, which also collects the data",
    "Kearns-Singh": "the true model and the optimal policy",
    "MnM (eq. 2)": "its exact optimum",
    "MnM (eq. 10)": "the optimal policy and the best model for every horizon",
}
"""Where the gap of `tight at optimality` is measured."""


def _verdict(bound: str, name: str, measured: list[dict[str, float]]) -> dict[str, Any]:
    values = np.array([row[name] for row in measured])
    by_definition = name == "unified objective" and bound not in LIKELIHOOD
    tightness = name == "tight at optimality"
    measured_how = MEASURED[name] + (OPTIMA[bound] if tightness else "")
    holds = bool((abs(values) <= ROUNDING).all())
    return {
        "bound": bound,
        "property": name,
        "verdict": "yes" if holds else "no",
        "paper": PAPER_TABLE[bound][PROPERTIES.index(name)],
        "number": float(np.median(values) if tightness else values.mean()),
        "decided": "by definition" if by_definition else "by machine",
        "measured": "model and policy are trained on one function" if by_definition else measured_how,
    }


def _differences_table(details: tuple[dict[str, Any], ...]):
    number = {row["measurement"]: row["number"] for row in details}
    yield Difference(
        "eq. 10 is tight at optimality",
        "tight",
        "one stationary model (Figure 3b)",
        "tight with a model for every horizon and a deterministic policy, from a single start state",
        f"with one model for all horizons the median gap is "
        f"{100 * number['MnM (eq. 10): gap with one model for all horizons']:.2f}% of the return",
    )
    yield Difference(
        "one objective for model and policy",
        "eq. 9 optimizes the lower bound of eq. 2",
        "the same",
        "by definition, with the best model of eq. 2, q ~ p exp(gamma V)",
        f"the model of eq. 9 is below the best of eq. 2 in "
        f"{100 * number['MnM (eq. 2): the model of eq. 9 is not its best model']:.0f}% of the instances; the policy "
        f"that is best for eq. 2 is not optimal in "
        f"{100 * number['MnM (eq. 2): its best policy is not optimal']:.0f}%",
    )
    yield Difference(
        "Luo et al.'s bound",
        "only holds for nearby policies and models",
        "no code",
        "a form of it in the discrete metric, for policies near and far",
        f"violated in {100 * number['Luo et al.: violated with data from the policy itself']:.0f}% of the instances "
        "with data from the policy itself",
    )


def draw_table1(record: Record) -> Figure:
    """Table 1 with its verdicts and the numbers that they rest on."""
    figure = Figure(figsize=(11.6, 4.4), layout="constrained")
    ax = figure.subplots()
    for row in record.rows:
        x, y = list(BOUNDS).index(row["bound"]), PROPERTIES.index(row["property"])
        _draw_cell(ax, x, y, row)
    ax.set(xlim=(-0.5, 3.5), ylim=(3.5, -0.5), xticks=range(4), yticks=range(4))
    ax.set_xticklabels(list(BOUNDS), fontsize=11, fontweight="bold")
    ax.set_yticklabels(PROPERTIES, fontsize=11)
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.spines[:].set_visible(False)
    ax.set_title(f"Four properties of four lower bounds, on {record.settings['instances']} random MDPs", pad=14)
    if record.quick:
        figure.suptitle(QUICK, color="#b00020", fontsize=11)
    return figure


SHORT = {
    "holds globally": "violated in {:.1%}",
    "efficient to compute": "needs unseen transitions in {:.0%}",
    "unified objective": "likelier model, lower bound in {:.0%}",
    "tight at optimality": "median gap {:.2%}",
}


def _draw_cell(ax: Axes, x: int, y: int, row: Mapping[str, Any]) -> None:
    yes = row["verdict"] == "yes"
    colour = "#d6e8f3" if yes else "#f9ddc9"
    ax.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=colour, linewidth=0))
    mark = ("\N{CHECK MARK}" if yes else "\N{BALLOT X}") + (
        "" if row["paper"] == row["verdict"] else "  (paper differs)"
    )
    ax.text(
        x, y - 0.12, mark, ha="center", va="center", fontsize=15, color=BLUE if yes else ORANGE, family="DejaVu Sans"
    )
    text = "by definition" if row["decided"] == "by definition" else SHORT[row["property"]].format(abs(row["number"]))
    ax.text(x, y + 0.25, text, ha="center", va="center", fontsize=8.5, color="#333333")
