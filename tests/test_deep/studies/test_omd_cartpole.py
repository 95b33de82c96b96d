"""Figures 5 and 6 and Table 1 from runs: drawn numbers where nothing is trained, and small runs that go all the way."""

import numpy as np
import pytest

from deep import plot, sweep
from deep.runs import NextStateError, Run
from deep.studies import deep_vs_exact, omd_cartpole, write
from deep.studies.omd_cartpole import TABLE_1
from deep.sweep import METHODS, Sweep
from tests.test_deep.small import SEEDS, small

WIDTHS = (1, 2)
WIDTH_SWEEP = Sweep(tuple(c for m in METHODS for c in small(method=m, model_width=WIDTHS).settings()), (0, 1, 2))
NOISE_SWEEP = Sweep(tuple(c for m in METHODS for c in small(method=m, distractors=(0, 4)).settings()), (0, 1, 2))


def made(chosen: Sweep) -> dict:
    """Runs of a sweep, one for each method, whose numbers are drawn."""
    rng, found = np.random.default_rng(0), {}
    for batch in sweep.share(chosen, 0, 1):
        shape = len(batch.configs), len(batch.seeds)
        error = NextStateError(rng.exponential(size=shape), rng.exponential(size=shape), np.full(shape[0], 4))
        blank = np.zeros((*shape, 20))
        run = Run(
            batch.configs,
            batch.seeds,
            step=1000 * np.arange(1, 21),
            episodes=rng.uniform(10, 500, (*shape, 20, 10)).round(),
            critic_loss=blank,
            model_loss=blank,
            ended=blank,
            seconds=np.arange(20.0),
            model_error=error,
            versions={},
            folder=None,
        )
        found |= dict.fromkeys(batch.configs, run)
    return found


@pytest.fixture
def runs(monkeypatch):
    found = {"omd-fig5": (WIDTH_SWEEP, made(WIDTH_SWEEP)), "omd-fig6": (NOISE_SWEEP, made(NOISE_SWEEP))}
    monkeypatch.setattr(omd_cartpole, "runs", lambda study, *_: found[study])
    return {study: runs for study, (_, runs) in found.items()}


@pytest.mark.parametrize(("study", "over"), omd_cartpole.OVER.items())
def test_figures_show_the_spread_of_final_returns_over_seeds(study, over, runs, tmp_path):
    """A final return is the mean of the last 10 evaluations of 10 episodes each."""
    record = {"omd-fig5": omd_cartpole.fig5, "omd-fig6": omd_cartpole.fig6}[study]()
    assert len(record.rows) == len(METHODS) * 2 and record.settings["runs"] == 18
    for config, run in runs[study].items():
        last = run.episodes[run.configs.index(config), :, -10:].mean((1, 2))
        where = {"method": config.method, over: getattr(config, over)}
        np.testing.assert_allclose(record.column("mean", **where), last.mean(), rtol=1e-12)
        np.testing.assert_allclose(record.column("ci95", **where), plot.interval(last), rtol=1e-12)
    names = {path.name for path in write(record, tmp_path)}
    assert names == {f"{study}{end}" for end in (".csv", "-gain.csv", "-seeds.csv", "-curves.csv", ".png", ".json")}


def test_fig5_gain_is_taken_seed_by_seed(runs):
    record = omd_cartpole.fig5()
    finals = {key: [] for key in ((m, w) for m in METHODS for w in WIDTHS)}
    for row in record.tables["seeds"]:
        finals[row["method"], row["model_width"]].append(row["final"])
    assert len(record.tables["gain"]) == 4
    for row in record.tables["gain"]:
        omd, other = (np.asarray(finals[m, row["model_width"]]) for m in ("omd", row["minus"]))
        off = omd - other
        assert row["mean"] == pytest.approx(off.mean()) and row["ci95"] == pytest.approx(plot.interval(off))


def test_table1_is_the_error_of_next_states_beside_the_published_one(runs, tmp_path):
    record = omd_cartpole.table1()
    assert {row["method"] for row in record.rows} == {*METHODS, "untrained"}
    for config, run in runs["omd-fig5"].items():
        errors = 4 * run.model_error.trained[run.configs.index(config)]
        where = {"method": config.method, "model_width": config.model_width}
        np.testing.assert_allclose(record.column("mean", **where), errors.mean(), rtol=1e-12)
    assert {n.value for n in record.published} == {TABLE_1[m][w] for m in TABLE_1 for w in WIDTHS}
    assert len(write(record, tmp_path)) == 4


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


@pytest.mark.slow
def test_studies_share_the_runs_in_a_folder(tmp_path, monkeypatch):
    """Figure 5 finds what two jobs of `deep sweep` trained, and trains the rest; Table 1 finds everything."""
    tiny = Sweep(WIDTH_SWEEP.configs, SEEDS)
    monkeypatch.setitem(sweep.SWEEPS, "omd-fig5", lambda quick: tiny)
    for index in range(2):  # OMD and half of MLE
        sweep.run_share(tiny, index, 4, tmp_path / "omd-fig5")
    assert [c.method for c in sweep.missing(tiny, tmp_path / "omd-fig5")] == ["mle", "vep", "vep"]
    first = omd_cartpole.fig5(partial=tmp_path)
    assert sweep.missing(tiny, tmp_path / "omd-fig5") == ()
    monkeypatch.setattr(sweep, "train_many", pytest.fail)
    again, table = omd_cartpole.fig5(partial=tmp_path), omd_cartpole.table1(partial=tmp_path)
    assert again.rows == first.rows and np.isfinite([row["mean"] for row in table.rows]).all()


@pytest.mark.slow
def test_deep_vs_exact_goes_all_the_way(monkeypatch, tmp_path):
    how = deep_vs_exact.How(steps=2000, seeds=(0, 1), model_width=2, points=((5, 5, 7, 7),), episodes=3, states=10)
    monkeypatch.setattr(deep_vs_exact, "QUICK", how)
    record = deep_vs_exact.compare(quick=True)
    assert len(record.tables["values"]) == 3 * 2 * 10 * 2 and len(record.tables["agents"]) == 6
    assert len(write(record, tmp_path)) == 6
