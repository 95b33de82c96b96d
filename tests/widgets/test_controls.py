"""Controls declared as data: checked attributes, all or nothing, one door."""

import math
from typing import ClassVar

import numpy as np
import pytest
from matplotlib.figure import Figure

from tabular.widgets import Choice, Explorer, Preset, Slider, Toggle, action


class Small(Explorer):
    title = "Small"
    presets: ClassVar = {"far": Preset("Far", "teaches", "task", {"x": 9})}

    x = Slider("X", 1, low=0, high=10, step=1)
    kind = Choice("Kind", "a", {"a": "A", "b": "B"})
    on = Toggle("On", False)

    def __init__(self, **values):
        self.calls: list[set[str]] = []
        super().__init__(**values)

    def scene(self):
        return {"x": self.x}

    def figure(self):
        return Figure()

    def changed(self, names):
        self.calls.append(names)

    def disabled(self):
        return {"on": "there is none.", "double": "x is too large."} if self.x > 5 else {}

    @action("Double", key="d")
    def double(self):
        self.x = 2 * self.x

    def hidden(self):
        raise AssertionError("no action")


def test_control_keeps_a_value_of_each_explorer():
    one, other = Small(x=3), Small()
    one.kind = "b"
    assert (one.x, one.kind, other.x, other.kind) == (3, "b", 1, "a")


@pytest.mark.parametrize(
    ("name", "value", "error", "says"),
    [
        ("x", 10.01, ValueError, "x = 10.01, expected a number from 0 to 10"),
        ("x", -1, ValueError, "expected a number from 0 to 10"),
        ("x", math.nan, ValueError, "expected a finite number"),
        ("x", "much", TypeError, "x = 'much', expected a number"),
        ("x", True, TypeError, "expected a number"),
        ("kind", "c", ValueError, "kind = 'c', expected one of a, b"),
        ("on", 1, TypeError, "on = 1, expected True or False"),
    ],
)
def test_control_refuses_a_bad_value_and_keeps_the_old(name, value, error, says):
    explorer = Small()
    with pytest.raises(error, match=says):
        setattr(explorer, name, value)
    assert explorer.values == Small().values


def test_set_changes_all_or_nothing():
    explorer = Small()
    with pytest.raises(ValueError, match="kind = 'z'"):
        explorer.set(x=4, kind="z")
    assert explorer.x == 1
    explorer.set(x=4, kind="b")
    assert explorer.calls == [{"x", "kind"}]


def test_set_names_the_nearest_control():
    with pytest.raises(ValueError, match=r"'kinds' is no control.*Did you mean kind"):
        Small().set(kinds="a")


def test_set_tells_only_of_real_changes():
    explorer = Small()
    explorer.set(x=1, kind="a")
    assert explorer.calls == []


def test_disabled_control_says_why():
    explorer = Small(x=6)
    with pytest.raises(ValueError, match="on can't be changed now: there is none"):
        explorer.on = True
    with pytest.raises(ValueError, match="Double isn't possible: x is too large"):
        explorer.do("double")


@pytest.mark.parametrize("name", ["hidden", "__init__", "changed", "calls"])
def test_do_opens_only_actions(name):
    with pytest.raises(ValueError, match="is no action"):
        Small().do(name)


def test_do_sets_and_calls():
    explorer = Small()
    explorer.do("set", x=2)
    explorer.do("double")
    assert explorer.x == 4


def test_preset_and_reset():
    explorer = Small(x=3)
    explorer.x = 4
    explorer.reset()
    assert explorer.x == 3
    explorer.do("preset", name="far")
    explorer.kind = "b"
    explorer.reset()
    assert (explorer.x, explorer.kind) == (9, "a")
    with pytest.raises(ValueError, match="Did you mean far"):
        explorer.preset("fa")


def test_preset_puts_back_what_it_does_not_mention_and_is_remembered():
    explorer = Small(kind="b")
    explorer.preset("far")
    assert (explorer.x, explorer.kind, explorer.preset_name) == (9, "a", "far")


def test_spec_is_plain_data():
    spec = Small().spec()
    assert [control["name"] for control in spec["controls"]] == ["x", "kind", "on"]
    assert spec["controls"][0] | {"low": 0, "high": 10, "step": 1, "kind": "slider"} == spec["controls"][0]
    assert {each["name"]: each["key"] for each in spec["actions"] if each["label"] == "Double"} == {"double": "d"}
    assert not any(isinstance(value, np.ndarray) for control in spec["controls"] for value in control.values())
