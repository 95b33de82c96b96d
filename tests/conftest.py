"""What holds for all tests: one linear-algebra thread, no windows, strict JAX; and a line on what was not run."""

import os
from pathlib import Path

# Read by the libraries when they are first imported, so that a test without JAX or matplotlib needn't import them.
SETTINGS = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MPLBACKEND": "Agg",
    "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    "JAX_NUMPY_RANK_PROMOTION": "raise",
}
os.environ.update(SETTINGS)
# Most of the time goes to compiling small programs: each is compiled once for all processes, and kept for the next run.
# Notebooks, pages and slow tests compile as users do, others without optimisations.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

import pytest  # noqa: E402

TIERS = {
    "slow": "make test-slow",
    "browser": "pytest -m browser",
    "gpu": "pytest -m gpu",
    "notebook": "make test",
}
NOT_RUN = pytest.StashKey[dict[str, int]]()


def pytest_configure(config):
    config.stash[NOT_RUN] = dict.fromkeys(TIERS, 0)


def pytest_collection_modifyitems(items):
    """Notebooks come first: they take longest, and what workers share out at the end should be short."""
    items.sort(key=lambda item: item.get_closest_marker("notebook") is None)


def pytest_deselected(items):
    for item in items:
        tier = next((tier for tier in TIERS if item.get_closest_marker(tier)), None)
        if tier:
            item.config.stash[NOT_RUN][tier] += 1


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):  # a worker of pytest-xdist
        session.config.workeroutput["not_run"] = session.config.stash[NOT_RUN]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    node.config.stash[NOT_RUN] = getattr(node, "workeroutput", {}).get("not_run", node.config.stash[NOT_RUN])


def pytest_terminal_summary(terminalreporter, config):
    tiers = [f"{count} {tier} ({TIERS[tier]})" for tier, count in config.stash[NOT_RUN].items() if count]
    terminalreporter.write_line("tests not in this run: " + (", ".join(tiers) or "none"))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
