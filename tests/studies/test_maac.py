"""MAAC's trade-off over the horizon: rows against the host's values, the truncation, and what the picture claims."""

import csv
import io
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

import tabular as tb
from tabular import studies
from tabular.studies import maac as study
from tabular.studies.record import Record, to_csv


@cache
def quick() -> Record:
    return study.horizon(quick=True)


@cache
def complete() -> Record:
    return study.horizon()


def column(record: Record, quantity: str, name: str = "mean", **where) -> np.ndarray:
    return record.column(name, quantity=quantity, **where)


def best(record: Record, quantity: str, world: str, critic_error: float) -> list[int]:
    """The best horizon for each model error, in their order."""
    rows = [row for row in record.tables["best"] if row["world"] == world and row["quantity"] == quantity]
    return [row["H"] for row in rows if row["critic_error"] == critic_error]


@pytest.mark.parametrize("world", study.WORLDS)
def test_ensembles_have_the_errors_that_they_are_named_by(world):
    mdp = study.WORLDS[world]().to_dense()
    Q = tb.evaluate(mdp, np.full((mdp.S, mdp.A), 1 / mdp.A)).Q
    off = study.ensembles(mdp, Q, tuple(range(20)))
    assert off.models.shape == (20, study.MEMBERS, *mdp.P.shape) and off.critics.shape[:2] == (20, study.MEMBERS)
    np.testing.assert_allclose(abs(off.models).sum(-1).max((2, 3)), 1, rtol=1e-13)
    np.testing.assert_allclose(abs(off.critics).max((2, 3)), np.ptp(Q), rtol=1e-13)
    for size in study.MODEL_ERRORS:
        P_hat = mdp.P + size * off.models
        assert P_hat.min() >= -1e-15 and (P_hat[:, :, mdp.P == 0] == 0).all()
        np.testing.assert_allclose(P_hat.sum(-1), 1, rtol=1e-13)


def test_open_maze_starts_everywhere_but_in_walls():
    mdp = study.open_maze().to_dense()
    assert (mdp.rho > 0).sum() == 100 - 12 and mdp.rho.max() == pytest.approx(1 / 88)
    reached = (mdp.P - np.eye(100)[:, None] * mdp.P).sum((0, 1)) > 0
    np.testing.assert_array_equal(mdp.rho > 0, reached)


def test_horizon_has_the_value_errors_of_the_hosts_backups():
    """Rows of a wrong model and critic, recomputed with NumPy's policy evaluation and plain backups."""
    record, mdp = quick(), study.WORLDS["garnet"]()
    pi = np.full((mdp.S, mdp.A), 1 / mdp.A)
    true = tb.evaluate(mdp, pi)
    off = study.ensembles(mdp, true.Q, record.seeds)
    errors = []
    for member in range(len(record.seeds)):
        P_hat, V = mdp.P + 0.3 * off.models[member, 0], (pi * (true.Q + 0.1 * off.critics[member, 0])).sum(1)
        for _ in range(7):
            V = (pi * (mdp.r + mdp.gamma * P_hat @ V)).sum(1)
        errors.append(abs(mdp.rho @ V - true.J) / abs(true.J))
    (row,) = [
        row
        for row in record.rows
        if (row["world"], row["model_error"], row["critic_error"], row["H"]) == ("garnet", 0.3, 0.1, 7)
        and row["quantity"] == "value_error"
    ]
    assert row["mean"] == pytest.approx(np.mean(errors), rel=1e-10)
    assert row["sd"] == pytest.approx(np.std(errors), rel=1e-8) and row["n"] == len(record.seeds)


@pytest.mark.parametrize("world", study.WORLDS)
def test_horizon_with_nothing_wrong_has_the_return_and_a_truncated_gradient(world):
    """A2b, A2 and A2c: the value is right at every H, the gradient is not, and it stays within the bound."""
    record, nothing = quick(), {"world": world, "model_error": 0.0, "critic_error": 0.0}
    assert column(record, "value_error", **nothing).max() < 1e-12
    table = {name: [r["value"] for r in record.tables["bound"] if r["world"] == world and r["quantity"] == name]
             for name in ("bias", "bound")}  # fmt: skip
    gradient = column(record, "gradient_error", **nothing)
    np.testing.assert_allclose(gradient, table["bias"], rtol=1e-10)
    assert (gradient <= table["bound"]).all() and gradient[5] > 0.4
    np.testing.assert_allclose(np.diff(np.log(table["bound"])), np.log(0.9), rtol=1e-10)


@pytest.mark.parametrize("world", study.WORLDS)
def test_horizon_zero_knows_no_model(world):
    for quantity in study.QUANTITIES:
        for critic_error in study.CRITIC_ERRORS:
            means = column(quick(), quantity, world=world, critic_error=critic_error, H=0)
            np.testing.assert_allclose(means, means[0], rtol=1e-12, atol=1e-14)


def test_horizon_reports_what_the_paper_says_otherwise():
    same, _ = quick().differences
    at_zero = column(quick(), "gradient_error", world="two_state", model_error=0.0, critic_error=0.0, H=0)[0]
    assert f"gradient error {at_zero:.3f} at H = 0" in same.effect


def test_horizon_csv_has_the_promised_columns():
    header, *rows = csv.reader(io.StringIO(to_csv(quick().rows)))
    assert header == ["world", "model_error", "critic_error", "H", "quantity", "mean", "sd", "se", "n"]
    assert len(rows) == 3 * 5 * 3 * 3 * 21


def test_horizon_picture_shows_the_rows_and_their_lowest_points(tmp_path):
    figure = study.draw_horizon(quick())
    ax = figure.axes[0]
    value = column(quick(), "value_error", world="two_state", model_error=0.1, critic_error=study.SHOWN)
    curve, mark = ax.lines[4], ax.lines[5]
    np.testing.assert_array_equal(curve.get_ydata(), value)
    assert np.asarray(mark.get_xdata()).item() == value.argmin()
    assert len(figure.axes) == 12 and "QUICK" in figure.get_suptitle()
    names = [path.name for path in studies.write(quick(), tmp_path)]
    assert names == ["maac-horizon.csv", *[f"maac-horizon-{t}.csv" for t in ("steve", "bound", "best")],
                     "maac-horizon.png", "maac-horizon.json"]  # fmt: skip


# the complete study


@pytest.mark.slow
@pytest.mark.parametrize("world", study.WORLDS)
def test_horizon_of_the_least_value_error_shrinks_as_the_model_gets_worse(world):
    """With the true model the longest is best; with wrong ones a shorter one, and an inner one wherever it pays."""
    horizons = best(complete(), "value_error", world, study.SHOWN)
    assert horizons[0] == study.H_MAX
    assert all(longer >= shorter for longer, shorter in pairwise(horizons)) and horizons[-1] <= 3
    assert any(0 < H < study.H_MAX for H in horizons)


@pytest.mark.slow
def test_horizon_of_the_least_gradient_error_is_inner_for_wrong_models_of_two_states():
    horizons = best(complete(), "gradient_error", "two_state", study.SHOWN)
    assert horizons[:2] == [study.H_MAX, study.H_MAX]
    assert all(0 < H < study.H_MAX for H in horizons[2:])


@pytest.mark.slow
@pytest.mark.parametrize("world", ["garnet", "maze10"])
def test_horizon_of_the_least_gradient_error_is_the_longest_where_truncation_costs_most(world):
    """The frozen critic's missing terms outweigh even a model that is off by an L1 distance of 1."""
    for critic_error in study.CRITIC_ERRORS:
        assert best(complete(), "gradient_error", world, critic_error) == [study.H_MAX] * len(study.MODEL_ERRORS)


@pytest.mark.slow
@pytest.mark.parametrize("world", study.WORLDS)
def test_steve_hedges_between_horizons(world):
    """Better than the longest horizon where models are wrong, worse where they are right; never as bad as the worst."""
    rows = [row for row in complete().tables["steve"] if row["world"] == world and row["critic_error"] == study.SHOWN]
    for model_error in (0.0, 0.1, 0.3, 1.0):
        here = [row for row in rows if row["model_error"] == model_error]
        fixed, mixed = ([r["mean"] for r in here if r["target"] == t] for t in ("mean at H", "steve 0..H"))
        assert mixed[0] == pytest.approx(fixed[0], rel=1e-12)
        assert mixed[-1] < max(fixed)
        assert (mixed[-1] < fixed[-1]) == (model_error > 0)
