"""Learning a model: one projected-gradient loop for every objective and every model class.

    theta <- project(Adam(theta, d/dtheta loss(true, model(theta))), kappa)

for many seeds and norm bounds at once. A fit ends when the parameters and the objective's state (for OMD, the Q it
plans with) all move less than `tol max|.| + tol`, or after `steps` steps; NaN is a failure and never convergence.
"""

from __future__ import annotations

from tabular.fitting.result import Fit, History, Interrupted
from tabular.fitting.search import fit
from tabular.fitting.training import Training

__all__ = ["Fit", "History", "Interrupted", "Training", "fit"]
