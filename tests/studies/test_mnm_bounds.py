"""Figures 3a and 3b of Eysenbach et al. 2021: published numbers, the record, the pictures."""

import csv
import io
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tabular.optimism import exact_values
from tabular.studies import mnm_bounds as study
from tabular.studies.record import Record, to_csv, to_json

REFERENCE = json.loads((Path(__file__).parents[1] / "reference/tabular_figures.json").read_text())


@cache
def fig3a() -> Record:
    return study.fig3a()


@cache
def fig3b() -> Record:
    return study.fig3b()


# Figure 3a


def test_fig3a_values_are_the_published_ones():
    known = REFERENCE["mnm_fig3a"]
    for row in fig3a().rows:
        assert row["value"] == pytest.approx(known["value_start"][row["method"]], abs=1e-3)
    assert fig3a().settings["return_left"] == pytest.approx(known["exact_policy_value"]["left"])
    assert fig3a().settings["return_right"] == pytest.approx(known["exact_policy_value"]["right"])
    assert all(number.off < 1e-3 for number in fig3a().published)


def test_fig3a_after_more_rounds_has_the_exact_returns():
    values = study.fig3a(quick=True, iterations=100).column("value")
    np.testing.assert_allclose(values, [451, 451, 320.3448275862069], atol=1e-9)


def test_fig3a_risk_turns_from_left_to_right_once():
    risk = fig3a().tables["risk"]
    right = np.array([row["right"] > row["left"] for row in risk])
    assert not right[0] and right[-1] and (np.diff(right.astype(int)) >= 0).all()
    (at_one,) = [row for row in risk if row["eta"] == pytest.approx(1)]
    exact = {row["method"]: row for row in fig3a().tables["exact"]}
    assert at_one["right"] == pytest.approx(exact["VMBPO"]["V_middle"]) == pytest.approx(453.761675, abs=1e-6)
    assert exact["MnM"]["V_middle"] == pytest.approx(5.823406, abs=5e-7)


def test_fig3a_csv_and_picture():
    header, *rows = csv.reader(io.StringIO(to_csv(fig3a().rows)))
    assert header == ["method", "value"] and [row[0] for row in rows] == ["Q-learning", "MnM", "VMBPO"]
    left, right = study.draw_fig3a(fig3a()).axes
    widths = sorted(patch.get_extents().transformed(left.transData.inverted()).width for patch in left.patches)
    np.testing.assert_allclose(widths, sorted(fig3a().column("value")))
    assert right.get_xscale() == "log"
    assert "QUICK" in study.draw_fig3a(study.fig3a(quick=True)).get_suptitle()


# Figure 3b


@pytest.mark.parametrize("curve", ["log_true", "simple_bound", "tight_bound", "log_model_return", "log_vmbpo"])
def test_fig3b_curves_are_the_published_ones(curve):
    known = REFERENCE["mnm_fig3b"]
    np.testing.assert_allclose(fig3b().column("value", curve=curve)[::2], known[curve], atol=1e-6)
    np.testing.assert_array_equal(fig3b().column("iteration", curve=curve), range(20))


def test_fig3b_curves_are_in_order_in_all_rounds():
    curves = ("simple_bound", "tight_bound", "log_true", "log_vmbpo")
    heights = np.array([fig3b().column("value", curve=curve) for curve in curves])
    assert (np.diff(heights, axis=0) >= 0).all()


def test_fig3b_with_exact_values_is_the_same_figure():
    exact = study.fig3b(quick=True, values=exact_values)
    assert exact.settings["values"] == "exact_values" and len(exact.rows) == 30
    np.testing.assert_allclose(exact.column("value"), fig3b().column("value")[:30], atol=4e-6)
    assert abs(exact.column("value") - fig3b().column("value")[:30]).max() > 1e-7


def test_fig3b_exact_table_has_the_known_optima():
    exact = {row["quantity"]: row["value"] for row in fig3b().tables["exact"]}
    assert exact["optimal log return"] == pytest.approx(2.419467922, abs=1e-9)
    assert exact["eq. 2 at its optimum"] == pytest.approx(2.3405124, abs=6e-8)
    assert exact["eq. 2 with KL weight gamma at its optimum"] == pytest.approx(2.3412156, abs=6e-8)
    assert exact["eq. 10 with models for every horizon"] == pytest.approx(2.419467922, abs=1e-9)
    assert exact["eq. 10 with the true dynamics"] == pytest.approx(2.351638, abs=6e-7)
    assert exact["log of VMBPO at its optimum"] == pytest.approx(np.log(17.00117), abs=1e-6)


def test_fig3b_differences_name_what_was_measured():
    published, model, *others = fig3b().differences
    (of_eq_5,) = [each.effect for each in others if "eq. 5" in each.effect]
    exact = {row["quantity"]: row["value"] for row in fig3b().tables["exact"]}
    assert exact["eq. 5 at its optimum, from the goal"] > exact["optimal log return, from the goal"] + 1
    assert f"{exact['eq. 5 at its optimum']:.3f}" in of_eq_5
    tight = fig3b().column("value", curve="tight_bound")[-1]
    assert f"{tight:.5f}" in published.effect and "2.3405124" in model.effect
    assert all(number.off < 1e-5 for number in fig3b().published) and len(fig3b().published) == 8
    json.loads(to_json(fig3b()))


def test_fig3b_csv_and_picture():
    header, *rows = csv.reader(io.StringIO(to_csv(fig3b().rows)))
    assert header == ["iteration", "curve", "value"] and len(rows) == 100
    left, right = study.draw_fig3b(fig3b()).axes
    np.testing.assert_array_equal(left.lines[2].get_ydata(), fig3b().column("value", curve="tight_bound"))
    np.testing.assert_array_equal(right.lines[3].get_ydata(), fig3b().column("value", curve="simple_bound"))
