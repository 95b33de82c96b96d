"""The mismatch map: that it holds every objective, that its numbers are what they are called, and what it shows."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from tabular import mismatch, objectives
from tabular.evaluate import evaluate
from tabular.fitting import fit
from tabular.mdp import make_mdp
from tabular.models import softmax_table
from tabular.objectives import mle
from tabular.optimism import ladder
from tabular.solve import solve
from tabular.studies import mismatch_map as study
from tabular.studies.record import Record, versions

SETTINGS = {setting.name: setting for setting in study.SETTINGS}
SMALL = replace(SETTINGS["two_state kappa"], capacities=(0.0, 2.0), steps=30, seeds=2)


@pytest.fixture(scope="module")
def rows():
    return [row for method in ("mle", "mnm") for row in study.part(asdict(SMALL), method, list(SMALL.capacities))]


def record(rows) -> Record:
    settings = {"settings": [asdict(SMALL)]}
    return Record("mismatch-map", tuple(rows), settings, (0, 1), True, 0.0, versions())


def test_the_map_holds_every_objective_there_is():
    """The constructors that `tabular.objectives` exports, by the class of what they make."""
    made = {type(x) for x in study.objectives(study.true_mdp("maze10"), 0.1).values()}
    exported = {x for name in objectives.__all__ if isinstance(x := getattr(objectives, name), type)}
    kinds = {x for x in exported if issubclass(x, objectives.Objective)} - {objectives.Objective}
    assert kinds - made == {objectives.WeightedMLE}  # the same objective with weights of one's own
    assert set(study.NAMES) == set(study.objectives(study.true_mdp("maze10"), 0.1))


def test_measure_gives_what_the_host_engine_finds_in_each_model():
    true = study.true_mdp("two_state")
    found = fit(true, mle(0.01), softmax_table("paper_scaled", learns_reward=False), kappa=2.0, seeds=(1, 2), steps=40)
    tables = study.measure(true, found, 0.01)
    best, worst = solve(true).J, -solve(make_mdp(true.P, -true.r, gamma=0.9, rho=true.rho)).J
    for n in range(2):
        model, pi = found.model(0, n), found.pi[0, n]
        bounds = {bound.name: bound for bound in mismatch.bounds(true, model, 0.01)}
        backup = bounds["Q error <= backup of Q_hat"]
        assert tables["q_error"][0, n] == pytest.approx(backup.lhs, abs=1e-9)
        assert tables["backup_bound"][0, n] == pytest.approx(backup.rhs, abs=1e-9)
        assert tables["likelihood_bound"][0, n] == pytest.approx(bounds["Q error <= likelihood"].rhs, abs=1e-9)
        J = evaluate(true, pi).J
        assert tables["return_score"][0, n] == pytest.approx((J - worst) / (best - worst), abs=1e-9)
        lower = np.exp(true.rho @ ladder(true, found.P_hat[0, n], pi).simple) / best
        assert tables["lower_bound"][0, n] == pytest.approx(lower, rel=1e-9)
        assert lower * best <= J


def test_part_has_a_row_for_each_capacity_and_quantity(rows):
    keys = {(row["method"], row["capacity"], row["quantity"]) for row in rows}
    assert len(rows) == len(keys) == 2 * 2 * len(study.QUANTITIES)
    assert list(rows[0]) == ["setting", "world", "axis", "capacity", "method", "quantity", "mean", "sd", "se", "n"]
    uniform = [row["mean"] for row in rows if row["capacity"] == 0 and row["quantity"] == "divergence"]
    expected = np.mean(
        [np.log(2) + np.sum(p * np.log(p)) for p in np.reshape(study.true_mdp("two_state").to_dense().P, (4, 2))]
    )
    np.testing.assert_allclose(uniform, expected, rtol=1e-12)  # both methods: at kappa 0 there is one model


def test_bounds_of_the_map_hold_in_every_row(rows):
    def column(quantity):
        return np.array([row["mean"] for row in rows if row["quantity"] == quantity])

    assert (column("q_error") <= column("backup_bound")).all()
    assert (column("q_error") <= column("likelihood_bound")).all()


def test_draw_names_the_objectives_and_says_that_it_is_a_quick_look(rows):
    figure = study.draw_mismatch_map(record(rows))
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["MLE", "MnM"]
    assert "QUICK LOOK" in figure.get_suptitle()


def test_short_numbers_fit_their_cells():
    assert [study._short(x) for x in (0.0, 0.1234, 12.34, 12345.0, 0.0012, np.inf)] == [
        "0.00",
        "0.12",
        "12",
        "1e4",
        "1e-3",
        "∞",
    ]


@pytest.mark.slow
def test_the_quick_map_goes_on_where_it_was_interrupted(tmp_path):
    first = study.mismatch_map(quick=True, partial=tmp_path)
    kept = sorted(tmp_path.glob("*.json"))
    assert len(kept) == 10 + 2 * 11  # one part for all kappas, one for each block size, of each objective
    kept[0].unlink()
    again = study.mismatch_map(quick=True, partial=tmp_path)
    assert again.rows == first.rows and again.seconds < first.seconds / 3


@pytest.mark.slow
def test_in_the_maze_the_model_that_predicts_best_acts_worst():
    """Rank 10: likelihood diverges least from the truth and earns little, OMD the reverse."""
    setting = replace(SETTINGS["maze10 rank"], steps=500, seeds=2)
    found = {
        method: {row["quantity"]: row["mean"] for row in study.part(asdict(setting), method, [10])}
        for method in ("mle", "omd_returns")
    }
    assert found["mle"]["divergence"] < found["omd_returns"]["divergence"] - 1
    assert found["omd_returns"]["return_score"] > 0.9
    assert found["mle"]["return_score"] < 0.5
