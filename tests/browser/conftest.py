"""One JupyterLab and one browser for all tests; screenshots for a person to look at."""

import os
import shutil
from pathlib import Path

import pytest

from tests.browser.lab import CHROMIUM, ROOT, lab


@pytest.fixture(scope="session")
def shots() -> Path:
    """Where screenshots go."""
    folder = Path(os.environ.get("SCREENSHOTS", ROOT / "results" / "screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def laboratory(tmp_path_factory):
    if not shutil.which(CHROMIUM):
        pytest.fail(f"there is no {CHROMIUM}. Install chromium, or name it in the environment variable CHROMIUM.")
    with lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def jupyter(laboratory):
    """The laboratory; afterwards, no module of ours may have complained."""
    laboratory.faults.clear()
    yield laboratory
    assert laboratory.faults == []


@pytest.fixture(scope="module")
def page(laboratory, request):
    """A notebook of one cell, the `SOURCE` of the test's module; `HEIGHT` is that of the window, if it says so."""
    height = getattr(request.module, "HEIGHT", 1100)
    with laboratory.notebook(request.module.SOURCE, height=height) as page:
        laboratory.explorer(page)
        yield page


@pytest.fixture
def explorer(jupyter, page):
    """A new explorer, on the same page."""
    jupyter.run(page)
    return jupyter.explorer(page)
