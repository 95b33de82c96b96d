from tabular.widgets.dynamics.explorer import DynamicsExplorer

__all__ = ["DynamicsExplorer"]
