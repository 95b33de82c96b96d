"""What all explorers share: a state that Python and the browser may change, checked, and a scene to draw."""

from __future__ import annotations

import base64
from abc import ABCMeta, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tabular.errors import suggestion
from tabular.output import write
from tabular.widgets.controls import Button, Control, Download, Preset, action

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tabular.widgets.front import Front


class Explorer(metaclass=ABCMeta):
    """An explorer is plain Python and works without a browser; the last line of a notebook cell shows it.

    A subclass declares its controls as attributes (`Slider`, `Choice`, `Toggle`), opens methods to the browser with
    `@action`, and says in `scene()` what is to be drawn; `scripts` names the files that draw it.

        explorer.gamma = 0.95           checked, and shown at once wherever the explorer is on the screen
        explorer.set(gamma=0.95, slip=0.1)      several at once: all of them or, after an error, none
        explorer.preset("cliffs")       a state that teaches something
        explorer.reset()                back to how it began, or to the last preset
    """

    title: ClassVar[str] = ""
    scripts: ClassVar[tuple[str, ...]] = ()
    """Files with the front end's code, after `common.js`: names in this package or absolute paths. The last one defines
    `mount(ui)`."""
    presets: ClassVar[Mapping[str, Preset]] = {}

    def __init__(self, **values):
        self.values: dict[str, Any] = {name: control.default for name, control in self.controls().items()}
        self.preset_name = ""
        self._quiet = 0
        self._front: Front | None = None
        self.set(**values)
        self._beginning = self.state()

    # What a subclass says

    @abstractmethod
    def scene(self) -> dict[str, Any]:
        """What is drawn: numbers, strings, lists, dicts and NumPy arrays."""

    def frames(self) -> dict[str, Any] | None:
        """What the player plays, of the same kinds as the scene; None if there is nothing to play.

        The browser asks for them once it has drawn the scene and nothing else is being changed.
        """
        return None

    @abstractmethod
    def figure(self) -> Figure:
        """A static picture of the scene."""

    @property
    def working(self) -> bool:
        """Whether long work is going on. While it is, and someone looks, the front end calls the action `advance` again
        and again, which does a little (50 ms) and returns: sliders stay alive, and a closed page stops the work.
        """
        return False

    def changed(self, names: set[str]) -> None:  # noqa: B027 - most have something to forget, none must
        """Called after the controls of these names have changed: forget what was computed from them."""

    def disabled(self) -> dict[str, str]:
        """Controls and actions that make no sense now, each with the reason."""
        return {}

    def state(self) -> dict[str, Any]:
        """All that `restore` needs to come back to here."""
        return dict(self.values)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go to a state. What it doesn't mention keeps its value."""
        self.set(**state)

    # Controls

    @classmethod
    def controls(cls) -> dict[str, Control]:
        """The controls by name, in the order in which they were declared."""
        members = {name: member for base in reversed(cls.__mro__) for name, member in vars(base).items()}
        return {name: member for name, member in members.items() if isinstance(member, Control)}

    @classmethod
    def actions(cls) -> dict[str, Button]:
        """What the front end may call, by name."""
        members = {name: getattr(cls, name, None) for base in reversed(cls.__mro__) for name in vars(base)}
        return {name: member.button for name, member in members.items() if hasattr(member, "button")}  # type: ignore[union-attr]

    def set(self, **values) -> None:
        """Give several controls new values: all of them or, after an error, none.

        Raises:
          ValueError or TypeError naming the control, its value and what was expected.
        """
        controls = self.controls()
        unknown = [name for name in values if name not in controls]
        if unknown:
            hint = suggestion(unknown[0], controls)
            raise ValueError(f"{unknown[0]!r} is no control, expected one of {', '.join(controls)}.{hint}")
        checked = {name: controls[name].checked(value) for name, value in values.items()}
        new = {name for name, value in checked.items() if value != self.values[name]}
        for name, reason in self.disabled().items():
            if name in new:
                raise ValueError(f"{name} can't be changed now: {reason}")
        if new:
            self.values.update(checked)
            self.changed(new)
            self.refresh()

    def do(self, name: str, /, **arguments) -> Download | None:
        """The one door for the front end: `set`, or a method that is marked as an action.

        Raises:
          ValueError if there is no such action or it can't be done now; whatever the action raises.
        """
        actions = self.actions()
        if name not in actions and name != "set":
            raise ValueError(f"{name!r} is no action, expected one of {', '.join(['set', *actions])}.")
        if name in self.disabled():
            raise ValueError(f"{actions[name].label or name} isn't possible: {self.disabled()[name]}")
        with self.together():
            return getattr(self, name)(**arguments)

    @action()
    def preset(self, name: str) -> None:
        """Go to a preset. Raises ValueError if there is none of this name."""
        if name not in self.presets:
            raise ValueError(
                f"preset {name!r} doesn't exist, expected one of {', '.join(self.presets)}."
                + suggestion(name, self.presets)
            )
        with self.together():
            defaults = {name: control.default for name, control in self.controls().items()}
            self.restore(defaults | dict(self.presets[name].state))
            self.preset_name = name
            self._beginning = self.state()

    @action("Reset", key="r", hint="Back to how it began, or to the preset chosen last", group="state")
    def reset(self) -> None:
        """Back to how it began, or to the last preset."""
        with self.together():
            self.restore(self._beginning)

    # The front end

    @cached_property
    def front(self) -> Front:
        """The widget that shows this explorer. Needs anywidget: `pip install 'mdpscope[notebooks]'`."""
        from tabular.widgets.front import Front

        self._front = Front(self)
        return self._front

    def spec(self) -> dict[str, Any]:
        """What doesn't change: title, controls, actions and presets."""
        presets = {
            name: {"title": each.title, "teaches": each.teaches, "task": each.task}
            for name, each in self.presets.items()
        }
        return {
            "title": self.title,
            "controls": [control.spec() for control in self.controls().values()],
            "actions": [button.spec() for button in self.actions().values()],
            "presets": presets,
        }

    def refresh(self) -> None:
        """Show the present state wherever the explorer is on the screen."""
        if self._front is not None and not self._quiet:
            self._front.show()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Several changes, shown once."""
        self._quiet += 1
        try:
            yield
        finally:
            self._quiet -= 1
        self.refresh()

    def _repr_mimebundle_(self, **_) -> dict[str, Any]:
        """The live explorer, and a static picture for readers without a kernel."""
        from tabular.plot import sketched

        bundle = dict((self.front._repr_mimebundle_() or ({}, {}))[0])
        return bundle | {
            "image/png": base64.b64encode(sketched(self.figure())).decode(),
            "text/plain": repr(self),
        }

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in self.values.items())
        return f"{type(self).__name__}({values})"

    # Files

    def save_figure(self, file: str | Path) -> Path:
        """Write the static picture; the ending of the name chooses the format (png, svg, pdf)."""
        from tabular.plot import encoded

        path = Path(file)
        write(path, encoded(self.figure(), path.suffix.removeprefix(".") or "png"))
        return path

    @action("Picture", hint="Download the static picture", group="files")
    def export_figure(self) -> Download:
        """The static picture for the browser."""
        from tabular.plot import encoded

        return Download(f"{self._file_name()}.png", "image/png", encoded(self.figure(), "png"))

    def _file_name(self) -> str:
        return "-".join(filter(None, (self.title.lower().replace(" ", "-"), self.preset_name)))
