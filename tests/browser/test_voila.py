"""Voila serves a notebook with an explorer as it is: the explorer appears and reacts."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import nbformat
import numpy as np
import pytest

from tabular.solve import solve
from tabular.worlds import gridworld
from tests.browser.actions import change, values
from tests.browser.lab import KERNEL, ROOT, SECONDS, free_port

pytestmark = pytest.mark.browser

MAP = "S....\n.##..\n.#..G"
SOURCE = f"""from tabular.widgets import GridworldExplorer
GridworldExplorer({MAP!r}, gamma=0.9, slip=0.2)"""


@contextmanager
def voila(folder):
    """The address of a server that runs a notebook with one explorer."""
    path, port = folder / "page.ipynb", free_port()
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SOURCE)], metadata=KERNEL), path)
    command = [sys.executable, "-m", "voila", str(path), "--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"]
    unset = ("MPLBACKEND", "JAX_NUMPY_DTYPE_PROMOTION", "JAX_NUMPY_RANK_PROMOTION")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    with open(folder / "voila.log", "wb") as log:
        server = subprocess.Popen(
            command,
            cwd=folder,
            env=environment | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        await_answer(f"http://127.0.0.1:{port}/static/nothing", server)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(timeout=20)


def await_answer(address: str, server: subprocess.Popen) -> None:
    """Return once the server answers, with whatever it says."""
    for _ in range(4 * SECONDS):
        assert server.poll() is None, "voila didn't start"
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except urllib.error.HTTPError as answer:
            answer.close()
            return
        except OSError:
            time.sleep(0.25)


def test_voila_serves_an_explorer_that_reacts(tmp_path, shots, laboratory):
    faults: list[str] = []
    with voila(tmp_path) as address:
        page = laboratory.browser.new_page(viewport={"width": 1300, "height": 1000})
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(address, timeout=3 * SECONDS * 1000)
        explorer = page.locator(".mdpscope[data-ready=true]")
        explorer.wait_for(timeout=3 * SECONDS * 1000)
        for gamma in (0.89, 0.88):
            explorer.locator("[data-control=gamma] input[type=range]").focus()
            with change(explorer):
                page.keyboard.press("ArrowLeft")
            exact = solve(gridworld(MAP, gamma=gamma, slip=0.2)).V
            np.testing.assert_allclose(values(explorer), exact, atol=1e-9)
        explorer.screenshot(path=shots / "voila.png")
        page.close()
    assert faults == []
