"""The gridworld explorer in JupyterLab, driven by mouse and keyboard, against the exact solver."""

from itertools import islice

import numpy as np
import pytest

from tabular.operators import backup
from tabular.soft import soft_solve
from tabular.solve import solve
from tabular.sources import from_gymnasium
from tabular.widgets.drawing import Drawing
from tabular.widgets.gridworld.sweeps import value_iteration
from tabular.worlds import gridworld
from tests.browser.actions import cell, change, click_cell, focus, frames, reached, values

pytestmark = pytest.mark.browser

MAP = "S....\n.##..\n.#..G"
ROWS, COLUMNS = 3, 5
GAMMA, SLIP = 0.9, 0.2
SHOWN = {"gamma": "0.90", "slip": "0.20", "step_reward": "0.00", "alpha": "0.000", "reward": "0.00"}
SOURCE = f"""from tabular.widgets import GridworldExplorer
explorer = GridworldExplorer({MAP!r}, gamma={GAMMA}, slip={SLIP})
explorer"""


def exact(text: str = MAP, **settings) -> np.ndarray:
    return solve(gridworld(text, **({"gamma": GAMMA, "slip": SLIP} | settings))).V


def close(found: np.ndarray, expected: np.ndarray, accuracy: float = 1e-9) -> None:
    np.testing.assert_allclose(found, expected, atol=accuracy, rtol=0)


def test_first_picture_shows_the_exact_values(explorer, shots):
    close(values(explorer), exact())
    assert cell(explorer, 0, 0).locator("text").first.text_content() == f"{exact()[0]:.3f}"
    shown = {name: explorer.locator(f"[data-control={name}] input[type=text]").input_value() for name in SHOWN}
    assert shown == SHOWN
    frames(explorer)
    explorer.screenshot(path=shots / "gridworld.png")


def test_click_builds_a_wall_and_changes_the_picture(explorer, shots):
    board = explorer.locator(".board")
    before = board.screenshot()
    with change(explorer):
        click_cell(explorer, 0, 2, ROWS, COLUMNS)
    close(values(explorer), exact("S.#..\n.##..\n.#..G"))
    assert board.screenshot(path=shots / "gridworld-wall.png") != before
    with change(explorer):
        explorer.locator("[data-action=undo]").click()
    close(values(explorer), exact())


def test_keys_edit_the_map_and_the_rewards(explorer):
    focus(explorer, 0, 3)
    with change(explorer):
        explorer.page.keyboard.press("w")
    close(values(explorer), exact("S..#.\n.##..\n.#..G"))
    focus(explorer, 1, 0)
    with change(explorer):
        explorer.page.keyboard.press("g")
    close(values(explorer), exact("S..#.\nG##..\n.#..G"))
    with change(explorer):
        explorer.page.keyboard.press("-")
    drawing = Drawing.from_text("S..#.\nG##..\n.#..G").rewarded(1, 0, 0.9)
    close(values(explorer), solve(drawing.mdp(gamma=GAMMA, slip=SLIP, step_reward=0.0)).V)


def test_wall_on_the_goal_is_refused_in_red(explorer, shots):
    focus(explorer, 2, 4)
    with change(explorer):
        explorer.page.keyboard.press("w")
    message = explorer.locator(".message.error")
    assert "cell (2, 4) is a goal, a wall can't stand on it" in message.inner_text()
    close(values(explorer), exact())
    explorer.screenshot(path=shots / "gridworld-error.png")


def test_slider_moves_by_keys_and_takes_numbers(explorer):
    gamma = explorer.locator("[data-control=gamma]")
    gamma.locator("input[type=range]").focus()
    with change(explorer):
        explorer.page.keyboard.press("ArrowLeft")
    close(values(explorer), exact(gamma=0.89))
    with change(explorer):
        gamma.locator("input[type=text]").fill("0.5")
        explorer.page.keyboard.press("Enter")
    close(values(explorer), exact(gamma=0.5))


def test_number_beyond_the_slider_is_refused_and_put_back(explorer):
    number = explorer.locator("[data-control=gamma] input[type=text]")
    with change(explorer):
        number.fill("1.5")
        explorer.page.keyboard.press("Enter")
    assert "gamma = 1.5, expected a number from 0 to 0.99" in explorer.locator(".message.error").inner_text()
    assert number.input_value() == "0.90"
    close(values(explorer), exact())


def test_temperature_gives_the_soft_values(explorer):
    with change(explorer):
        explorer.locator("[data-control=alpha] input[type=text]").fill("0.1")
        explorer.page.keyboard.press("Enter")
    mdp = Drawing.from_text(MAP).mdp(gamma=GAMMA, slip=SLIP, step_reward=0.0)
    close(values(explorer), soft_solve(mdp, 0.1).V)


def test_change_from_python_is_shown(jupyter, explorer):
    with change(explorer):
        jupyter.execute(explorer.page, "explorer.gamma = 0.7")
    close(values(explorer), exact(gamma=0.7))
    assert explorer.locator("[data-control=gamma] input[type=text]").input_value() == "0.70"


def test_player_steps_through_the_sweeps_of_value_iteration(explorer):
    length = frames(explorer)
    explorer.locator("[aria-label='To the start']").click()
    mdp = gridworld(MAP, gamma=GAMMA, slip=SLIP)
    for k, frame in enumerate(islice(value_iteration(mdp, 0.0), 4)):
        close(values(explorer), frame.V, 1e-6)  # frames travel as float32
        assert explorer.get_attribute("data-frame") == str(k)
        explorer.page.keyboard.press(".")
    explorer.locator("[aria-label='To the end']").click()
    assert explorer.get_attribute("data-frame") == str(length - 1)
    close(values(explorer), exact())


def test_player_plays_to_the_end_and_pauses(explorer):
    length = frames(explorer)
    explorer.locator("select").select_option("6 / s")
    player = explorer.locator(".player")
    explorer.focus()
    explorer.page.keyboard.press(" ")
    reached(explorer, 3)
    explorer.page.keyboard.press(" ")
    assert player.get_attribute("data-playing") == "false"
    paused = int(player.get_attribute("data-position"))
    assert 3 <= paused < length - 1
    explorer.locator("select").select_option("60 / s")
    explorer.page.keyboard.press(" ")
    reached(explorer, length - 1)
    close(values(explorer), exact())


def test_evaluation_and_improvement_by_hand(explorer, shots):
    frames(explorer)
    mdp = gridworld(MAP, gamma=GAMMA, slip=SLIP)
    V = np.zeros(mdp.S)
    for _ in range(3):
        with change(explorer):
            explorer.locator("[data-action=evaluate]").click()
        frames(explorer)
        V = backup(mdp, V).mean(1)
        close(values(explorer), V, 1e-6)
    with change(explorer):
        explorer.page.keyboard.press("3")
    frames(explorer)
    assert explorer.locator("[data-frame]").last.inner_text() == "improvement 1"
    close(values(explorer), V, 1e-6)
    with change(explorer):
        explorer.locator("[data-action=evaluate]").click()
    frames(explorer)
    close(values(explorer), backup(mdp, V).max(1), 1e-6)
    explorer.screenshot(path=shots / "gridworld-by-hand.png")
    with change(explorer):
        explorer.locator("[data-action=finish]").click()
    close(values(explorer), exact())


def test_action_values_are_drawn_as_triangles(explorer, shots):
    with change(explorer):
        explorer.locator("[data-control=view] [data-value=Q]").click()
    Q = solve(gridworld(MAP, gamma=GAMMA, slip=SLIP)).Q
    found = explorer.locator(".board polygon").evaluate_all("nodes => nodes.map((node) => Number(node.dataset.value))")
    close(np.array(found).reshape(-1, 4), Q[:-1])  # all but the goal
    explorer.screenshot(path=shots / "gridworld-q.png")


def test_agent_walks_and_tells_its_return(explorer):
    with change(explorer):
        explorer.focus()
        explorer.page.keyboard.press("a")
    text = explorer.locator("[data-walk]").inner_text()
    assert text.startswith("Return") and f"Expected: {exact()[0]:.4g}" in text
    assert explorer.locator(".agent").get_attribute("visibility") == "visible"
    arrived = "([x, y]) => document.querySelector(`.mdpscope[data-ready=true] .agent[cx='${x}'][cy='${y}']`)"
    explorer.page.wait_for_function(arrived, arg=[64 * 4.5, 64 * 2.5], timeout=10_000)  # at the goal


def test_tooltip_tells_values_on_hover(explorer):
    box = explorer.locator(".board").bounding_box()
    explorer.page.mouse.move(box["x"] + 5, box["y"] + 5)
    text = explorer.locator(".tip.on").inner_text()
    assert "(0, 0) start" in text
    assert f"{exact()[0]:.4g}" in text


def test_tooltip_follows_the_cell_under_a_resting_pointer(explorer):
    with change(explorer):
        click_cell(explorer, 0, 2, ROWS, COLUMNS)
    explorer.locator(".tip.on", has_text="(0, 2) wall").wait_for()


@pytest.mark.parametrize("name", ["discounting", "cliffs", "bridge", "soft", "shaping"])
def test_presets_open_with_their_lesson(explorer, shots, name):
    before = explorer.locator(".board").screenshot()
    with change(explorer):
        explorer.locator(f"[data-preset={name}]").click()
    frames(explorer)
    assert explorer.locator(".lessons .shown .task").inner_text()
    assert explorer.locator(f"[data-preset={name}]").get_attribute("aria-pressed") == "true"
    explorer.page.wait_for_timeout(250)  # the button's colour fades
    assert explorer.locator(".board").screenshot() != before
    explorer.screenshot(path=shots / f"gridworld-{name}.png")


def test_gymnasium_tables_are_imported_or_refused(explorer, shots):
    explorer.locator("summary").click()
    name = explorer.get_by_label("Gymnasium environment")
    for table in ("FrozenLake-v1", "CliffWalking-v1"):
        name.fill(table)
        with change(explorer):
            explorer.locator("[data-open]").click()
        mdp = from_gymnasium(table, gamma=GAMMA)
        outside_walls = [cell not in mdp.grid.walls for cell in mdp.grid.cells]
        close(values(explorer), solve(mdp).V[outside_walls])
        assert explorer.locator("[data-control=slip] input").first.is_disabled()
        explorer.screenshot(path=shots / f"gridworld-{table}.png")
    name.fill("Taxi-v4")
    with change(explorer):
        explorer.locator("[data-open]").click()
    assert "Taxi-v4 can't be drawn" in explorer.locator(".message.error").inner_text()


def test_large_maps_are_drawn_on_a_canvas(explorer, shots):
    explorer.locator("summary").click()
    for side in ("rows", "columns"):
        with change(explorer):
            explorer.locator(f"[data-size={side}]").fill("30")
            explorer.page.keyboard.press("Enter")
    board = explorer.locator(".board")
    assert board.get_attribute("data-painter") == "canvas"
    before = board.screenshot()
    with change(explorer):
        click_cell(explorer, 10, 10, 30, 30)
    assert board.screenshot(path=shots / "gridworld-canvas.png") != before


def test_keys_in_the_explorer_leave_the_notebook_alone(explorer):
    """In JupyterLab's command mode a, b and d d make and delete cells."""
    for place in (
        explorer,
        explorer.locator(".board"),
        explorer.locator("[data-action=walk]"),
        explorer.locator("select"),
    ):
        place.focus()
        for key in ("b", "d", "d", "x", "Shift+Enter"):
            explorer.page.keyboard.press(key)
    assert explorer.page.evaluate("() => jupyterapp.shell.currentWidget.content.widgets.length") == 1
    assert explorer.is_visible()


def test_picture_and_mdp_are_downloaded(explorer, tmp_path):
    for action, name in (
        ("export_figure", "gridworld.png"),
        ("export_mdp", "gridworld.npz"),
        ("export_animation", "gridworld.gif"),
    ):
        with explorer.page.expect_download() as download:
            explorer.locator(f"[data-action={action}]").click()
        assert download.value.suggested_filename == name
        assert (download.value.path()).stat().st_size > 500


def test_dark_theme_and_narrow_page(jupyter, shots):
    with jupyter.notebook(SOURCE, dark=True, width=760) as page:
        explorer = jupyter.explorer(page)
        frames(explorer)
        colour = explorer.evaluate("(root) => getComputedStyle(root).backgroundColor")
        assert max(int(part) for part in colour.removeprefix("rgb(").rstrip(")").split(",")[:3]) < 80
        columns = explorer.locator(".columns").evaluate("(node) => getComputedStyle(node).gridTemplateColumns")
        assert len(columns.split()) == 1
        explorer.screenshot(path=shots / "gridworld-dark.png")
