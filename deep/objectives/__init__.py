"""What makes a sampled model good. One method, one file, the same name as in `tabular.objectives`.

A loss is a pure function of a model (anything that maps a batch of states and actions to a `Prediction`) and a batch.
`omd` gives a gradient instead, since what it descends is no function of the model alone.
"""

from deep.objectives.itervaml import itervaml
from deep.objectives.mle import mle, reward_error
from deep.objectives.omd import omd
from deep.objectives.vagram import taylor, vagram
from deep.objectives.vep import vep
from deep.objectives.weighted import weighted

__all__ = ["itervaml", "mle", "omd", "reward_error", "taylor", "vagram", "vep", "weighted"]
