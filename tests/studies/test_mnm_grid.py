"""Figures 2a right and 2b of Eysenbach et al. 2021: published numbers, the record, the pictures."""

import csv
import io
import json
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.patches import FancyArrow

from tabular import studies
from tabular.evaluate import evaluate
from tabular.optimism import mnm, optimum
from tabular.studies import mnm_grid as study
from tabular.studies.record import Record, to_csv
from tabular.worlds.papers import maze10, wall15

REFERENCE = json.loads((Path(__file__).parents[1] / "reference/tabular_figures.json").read_text())


@cache
def dynamics() -> Record:
    return study.dynamics()


@cache
def fig2b() -> Record:
    return study.fig2b(quick=True)


def kernel(record: Record, column: str) -> np.ndarray:
    """The rows of the record as P[s, a, s']."""
    P = np.zeros((100, 4, 100))
    for row in record.rows:
        P[row["state"], row["action"], row["next_state"]] = row[column]
    return P


def test_dynamics_rows_are_the_true_and_the_published_model():
    known = REFERENCE["mnm_fig2a_right"]
    np.testing.assert_allclose(kernel(dynamics(), "p"), maze10().to_dense().P, atol=1e-15)
    q = kernel(dynamics(), "q")
    np.testing.assert_allclose(q.sum(-1), 1, atol=1e-12)
    intended = maze10(noise=0.0).to_dense().P.argmax(-1)
    found = np.take_along_axis(q, intended[:, :, None], axis=2)[known["states"], :, 0]
    np.testing.assert_allclose(found, known["q_intended"], atol=1e-6)


def test_dynamics_states_are_the_published_ones():
    known = REFERENCE["mnm_fig2a_right"]
    table = dynamics().tables["states"]
    states = [table[int(s)] for s in known["states"]]
    np.testing.assert_allclose([row["V"] for row in states], known["V"], atol=5e-6)
    np.testing.assert_allclose([row["KL"] for row in states], np.mean(known["kl"], axis=1), atol=1e-6)
    assert [row["policy"] for row in states] == known["policy"]
    assert all(number.off < 1e-4 for number in dynamics().published) and len(dynamics().published) == 9


def test_dynamics_exact_is_the_best_model_of_eq_2():
    record = study.dynamics(exact=True)
    mdp = maze10(reward=1e-5, goal_reward=1e9)
    best = optimum(mdp, mnm(mdp))
    np.testing.assert_allclose(kernel(record, "q"), best.q, atol=1e-12)
    assert record.published == () and "best model" in record.settings["model"]
    assert abs(kernel(record, "q") - kernel(dynamics(), "q")).max() > 0.01


def test_dynamics_csv_has_the_promised_columns():
    header, *rows = csv.reader(io.StringIO(to_csv(dynamics().rows)))
    assert header == ["state", "action", "next_state", "p", "q"]
    assert len(rows) == np.count_nonzero(maze10().to_dense().P)
    header = to_csv(dynamics().tables["states"]).splitlines()[0].split(",")
    assert {"state", "V", "KL", "policy"} <= set(header)


def arrows(ax):
    return [patch for patch in ax.patches if isinstance(patch, FancyArrow)]


def test_dynamics_picture_has_an_arrow_for_every_intended_cell_and_none_in_walls():
    """Neighbours among the 88 free cells: one arrow from each to each; .4 cells long at probability 1."""
    world = maze10()
    free = [cell for cell in world.grid.cells if cell not in world.grid.walls]
    pairs = sum((i + di, j + dj) in free for i, j in free for di, dj in world.grid.moves)
    true, learned, price = study.draw_dynamics(dynamics()).axes[:3]
    assert len(arrows(true)) == len(arrows(learned)) == pairs
    lengths = [np.hypot(*np.ptp(arrow.get_xy(), axis=0)) for arrow in arrows(true)]
    assert max(lengths) == pytest.approx(np.hypot(0.4 * 0.75, 0.15), abs=0.06)
    columns, rows = np.round([arrow.get_xy().mean(0) for arrow in arrows(learned)]).astype(int).T
    assert not {(row, column) for row, column in zip(rows, columns, strict=True)} & set(world.grid.walls)
    assert len(price.images) == 1


def test_dynamics_quick_picture_says_so():
    assert "QUICK" in study.draw_dynamics(study.dynamics(quick=True)).get_suptitle()


# Figure 2b


def test_fig2b_rows_are_the_published_ones():
    rows = {row["arm"]: row for row in fig2b().rows}
    known = REFERENCE["mnm_fig2b"]["steps_to_goal"]
    assert rows["exact"]["steps_to_goal"] == known["MnM"] == 26
    assert rows["block_with_classifier"]["steps_to_goal"] == known["block_with_classifier"] == 28
    assert known["block_no_classifier"] is None and np.isinf(rows["block_no_classifier"]["steps_to_goal"])
    assert [row["reached"] for row in rows.values()] == [True, True, False]
    assert len(fig2b().published) == 5 and all(number.off < 1e-5 for number in fig2b().published)
    assert rows["exact"]["true_return"] == pytest.approx(fig2b().settings["optimal_return"])


def test_fig2b_paths_are_steps_of_the_true_world_and_earn_the_return():
    world = wall15()
    for row in fig2b().rows:
        path = [(step["row"], step["column"]) for step in fig2b().tables["paths"] if step["arm"] == row["arm"]]
        states = [world.grid.state(*cell) for cell in path]
        actions = np.full(world.S, 4)
        for here, there in pairwise(states):
            assert world.P[here, :, there].any()
            actions[here] = world.P[here, :, there].argmax()
        assert evaluate(world, actions).J == pytest.approx(row["true_return"], rel=1e-12)


def test_fig2b_penalty_is_that_of_the_blocks_that_hold_a_wall():
    KL = np.array([row["KL"] for row in fig2b().tables["penalty"] if row["arm"] == "block_with_classifier"])
    assert KL.reshape(15, 15)[:8, 6:9].min() > 2 and KL.reshape(15, 15)[9:12, 6:9].max() < 1e-12
    assert not any(row["KL"] for row in fig2b().tables["penalty"] if row["arm"] == "exact")


def test_fig2b_csv_has_the_promised_columns():
    header, *rows = csv.reader(io.StringIO(to_csv(fig2b().rows)))
    assert header == ["arm", "steps_to_goal", "true_return", "reached"]
    assert [row[0] for row in rows] == ["exact", "block_with_classifier", "block_no_classifier"]


def test_fig2b_picture_shows_the_paths_and_says_quick():
    figure = study.draw_fig2b(fig2b())
    for ax, arm in zip(figure.axes[:3], study.ARMS, strict=True):
        path = [(step["column"], step["row"]) for step in fig2b().tables["paths"] if step["arm"] == arm]
        assert any(np.array_equal(line.get_xydata(), path) for line in ax.lines)
    assert "never" in figure.axes[2].get_title() and "QUICK" in figure.get_suptitle()


def test_fig2b_files_can_be_written(tmp_path):
    names = {path.name for path in studies.write(fig2b(), tmp_path)}
    assert names == {"mnm-fig2b.csv", "mnm-fig2b-paths.csv", "mnm-fig2b-penalty.csv", "mnm-fig2b.png", "mnm-fig2b.json"}


@pytest.mark.slow
def test_fig2b_robustness_is_as_measured_before():
    """28 steps from 15 rounds on for a limit of 1 to 20 nats; not after 10 rounds at 5, nor with .5."""
    reached = {(row["clip"], row["rounds"]): row["steps_to_goal"] for row in study.fig2b().tables["robustness"]}
    assert all(reached[clip, count] == 28 for clip in (1.0, 2.0, 5.0, 20.0) for count in (15, 20))
    assert np.isinf(reached[5.0, 10]) and all(np.isinf(reached[0.5, count]) for count in (10, 15, 20))
