"""Model classes: from parameters to an MDP, and the set the parameters must stay in.

A model class is a frozen record that derives from `ModelClass`, registered as a JAX pytree, with

    init(true, key) -> theta            random parameters, any pytree of float64 arrays
    mdp(true, theta) -> MDP             the model; what is not learned (gamma, rho, which actions exist) is the truth's
    project(theta, kappa) -> theta      back into the set of size kappa
    bounded                             whether kappa means anything
    check(true)                         raises ValueError if the MDP has no models of this class

all but `check` written for one MDP and pure: `fit` differentiates, batches and compiles them. A new class needs nothing
else. There are

    softmax_table(projection)           a logit for every transition
    aliased_blocks(true, size)          grid cells that can't be told apart, moved by displacements
    low_rank(rank)                      rows that mix the same few distributions
    successor_features(features)        logits linear in shared features of the successor
    custom(function, start)             any function of the parameters

The norm of a table of logits and rewards is bounded by kappa in four ways, named in every table and figure:

    name            P_hat                 norm that is bounded
    authors         softmax(L / alpha)    of each array alone, only its first slice divided by alpha (`authors_balls`)
    paper_raw       softmax(L / alpha)    of all parameters together, ||(L / alpha, r)|| (`norm_ball`)
    paper_scaled    softmax(phi)          of all parameters together, ||(phi, r)|| (`norm_ball`)
    none            softmax(L / alpha)    none

Nikishin et al. 2021, eq. 8, state the norm of `paper_raw` and `paper_scaled`; the code they published has that of
`authors`, and only this one reproduces their Figures 2 and 4. `paper_raw` and `paper_scaled` bound the same set of
models, walked through with different steps: Adam changes every parameter by about lr, which is lr / alpha in L / alpha.
The other classes are bounded in the Euclidean norm of all their parameters.
"""

from __future__ import annotations

from tabular.models.base import ModelClass, as_model
from tabular.models.blocks import AliasedBlocks, aliased_blocks
from tabular.models.custom import Custom, custom
from tabular.models.features import SuccessorFeatures, successor_features
from tabular.models.low_rank import LowRank, low_rank
from tabular.models.norms import Scalar, ball
from tabular.models.softmax import SoftmaxTable, Theta, authors_balls, norm_ball, softmax_table
from tabular.models.starts import RANDOM_BITS, pinned_bits, random_start, seed_key

__all__ = [
    "RANDOM_BITS",
    "AliasedBlocks",
    "Custom",
    "LowRank",
    "ModelClass",
    "Scalar",
    "SoftmaxTable",
    "SuccessorFeatures",
    "Theta",
    "aliased_blocks",
    "as_model",
    "authors_balls",
    "ball",
    "custom",
    "low_rank",
    "norm_ball",
    "pinned_bits",
    "random_start",
    "seed_key",
    "softmax_table",
    "successor_features",
]
