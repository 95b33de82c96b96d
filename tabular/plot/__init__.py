"""Figures: every function draws on `ax` (a new figure if None) and returns the Axes.

    grid, grids     values and a policy on a grid world; several panels on one colour scale
    scale           the colour scale that several panels share
    curves          mean and band over a parameter, a reference line, labels at the curves
    mdp             an MDP of 2 to 6 states as nodes and labelled arcs
    polytope        the values of all policies of a 2-state MDP
    encoded         a figure as the content of a file
    sketched        the same, small and quick: what stands beside an explorer for readers without a kernel

Colours can be told apart with any kind of colour vision (viridis; purple-orange where the sign matters), and nothing
is told by colour alone. Only this room imports matplotlib.
"""

from tabular.plot.encode import encoded, sketched
from tabular.plot.graph import mdp
from tabular.plot.heatmap import grid, grids, scale
from tabular.plot.lines import Curve, curves
from tabular.plot.polytope import polytope

__all__ = ["Curve", "curves", "encoded", "grid", "grids", "mdp", "polytope", "scale", "sketched"]
