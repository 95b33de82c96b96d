import numpy as np
import pytest

from deep import sweep
from deep.sweep import SWEEPS, Sweep, find, gather, name, run_share, share
from tests.test_deep.small import SEEDS, small


def tiny() -> Sweep:
    """Four settings that can share a batch."""
    return Sweep(small(alpha=(0.01, 0.02, 0.03, 0.04)).settings(), SEEDS[:1])


@pytest.mark.parametrize("study", SWEEPS)
@pytest.mark.parametrize("quick", [False, True])
def test_shares_cover_a_study_once(study, quick):
    whole = find(study, quick)
    for of in sorted({1, 2, 3, min(5, len(whole.configs)), len(whole.configs)}):
        batches = [batch for index in range(of) for batch in share(whole, index, of)]
        assert [config for batch in batches for config in batch.configs] == list(whole.configs)
        assert all(len({config.method for config in batch.configs}) == 1 for batch in batches)
        assert len({(name(batch)) for batch in batches}) == len(batches)


def test_three_shares_of_the_published_studies_are_one_batch_for_each_method():
    for study in ("omd-fig5", "omd-fig6"):
        batches = [share(find(study), index, 3) for index in range(3)]
        assert [[b.configs[0].method for b in batch] for batch in batches] == [["omd"], ["mle"], ["vep"]]
        assert all(len(b.configs) == 6 and b.seeds == tuple(range(10)) for batch in batches for b in batch)


def test_share_names_a_wrong_job():
    with pytest.raises(ValueError, match=r"index = 2, expected 0 to 1"):
        share(tiny(), 2, 2)
    with pytest.raises(ValueError, match=r"of = 5, expected 1 to 4: there are 4 settings"):
        share(tiny(), 0, 5)
    with pytest.raises(ValueError, match=r"study = 'omd-fig55' is unknown. Did you mean omd-fig5"):
        find("omd-fig55")


def test_run_share_trains_its_settings_once(here, monkeypatch):
    (run,) = run_share(tiny(), 1, 2, here)
    assert [config.alpha for config in run.configs] == [0.03, 0.04]
    monkeypatch.setattr(sweep, "train_many", pytest.fail)
    (again,) = run_share(tiny(), 1, 2, here)
    np.testing.assert_array_equal(again.episodes, run.episodes)
    (gathered,) = gather(here)
    assert gathered.folder == run.folder and gathered.complete
    with pytest.raises(ValueError, match="holds a run of another sweep"):
        run_share(Sweep(tiny().configs, (5,)), 1, 2, here)


def test_gather_names_a_missing_folder(here):
    with pytest.raises(OSError, match="there is no folder"):
        gather(here / "nothing")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_submit_runs_all_jobs_with_the_local_executor(here):
    jobs = sweep.submit(tiny(), 2, here, "local", timeout_min=20)
    folders = [folder for job in jobs for folder in job.result()]
    assert [run.returns.shape for run in gather(here)] == [(2, 1, 4)] * 2 and len(folders) == 2
