from tabular.widgets.bound.explorer import BoundExplorer

__all__ = ["BoundExplorer"]
