"""Explorers: MDPs to take apart in a notebook, with mouse and keyboard.

    from tabular.widgets import GridworldExplorer

    explorer = GridworldExplorer(preset="cliffs")
    explorer                    # the last line of a cell shows it
    explorer.slip = 0.3         # and shows the change

An explorer is a plain Python class that needs no browser (`explorer.V`, `explorer.mdp`, `explorer.figure()`); its front
end is one small ES module, drawn by anywidget (the extra `notebooks`).
"""

from tabular.widgets.bound import BoundExplorer
from tabular.widgets.controls import Choice, Control, Download, Preset, Slider, Toggle, action
from tabular.widgets.dynamics import DynamicsExplorer
from tabular.widgets.explorer import Explorer
from tabular.widgets.gridworld import GridworldExplorer
from tabular.widgets.mismatch import MismatchExplorer
from tabular.widgets.theorems import TheoremBoard
from tabular.widgets.two_state import TwoStateExplorer

__all__ = [
    "BoundExplorer",
    "Choice",
    "Control",
    "Download",
    "DynamicsExplorer",
    "Explorer",
    "GridworldExplorer",
    "MismatchExplorer",
    "Preset",
    "Slider",
    "TheoremBoard",
    "Toggle",
    "TwoStateExplorer",
    "action",
]
