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

    mle()                  likelihood: reward errors and divergences of the transitions
    value_weighted_mle()   likelihood where values are large (Lambert et al. 2020; Nair et al. 2020)
    vep(policies, values)  equal backups for given policies and values (Grimm et al. 2020)
    vaml(values)           equal expected next values for the worst value function of a class (Farahmand et al. 2017)
    itervaml()             equal expected next values for the current value function (Farahmand 2018)
    vagram(coordinates)    errors of the successor weighted by the slope of the value (Voelcker et al. 2022)
    paml()                 equal policy gradients (Abachi et al. 2020)
    omd()                  return, or Bellman error, of the agent that plans in the model (Nikishin et al. 2021)
    mnm()                  a lower bound on the logarithm of the true return (Eysenbach et al. 2021)
    vmbpo()                the risk-seeking relative of it without the logarithm (Chow et al. 2020)
"""

from __future__ import annotations

from tabular.objectives.base import Objective
from tabular.objectives.itervaml import IterVAML, itervaml
from tabular.objectives.mle import MLE, mle
from tabular.objectives.mnm import MnM, mnm
from tabular.objectives.omd import OMDBellman, OMDReturns, omd
from tabular.objectives.paml import PAML, paml
from tabular.objectives.vagram import VaGraM, grid_coordinates, lattice, vagram
from tabular.objectives.vaml import VAML, ValueClass, bounded_values, finite_values, linear_values, vaml
from tabular.objectives.vep import VEP, deterministic_policies, policy_values, random_policies, vep
from tabular.objectives.vmbpo import VMBPO, vmbpo
from tabular.objectives.weighted import ValueWeightedMLE, WeightedMLE, value_weighted_mle

__all__ = [
    "MLE",
    "PAML",
    "VAML",
    "VEP",
    "VMBPO",
    "IterVAML",
    "MnM",
    "OMDBellman",
    "OMDReturns",
    "Objective",
    "VaGraM",
    "ValueClass",
    "ValueWeightedMLE",
    "WeightedMLE",
    "bounded_values",
    "deterministic_policies",
    "finite_values",
    "grid_coordinates",
    "itervaml",
    "lattice",
    "linear_values",
    "mle",
    "mnm",
    "omd",
    "paml",
    "policy_values",
    "random_policies",
    "vagram",
    "value_weighted_mle",
    "vaml",
    "vep",
    "vmbpo",
]
