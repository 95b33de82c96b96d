"""Random MDPs with positive rewards, models within their support and policies, replayable from a number."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np

import tabular as tb
from tests.instances import random_mdp


@cache
def reference() -> dict:
    """The reference numbers of the published figures."""
    return json.loads((Path(__file__).parents[1] / "reference/tabular_figures.json").read_text())


def case(i: int, **sizes):
    """An MDP with rewards e^-5 to e^5, a model that tilts its rows at random, and a stochastic policy."""
    mdp = random_mdp(31, i, **sizes)
    mdp = tb.make_mdp(mdp.P, np.exp(np.clip(mdp.r, -5, 5)), gamma=mdp.gamma, rho=mdp.rho)
    rng = np.random.default_rng([32, i])
    q = mdp.P * np.exp(rng.normal(size=mdp.P.shape) * 10 ** rng.uniform(-2, 0.5))
    return mdp, q / q.sum(-1, keepdims=True), rng.dirichlet(np.ones(mdp.A), size=mdp.S)


def unit_cases():
    """The reference's random MDPs, models and policies, with the bounds computed elsewhere."""
    for unit in reference()["unit_mdps"]:
        P = np.array(unit["P"])
        mdp = tb.make_mdp(P / P.sum(-1, keepdims=True), np.exp(unit["R"]), gamma=unit["gamma"], rho=None)
        logits = np.array(unit["model_logits"])
        q = np.exp(logits - logits.max(-1, keepdims=True))
        pi = np.array(unit["bound_case"]["policy"])
        known = {name: np.array(values) for name, values in unit["bound_case"].items() if name != "reward"}
        yield mdp, q / q.sum(-1, keepdims=True), pi / pi.sum(1, keepdims=True), known
