"""What a person can move in an explorer, declared as data: sliders, choices, toggles and buttons.

    class Mine(Explorer):
        gamma = Slider("Discount", 0.9, low=0, high=0.99, step=0.01, symbol="γ")

        @action("Improve", key="i")
        def improve(self): ...

`explorer.gamma` is then a number, `explorer.gamma = 2` raises ValueError, and the front end draws a slider for it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tabular.errors import suggestion

if TYPE_CHECKING:
    from tabular.widgets.explorer import Explorer

Value = TypeVar("Value", float, str, bool)


class Control(ABC, Generic[Value]):
    """An attribute of an explorer whose values are checked, and that its front end shows."""

    kind = ""

    def __init__(self, label: str, default: Value, *, symbol: str = "", hint: str = "", group: str = "world"):
        self.label = label
        self.default = default
        self.symbol = symbol
        self.hint = hint
        self.group = group
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, explorer: Explorer | None, owner: type | None = None) -> Value:
        return self if explorer is None else explorer.values[self.name]  # type: ignore[return-value]

    def __set__(self, explorer: Explorer, value) -> None:
        explorer.set(**{self.name: value})

    @abstractmethod
    def checked(self, value: Any) -> Value:
        """The value as it will be kept. Raises ValueError or TypeError, naming the control."""

    def spec(self) -> dict[str, Any]:
        """What the front end needs to draw it."""
        names = ("kind", "name", "label", "symbol", "hint", "group")
        return {name: getattr(self, name) for name in names}


class Slider(Control[float]):
    """A number in a range; `step` is what one key press moves it by, values between the steps are kept as they are."""

    kind = "slider"

    def __init__(self, label: str, default: float, *, low: float, high: float, step: float, unit: str = "", **more):
        super().__init__(label, default, **more)
        self.low, self.high, self.step, self.unit = low, high, step, unit

    def checked(self, value: Any) -> float:
        number = finite(value, self.name)
        if not self.low <= number <= self.high:
            raise ValueError(f"{self.name} = {number:g}, expected a number from {self.low:g} to {self.high:g}.")
        return number

    def spec(self) -> dict[str, Any]:
        return super().spec() | {"low": self.low, "high": self.high, "step": self.step, "unit": self.unit}


class Choice(Control[str]):
    """One of several names, each with a label for people."""

    kind = "choice"

    def __init__(self, label: str, default: str, options: Mapping[str, str], **more):
        super().__init__(label, default, **more)
        self.options = dict(options)

    def checked(self, value: Any) -> str:
        if value not in self.options:
            hint = suggestion(str(value), self.options)
            raise ValueError(f"{self.name} = {value!r}, expected one of {', '.join(self.options)}.{hint}")
        return value

    def spec(self) -> dict[str, Any]:
        return super().spec() | {"options": self.options}


class Toggle(Control[bool]):
    """Yes or no."""

    kind = "toggle"

    def checked(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise TypeError(f"{self.name} = {value!r}, expected True or False.")
        return value


@dataclass(frozen=True)
class Button:
    """A method that the front end may call; with a label it gets a button, with a key a shortcut."""

    name: str
    label: str
    key: str
    hint: str
    group: str

    def spec(self) -> dict[str, Any]:
        """What the front end needs to draw it."""
        return {"kind": "button", **vars(self)}


def action(label: str = "", *, key: str = "", hint: str = "", group: str = "") -> Callable[[Callable], Callable]:
    """Opens a method of an explorer to its front end."""

    def mark(method: Callable) -> Callable:
        method.button = Button(method.__name__, label, key, hint, group)  # type: ignore[attr-defined]
        return method

    return mark


@dataclass(frozen=True)
class Preset:
    """A state worth looking at."""

    title: str
    teaches: str
    """The point, in a sentence or two."""
    task: str
    """What to try."""
    state: Mapping[str, Any] = field(default_factory=dict)
    """What differs from the explorer's defaults: see `Explorer.restore`."""


@dataclass(frozen=True)
class Download:
    """A file for the person at the front end."""

    name: str
    kind: str
    """Its MIME type."""
    content: bytes


def finite(value: Any, name: str) -> float:
    """The value as a float. Raises TypeError or ValueError, naming it, if it is no finite number."""
    if isinstance(value, bool):
        raise TypeError(f"{name} = {value!r}, expected a number.")
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} = {value!r}, expected a number.") from error
    if not math.isfinite(number):
        raise ValueError(f"{name} = {number}, expected a finite number.")
    return number


def whole(value: Any, name: str, low: int, high: int) -> int:
    """The value as an int from `low` to `high`. Raises TypeError or ValueError, naming it."""
    number = finite(value, name)
    if number != int(number) or not low <= number <= high:
        raise ValueError(f"{name} = {number:g}, expected a whole number from {low} to {high}.")
    return int(number)
