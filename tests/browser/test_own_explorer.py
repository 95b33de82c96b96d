"""The explorer that the documentation builds, opened in JupyterLab as it is written there."""

import re

import numpy as np
import pytest

from tests.browser.actions import change
from tests.browser.lab import ROOT

pytestmark = pytest.mark.browser

PAGE = (ROOT / "docs" / "explorers.md").read_text()


def blocks(language: str) -> list[str]:
    """What stands on the page in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def worth(gamma: float, price: float) -> np.ndarray:
    """Values by the textbook: V(age) = max(-age + gamma V(age + 1), -price + gamma V(0))."""
    V = np.zeros(10)
    for _ in range(2000):
        V = np.maximum(-np.arange(10) + gamma * np.append(V[1:], V[9]), -price + gamma * V[0])
    return V


def test_own_explorer_draws_the_exact_values_and_reacts(jupyter, shots):
    (script,) = blocks("js")
    (jupyter.folder / "replace.js").write_text(script)
    with jupyter.notebook("\n".join([*blocks("python"), "machine"])) as page:
        explorer = jupyter.explorer(page)

        def values() -> list[float]:
            return explorer.locator("[data-value]").evaluate_all(
                "nodes => nodes.map((node) => Number(node.dataset.value))"
            )

        np.testing.assert_allclose(values(), worth(0.9, 6), atol=1e-9)
        explorer.locator("[data-control=price] input[type=range]").focus()
        with change(explorer):
            page.keyboard.press("ArrowRight")
        np.testing.assert_allclose(values(), worth(0.9, 6.5), atol=1e-9)
        explorer.screenshot(path=shots / "own-explorer.png")
