"""Figures 5 and 6 and Table 1, from runs that are small but go through everything."""

import numpy as np
import pytest

from deep import plot, sweep
from deep.studies import deep_vs_exact, omd_cartpole, write
from deep.studies.omd_cartpole import TABLE_1
from deep.sweep import METHODS, Sweep
from tests.deep.small import SEEDS, small

WIDTHS = (1, 2)


def tiny(quick: bool = False) -> Sweep:
    return Sweep(tuple(c for m in METHODS for c in small(method=m, model_width=WIDTHS).settings()), SEEDS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def studied(folder, monkeypatch):
    monkeypatch.setitem(sweep.SWEEPS, "omd-fig5", tiny)
    return folder


def test_fig5_is_the_spread_of_final_returns_over_seeds(studied, tmp_path):
    record = omd_cartpole.fig5(partial=studied)
    assert len(record.rows) == len(METHODS) * len(WIDTHS) and record.settings["runs"] == 12
    for run in sweep.gather(studied):
        for k, config in enumerate(run.configs):
            last = run.returns[k].mean(-1)  # these runs have fewer evaluations than count
            where = {"method": config.method, "model_width": config.model_width}
            np.testing.assert_allclose(record.column("mean", **where), last.mean(), rtol=1e-12)
            np.testing.assert_allclose(record.column("ci95", **where), plot.interval(last), rtol=1e-12)
    names = {path.name for path in write(record, tmp_path)}
    assert {"omd-fig5.csv", "omd-fig5-gain.csv", "omd-fig5-curves.csv", "omd-fig5.png", "omd-fig5.json"} <= names


def test_fig5_gain_is_the_difference_of_means(studied):
    record = omd_cartpole.fig5(partial=studied)
    for row in record.tables["gain"]:
        omd, other = (record.column("mean", method=m, model_width=row["model_width"])[0] for m in ("omd", row["minus"]))
        assert row["mean"] == pytest.approx(omd - other)


def test_table1_reads_the_runs_of_fig5(studied, tmp_path, monkeypatch):
    omd_cartpole.fig5(partial=studied)
    monkeypatch.setattr(sweep, "train_many", pytest.fail)
    record = omd_cartpole.table1(partial=studied)
    assert {row["method"] for row in record.rows} == {*METHODS, "untrained"}
    omd = [run for run in sweep.gather(studied) if run.configs[0].method == "omd"]
    errors = np.concatenate([run.model_error.summed.mean(1) for run in omd])
    np.testing.assert_allclose(record.column("mean", method="omd"), errors, rtol=1e-12)
    assert {n.value for n in record.published} == {TABLE_1[m][w] for m in TABLE_1 for w in WIDTHS}
    assert len(write(record, tmp_path)) == 4


def test_complete_finds_runs_however_they_were_shared(tmp_path, monkeypatch):
    """Two jobs train two settings each; then nothing is left to train."""
    whole = Sweep(small(alpha=(0.01, 0.02, 0.03, 0.04)).settings(), SEEDS[:1])
    for index in range(2):
        sweep.run_share(whole, index, 2, tmp_path / "runs")
    monkeypatch.setattr(sweep, "train_many", pytest.fail)
    found = sweep.complete(whole, tmp_path / "runs")
    assert tuple(found) == whole.configs and len(set(found.values())) == 2


def test_agents_compares_values_and_choices():
    """Two states: the first with the same order of actions and Q off by 1, the second with the other order."""
    pairs = [((1.0, 2.0), (2.0, 3.0)), ((1.0, 0.0), (1.0, 2.0))]
    values = [
        {"method": "omd", "seed": 0, "action": a, "deep": deep[a], "exact": exact[a]}
        for deep, exact in pairs
        for a in (0, 1)
    ]
    (row,) = deep_vs_exact._agents(values)
    assert row["same_action"] == 0.5 and row["offset"] == -1.0 and row["rms"] == pytest.approx(1.5**0.5)
