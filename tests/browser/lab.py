"""JupyterLab on this machine and a real browser before it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).parents[2]
TOKEN = "mdpscope"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SECONDS = 60
QUIET = {"fetchNews": "false", "checkForUpdates": False}
"""JupyterLab's settings that keep its news from popping up over the page."""

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
"""Without it JupyterLab asks which kernel to use, and waits."""

RUN_ALL = """async (seconds) => {
  const app = window.jupyterapp;
  const run = async () => {
    await app.restored;
    const panel = app.shell.currentWidget;
    await panel.context.ready;
    await panel.sessionContext.ready;
    await app.commands.execute("notebook:run-all-cells");
  };
  const late = new Promise((_, fail) => setTimeout(() => fail(new Error("the notebook didn't run")), 1000 * seconds));
  await Promise.race([run(), late]);
}"""

EXECUTE = """async (code) => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const reply = await kernel.requestExecute({ code }).done;
  if (reply.content.status !== "ok") throw new Error(reply.content.evalue);
}"""


@dataclass
class Lab:
    """A JupyterLab server and a browser."""

    folder: Path
    address: str
    browser: Any
    faults: list[str] = field(default_factory=list)
    """Errors of our modules, and uncaught ones of anyone, on all pages opened."""

    @contextmanager
    def notebook(self, *cells: str, width: int = 1360, height: int = 1100, dark: bool = False) -> Iterator[Any]:
        """A page with a notebook of these cells, run from top to bottom."""
        name = f"page{len(list(self.folder.glob('*.ipynb')))}.ipynb"
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata=KERNEL)
        nbformat.write(notebook, self.folder / name)
        page = self.browser.new_page(viewport={"width": width, "height": height})
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.faults.append(f"uncaught: {error}"))
        try:
            page.goto(f"{self.address}/lab/tree/{name}?token={TOKEN}&reset", timeout=SECONDS * 1000)
            page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.context", timeout=SECONDS * 1000)
            theme = "JupyterLab Dark" if dark else "JupyterLab Light"  # the last page's choice would stay
            page.evaluate("(theme) => jupyterapp.commands.execute('apputils:change-theme', { theme })", theme)
            page.evaluate("() => jupyterapp.shell.collapseLeft()")
            self.run(page)
            yield page
        finally:
            page.close()

    def run(self, page) -> None:
        """Run all cells. Explorers that were there before no longer count as ready."""
        page.evaluate("() => document.querySelectorAll('.mdpscope').forEach((old) => (old.dataset.ready = 'old'))")
        page.evaluate(RUN_ALL, SECONDS)

    def execute(self, page, code: str) -> None:
        """Run code in the notebook's kernel, as another cell would."""
        page.evaluate(EXECUTE, code)

    def explorer(self, page) -> Any:
        """The first explorer on a page, drawn."""
        found = page.locator(".mdpscope[data-ready=true]").first
        found.wait_for(timeout=SECONDS * 1000)
        return found

    def _heard(self, message) -> None:
        if message.type == "error" and message.location.get("url", "").startswith("blob:"):
            self.faults.append(f"{message.text} at {message.location}")


@contextmanager
def lab(folder: Path) -> Iterator[Lab]:
    """A server on a free port of 127.0.0.1 that serves `folder`, and a headless Chromium."""
    from playwright.sync_api import sync_playwright

    settings = folder / ".settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(QUIET))
    port = free_port()
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.open_browser": False,
        "ServerApp.root_dir": folder,
        "IdentityProvider.token": TOKEN,
        "LabApp.expose_app_in_browser": True,
    }
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--allow-root",
        *(f"--{key}={value}" for key, value in options.items()),
    ]
    own = {
        name: str(folder / f".{name.lower()}") for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    }
    own |= {"JUPYTERLAB_SETTINGS_DIR": str(folder / ".settings"), "JUPYTERLAB_WORKSPACES_DIR": str(folder / ".spaces")}
    unset = ("MPLBACKEND", "JAX_NUMPY_DTYPE_PROMOTION", "JAX_NUMPY_RANK_PROMOTION")
    inherited = {name: value for name, value in os.environ.items() if name not in unset}
    environment = inherited | own | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    log = folder / "jupyter.log"
    with open(log, "wb") as stream:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=stream, stderr=subprocess.STDOUT)
    try:
        address = f"http://127.0.0.1:{port}"
        await_server(server, address, log)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
            yield Lab(folder, address, browser)
            browser.close()
    finally:
        server.terminate()
        server.wait(timeout=20)


def await_server(server: subprocess.Popen, address: str, log: Path) -> None:
    """Return once the server answers. Raises RuntimeError with the end of its log if it doesn't."""
    for _ in range(4 * SECONDS):
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{address}/api", timeout=2):
                return
        except OSError:
            time.sleep(0.25)
    raise RuntimeError(f"JupyterLab didn't start:\n{log.read_text()[-3000:]}")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
