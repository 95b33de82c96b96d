"""What makes a model good: each objective is one method in one file.

An objective is a frozen record that derives from `Objective`, registered as a JAX pytree, with

    alpha                                            temperature of the agent that plans with the learned model
    loss(true, model, state, step) -> (value, state) a scalar to minimise, and the state for the next step

and, where the defaults won't do,

    init(true, key) -> state                         what is carried from step to step, any pytree; nothing
    imagined(true, model) -> MDP                     the MDP that the agent plans in; the model
    check(true, model)                               raises ValueError if it can't be used; it always can

all but `check` pure JAX and written for one MDP. `model` is an MDP whose arrays depend on the parameters: `fit`
differentiates the loss through it. The state is a constant in that derivative (apply `stop_gradient`), and counts for
convergence: a fit ends when neither parameters nor state move. `step` counts from 0.

    mle()    likelihood: reward errors and divergences of the transitions
    omd()    the true return, or Bellman error, of the agent that plans in the model (Nikishin et al. 2021)
"""

from __future__ import annotations

from tabular.objectives.base import Objective
from tabular.objectives.mle import MLE, mle
from tabular.objectives.omd import OMDBellman, OMDReturns, omd

__all__ = ["MLE", "OMDBellman", "OMDReturns", "Objective", "mle", "omd"]
