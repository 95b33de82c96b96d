"""Objectives for learned models at scale: neural networks, sampled data. Stands on `tabular`.

    config = deep.presets.omd_cartpole(model_width=3, steps=50_000)
    runs = {m: deep.train(config.replace(method=m), seeds=range(4)) for m in ("omd", "mle")}
    deep.plot.curves(runs)

Importing it switches JAX to float64, as `tabular.device` does, so that no number depends on what is imported first. All
arrays here name their type: float32 unless a configuration asks for float64. Its parts are imported when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import tabular.device  # noqa: F401

if TYPE_CHECKING:
    from deep import plot, presets, runs
    from deep.config import Config
    from deep.errors import Diverged, Interrupted
    from deep.runs import NextStateError, Run
    from deep.training import resume, train, train_many

__all__ = [
    "Config",
    "Diverged",
    "Interrupted",
    "NextStateError",
    "Run",
    "plot",
    "presets",
    "resume",
    "runs",
    "train",
    "train_many",
]

_HOMES = {
    "Config": "deep.config",
    "Diverged": "deep.errors",
    "Interrupted": "deep.errors",
    "NextStateError": "deep.runs",
    "Run": "deep.runs",
    "resume": "deep.training",
    "train": "deep.training",
    "train_many": "deep.training",
}
"""Where the public names are from; the other ones are modules."""


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in __all__:
        return import_module(f"deep.{name}")
    raise AttributeError(f"module 'deep' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
