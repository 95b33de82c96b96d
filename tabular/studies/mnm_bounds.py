"""Bounds of Eysenbach et al. 2021, "Mismatched No More": Figures 3a and 3b."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tabular.evaluate import evaluate
from tabular.mdp import MDP, AnyMDP, make_mdp
from tabular.optimism import (
    Loop,
    Objective,
    Step,
    best_response,
    faithful,
    horizon_conditioned,
    in_model,
    mnm,
    mnm_eq5,
    optimum,
    published_values,
    rounds,
    tight,
    vmbpo,
)
from tabular.optimism.smoothed import Values
from tabular.plot import Curve, curves
from tabular.solve import solve
from tabular.studies.record import Difference, Published, Record, bar, versions
from tabular.worlds.papers import maze10, risk3

NOTEBOOK = "the authors' notebook"
QUICK = "QUICK LOOK: fewer points than the figure has"
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#555555"

# Figure 3a

PUBLISHED_3A = {"Q-learning": 450.999903, "MnM": 450.999974, "VMBPO": 320.355881}
ROUNDS_3A = 23
LEFT, RIGHT = 3, 1
"""Actions of the risk MDP."""


def fig3a(*, quick: bool = False, progress: bool = False, iterations: int = ROUNDS_3A) -> Record:
    """Figure 3a: the return from the middle of three states, with wind on the right, of three methods' policies.

    The value of the smoothed policy after its greedy first action, as published; table "exact" has the optima of the
    three objectives, table "risk" VMBPO's over its risk parameter.

    Args:
      iterations: rounds of the published loop. The notebook stops at a change of 1e-6; its three values are those of
        rounds 21, 23 and 23, which its test, as it is described, doesn't explain. 100 is the limit, to all digits.
      quick: fewer risk parameters.
    """
    began = time.perf_counter()
    world = risk3()
    objectives = {"Q-learning": Objective(world.r, 1.0), "MnM": mnm(world, constant=False), "VMBPO": vmbpo(world)}
    etas = np.logspace(-4, 1, 6 if quick else 41)
    with bar("mnm-fig3a", len(objectives) + len(etas), progress, "run") as shown:
        rows, exact = [], []
        for method, objective in objectives.items():
            loop = Loop(objective, respond=faithful) if method == "Q-learning" else Loop(objective)
            last = best_response(world, replace(loop, tol=0.0, iterations=iterations)).last
            rows.append({"method": method, "value": float(evaluate(world, last.pi).Q[1, last.action[1]])})
            exact.append({"method": method} | _optimum_3a(world, method, objective))
            shown.update()
        risk = []
        for eta in etas:
            Q = optimum(world, vmbpo(world, eta=float(eta))).Q[1]
            risk.append({"eta": float(eta), "left": float(Q[LEFT]), "right": float(Q[RIGHT])})
            shown.update()
    settings = {
        "figure": "Eysenbach et al. 2021, Figure 3a",
        "quantity": "return from the middle state",
        "world": "risk3",
        "iterations": iterations,
        "constant": False,
        "return_left": float(solve(world).J),
        "return_right": float(evaluate(world, np.full(3, RIGHT)).J),
    }
    values = {row["method"]: row["value"] for row in rows}
    return Record(
        "mnm-fig3a",
        tuple(rows),
        settings,
        (),
        quick,
        time.perf_counter() - began,
        versions(),
        tables={"exact": tuple(exact), "risk": tuple(risk)},
        published=tuple(Published(f"value, {m}", v, values[m], NOTEBOOK) for m, v in PUBLISHED_3A.items()),
        differences=tuple(_differences_3a(values, exact, risk)),
    )


def _optimum_3a(world: AnyMDP, method: str, objective: Objective) -> dict[str, Any]:
    """The objective's exact optimum, by its contraction, and what its policy returns."""
    if method == "Q-learning":
        best = solve(world)
        return _three(best.V) | {"return": best.J}
    best = optimum(world, mnm(world) if method == "MnM" else objective)
    return _three(best.V) | {"return": evaluate(world, best.pi).J}


def _three(V: np.ndarray) -> dict[str, float]:
    return dict(zip(("V_left", "V_middle", "V_right"), V.tolist(), strict=True))


def _differences_3a(values: Mapping[str, float], exact: list[dict[str, Any]], risk: list[dict[str, float]]):
    returns = {row["method"]: row["return"] for row in exact}
    yield Difference(
        "what is plotted",
        "the return of the learned policy",
        "the value of a policy that is still smoothed, after its greedy first action",
        "as the code; the exact returns are in the table exact",
        ", ".join(f"{method} {values[method]:.4f}, exactly {returns[method]:.4f}" for method in values),
    )
    yield Difference(
        "constant of eq. 3",
        "-(1 - gamma) log(1 - gamma) is part of the reward",
        "left out in this figure",
        "left out of the loop, kept in the table exact",
        f"the same {-0.1 * math.log(0.1):.4f} in every state and action, and {-math.log(0.1):.4f} in every value: no "
        "policy changes",
    )
    daring = [row["eta"] for row in risk if row["right"] > row["left"]]
    first = f"only from eta = {min(daring):.2g} on among those tried" if daring else "for no eta that was tried"
    yield Difference(
        "risk parameter of VMBPO",
        "VMBPO learns a strategy of lower reward and higher variance",
        "eta = 1, with rewards of 50",
        "eta = 1; others in the table risk",
        f"VMBPO goes right {first}: how much risk it seeks depends on the scale of the rewards",
    )


def draw_fig3a(record: Record) -> Figure:
    """Figure 3a: returns of the three methods; and which way VMBPO goes, depending on its risk parameter."""
    figure = Figure(figsize=(11.2, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
    methods = [row["method"] for row in record.rows]
    values = [row["value"] for row in record.rows]
    left.barh(methods[::-1], values[::-1], color=[ORANGE, BLUE, GREY], height=0.55)
    for y, value in enumerate(values[::-1]):
        left.text(value - 8, y, f"{value:.2f}", ha="right", va="center", color="white", fontweight="bold")
    for name in ("left", "right"):
        value = record.settings[f"return_{name}"]
        left.axvline(value, color="black", linewidth=1, linestyle=(0, (4, 2)), zorder=0)
        left.text(value, 2.42, f"always {name}", ha="center", va="bottom", fontsize=8.5)
    left.set(xlabel="return from the middle state", xlim=(0, 500), ylim=(-0.5, 2.4))
    left.spines[["top", "right"]].set_visible(False)
    left.set_title("VMBPO takes the risk and earns less", loc="left", fontsize=11, pad=18)
    risk = record.tables["risk"]
    eta = [row["eta"] for row in risk]
    both = {name: Curve(eta, [row[name] for row in risk]) for name in ("left", "right")}
    curves(
        {"go left": both["left"], "go right": both["right"]},
        x_label=r"risk parameter $\eta$ of VMBPO",
        y_label="believed return from the middle state",
        title="Which way VMBPO goes depends on its risk parameter",
        ax=right,
    )
    right.set_xscale("log")
    if record.quick:
        figure.suptitle(QUICK, color="#b00020", fontsize=11)
    return figure


# Figure 3b

REWARD, GOAL_REWARD = 1.0, 10.0
ROUNDS_3B = 20
PUBLISHED_3B = {
    "log_true": (2.30260, 2.41947),
    "tight_bound": (2.30259, 2.36468),
    "simple_bound": (2.30259, 2.34044),
    "log_vmbpo": (2.30260, 2.46599),
}
"""First and last value of each curve."""
LABELS = {
    "log_vmbpo": "log VMBPO objective",
    "log_true": "log return, true",
    "tight_bound": "MnM, tight bound (eq. 10)",
    "simple_bound": "MnM, simple bound (eq. 2)",
    "log_model_return": "log return in the model",
}


def fig3b(*, quick: bool = False, progress: bool = False, values: Values = published_values) -> Record:
    """Figure 3b: bounds on the logarithm of the return from the start of the maze, over rounds of the published loop.

    Curves: log_true, simple_bound (eq. 2), tight_bound (eq. 10; the one that the published figure calls "MnM
    objective"), log_model_return, log_vmbpo. As in the notebook the first action is the new greedy one, except in the
    tight bound, which follows the smoothed policy throughout.

    Args:
      values: how policies are evaluated; `exact_values` moves the curves by less than 3e-6. In round 0 simple_bound is
        then 4e-7 *above* tight_bound, since the first actions differ.
      quick: 6 rounds.
    """
    began = time.perf_counter()
    world = maze10(reward=REWARD, goal_reward=GOAL_REWARD).to_dense()
    count = 6 if quick else ROUNDS_3B
    bound, upper = mnm(world), vmbpo(world)
    rows: list[dict[str, Any]] = []
    with bar("mnm-fig3b", count, progress, "round") as shown:
        for t, step in enumerate(rounds(world, Loop(bound, values=values, tol=0.0, iterations=count))):
            heights = _heights(world, bound, upper, step, values)
            rows += [{"iteration": t, "curve": curve, "value": value} for curve, value in heights.items()]
            shown.update()
    exact = _exact_3b(world)
    settings = {
        "figure": "Eysenbach et al. 2021, Figure 3b",
        "quantity": "value at the start; logarithms of returns",
        "world": "maze10",
        "reward": REWARD,
        "goal_reward": GOAL_REWARD,
        "rounds": count,
        "smoothing": 0.5,
        "values": values.__name__,
        "labels": LABELS,
    }
    return Record(
        "mnm-fig3b",
        tuple(rows),
        settings,
        (),
        quick,
        time.perf_counter() - began,
        versions(),
        tables={"exact": tuple({"quantity": name, "value": value} for name, value in exact.items())},
        published=() if quick else tuple(_published_3b(rows)),
        differences=tuple(_differences_3b(rows, exact)),
    )


def _heights(world: MDP, bound: Objective, upper: Objective, step: Step, values: Values) -> dict[str, float]:
    """The five curves at one round."""

    def at_start(mdp: MDP) -> float:
        return float(values(mdp, step.pi)[0, step.action[0]])

    model = make_mdp(step.q, world.r, gamma=world.gamma)
    return {
        "log_true": math.log(at_start(world)),
        "simple_bound": at_start(in_model(world, bound, step.q)),
        "tight_bound": float(tight(world, step.q, step.pi)[0]),
        "log_model_return": math.log(at_start(model)),  # type: ignore
        "log_vmbpo": math.log(at_start(in_model(world, upper, step.q))),
    }


def _exact_3b(world: MDP) -> dict[str, float]:
    """What the bounds are at their own optima."""
    best, simple, of_eq_5 = solve(world), optimum(world, mnm(world)), optimum(world, mnm_eq5(world))
    goal = int(world.r[:, 0].argmax())
    weighted, risky = optimum(world, mnm(world, weight=world.gamma)), optimum(world, vmbpo(world))
    return {
        "optimal log return": math.log(best.J),
        "eq. 2 at its optimum": simple.J,
        "eq. 2 with KL weight gamma at its optimum": weighted.J,
        "eq. 10 with the model best for eq. 2": float(tight(world, simple.q, simple.pi)[0]),
        "eq. 10 with the true dynamics": float(tight(world, world.P, best.action)[0]),
        "eq. 10 with models for every horizon": float(horizon_conditioned(world, best.action)[0]),
        "eq. 5 at its optimum": of_eq_5.J,
        "eq. 5 at its optimum, from the goal": float(of_eq_5.V[goal]),
        "optimal log return, from the goal": math.log(best.V[goal]),
        "log of VMBPO at its optimum": math.log(risky.J),
        "log return of the policy of VMBPO": math.log(evaluate(world, risky.pi).J),
    }


def _published_3b(rows: list[dict[str, Any]]):
    for curve, ends in PUBLISHED_3B.items():
        heights = [row["value"] for row in rows if row["curve"] == curve]
        for name, value, ours in zip(("first", "last"), ends, (heights[0], heights[-1]), strict=True):
            yield Published(f"{LABELS[curve]}, {name} round", value, ours, NOTEBOOK)


def _differences_3b(rows: list[dict[str, Any]], exact: Mapping[str, float]):
    last = {row["curve"]: row["value"] for row in rows}
    yield Difference(
        "the curve called MnM objective",
        "the lower bound of eq. 2",
        "the tight bound of eq. 10, with a learned distribution over times",
        "both curves",
        f"eq. 10 ends at {last['tight_bound']:.5f}, eq. 2 at {last['simple_bound']:.5f}, the truth at "
        f"{last['log_true']:.5f}",
    )
    yield Difference(
        "best model of eq. 2",
        "eq. 9, q ~ p exp V",
        "the same, in a loop of half steps",
        "the loop, as published; the table exact has the optima",
        f"eq. 2 ends at {last['simple_bound']:.7f} and is {exact['eq. 2 at its optimum']:.7f} at its own optimum, with "
        "q ~ p exp(gamma V)",
    )
    yield Difference(
        "eq. 10 is tight",
        "becomes tight at convergence",
        "one model for all horizons",
        "both",
        f"{exact['eq. 10 with the model best for eq. 2']:.6f} with one model, "
        f"{exact['eq. 10 with models for every horizon']:.9f} with a model that knows the time left, against "
        f"{exact['optimal log return']:.9f}",
    )
    yield Difference(
        "reward of the policy",
        "eq. 3 with (1 - gamma) log r and the constant, eq. 5 without either",
        "eq. 3",
        "eq. 3; tabular.optimism.mnm_eq5 is eq. 5",
        f"eq. 5 at its optimum is {exact['eq. 5 at its optimum']:.3f} from the start and "
        f"{exact['eq. 5 at its optimum, from the goal']:.3f} from the goal, where the optimal log return is "
        f"{exact['optimal log return']:.3f} and {exact['optimal log return, from the goal']:.3f}: no bound where "
        "rewards exceed 1",
    )
    yield Difference(
        "rewards of the maze",
        "the gridworld of Figure 2a",
        f"{REWARD:g} and {GOAL_REWARD:g} at the goal; 0.001 and 10, 1e-05 and 1e+09 in the two halves of Figure 2a",
        "those of the code",
        f"the gap of eq. 2 at its optimum is {_gap_of_eq_2(REWARD, GOAL_REWARD):.3f} here, "
        f"{_gap_of_eq_2(1e-3, 10.0):.3f} and {_gap_of_eq_2(1e-5, 1e9):.3f} with the others",
    )
    yield Difference(
        "VMBPO is an upper bound",
        "the VMBPO objective overestimates the expected return",
        "evaluated with MnM's model, for which nothing is proved",
        "as the code; VMBPO's own optimum is in the table exact",
        f"{last['log_vmbpo']:.5f} with MnM's model, {exact['log of VMBPO at its optimum']:.5f} at VMBPO's own optimum, "
        f"whose policy returns {exact['log return of the policy of VMBPO']:.5f}; the optimum is "
        f"{exact['optimal log return']:.5f}",
    )


def _gap_of_eq_2(reward: float, goal_reward: float) -> float:
    """Optimal log return less the best of eq. 2, at the start of the maze."""
    world = maze10(reward=reward, goal_reward=goal_reward)
    return math.log(solve(world).J) - optimum(world, mnm(world)).J


def draw_fig3b(record: Record) -> Figure:
    """Figure 3b as published, three curves, and all five beside the exact optima."""
    figure = Figure(figsize=(12.4, 4.3), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1, 1.25))
    published = ("log_vmbpo", "log_true", "tight_bound")
    for ax, names, title in (
        (left, published, "As published: “MnM objective” is eq. 10"),
        (right, tuple(LABELS), "All curves, and the best that each bound can be"),
    ):
        series = {LABELS[n]: Curve(record.column("iteration", curve=n), record.column("value", curve=n)) for n in names}
        curves(series, x_label="round of the published loop", y_label="value at the start", title=title, ax=ax)
        ax.xaxis.get_major_locator().set_params(integer=True)
    exact = {row["quantity"]: row["value"] for row in record.tables["exact"]}
    last = record.column("iteration").max()
    for name, side in (("optimal log return", "bottom"), ("eq. 2 at its optimum", "top")):
        right.axhline(exact[name], color=GREY, linewidth=1, linestyle=(0, (4, 2)), zorder=1)
        y = exact[name] + (0.003 if side == "bottom" else -0.003)
        right.text(last, y, name, fontsize=8.5, color=GREY, ha="right", va=side)
    right.set_ylabel("")
    if record.quick:
        figure.suptitle(QUICK, color="#b00020", fontsize=11)
    return figure
