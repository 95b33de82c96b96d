"""Explorers: MDPs to take apart in a notebook, with mouse and keyboard.

    from tabular.widgets import GridworldExplorer

    explorer = GridworldExplorer(preset="cliffs")
    explorer                    # the last line of a cell shows it
    explorer.slip = 0.3         # and shows the change

An explorer is a plain Python class that needs no browser (`explorer.V`, `explorer.mdp`, `explorer.figure()`); its front
end is one small ES module, drawn by anywidget (the extra `notebooks`).
"""

from tabular.widgets.controls import Choice, Control, Download, Preset, Slider, Toggle, action
from tabular.widgets.explorer import Explorer
from tabular.widgets.gridworld import GridworldExplorer

__all__ = [
    "Choice",
    "Control",
    "Download",
    "Explorer",
    "GridworldExplorer",
    "Preset",
    "Slider",
    "Toggle",
    "action",
]
