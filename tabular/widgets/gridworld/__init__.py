from tabular.widgets.gridworld.explorer import GridworldExplorer

__all__ = ["GridworldExplorer"]
