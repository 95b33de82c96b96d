"""The mismatch explorer in JupyterLab, driven by mouse and keyboard, against the exact solver and `fit`."""

import numpy as np
import pytest

from tabular import mismatch
from tabular.fitting import fit
from tabular.models import softmax_table
from tabular.objectives import mle
from tabular.probability import kl_rows
from tabular.soft import soft_solve
from tabular.solve import solve
from tabular.widgets.mismatch.worlds import WORLDS, maze
from tabular.worlds.papers import two_state
from tests.browser.actions import change

pytestmark = pytest.mark.browser
HEIGHT = 1500

SOURCE = """from tabular.widgets import MismatchExplorer
explorer = MismatchExplorer()
explorer"""
PATIENCE = 60_000


def table(explorer, name: str) -> np.ndarray:
    """The probabilities of a table, row by row, as they stand in the document."""
    cells = explorer.locator(f"[data-table={name}] rect[data-row]:not([data-column=r]):not([data-column=extra])")
    return np.array(cells.evaluate_all("nodes => nodes.map((node) => Number(node.dataset.value))"))


def curve(explorer, name: str) -> float:
    """The present value of a curve."""
    return float(explorer.locator(f"[data-curve={name}]").first.get_attribute("data-value"))


def step(explorer) -> int:
    return int(explorer.get_attribute("data-step"))


def until_step(explorer, least: int) -> None:
    explorer.page.wait_for_function(
        "([root, least]) => Number(root.dataset.step) >= least",
        arg=[explorer.element_handle(), least],
        timeout=PATIENCE,
    )


def train(explorer, least: int) -> None:
    """Play until a step is reached, then pause."""
    explorer.focus()
    explorer.page.keyboard.press(" ")
    until_step(explorer, least)
    explorer.page.keyboard.press(" ")
    explorer.locator("button.train:has-text('Train')").wait_for(timeout=PATIENCE)


def test_first_picture_is_the_truth_beside_the_uniform_model(explorer, shots):
    np.testing.assert_array_equal(table(explorer, "true"), two_state().to_dense().P.ravel())
    np.testing.assert_array_equal(table(explorer, "model"), np.full(8, 0.5))
    assert float(explorer.locator("[data-level=best]").get_attribute("data-value")) == solve(two_state()).J
    explorer.screenshot(path=shots / "mismatch.png")


def test_pictures_of_another_world_leave_nothing_behind(explorer):
    def picture():
        texts = [explorer.locator(f"{where} text").all_text_contents() for where in ("[data-table=true]", ".plane")]
        return table(explorer, "true").tolist(), *texts, explorer.locator(".plane > *").count()

    first = picture()
    with change(explorer):
        explorer.locator("[data-control=world] [data-value=random]").click()
    larger = WORLDS["random"].make().to_dense().P
    np.testing.assert_array_equal(table(explorer, "true"), larger.ravel())
    assert len(picture()[1]) > len(first[1])
    with change(explorer):
        explorer.locator("[data-control=world] [data-value=two_state]").click()
    assert picture() == first


def test_training_is_that_of_fit_and_all_numbers_are_exact(explorer, shots):
    before = explorer.locator(".plane").screenshot()
    train(explorer, 100)
    assert explorer.locator(".plane").screenshot() != before
    found = fit(two_state(), mle(), softmax_table("paper_scaled"), seeds=1, kappa=2.0, steps=step(explorer))
    np.testing.assert_allclose(table(explorer, "model"), found.P_hat.ravel(), atol=1e-12)
    assert curve(explorer, "J") == pytest.approx(found.J[0, 0], abs=1e-9)
    assert curve(explorer, "q_error") == pytest.approx(found.q_error[0, 0], abs=1e-9)
    assert curve(explorer, "kl") == pytest.approx(kl_rows(two_state().P, found.P_hat[0, 0], np.inf).mean(), abs=1e-12)
    exact = mismatch.bounds(two_state(), found.model(0, 0), 0.01)
    names = ("q_model", "q_true", "q_sharp", "q_likelihood", "loss_q", "loss_model", "loss_sharp", "loss_likelihood")
    for name, bound in zip(names, exact[1:], strict=True):
        assert curve(explorer, name) == pytest.approx(bound.rhs, abs=1e-8)
    explorer.screenshot(path=shots / "mismatch-trained.png")


def test_another_objective_keeps_the_path_of_the_first(explorer, shots):
    train(explorer, 600)
    with change(explorer):
        explorer.locator("[data-control=objective] [data-value=omd_returns]").click()
    train(explorer, 600)
    kept, live = (explorer.locator(f"[data-run={kind}]") for kind in ("kept", "live"))
    assert kept.get_attribute("data-objective") == "mle" and live.get_attribute("data-objective") == "omd_returns"
    assert float(kept.get_attribute("data-kl")) < float(live.get_attribute("data-kl"))
    assert float(kept.get_attribute("data-j")) < 0.3 and float(live.get_attribute("data-j")) > 1.02
    explorer.screenshot(path=shots / "mismatch-plane.png")


def test_norm_bound_moves_the_model_while_it_trains(explorer):
    train(explorer, 300)
    before = curve(explorer, "kl")
    explorer.locator("[data-control=kappa] input[type=text]").fill("0.5")
    with change(explorer):
        explorer.page.keyboard.press("Enter")
    assert curve(explorer, "kl") > before + 0.1
    slider = explorer.locator("[data-control=kappa] input[type=range]")
    slider.focus()
    with change(explorer):
        explorer.page.keyboard.press("ArrowRight")
    assert explorer.locator("[data-control=kappa] input[type=text]").input_value() == "0.55"
    assert explorer.locator("[data-run=live]").get_attribute("data-kl") == str(curve(explorer, "kl"))


def test_scrubbing_goes_back_through_the_run(explorer):
    train(explorer, 100)
    trained = table(explorer, "model")
    explorer.get_by_label("Picture of the run").focus()
    explorer.page.keyboard.press("Home")
    assert step(explorer) == 0
    assert abs(table(explorer, "model") - trained).max() > 0.05
    explorer.page.keyboard.press("End")
    np.testing.assert_array_equal(table(explorer, "model"), trained)
    with change(explorer):
        explorer.page.keyboard.press(".")
    assert int(explorer.get_attribute("data-frame")) == int(explorer.get_attribute("data-frames")) - 1


def test_what_cannot_be_used_says_why(jupyter, explorer, shots):
    for name in ("mnm", "vagram"):
        assert explorer.locator(f"[data-control=objective] [data-value={name}]").is_disabled()
    explorer.locator("[data-refused] summary").click()
    assert "MnM takes the logarithm of rewards: r[0, 0] = -0.45" in explorer.locator("[data-refused]").inner_text()
    with change(explorer):
        explorer.locator("[data-control=kappa] input[type=text]").fill("100")
        explorer.page.keyboard.press("Enter")
    assert "kappa = 100, expected a number from 0 to 60" in explorer.locator(".message.error").inner_text()
    assert explorer.locator("[data-control=kappa] input[type=text]").input_value() == "2.00"
    explorer.screenshot(path=shots / "mismatch-error.png")


def test_maze_shows_maps_of_the_exact_values(explorer, shots):
    with change(explorer):
        explorer.locator("[data-preset=maze]").click()
    true, model = (explorer.locator(f"[data-panel={name}] .board g[data-row]") for name in ("true", "model"))
    texts = true.evaluate_all("nodes => nodes.map((node) => node.dataset.value)")
    np.testing.assert_allclose([float(text) for text in texts if text], soft_solve(maze(), 0.05).V, atol=1e-12)
    before = model.first.get_attribute("data-value")
    train(explorer, 200)
    assert model.first.get_attribute("data-value") != before
    explorer.screenshot(path=shots / "mismatch-maze.png")
    with change(explorer):
        explorer.locator("[data-control=difference] [data-value=loss]").click()
    assert "Loss" in explorer.locator("[data-panel=difference] h4").inner_text()


def test_run_made_from_python_is_fetched(jupyter, explorer):
    with change(explorer):
        jupyter.execute(explorer.page, "explorer.train(100)")
    until_step(explorer, 100)
    explorer.page.wait_for_timeout(600)
    explorer.get_by_label("Picture of the run").focus()
    explorer.page.keyboard.press("Home")
    assert step(explorer) == 0


def test_curves_and_model_are_downloaded(explorer):
    train(explorer, 30)
    for action, name in (("export_model", "mismatch-model.npz"), ("export_curves", "mismatch.csv")):
        with explorer.page.expect_download() as download:
            explorer.locator(f"[data-action={action}]").click()
        assert download.value.suggested_filename == name
        assert download.value.path().stat().st_size > 300


@pytest.mark.parametrize(("preset", "first"), [("small", "explorer.train(100)"), ("maze", "")])
def test_dark_theme_and_narrow_page(jupyter, shots, preset, first):
    source = SOURCE.replace("Explorer()", f"Explorer(preset={preset!r})")
    source = source.removesuffix("explorer") + f"{first}\nexplorer"
    with jupyter.notebook(source, dark=True, width=760, height=2600) as page:
        explorer = jupyter.explorer(page)
        colour = explorer.evaluate("(root) => getComputedStyle(root).backgroundColor")
        assert max(int(part) for part in colour.removeprefix("rgb(").rstrip(")").split(",")[:3]) < 80
        columns = explorer.locator(".columns").evaluate("(node) => getComputedStyle(node).gridTemplateColumns")
        assert len(columns.split()) == 1
        page.wait_for_timeout(400)
        explorer.screenshot(path=shots / f"mismatch-{preset}-dark.png")
