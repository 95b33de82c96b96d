"""Textbook MDPs with exact rational optimal values, by every method that applies."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import tabular as tb

ENTRIES = json.loads((Path(__file__).parent / "reference" / "known_answers.json").read_text())
OPTIMAL = [entry for entry in ENTRIES if entry["kind"] == "optimal"]
POLICY = [entry for entry in ENTRIES if entry["kind"] == "policy"]


def build(entry):
    P = np.array([[[float(Fraction(p)) for p in row] for row in state] for state in entry["P"]])
    r = np.array([[-np.inf if x is None else float(Fraction(x)) for x in row] for row in entry["R"]])
    return tb.make_mdp(P, r, gamma=float(Fraction(entry["gamma"])))


def exact_values(entry):
    return np.array([float(Fraction(v)) for v in entry["V_exact"]])


def name(entry):
    return entry["name"]


@pytest.mark.parametrize("storage", ["dense", "sparse"])
@pytest.mark.parametrize("method", ["auto", "vi", "pi", "mpi", "lp"])
@pytest.mark.parametrize("entry", OPTIMAL, ids=name)
def test_solve_finds_the_exact_optimal_values(entry, method, storage):
    mdp = build(entry) if storage == "dense" else build(entry).to_sparse()
    solution = tb.solve(mdp, method=method, tol=1e-10)
    assert abs(solution.V - exact_values(entry)).max() <= solution.error <= 1e-10
    assert all(a in best for a, best in zip(solution.action, entry["optimal_actions"], strict=True))
    expected = np.array([[-np.inf if q is None else q for q in row] for row in entry["Q"]])
    feasible = np.isfinite(expected)
    assert (np.isfinite(solution.Q) == feasible).all()
    assert abs(solution.Q[feasible] - expected[feasible]).max() <= 1e-9


@pytest.mark.parametrize("entry", OPTIMAL, ids=name)
def test_solve_reports_every_optimal_action_as_a_tie(entry):
    solution = tb.solve(build(entry))
    assert [list(np.flatnonzero(row)) for row in solution.ties] == entry["optimal_actions"]


@pytest.mark.parametrize("storage", ["dense", "sparse"])
@pytest.mark.parametrize("entry", POLICY, ids=name)
def test_evaluate_finds_the_exact_values_of_the_random_policy(entry, storage):
    mdp = build(entry) if storage == "dense" else build(entry).to_sparse()
    evaluation = tb.evaluate(mdp, np.full((mdp.S, mdp.A), 1 / mdp.A))
    assert abs(evaluation.V - exact_values(entry)).max() <= evaluation.error <= 1e-9


@pytest.mark.parametrize("entry", OPTIMAL, ids=name)
def test_soft_solve_tends_to_the_exact_values_from_above(entry):
    """0 <= Q*_alpha - Q* <= gamma alpha log A / (1 - gamma)."""
    mdp = build(entry)
    alpha = 1e-4
    gap = tb.soft_solve(mdp, alpha).Q[mdp.feasible] - tb.solve(mdp).Q[mdp.feasible]
    assert gap.min() >= -1e-9
    assert gap.max() <= mdp.gamma * alpha * np.log(mdp.A) / (1 - mdp.gamma) + 1e-9
