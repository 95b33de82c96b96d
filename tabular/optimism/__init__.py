"""Models that are optimistic on purpose: MnM (Eysenbach et al. 2021) and VMBPO (Chow et al. 2020), exactly.

objective       return in a model, less a price for its divergence from the truth: MnM's bounds and VMBPO
optimal         the best model and policy of an objective, with a certified error
smoothed        the published loop of half steps, with the variants of its figures
blocks          model classes that can't say everything: blocks of cells, kernels of low rank
ladder          lower bounds on log J, one above the other
trajectories    the posterior over whole trajectories, by listing them
classifier      the Bayes-optimal classifier, its offset, clipping and label smoothing
"""

from tabular.optimism.blocks import Factors, block_average, nearest_low_rank
from tabular.optimism.classifier import (
    Classifier,
    bayes_classifier,
    estimated_divergence,
    logit_limit,
    smoothing_for,
)
from tabular.optimism.lower_bounds import (
    Ladder,
    Stopping,
    horizon_conditioned,
    ladder,
    log_return,
    stopping,
    stopping_value,
    tight,
)
from tabular.optimism.objective import Objective, divergence, in_model, mnm, mnm_eq5, vmbpo
from tabular.optimism.optimal import Optimum, optimum
from tabular.optimism.paths import Trajectories, trajectories
from tabular.optimism.smoothed import (
    Loop,
    Run,
    Step,
    best_response,
    exact_values,
    faithful,
    published_values,
    rounds,
    tilted,
    unlimited,
)

__all__ = [
    "Classifier",
    "Factors",
    "Ladder",
    "Loop",
    "Objective",
    "Optimum",
    "Run",
    "Step",
    "Stopping",
    "Trajectories",
    "bayes_classifier",
    "best_response",
    "block_average",
    "divergence",
    "estimated_divergence",
    "exact_values",
    "faithful",
    "horizon_conditioned",
    "in_model",
    "ladder",
    "log_return",
    "logit_limit",
    "mnm",
    "mnm_eq5",
    "nearest_low_rank",
    "optimum",
    "published_values",
    "rounds",
    "smoothing_for",
    "stopping",
    "stopping_value",
    "tight",
    "tilted",
    "trajectories",
    "unlimited",
    "vmbpo",
]
