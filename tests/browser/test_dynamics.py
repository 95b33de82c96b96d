"""The dynamics explorer in JupyterLab, driven by mouse and keyboard, against the exact theory."""

import numpy as np
import pytest

from tabular import optimism
from tabular.evaluate import evaluate
from tabular.widgets import DynamicsExplorer
from tests.browser.actions import change, click_cell, focus, frames, reached, values

pytestmark = pytest.mark.browser
HEIGHT = 1400

MAP = "S....\n.##..\n.#..G"
ROWS, COLUMNS = 3, 5
SOURCE = f"""from tabular.widgets import DynamicsExplorer
explorer = DynamicsExplorer({MAP!r}, gamma=0.9, slip=0.3)
explorer"""


def world(text: str = MAP, **settings):
    """The MDP of a map, by the explorer's class without a browser."""
    return DynamicsExplorer(text, **({"gamma": 0.9, "slip": 0.3} | settings)).mdp


def exact(mdp, **settings):
    return optimism.optimum(mdp, optimism.mnm(mdp, **settings))


def divergence(mdp, found) -> np.ndarray:
    """KL of the best policy's action, state by state."""
    return optimism.divergence(mdp, found.q)[np.arange(mdp.S), found.pi.argmax(1)]


def close(shown: np.ndarray, expected: np.ndarray, accuracy: float = 1e-8) -> None:
    np.testing.assert_allclose(shown, expected, atol=accuracy, rtol=0)


def agent(explorer, name: str, what: str) -> float:
    return float(explorer.locator(f"[data-agent={name}][data-{what}]").get_attribute(f"data-{what}"))


def test_first_picture_shows_the_exact_divergence_and_promises(explorer, shots):
    mdp = world()
    best = exact(mdp)
    close(values(explorer), divergence(mdp, best))
    assert agent(explorer, "paying", "promise") == pytest.approx(best.J, abs=1e-9)
    assert agent(explorer, "paying", "gets") == pytest.approx(np.log(evaluate(mdp, best.pi).J), abs=1e-9)
    frames(explorer)
    explorer.screenshot(path=shots / "dynamics.png")


def test_shade_is_chosen_by_mouse_and_keys(explorer):
    board = explorer.locator(".board")
    before = board.screenshot()
    with change(explorer):
        explorer.locator("[data-control=shade] [data-value=promise]").click()
    mdp = world()
    close(values(explorer), exact(mdp).V)
    assert board.screenshot() != before
    with change(explorer):
        explorer.page.keyboard.press("ArrowRight")
    close(values(explorer), np.log(evaluate(mdp, exact(mdp).pi).V))


def test_selected_cell_shows_its_rows_of_p_and_q(explorer):
    click_cell(explorer, 0, 3, ROWS, COLUMNS)
    mdp = world()
    best, s = exact(mdp), mdp.grid.state(0, 3)
    a = int(best.pi[s].argmax())
    ways = explorer.locator("[data-way]").evaluate_all(
        "nodes => nodes.map((node) => [node.dataset.way, Number(node.dataset.p), Number(node.dataset.q)])"
    )
    assert len(ways) == np.count_nonzero(mdp.P[s, a])
    for way, p, q in ways:
        down, right = (int(part) for part in way.split(","))
        t = mdp.grid.state(down, 3 + right)
        assert (p, q) == (pytest.approx(mdp.P[s, a, t], abs=1e-12), pytest.approx(best.q[s, a, t], abs=1e-9))
    focus(explorer, 0, 0)
    assert explorer.locator("[data-way]").count() >= 2


def test_editing_by_keys_and_mouse_solves_anew(explorer):
    board = explorer.locator(".board")
    arrows = board.locator("path.dream").get_attribute("d")
    focus(explorer, 0, 3)
    with change(explorer):
        explorer.page.keyboard.press("w")
    wall = "S..#.\n.##..\n.#..G"
    close(values(explorer), divergence(world(wall), exact(world(wall))))
    assert board.locator("path.dream").get_attribute("d") != arrows
    explorer.locator("[data-value=wall]").click()
    with change(explorer):
        click_cell(explorer, 0, 3, ROWS, COLUMNS)
    close(values(explorer), divergence(world(), exact(world())))


def test_negative_reward_is_refused_in_red(explorer, shots):
    focus(explorer, 0, 1)
    with change(explorer):
        explorer.page.keyboard.press("-")
    assert "cell (0, 1) would pay -0.1" in explorer.locator(".message.error").inner_text()
    explorer.screenshot(path=shots / "dynamics-error.png")
    close(values(explorer), divergence(world(), exact(world())))


def test_price_moves_by_keys_and_goes_with_the_classifier(explorer):
    price = explorer.locator("[data-control=price]")
    price.locator("input[type=range]").focus()
    with change(explorer):
        explorer.page.keyboard.press("ArrowLeft")
    mdp = world()
    close(values(explorer), divergence(mdp, exact(mdp, weight=0.95)))
    with change(explorer):
        explorer.locator("[data-control=classifier] button").click()
    assert price.locator("input").first.is_disabled()
    free = DynamicsExplorer(MAP, slip=0.3, classifier=False)
    close(values(explorer), free.shades["price"])
    assert "no bound" in explorer.locator("[data-verdict]").inner_text()
    assert agent(explorer, "free", "gets") == pytest.approx(free.agents[2]["gets"], abs=1e-9)


def test_player_shows_the_rounds_of_the_loop(explorer, shots):
    length = frames(explorer)
    with change(explorer):
        explorer.locator("[data-control=shade] [data-value=promise]").click()
    kept = DynamicsExplorer(MAP, slip=0.3).frames()
    assert length == len(kept["labels"])
    explorer.locator("[aria-label='To the start']").click()
    close(values(explorer), kept["V"][0], 1e-5)  # frames travel as float32
    explorer.page.keyboard.press(".")
    close(values(explorer), kept["V"][1], 1e-5)
    assert explorer.locator("[data-frame]").last.inner_text() == "round 1"
    explorer.screenshot(path=shots / "dynamics-round.png")
    explorer.focus()
    explorer.page.keyboard.press(" ")
    reached(explorer, length - 1)
    close(values(explorer), exact(world()).V)


def test_agents_walk_in_dream_and_truth(explorer, shots):
    with change(explorer):
        explorer.focus()
        explorer.page.keyboard.press("a")
    text = explorer.locator("[data-walk]").inner_text()
    assert text.startswith("Dream: at the goal after") and "Truth:" in text
    dots = explorer.locator(".board [data-walker] circle")
    before = [dots.nth(k).get_attribute("cx") + dots.nth(k).get_attribute("cy") for k in range(2)]
    explorer.page.wait_for_timeout(500)
    after = [dots.nth(k).get_attribute("cx") + dots.nth(k).get_attribute("cy") for k in range(2)]
    assert before != after
    explorer.screenshot(path=shots / "dynamics-walk.png")


def test_tooltip_tells_both_dynamics(explorer):
    box = explorer.locator(".board").bounding_box()
    explorer.page.mouse.move(box["x"] + 5, box["y"] + 5)
    text = explorer.locator(".tip.on").inner_text()
    assert "(0, 0) start" in text and "truth → dream" in text and "KL" in text


@pytest.mark.parametrize("name", list(DynamicsExplorer.presets))
def test_presets_open_with_their_lesson_and_numbers(explorer, shots, name):
    with change(explorer):
        explorer.locator(f"[data-preset={name}]").click()
    frames(explorer)
    kept = DynamicsExplorer(preset=name)
    close(values(explorer), kept.shades["price"])
    for row in kept.agents:
        for what in ("promise", "gets", "share"):
            assert agent(explorer, row["name"], what) == pytest.approx(row[what], abs=1e-9)
    explorer.page.wait_for_timeout(250)  # the button's colour fades
    explorer.screenshot(path=shots / f"dynamics-{name}.png")


def test_picture_truth_and_dream_are_downloaded(explorer):
    names = {"export_figure": ".png", "export_mdp": "dynamics.npz", "export_dream": "-dream.npz"}
    for action, ending in names.items():
        with explorer.page.expect_download() as download:
            explorer.locator(f"[data-action={action}]").click()
        assert download.value.suggested_filename.endswith(ending)
        assert download.value.path().stat().st_size > 500


def test_dark_theme_and_narrow_page(jupyter, shots):
    with jupyter.notebook(SOURCE, dark=True, width=760, height=1900) as page:
        explorer = jupyter.explorer(page)
        frames(explorer)
        columns = explorer.locator(".columns").evaluate("(node) => getComputedStyle(node).gridTemplateColumns")
        assert len(columns.split()) == 1
        explorer.screenshot(path=shots / "dynamics-dark.png")
