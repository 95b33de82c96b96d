"""The bound explorer: what a bound says, where it is attained, where it says nothing, and where it is wrong."""

from __future__ import annotations

import csv
import io
import tempfile
import time
import zipfile
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tabular.files import save
from tabular.mdp import AnyMDP
from tabular.widgets.bound.data import TRIALS, Blend, Trials
from tabular.widgets.bound.families import FAMILIES, one
from tabular.widgets.bound.family import Family, Sides, Spot
from tabular.widgets.bound.presets import PRESETS
from tabular.widgets.controls import Choice, Download, Slider, action
from tabular.widgets.explorer import Explorer
from tabular.worlds import two_state

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BOUNDS = {name: family.title for name, family in FAMILIES.items()} | {
    "trials": "From data",
    "pair": "Your model: Q",
    "pair_loss": "Your model: loss",
}
SCALES = {"linear": "Linear", "log": "Logarithmic", "share": "Share of trivial"}
POINTS, POINTS_OF_A_PAIR = 101, 41
AXES = "leak gamma back believed gap level swap shift better start prize trials blend"
PIECE = 0.05
"""Seconds of work at a time."""
PROBABILITY: dict[str, Any] = {"low": 0.0, "high": 1.0, "step": 0.01}
TICKS = {
    "gamma": {"0": 0, "0.5": 0.5, "0.8": 0.8, "0.9": 0.9, "0.95": 0.95, "0.98": 0.98, "0.99": 0.99},
    "better": {"0.1": 0.1, "0.3": 0.3, "0.5": 0.5, "0.7": 0.7, "0.9": 0.9},
    "start": {"0.1": 0.1, "5": 5, "10": 10, "15": 15, "20": 20},
    "prize": {"1": 1, "5": 5, "10": 10, "15": 15, "20": 20},
    "trials": {"10": 1, "100": 2, "1000": 3, "10⁴": 4, "10⁵": 5},
}


class BoundExplorer(Explorer):
    """Bounds as functions of one parameter, and an instance to drag along it.

        explorer = BoundExplorer(bound="theorem2", gamma=0.9, leak=0.1)
        explorer.here["true"], explorer.here["printed"]     both sides at the handle
        explorer.tight()                                    to an instance that attains a bound
        BoundExplorer(mdp, model)                           for a model of one's own
        BoundExplorer(mdp, bound="trials")                  what a number of trials guarantees, and what happens

    Args:
      true: an MDP to learn from trials (the two states of Nikishin et al. 2021 if not given), or that `model` is of.
      model: a model of it, of the same shape and discount.
      preset: the preset to begin with; without one, the first bound, or the pair given.
      values: the controls' first values: bound, along, scale, gamma, leak, back, level ...

    Raises:
      ValueError for MDPs that can't be compared or are too large, or a value out of range.
    """

    title = "Bounds"
    scripts = ("bound/chart.js", "bound/instance.js", "bound/front.js")
    presets = PRESETS

    bound = Choice("Bound", "simulation", BOUNDS, group="bound")
    scale = Choice("Scale", "linear", SCALES, group="scale")
    gamma = Slider("Discount", 0.9, low=0, high=0.99, step=0.01, symbol="γ", hint="The horizon is 1/(1−γ) steps")
    leak = Slider("Error", 0.1, symbol="τ", hint="Probability that is wrong in a row: εₚ/2", **PROBABILITY)
    back = Slider("Way back", 0.0, symbol="m", hint="Probability to return from the second state", **PROBABILITY)
    level = Slider("Level", 1.0, symbol="ℓ", hint="Added to all rewards, which are ℓ − 1 and ℓ + 1", **PROBABILITY)
    believed = Slider("Model pays", 0.75, low=0, high=1, step=0.005, symbol="c", hint="For either action")
    gap = Slider("Gap", 0.5, symbol="Δ", hint="What the second action pays less than the best", **PROBABILITY)
    shift = Slider(
        "Reward error", 0.1, symbol="ε", hint="Too much in one state, too little in the other", **PROBABILITY
    )
    swap = Slider("Alternation", 0.5, symbol="w", hint="Probability to change places", **PROBABILITY)
    better = Slider("Optimism", 0.5, low=0.01, high=0.99, step=0.01, symbol="q", hint="The truth is 1/2")
    start = Slider("Start pays", 2.5, low=0.1, high=20, step=0.1, symbol="r₀")
    prize = Slider("Prize", 4.0, low=1, high=20, step=0.1, symbol="b", hint="Paid in every step of the better branch")
    trials = Slider("Trials, as 10ⁿ", 2.0, low=1, high=5, step=0.1, symbol="n", hint="Of every state and action")
    delta = Slider("Risk", 0.05, low=0.01, high=0.5, step=0.01, symbol="δ", hint="Probability that the bound may fail")
    blend = Slider("Blend", 0.5, symbol="t", hint="0: the truth, 1: your model", **PROBABILITY)
    along = Choice(
        "Along",
        "leak",
        {name: name for name in AXES.split()},
        group="along",
    )

    def __init__(self, true: AnyMDP | None = None, model: AnyMDP | None = None, *, preset: str = "", **values):
        if model is not None and true is None:
            raise ValueError("model is given without true, expected both: BoundExplorer(true, model).")
        self._blend = None if model is None or true is None else Blend.of(true, model)
        self._true = true
        self._drawn = 0  # how often curves were computed: those of one number needn't be drawn again
        super().__init__()
        if self._blend is not None:
            self.set(bound="pair", gamma=self._blend.true.gamma)
        if preset:
            self.preset(preset)
        self.set(**values)
        self._beginning = self.state()

    # The family shown

    @cached_property
    def families(self) -> dict[str, Family]:
        """All families that can be shown."""
        return FAMILIES | {"trials": self._trials.family()} | (self._blend.families() if self._blend else {})

    @cached_property
    def _trials(self) -> Trials:
        return Trials.of(two_state() if self._true is None or self._blend is not None else self._true)

    @property
    def family(self) -> Family:
        """What is shown."""
        if self.bound == "trials" or self._blend is not None:
            return self.families[self.bound]
        return FAMILIES[self.bound]

    @property
    def axes(self) -> tuple[str, ...]:
        """The parameters along which curves can run."""
        return tuple(name for name in self.family.parameters if name not in self.family.fixed)

    def set(self, **values) -> None:
        """As `Explorer.set`. Another bound begins with its own parameter along the axis.

        Raises:
          ValueError also for a bound on a pair that wasn't given, or an axis that the bound doesn't have.
        """
        bound = values.get("bound", self.values["bound"])
        if bound in ("pair", "pair_loss") and self._blend is None:
            raise ValueError(f"bound = {bound!r} needs a model of your own: BoundExplorer(true, model).")
        if bound in BOUNDS and ("along" in values or bound != self.values["bound"]):
            family = FAMILIES[bound] if bound in FAMILIES else self.families[bound]
            axes = [name for name in family.parameters if name not in family.fixed]
            along = values.setdefault("along", axes[0])
            if along in AXES.split() and along not in axes:
                raise ValueError(f"along = {along!r}, expected one of {', '.join(axes)} for bound = {bound!r}.")
        super().set(**values)

    def changed(self, names: set[str]) -> None:
        """Curves stay while the handle moves along them."""
        if names - {"scale", self.along}:
            vars(self).pop("curves", None)
        vars(self).pop("here", None)

    # The numbers

    @cached_property
    def here(self) -> Sides:
        """Both sides at the handle, each of shape (1,)."""
        return self.family.sides(one({name: self.values[name] for name in self.family.parameters}))

    @cached_property
    def curves(self) -> Sides:
        """All sides along the axis; under "x" the parameter itself."""
        self._drawn += 1
        x = self._grid(self.along)
        values = {name: np.full(len(x), self.values[name]) for name in self.family.parameters}
        return {"x": x} | self.family.sides(values | {self.along: x})

    def _grid(self, name: str) -> np.ndarray:
        if name == "trials":
            return TRIALS
        count = POINTS_OF_A_PAIR if self.bound.startswith("pair") else POINTS
        count = 2 * POINTS - 1 if name == "believed" else count
        if name == "gamma":
            return np.append(1 - 10 ** -np.linspace(0, 2, count)[:-1], 0.99)
        slider = self.controls()[name]
        return np.linspace(slider.low, slider.high, count)  # type: ignore[attr-defined]

    @property
    def working(self) -> bool:
        """Whether bounds by confidence sets are missing."""
        return self.bound == "trials" and bool(np.isnan(self.curves["robust"]).any())

    @action()
    def advance(self) -> None:
        """Find some more of them, for a twentieth of a second."""
        began = time.perf_counter()
        for _ in self._trials.certify(self.delta):
            if time.perf_counter() - began > PIECE:
                break
        vars(self).pop("curves", None)
        vars(self).pop("here", None)
        self.refresh()

    # Where to go

    @action("Tight instance", key="t", hint="Go to an instance that attains a bound", group="go")
    def tight(self) -> None:
        """Go to an instance at which a bound is attained."""
        self.set(**self.family.tight.values)  # type: ignore[union-attr]

    @action("Where it fails", key="f", hint="Go to an instance that violates a bound as printed", group="go")
    def fails(self) -> None:
        """Go to an instance that violates a bound as printed."""
        self.set(**self.family.fails.values)  # type: ignore[union-attr]

    def disabled(self) -> dict[str, str]:
        """What this bound doesn't have."""
        found = {}
        if self.family.tight is None:
            found["tight"] = "no instance here is known to attain a bound."
        if self.family.fails is None:
            found["fails"] = "no bound here fails as printed."
        if self.family.pair is None:
            found["export_pair"] = "this bound is about two policies, not about a model."
        return found

    # What is drawn

    def scene(self) -> dict[str, Any]:
        """Curves, the handle's numbers, the instance and the words."""
        family = self.family
        values = {name: self.values[name] for name in family.parameters}
        return {
            "bound": self.bound,
            "title": family.title,
            "quantity": family.quantity,
            "statement": family.statement,
            "parameters": list(family.parameters),
            "axes": list(self.axes),
            "axis": self._axis(),
            "floor": family.floor,
            "drawn": self._drawn,
            "curves": {name: curve for name, curve in self.curves.items() if name != "x"},
            "extra": self._trials.losses.max(1) if self.bound == "trials" else None,
            "lines": [{"name": name, **vars(line), **self._read(name)} for name, line in family.lines.items()],
            "here": {name: finite_or_none(side[0]) for name, side in self.here.items()},
            "instance": family.instance(values),
            "spots": {name: dict(spot.values) for name, spot in self._spots().items()},
            "note": next((spot.words for spot in self._spots().values() if self._is_at(spot)), ""),
            "has_pair": self._blend is not None,
            "preset": self.preset_name if self._in_preset else "",
        }

    @property
    def _in_preset(self) -> bool:
        """Whether the bound is still that of the preset chosen last."""
        return bool(self.preset_name) and PRESETS[self.preset_name].state["bound"] == self.bound

    def _spots(self) -> dict[str, Spot]:
        spots = {"tight": self.family.tight, "fails": self.family.fails}
        return {name: spot for name, spot in spots.items() if spot is not None}

    def _is_at(self, spot: Spot) -> bool:
        return all(abs(self.values[name] - value) < 1e-9 for name, value in spot.values.items())

    def _read(self, name: str) -> dict[str, Any]:
        """A bound at the handle."""
        return {
            "value": finite_or_none(self.here[name][0]),
            "ratio": finite_or_none(self.family.ratio(name, self.here)[0]),
            "status": self.family.status(name, self.here),
        }

    def _axis(self) -> dict[str, Any]:
        """The parameter along which the curves run; γ is spaced by the logarithm of its horizon."""
        slider: Any = self.controls()[self.along]
        x = self.curves["x"]
        marks = TICKS.get(self.along) or {f"{v:g}": v for v in np.linspace(slider.low, slider.high, 6).round(2)}
        return {
            "name": self.along,
            "label": slider.label,
            "symbol": slider.symbol,
            "step": slider.step,
            "low": slider.low,
            "high": slider.high,
            "x": x,
            "u": self._place(x),
            "ticks": [[float(self._place(value)), text] for text, value in marks.items()],
            "value": self.values[self.along],
            "at": float(self._place(self.values[self.along])),
        }

    def _place(self, x) -> Any:
        """Where values of the parameter lie along the axis, from 0 to 1."""
        if self.along == "gamma":
            return -np.log10(1 - np.asarray(x)) / 2
        slider: Any = self.controls()[self.along]
        return (np.asarray(x) - slider.low) / (slider.high - slider.low)

    def figure(self) -> Figure:
        """The curves, with the vacuous region hatched and the handle's instance marked. Long work is finished first."""
        from tabular.plot.bounds import bounds

        while self.working:
            self.advance()
        slider: Any = self.controls()[self.along]
        axis = self._axis()
        curves = {line.label: self.curves[name] for name, line in self.family.lines.items()}
        others = [name for name in self.family.parameters if name != self.along]
        fixed = [f"{self.controls()[name].symbol} = {self.values[name]:.3g}" for name in others]
        axes = bounds(
            axis["u"],
            self.curves["true"],
            curves,
            self.curves["trivial"],
            truth=self.family.quantity,
            floor=self.family.floor,
            scale=self.scale,
            at=axis["at"],
            x_label=f"{slider.label} {slider.symbol}",
            ticks=[(at, text) for at, text in axis["ticks"]],
            title=", ".join([self.family.title, *fixed]),
        )
        return axes.figure  # type: ignore[return-value]

    # Files

    @action("CSV", hint="Download the curves as a table", group="files")
    def export_curves(self) -> Download:
        """The curves for the browser: a column for the parameter, the truth, the trivial bound and each bound."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow([self.along, *(name for name in self.curves if name != "x")])
        table.writerows(zip(*(map(repr, map(float, curve)) for curve in self.curves.values()), strict=True))
        return Download(f"{self._file_name()}.csv", "text/csv", text.getvalue().encode())

    @action("MDPs", hint="Download truth and model (tabular.load reads both)", group="files")
    def export_pair(self) -> Download:
        """The true MDP and the model at the handle, as true.npz and model.npz in a zip archive."""
        content = io.BytesIO()
        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(content, "w") as archive:
            for name, mdp in zip(("true", "model"), self.pair(), strict=True):
                archive.write(save(mdp, Path(folder) / f"{name}.npz"), f"{name}.npz")
        return Download(f"{self._file_name()}.zip", "application/zip", content.getvalue())

    def pair(self) -> tuple[AnyMDP, AnyMDP]:
        """The true MDP and the model at the handle.

        Raises:
          ValueError for a bound on two policies.
        """
        if self.family.pair is None:
            raise ValueError(f"bound = {self.bound!r} is about two policies, not about a model.")
        return self.family.pair({name: self.values[name] for name in self.family.parameters})

    def _file_name(self) -> str:
        return f"bounds-{self.bound}"


def finite_or_none(x) -> float | None:
    """A number that JSON knows, or None."""
    return float(x) if np.isfinite(x) else None
