"""Agents: what learns from transitions and acts."""

from deep.agents.methods import METHODS
from deep.agents.soft_q import Hyper, Learner, Losses, SoftQ

__all__ = ["METHODS", "Hyper", "Learner", "Losses", "SoftQ"]
