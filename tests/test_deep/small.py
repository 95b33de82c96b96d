"""One small configuration for all tests of training, so that what it compiles is compiled once."""

import functools
from pathlib import Path

import numpy as np

import deep
from deep.checkpoints import pack

SIZES = {"steps": 200, "random_steps": 50, "chunk": 50, "batch": 16, "episodes": 2}
NETS = {"model_width": 3, "model_layers": 1, "critic_width": 4, "critic_layers": 1, "vep_values": 1}
SEEDS = (3, 0)


def small(**changes) -> deep.Config:
    """OMD on CartPole, small enough for a test."""
    return deep.presets.omd_cartpole(**{**SIZES, **NETS, **changes})


@functools.cache
def trained() -> deep.Run:
    """The run that others are compared with; it has no folder."""
    return deep.train(small(), SEEDS)


def same_bits(one: deep.Run, other: deep.Run) -> bool:
    """Whether two runs are equal: state, buffer and what was measured, but for the time it took."""
    numbers = all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)
        for name in ("step", "episodes", "critic_loss", "model_loss", "ended")
    )
    return numbers and np.array_equal(pack(one.state), pack(other.state))


def files(folder: Path) -> set[str]:
    """Names of all files and folders in a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
