"""The bridge to the browser, with the browser's part played by the test."""

import base64

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from tabular.widgets import (
    BoundExplorer,
    DynamicsExplorer,
    Explorer,
    GridworldExplorer,
    MismatchExplorer,
    TheoremBoard,
    TwoStateExplorer,
    action,
)
from tabular.widgets.front import module, packed

EXPLORERS = (BoundExplorer, DynamicsExplorer, GridworldExplorer, MismatchExplorer, TheoremBoard, TwoStateExplorer)


@pytest.fixture
def explorer():
    return GridworldExplorer("S..#\n...G", gamma=0.9)


@pytest.fixture
def front(explorer):
    front = explorer.front
    front.sent = []
    front.send = lambda content, buffers=None: front.sent.append((content, buffers))
    return front


def ask(front, name, number=1, **arguments):
    front._receive(front, {"do": name, "arguments": arguments, "number": number}, [])


def values(array):
    return np.frombuffer(array["data"], array["dtype"]).reshape(array["shape"])


def test_front_shows_the_scene_of_the_explorer(explorer, front):
    np.testing.assert_array_equal(values(front.scene["V"]), explorer.V)
    assert front.values["gamma"] == 0.9


def test_change_from_python_reaches_the_front(explorer, front):
    revision = front.revision
    explorer.gamma = 0.5
    assert front.revision == revision + 1
    np.testing.assert_array_equal(values(front.scene["V"]), explorer.V)
    assert front.values["gamma"] == 0.5


def test_request_is_done_and_answered_once(explorer, front):
    revision = front.revision
    ask(front, "set", number=7, slip=0.3, gamma=0.8)
    assert (explorer.slip, explorer.gamma) == (0.3, 0.8)
    assert (front.answered, front.revision) == (7, revision + 1)
    assert front.message == {"text": "", "error": False}


def test_error_is_shown_and_the_next_success_clears_it(explorer, front):
    ask(front, "toggle", number=2, row=1, column=3, kind="#")
    assert front.message["error"] and "a wall can't stand on it" in front.message["text"]
    assert front.answered == 2
    ask(front, "set", number=3, gamma=2)
    assert "gamma = 2, expected a number from 0 to 0.99" in front.message["text"]
    ask(front, "set", number=4, gamma=0.5)
    assert front.message == {"text": "", "error": False}


def test_fault_of_ours_is_shown_and_raised(explorer, front, monkeypatch):
    monkeypatch.setattr(explorer, "walk", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ask(front, "walk")
    assert front.message == {"text": "ZeroDivisionError: division by zero", "error": True}


def test_what_makes_no_sense_now_is_disabled_until_it_does(explorer, front):
    assert "undo" in front.disabled
    explorer.paint([(0, 1)], "#")
    assert front.disabled == {}


class Counting(Explorer):
    """Counts to three, one step at a time."""

    count = 0

    @property
    def working(self):
        return self.count < 3

    def scene(self):
        return {"count": self.count}

    def figure(self):
        return Figure()

    @action()
    def advance(self):
        self.count += 1


def test_long_work_goes_on_while_the_message_stays():
    front = Counting().front
    ask(front, "nothing", number=1)
    said = front.message
    assert said["error"] and front.working
    for number in (2, 3, 4):
        ask(front, "advance", number=number)
        assert front.message == said
    assert front.scene == {"count": 3} and not front.working


def test_explorer_that_says_not_what_to_draw_cannot_be_made():
    with pytest.raises(TypeError, match="abstract"):
        type("Empty", (Explorer,), {})()


def test_request_for_nothing_that_is_open_is_an_error(front):
    ask(front, "save_figure", file="x.png")
    assert "'save_figure' is no action" in front.message["text"]


def test_frames_are_sent_as_bytes_beside_the_message(explorer, front):
    front._receive(front, {"frames": True}, [])
    content, buffers = front.sent[-1]
    V = content["frames"]["V"]
    assert content["revision"] == front.revision
    np.testing.assert_array_equal(
        np.frombuffer(buffers[V["data"]], V["dtype"]).reshape(V["shape"]), explorer.frames()["V"]
    )


def test_download_is_sent(front):
    ask(front, "export_mdp")
    content, buffers = front.sent[-1]
    assert content["download"]["name"] == "gridworld.npz"
    assert buffers[content["download"]["content"]][:2] == b"PK"


def test_packed_leaves_plain_values():
    assert packed({"a": np.float64(1.5), "b": (1, "x", None), 3: [np.int64(2)]}) == {
        "a": 1.5,
        "b": [1, "x", None],
        "3": [2],
    }
    assert packed(np.eye(2, dtype=np.float32)[:, ::-1])["data"] == np.eye(2, dtype=np.float32)[:, ::-1].tobytes()


def test_module_is_one_with_one_door():
    text = module(*GridworldExplorer.scripts)
    assert text.count("export default") == 1
    assert "\nimport " not in text
    assert "function mount(ui)" in text


def test_bundle_has_the_widget_and_a_picture(explorer):
    bundle = explorer._repr_mimebundle_()
    assert set(bundle) == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}
    assert bundle["text/plain"].startswith("GridworldExplorer(2 x 4")
    kept, whole = base64.b64decode(bundle["image/png"]), explorer.export_figure().content
    assert kept.startswith(b"\x89PNG")
    assert len(kept) < 0.6 * len(whole)


@pytest.mark.parametrize("kind", EXPLORERS)
def test_picture_reaches_over_no_edge_where_the_bundle_would_cut_it(kind):
    for preset in list(kind.presets)[:2]:
        explorer = kind(preset=preset)
        figure = explorer.figure()
        figure.draw_without_rendering()
        drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        plt.close(figure)
        assert 0 <= drawn.x0 < drawn.x1 <= width
        assert 0 <= drawn.y0 < drawn.y1 <= height
