"""What makes a model good: each objective is one method in one file.

An objective is a frozen record, registered as a JAX pytree, with

    alpha                                            temperature of the agent that plans with the learned model
    init(true, key) -> state                         what is carried from step to step, any pytree
    loss(true, model, state, step) -> (value, state) a scalar to minimise, and the state for the next step

all pure JAX and written for one MDP. `model` is an MDP whose arrays depend on the parameters: `fit` differentiates the
loss through it. The state is a constant in that derivative (apply `stop_gradient`), and counts for convergence: a fit
ends when neither parameters nor state move. `step` counts from 0.

    mle()    likelihood: reward errors and divergences of the transitions
    omd()    the true return, or Bellman error, of the agent that plans in the model (Nikishin et al. 2021)
"""

from __future__ import annotations

from typing import Any, Protocol

import jax

from tabular.mdp import MDP
from tabular.objectives.mle import MLE, mle
from tabular.objectives.omd import OMDBellman, OMDReturns, omd

__all__ = ["MLE", "OMDBellman", "OMDReturns", "Objective", "mle", "omd"]


class Objective(Protocol):
    """What `fit` needs to know about an objective; see the module's docstring."""

    @property
    def alpha(self) -> float: ...

    def init(self, true: MDP, key: jax.Array, /) -> Any: ...

    def loss(self, true: MDP, model: MDP, state: Any, step: jax.Array, /) -> tuple[jax.Array, Any]: ...
