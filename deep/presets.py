"""Configurations with published constants, by name.

Each is a function that takes changes: `omd_cartpole(model_width=3, steps=50_000)`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deep.config import Config


def omd_cartpole(**changes: Any) -> Config:
    """OMD on CartPole (Nikishin et al. 2021, sec. 6.1; constants of the published code).

    As in the code, and not in the paper, the optimiser of the inner loop is made anew for every step of the model;
    `warm_moments=True` keeps it. The code computes in float64: `precision="float64"`.
    """
    return Config(method="omd", env="cartpole", warm_moments=False).replace(**changes)


def mle_cartpole(**changes: Any) -> Config:
    """A model of maximum likelihood on CartPole, the baseline of Nikishin et al. 2021."""
    return omd_cartpole(method="mle").replace(**changes)


def vep_cartpole(**changes: Any) -> Config:
    """A value-equivalent model on CartPole (Grimm et al. 2020), as in Nikishin et al. 2021: five random functions."""
    return omd_cartpole(method="vep").replace(**changes)


def q_cartpole(**changes: Any) -> Config:
    """Soft Q-learning on CartPole without a model, with the same constants."""
    return omd_cartpole(method="model_free").replace(**changes)


def omd_cartpole_cg(**changes: Any) -> Config:
    """OMD with the inverse Hessian by 100 steps of conjugate gradients, damped by 1e-5 (`with_inv_jac` of the code)."""
    return omd_cartpole(inverse="cg", inverse_steps=100, inverse_damping=1e-5).replace(**changes)


PRESETS: dict[str, Callable[..., Config]] = {
    "omd-cartpole": omd_cartpole,
    "mle-cartpole": mle_cartpole,
    "vep-cartpole": vep_cartpole,
    "q-cartpole": q_cartpole,
    "omd-cartpole-cg": omd_cartpole_cg,
}
"""What may stand for PRESET on the command line."""
