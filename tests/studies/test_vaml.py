"""Value-aware models against likelihood: what the figure claims, its exact cases, and the picture."""

import csv
import io
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

import tabular as tb
from tabular import studies
from tabular.studies import vaml as study
from tabular.studies.record import Record, spread, to_csv, versions
from tabular.worlds.papers import two_state

WHERE = [(*key, size) for key, setting in study.SETTINGS.items() for size in setting.capacities]


def test_measured_of_the_truth_has_no_error_and_of_a_shared_row_those_of_its_formulas():
    world = two_state().to_dense()
    best = tb.solve(world)
    rows = np.broadcast_to([0.72, 0.28], (2, 2, 2))
    P_hat = np.stack([world.P, rows])[None]
    models = [tb.make_mdp(P, world.r, gamma=0.9) for P in P_hat[0]]
    found = SimpleNamespace(P_hat=P_hat, J=np.array([[best.J, 0.5]]), seeds=(1, 2), model=lambda k, n: models[n])
    measured = study._measured(world, found)  # type: ignore[arg-type]
    assert set(measured) == set(study.QUANTITIES)
    np.testing.assert_allclose(measured["return"], [1, 0.5 / best.J])
    assert all(measured[q][0] == pytest.approx(0, abs=1e-12) for q in ("value_error", "value_aware_error", "kl"))
    p = world.P[..., 0]
    assert measured["value_aware_error"][1] == pytest.approx(np.sqrt(((p - 0.72) ** 2).mean()), rel=1e-12)
    assert measured["kl"][1] == pytest.approx((p * np.log(p / 0.72) + (1 - p) * np.log((1 - p) / 0.28)).mean())
    V_hat = np.linalg.solve(np.eye(2) - 0.9 * rows[0], world.r.max(1))
    assert measured["value_error"][1] == pytest.approx(abs(V_hat - best.V).max() / np.ptp(best.V), rel=1e-9)


@pytest.mark.slow
def test_capacity_on_two_states_with_one_row_gives_every_method_the_mean_of_the_rows(monkeypatch):
    """Value-aware errors of two states are multiples of (p - q)^2, least at the mean, as is the divergence."""
    key = ("two_state", "low_rank")  # the quick form leaves out the first capacity and three quarters of the steps
    setting = study.replace(study.SETTINGS[key], capacities=(1, 1), steps=2400)
    monkeypatch.setattr(study, "SETTINGS", {key: setting})
    monkeypatch.setattr(study, "QUICK", (key,))
    record = study.capacity(quick=True)
    assert len(record.rows) == len(study.METHODS) * len(study.QUANTITIES) and record.quick
    p = np.asarray(two_state().P)[..., 0]
    expected = np.sqrt(((p - p.mean()) ** 2).mean())
    np.testing.assert_allclose(record.column("mean", quantity="value_aware_error"), expected, rtol=1e-3)
    assert np.ptp(record.column("mean", quantity="return")) < 1e-6


# the complete study


@cache
def record() -> Record:
    return study.capacity()


def mean(quantity: str, method: str, world: str, family: str) -> np.ndarray:
    return record().column("mean", quantity=quantity, method=method, world=world, model_class=family)


@pytest.mark.slow
def test_capacity_helps_the_random_mdp_between_rank_one_and_the_truth():
    likelihood, aware = (mean("return", m, "garnet", "low_rank") for m in ("mle", "itervaml"))
    assert (aware[1:] > 0.99).all() and (likelihood[1:4] < 0.98).all()
    assert abs(aware[0] - likelihood[0]) < 0.01
    assert likelihood[4] > 0.98
    error, of_likelihood = (mean("value_error", m, "garnet", "low_rank") for m in ("itervaml", "mle"))
    assert (error[1:] < of_likelihood[1:] / 10).all()


@pytest.mark.slow
def test_capacity_helps_the_maze_with_aliased_blocks_and_not_without():
    gain = mean("return", "itervaml", "maze10", "aliased_blocks") - mean("return", "mle", "maze10", "aliased_blocks")
    assert gain[1] > 0.05 and gain[2] > 0.05
    assert abs(gain[0]) < 0.01 and abs(gain[3]) < 0.005


@pytest.mark.slow
def test_capacity_hurts_where_the_value_class_misses_the_optimum_though_the_model_class_holds_the_truth():
    loss = mean("return", "mle", "maze10", "aliased_blocks") - mean("return", "vaml", "maze10", "aliased_blocks")
    assert loss[3] > 0.02


@pytest.mark.slow
def test_capacity_buys_the_maze_of_low_rank_much_smaller_value_errors_and_little_return():
    errors, returns = (
        [mean(quantity, method, "maze10", "low_rank")[1] for method in ("mle", "itervaml")]
        for quantity in ("value_error", "return")
    )
    assert errors[1] < errors[0] / 3 and abs(returns[1] - returns[0]) < 0.01


@pytest.mark.slow
def test_capacity_makes_no_difference_to_the_return_of_two_states():
    returns = record().column("mean", quantity="return", world="two_state", capacity=1)
    assert np.ptp(returns) < 1e-6


@pytest.mark.slow
def test_capacity_has_likelihood_best_in_divergence_everywhere():
    for world, family, size in WHERE:
        place = {"quantity": "kl", "world": world, "model_class": family, "capacity": size}
        (best,) = record().column("mean", **place, method="mle")
        assert (record().column("mean", **place) >= best - 0.02).all()


# the picture


def drawn(quick: bool = False) -> Record:
    rows = [
        {"world": world, "model_class": family, "capacity": size, "method": method, "quantity": quantity}
        | spread([0.5 + 0.1 * k, 0.6 + 0.001 * size])
        for world, family, size in WHERE
        for k, method in enumerate(study.METHODS)
        for quantity in study.QUANTITIES
    ]
    return Record("vaml-tabular", tuple(rows), {}, (1, 2), quick, 1.0, versions())


def test_draw_capacity_shows_the_rows():
    figure = study.draw_capacity(drawn())
    axes = np.array(figure.axes).reshape(len(study.QUANTITIES), len(study.SETTINGS))
    line = axes[0, 0].get_lines()[0]
    expected = drawn().column("mean", world="garnet", model_class="low_rank", method="mle", quantity="return")
    np.testing.assert_array_equal(line.get_ydata(), expected)
    assert [text.get_text() for text in axes[-1, 0].get_xticklabels()] == ["1", "2", "4", "8", "20"]
    assert "QUICK" not in (figure.get_suptitle() or "")
    assert "QUICK" in study.draw_capacity(drawn(quick=True)).get_suptitle()


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        ((0.0, 0.12), "helps, +0.120 at rank 2"),
        ((-0.3, 0.1), "hurts, -0.300 at rank 1"),
        ((0.001, -0.002), "no difference"),
    ],
)
def test_verdict_says_where_the_returns_differ_most(gain, words):
    place = {"world": "two_state", "model_class": "low_rank", "quantity": "return"}
    rows = [
        place | {"capacity": size, "method": method, "mean": 0.8 + (method == "itervaml") * change}
        for size, change in zip((1, 2), gain, strict=True)
        for method in ("mle", "itervaml")
    ]
    found = Record("vaml-tabular", tuple(rows), {}, (1,), False, 1.0, {})
    assert study._verdict(found, ("two_state", "low_rank"), "itervaml") == words


def test_capacity_csv_has_the_promised_columns_and_the_study_is_listed():
    header = next(csv.reader(io.StringIO(to_csv(drawn().rows))))
    assert header == ["world", "model_class", "capacity", "method", "quantity", "mean", "sd", "se", "n"]
    (listed,) = studies.resolve(["vaml-tabular"])
    assert listed.module == study.__name__ and callable(getattr(study, listed.compute))
    assert callable(getattr(study, listed.picture))
