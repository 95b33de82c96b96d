"""Families of small instances on which bounds can be seen: where they are attained, loose, vacuous or wrong."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tabular.mdp import MDP, AnyMDP, make_mdp, with_changes
from tabular.mismatch import (
    bellman_bound,
    bellman_lower_bound,
    greedy_loss_bound,
    largest_reward,
    likelihood_bound,
    reward_span,
    sharp_bound,
)
from tabular.optimism.lower_bounds import ladder as ladder_of
from tabular.widgets.bound.batch import Pairs
from tabular.widgets.bound.family import Family, Line, Sides, Spot, Values, graph, rows

OMD = "Nikishin et al. 2021, Theorem 2"
MNM = "Eysenbach et al. 2021"
MAAC = "Clavera et al. 2020, Theorem 4.1"
HERE = "derived here"
TWO = [[0.0, 0.0], [1.0, 0.0]]
"""Places of two states."""


def one(values: Mapping[str, float]) -> Values:
    """One instance as a batch."""
    return {name: np.array([value], dtype=float) for name, value in values.items()}


def chains(*entries) -> np.ndarray:
    """Transition matrices of two states with one action, shape (n, 2, 1, 2), from `(P[0, 1], P[1, 0])`."""
    away, back = np.broadcast_arrays(*entries)
    return np.stack([np.stack([1 - away, away], -1), np.stack([back, 1 - back], -1)], 1)[:, :, None]


def mdps(pairs: Pairs) -> tuple[AnyMDP, AnyMDP]:
    """The first of some pairs."""
    gamma = float(pairs.gamma[0])
    return make_mdp(pairs.P[0], pairs.r[0], gamma=gamma), make_mdp(pairs.P_hat[0], pairs.r_hat[0], gamma=gamma)


def drawn(pairs: Pairs, names: list[str], titles=("the true world", "its model")) -> dict:
    """The first of some pairs of two states and one action."""
    true, model = pairs.r[0, :, 0], pairs.r_hat[0, :, 0]
    return graph(TWO, names, (true, pairs.P[0, :, 0]), (model, pairs.P_hat[0, :, 0]), titles)


# The simulation lemma


def leaking(x: Values) -> Pairs:
    """Two states that pay 1 and 0; the model leaks from the first, and a way back exists in both."""
    zero = np.zeros_like(x["gamma"])
    r = np.stack([zero + 1, zero], -1)[..., None]
    return Pairs(chains(zero, x["back"]), r, chains(x["leak"], x["back"]), r, x["gamma"])


def simulation_sides(x: Values) -> Sides:
    """The bounds of `mismatch.policy_bounds`, for chains."""
    pairs = leaking(x)
    errors, R = pairs.errors, reward_span(pairs.r)
    return {
        "true": pairs.q_error,
        "trivial": R / (1 - pairs.gamma),
        "lemma": likelihood_bound(*errors, R, pairs.gamma),
        "sharp": sharp_bound(*errors, R, pairs.gamma),
        "backup": bellman_bound(pairs.residual, pairs.gamma),
    }


SIMULATION = Family(
    title="Simulation lemma",
    quantity="max |V − V̂|",
    statement="A state pays 1 in every step, for ever. The model believes that it leaks, with probability τ, into a "
    "state that pays 0, from which a way back leads with probability m. How wrong are the model’s values?",
    parameters=("leak", "gamma", "back"),
    lines={
        "lemma": Line("as usual", "εᵣ/(1−γ) + γ εₚ R / (2(1−γ)²)", "Kearns & Singh 2002, Lemma 4"),
        "sharp": Line("sharp", "(εᵣ + γ εₚ R / (2(1−γ))) / (1−γ + γ εₚ/2)", HERE),
        "backup": Line("one backup", "ε / (1−γ),  ε = max |T V̂ − V̂|", "residual bound"),
    },
    sides=simulation_sides,
    pair=lambda values: mdps(leaking(one(values))),
    instance=lambda values: drawn(leaking(one(values)), ["in", "out"]),
    tight=Spot({"gamma": 0.9, "leak": 0.25, "back": 0.0}, "No way back: the error is 90/13, and the sharp bound too."),
)


# What a plan loses


def misled(x: Values) -> Pairs:
    """One state, three actions that pay 1, 1 - gap and 0; the model pays the same for the first two."""
    zero = np.zeros_like(x["gamma"])
    P = np.ones((len(zero), 1, 3, 1))
    r = np.stack([zero + 1, 1 - x["gap"], zero], -1)[:, None]
    r_hat = np.stack([x["believed"], x["believed"], zero], -1)[:, None]
    return Pairs(P, r, P, r_hat, x["gamma"])


def loss_sides(x: Values) -> Sides:
    """The loss bounds 6 and 7 of `mismatch.bounds`; the tie is broken the wrong way."""
    pairs = misled(x)
    wrong = np.ones((len(pairs.gamma), 1), dtype=int)
    return {
        "true": pairs.loss(wrong),
        "trivial": reward_span(pairs.r) / (1 - pairs.gamma),
        "values": greedy_loss_bound(pairs.q_error, pairs.gamma),
        "backup": 2 * bellman_bound(pairs.residual, pairs.gamma),
    }


def misled_drawn(values: Mapping[str, float]) -> dict:
    pairs = misled(one(values))
    names = ["best action", "chosen (a tie)", "do nothing"]
    stay = np.ones((3, 1))
    return rows(
        names, (pairs.r[0, 0], stay), (pairs.r_hat[0, 0], stay), ["here"], "One state, three actions: their rewards"
    )


LOSS = Family(
    title="Loss of a plan",
    quantity="J* − J(π̂)",
    statement="One state. The best action pays 1, another pays Δ less, doing nothing pays 0. The model believes that "
    "both of the first two pay c, a hair more for the worse one, and so the plan takes it, in every step.",
    parameters=("believed", "gap", "gamma"),
    lines={
        "values": Line("error of Q̂", "2 max |Q* − Q̂| / (1−γ)", "Singh & Yee 1994"),
        "backup": Line("one backup", "2ε / (1−γ),  ε = max |B Q̂ − Q̂|", "residual bound, for π* and for π̂"),
    },
    sides=loss_sides,
    instance=misled_drawn,
    pair=lambda values: mdps(misled(one(values))),
    tight=Spot(
        {"gamma": 0.9, "gap": 0.5, "believed": 0.75},
        "c halfway between the two rewards: the backup is wrong by Δ/2 for either, and 2·(1/4)/(1/10) = 5 is lost.",
    ),
)


# Theorem 2 of OMD


def escaping(x: Values) -> Pairs:
    """A state that pays level - 1 and never ends; the model believes in an escape to one that pays level + 1."""
    zero = np.zeros_like(x["gamma"])
    r = np.stack([zero + x["level"] - 1, zero + x["level"] + 1], -1)[..., None]
    return Pairs(chains(zero, zero), r, chains(x["leak"], zero), r, x["gamma"])


def theorem2_sides(x: Values) -> Sides:
    """The bounds of `mismatch.bounds` on Q, and the printed one."""
    pairs = escaping(x)
    errors, R, gamma = pairs.errors, reward_span(pairs.r), pairs.gamma
    return {
        "true": pairs.q_error,
        "trivial": R / (1 - gamma),
        "printed": likelihood_bound(*errors, largest_reward(pairs.r), gamma),
        "range": likelihood_bound(*errors, R, gamma),
        "sharp": sharp_bound(*errors, R, gamma),
        "backup": bellman_bound(pairs.residual, gamma),
    }


THEOREM2 = Family(
    title="OMD, Theorem 2",
    quantity="max |Q* − Q̂|",
    statement="A state pays ℓ − 1 for ever. The model believes in an escape, with probability τ in each step, to a "
    "state that pays ℓ + 1. The level ℓ is added to all rewards: it changes no error, but it changes r_max = 1 + ℓ.",
    parameters=("leak", "gamma", "level"),
    lines={
        "printed": Line("(i) as printed", "εᵣ/(1−γ) + γ εₚ r_max / (2(1−γ)²)", OMD + ", first part"),
        "range": Line("(i) with range R", "εᵣ/(1−γ) + γ εₚ R / (2(1−γ)²)", OMD + ", first part, corrected"),
        "sharp": Line("(i) sharp", "(εᵣ + γ εₚ R / (2(1−γ))) / (1−γ + γ εₚ/2)", HERE),
        "backup": Line("(ii) Bellman", "ε / (1−γ),  ε = max |B Q̂ − Q̂|", OMD + ", second part"),
    },
    sides=theorem2_sides,
    pair=lambda values: mdps(escaping(one(values))),
    instance=lambda values: drawn(escaping(one(values)), ["trap", "free"]),
    tight=Spot(
        {"gamma": 0.9, "leak": 0.1, "level": 1.0},
        "The sharp form of (i), and (ii), are attained here at every τ, γ and ℓ. (i) as printed is 1.9 times too "
        "large, and attained only as τ goes to 0.",
    ),
    fails=Spot(
        {"gamma": 1 / 3, "leak": 1.0, "level": 0.0},
        "γ = 1/3, rewards −1 and 1: the error is 1 and the printed bound 3/4, a ratio of 4/3. Certified in exact "
        "fractions (omd.thm2.mle.signed). The theorem assumes rewards in [0, r_max]; this is what happens without.",
    ),
)


# The Bellman residual from both sides


def alternating(x: Values) -> Pairs:
    """Two states that change places with probability swap; the model's rewards are wrong by +shift and -shift."""
    zero = np.zeros_like(x["gamma"])
    P = chains(x["swap"], x["swap"])
    r = np.stack([zero + 1, zero], -1)[..., None]
    wrong = np.stack([zero + x["shift"], zero - x["shift"]], -1)[..., None]
    return Pairs(P, r, P, r + wrong, x["gamma"])


def residual_sides(x: Values) -> Sides:
    """Bounds 1 and 2 of `mismatch.bounds`."""
    pairs = alternating(x)
    eps, gamma = pairs.residual, pairs.gamma
    return {
        "true": pairs.q_error,
        "trivial": reward_span(pairs.r, pairs.r_hat) / (1 - gamma),
        "above": bellman_bound(eps, gamma),
        "below": bellman_lower_bound(eps, gamma),
    }


RESIDUAL = Family(
    title="Bellman residual",
    quantity="max |Q* − Q̂|",
    statement="Two states change places with probability w. The model pays ε too much in one and ε too little in the "
    "other, so its residual is ε whatever w is. Errors that repeat add up; errors that alternate cancel.",
    parameters=("swap", "gamma", "shift"),
    lines={
        "above": Line("ε/(1−γ)", "ε / (1−γ),  ε = max |B Q̂ − Q̂|", OMD + ", second part"),
        "below": Line("ε/(1+γ)", "ε / (1+γ)", HERE + ", from below", below=True),
    },
    sides=residual_sides,
    pair=lambda values: mdps(alternating(one(values))),
    instance=lambda values: drawn(alternating(one(values)), ["A", "B"]),
    tight=Spot(
        {"gamma": 0.9, "shift": 0.1, "swap": 0.0},
        "Nobody moves: the same error in every step, ε/(1−γ) in all. At the other end, w = 1, the bound from below is "
        "attained.",
    ),
)


# MnM's ladder


def branches(x: Values) -> tuple[MDP, np.ndarray]:
    """Starts that pay `start`, from each of which a coin leads to a state that pays 1 or to one that pays `prize`: all
    in one MDP, and the models that take the coin to show the prize with probability `better`."""
    n, (prizes, own) = len(x["better"]), np.unique(x["prize"], return_inverse=True)
    S = n + 1 + len(prizes)
    P = np.zeros((S, 1, S))
    P[np.arange(n, S), 0, np.arange(n, S)] = 1
    q, start = P.copy(), np.arange(n)
    P[start, 0, n] = P[start, 0, n + 1 + own] = 0.5
    q[start, 0, n], q[start, 0, n + 1 + own] = 1 - x["better"], x["better"]
    r = np.concatenate([x["start"], [1.0], prizes])[:, None]
    return make_mdp(P, r, gamma=float(x["gamma"][0])).to_dense(), q


def ladder_sides(x: Values) -> Sides:
    """`optimism.ladder` at the starts, as returns: exponentials of the bounds on log J."""
    mdp, q = branches(x)
    n = len(x["better"])
    found = ladder_of(mdp, q, np.zeros(mdp.S, dtype=int), tol=1e-10)
    rungs = {name: np.exp(getattr(found, name)[:n]) for name in ("stopping", "tight", "gamma_kl", "simple")}
    least = np.minimum(np.minimum(x["start"], 1.0), x["prize"])
    return {"true": np.exp(found.log_return[:n]), "trivial": least / (1 - x["gamma"]), **rungs}


def branch_drawn(values: Mapping[str, float]) -> dict:
    mdp, q = branches(one(values))
    places = [[0.0, 0.5], [1.0, 1.0], [1.0, 0.0]]
    return graph(places, ["start", "low", "high"], (mdp.r[:, 0], mdp.P[:, 0]), (mdp.r[:, 0], q[:, 0]))


def branch_pair(values: Mapping[str, float]) -> tuple[AnyMDP, AnyMDP]:
    mdp, q = branches(one(values))
    return with_changes(mdp, rho=[1, 0, 0]), make_mdp(q, mdp.r, gamma=mdp.gamma, rho=[1, 0, 0])


LADDER = Family(
    title="MnM’s ladder",
    quantity="J",
    statement="From a start that pays r₀ a fair coin leads to a state that pays 1 for ever or to one that pays b. The "
    "model is one number: its probability q of the better branch. Each rung adapts one thing more to the return.",
    parameters=("better", "start", "prize", "gamma"),
    fixed=("gamma",),
    lines={
        "stopping": Line("stopping", "exp of the best time to stop in each state", HERE, below=True),
        "tight": Line("eq. 10", "Σ γᵗ exp E_q [log rₜ − Σₖ KLₖ],  k < t", MNM + ", eq. 10, as in the code", below=True),
        "gamma_kl": Line("γ KL", "exp E_q Σ γᵗ [(1−γ) log(r/(1−γ)) − γ KL]", HERE, below=True),
        "simple": Line("eq. 2", "exp E_q Σ γᵗ [(1−γ) log(r/(1−γ)) − KL]", MNM + ", Theorem 3.1", below=True),
    },
    sides=ladder_sides,
    instance=branch_drawn,
    pair=branch_pair,
    tight=Spot(
        {"better": 0.8, "start": 2.5, "prize": 4.0, "gamma": 0.9},
        "The start pays the mean of what follows, and q = 4/5 is proportional to reward: three rungs reach J. Eq. 2 "
        "doesn’t: it pays for one transition too many.",
    ),
    floor=True,
)


# Theorem 4.1 of MAAC


def leaving(x: Values) -> Pairs:
    """Chains of two policies: one stays where the reward is, the other takes the exit with probability leak.

    The exit pays level - 1 at once, and then for ever.
    """
    zero = np.zeros_like(x["gamma"])
    low, high = zero + x["level"] - 1, zero + x["level"] + 1
    r = np.stack([high, low], -1)[..., None]
    r_hat = np.stack([high + x["leak"] * (low - high), low], -1)[..., None]
    return Pairs(chains(zero, zero), r, chains(x["leak"], zero), r_hat, x["gamma"])


def theorem41_sides(x: Values) -> Sides:
    """The right sides of the claims maac.thm41.printed, .corrected and .sharp; the returns start in the first state."""
    pairs = leaving(x)
    tau, gamma = x["leak"], pairs.gamma
    r_max, R = largest_reward(pairs.r), reward_span(pairs.r)
    return {
        "true": abs(pairs.Q - pairs.Q_hat)[:, 0, 0],
        "trivial": R / (1 - gamma),
        "printed": 2 * r_max * tau / (1 - gamma),
        "corrected": 2 * r_max * tau / (1 - gamma) ** 2,
        "sharp": tau * R / ((1 - gamma) * (1 - gamma + gamma * tau)),
    }


THEOREM41 = Family(
    title="MAAC, Theorem 4.1",
    quantity="|J(π) − J(π′)|",
    statement="One policy stays where a step pays ℓ + 1. The other takes, with probability τ in each step, an exit to "
    "a state that pays ℓ − 1 for ever. Policies that differ by τ: how far apart are their returns?",
    parameters=("leak", "gamma", "level"),
    lines={
        "printed": Line("as printed", "2 r_max τ / (1−γ)", MAAC + ", last line of its proof"),
        "corrected": Line("corrected", "2 r_max τ / (1−γ)²", HERE),
        "sharp": Line("sharp", "τ R / ((1−γ)(1−γ+γτ))", HERE),
    },
    sides=theorem41_sides,
    instance=lambda values: drawn(leaving(one(values)), ["stay", "out"], ("policy π", "policy π′")),
    tight=Spot(
        {"gamma": 0.9, "leak": 0.1, "level": 0.0},
        "The exit is for ever: the sharp bound is attained at every τ, γ and ℓ.",
    ),
    fails=Spot(
        {"gamma": 0.5, "leak": 0.5, "level": 0.0},
        "γ = τ = 1/2, rewards −1 and 1: the returns differ by 8/3, and the printed bound is 2, a ratio of 4/3. "
        "Certified in exact fractions (maac.thm41.printed).",
    ),
)

FAMILIES: dict[str, Family] = {
    "simulation": SIMULATION,
    "loss": LOSS,
    "theorem2": THEOREM2,
    "residual": RESIDUAL,
    "ladder": LADDER,
    "theorem41": THEOREM41,
}
