"""Figures 2a left and 13 of Eysenbach et al. 2021: what their records hold, what they claim, what the pictures show."""

import csv
import dataclasses
import io
from functools import cache

import numpy as np
import pytest

import tabular as tb
from tabular.agents import AGENTS
from tabular.studies import mnm_agents as study
from tabular.studies import resolve
from tabular.studies.record import Record, spread, to_csv, to_json, versions
from tabular.worlds.papers import maze10

OPTIMUM = 1.3875036096


@cache
def short(name: str) -> Record:
    """The study with two seeds."""
    (found,) = resolve([name])
    assert found.module == study.__name__
    return getattr(study, found.compute)(quick=True, seeds=range(2))


@cache
def full(name: str) -> Record:
    (found,) = resolve([name])
    return found.run()


def by(record: Record, table: str, key: str) -> dict:
    return {row[key]: row for row in record.tables[table]}


def test_fig2a_has_a_row_for_every_arm_and_recorded_iteration():
    header, *rows = csv.reader(io.StringIO(to_csv(short("mnm-fig2a").rows)))
    assert header == ["arm", "iteration", "mean", "sd", "se", "n"]
    assert len(rows) == len(study.ARMS) * 76 and {row[-1] for row in rows} == {"2"}
    assert [int(row[1]) for row in rows[:76]] == list(range(0, 1501, 20))


def test_fig2a_settings_state_success_and_optimum():
    record = short("mnm-fig2a")
    assert record.settings["optimal_return"] == pytest.approx(OPTIMUM, abs=1e-9) == tb.solve(maze10()).J
    assert set(record.settings["reached_level"]) == {agent.name for agent in study.ARMS}
    assert record.settings["median_first_above_level"].keys() == record.settings["reached_level"].keys()
    assert '"random_bits": "threefry' in to_json(record)


def test_fig2a_summary_agrees_with_the_seeds():
    record = short("mnm-fig2a")
    seeds, summary = record.tables["seeds"], by(record, "summary", "arm")
    for arm in AGENTS:
        values = np.array([row["value"] for row in seeds if row["arm"] == arm]).reshape(2, 76)
        np.testing.assert_allclose(record.column("mean", arm=arm), values.mean(0), rtol=1e-12)
        assert summary[arm]["final_mean"] == pytest.approx(values[:, -1].mean(), rel=1e-12)
        assert summary[arm]["reached"] == (values > 1).any(1).mean()
        first = [20.0 * (row > 1).argmax() if (row > 1).any() else np.inf for row in values]
        assert summary[arm]["median_first"] == np.median(first)


def test_fig2a_differences_quote_the_numbers_of_this_run():
    record = short("mnm-fig2a")
    summary = by(record, "summary", "arm")
    oracle = next(each for each in record.differences if "perfect model" in each.subject)
    assert f"{summary[study.LOG.name]['final_mean']:.3f}" in oracle.effect
    assert f"{summary['MnM']['final_mean']:.3f}" in oracle.effect
    assert len(record.differences) == 3


def test_transfer_has_a_row_for_every_goal_dynamics_and_recorded_iteration():
    record = short("mnm-transfer")
    header, *rows = csv.reader(io.StringIO(to_csv(record.rows)))
    assert header == ["goal", "dynamics", "iteration", "mean", "sd", "se", "n"]
    assert len(rows) == 2 * 2 * 76
    assert [(row["goal"], row["dynamics"]) for row in record.tables["summary"]] == [
        (goal, dynamics) for goal in ("(0, 9)", "(9, 0)") for dynamics in (study.TRUE, study.OPTIMISTIC)
    ]
    assert len(record.tables["variants"]) == 6


def test_transfer_shares_its_first_task_with_figure_2a():
    """Q-learning in the true dynamics is the same agent, with the same random numbers."""
    ours = short("mnm-transfer").column("mean", goal="(0, 9)", dynamics=study.TRUE)
    np.testing.assert_array_equal(ours, short("mnm-fig2a").column("mean", arm="Q-learning"))


def test_source_dynamics_are_optimistic_on_the_support_of_the_truth():
    """The expected next value under the source's own optimal values is nowhere lower than under p."""
    mdp = maze10(goal=study.SOURCE)
    q = study._dynamics(mdp)
    assert ((q > 0) == (mdp.P > 0)).all()
    np.testing.assert_allclose(q.sum(-1), 1, rtol=1e-12)
    V = tb.solve(mdp).V
    assert ((q - mdp.P) @ V).max() > 0.01 and ((q - mdp.P) @ V).min() > -1e-6


# the pictures


def drawn(quick: bool) -> Record:
    """A record of Figure 2a of the right form, its numbers made up."""
    iteration = np.arange(0, 1501, 20)
    runs = {
        agent.name: np.array([np.tanh(iteration / (900 + 300 * g + n)) for n in range(2)])
        for g, agent in enumerate(study.ARMS)
    }
    rows = tuple(
        {"arm": arm, "iteration": i, **spread(J)}
        for arm, run in runs.items()
        for i, J in zip(iteration, run.T, strict=True)
    )
    seeds = tuple(
        {"arm": arm, "seed": n, "iteration": i, "value": J}
        for arm in AGENTS
        for n in range(2)
        for i, J in zip(iteration, runs[arm][n], strict=True)
    )
    summary = tuple({"arm": arm, "final_mean": run[:, -1].mean()} for arm, run in runs.items())
    tables = {"summary": summary, "seeds": seeds}
    return Record("mnm-fig2a", rows, {"optimal_return": OPTIMUM}, (0, 1), quick, 1.0, versions(), tables)


def test_fig2a_picture_shows_means_seeds_and_optimum():
    record = drawn(quick=False)
    left, right = study.draw_fig2a(record).axes
    for line, arm in zip(left.lines, AGENTS, strict=False):
        np.testing.assert_array_equal(line.get_ydata(), record.column("mean", arm=arm))
    assert len(left.lines) == 3 + 1 + 3 * 2
    assert np.asarray(left.lines[3].get_ydata())[0] == OPTIMUM
    np.testing.assert_array_equal(left.lines[4].get_ydata(), [r["value"] for r in record.tables["seeds"]][:76])
    assert len(right.lines) == len(study.ABLATION) + 1
    assert left.lines[1].get_color() == right.lines[1].get_color()  # MnM


def test_fig2a_title_claims_only_what_was_measured():
    record = drawn(quick=False)
    (_, right) = study.draw_fig2a(record).axes
    assert right.get_title("left").startswith("Final return")
    claims = {study.LOG.name: 1.37, study.OPTIMISTIC_START.name: 1.38, "MnM": 1.36, study.NO_LOG.name: 0.25}
    summary = tuple({**row, "final_mean": claims.get(row["arm"], 1.0)} for row in record.tables["summary"])
    record = dataclasses.replace(record, tables={**record.tables, "summary": summary})
    (_, right) = study.draw_fig2a(record).axes
    assert "start decides" in right.get_title("left") and "1.37" in right.get_title("left")


def test_pictures_of_quick_runs_say_so():
    assert "QUICK" in study.draw_fig2a(drawn(quick=True)).get_suptitle()
    figure = study.draw_transfer(short("mnm-transfer"))
    assert "QUICK" in figure.get_suptitle()
    first = figure.axes[1]
    record = short("mnm-transfer")
    np.testing.assert_allclose(
        np.asarray(first.lines[0].get_ydata()),
        record.column("mean", goal="(0, 9)", dynamics=study.TRUE) / OPTIMUM,
        rtol=1e-9,
    )
    assert "(0, 9)" in first.get_title("left")


# the complete studies


@pytest.mark.slow
def test_fig2a_record_has_the_published_finals_and_the_law_of_many_seeds():
    """Means of 20 seeds against those of 100 of another implementation: within four standard errors of 20."""
    record = full("mnm-fig2a")
    assert [number.off < 5e-5 for number in record.published] == [True] * 3
    summary = by(record, "summary", "arm")
    for arm, (mean, sd) in {"Q-learning": (0.675, 0.517), "MnM": (1.361, 0.019), "VMBPO": (0.296, 0.337)}.items():
        assert summary[arm]["final_mean"] == pytest.approx(mean, abs=4 * sd / np.sqrt(20))
    assert summary["MnM"]["reached"] == 1


@pytest.mark.slow
def test_fig2a_record_shows_that_the_start_decides():
    """Every agent that starts optimistic solves the maze, in true or in tilted dynamics; none other does reliably."""
    summary = by(full("mnm-fig2a"), "summary", "arm")
    for agent in (study.MNM, study.LOG, study.OPTIMISTIC_START, study.NO_CLASSIFIER):
        assert summary[agent.name]["final_above"] == 1 and summary[agent.name]["final_mean"] > 1.34
    assert summary[study.OPTIMISTIC_START.name]["median_first"] < summary["MnM"]["median_first"]
    assert summary[study.NO_LOG.name]["final_above"] < 0.3 and summary["Q-learning"]["final_above"] < 0.8


@pytest.mark.slow
def test_transfer_record_has_the_paper_s_claim():
    """Optimistic dynamics help at the goals near the source's, and do no lasting harm far from it."""
    record = full("mnm-transfer")
    summary = {(row["goal"], row["dynamics"]): row for row in record.tables["summary"]}
    for goal in ("(0, 9)", "(1, 9)", "(5, 9)"):
        p, q = summary[goal, study.TRUE], summary[goal, study.OPTIMISTIC]
        assert q["median_first"] < p["median_first"] and q["final_mean"] > p["final_mean"]
    far = summary["(9, 0)", study.OPTIMISTIC]
    assert far["final_mean"] > 0.98 * far["optimal_return"]
    variants = by(record, "variants", "variant")
    assert variants["optimistic q, less KL(q || p)"]["reached"] < variants[study.TRUE]["reached"]
    assert variants["q of the rewards (1e-5, 1e9)"]["reached"] < variants[study.TRUE]["reached"]
