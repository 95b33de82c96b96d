from tabular.widgets.mismatch.explorer import MismatchExplorer

__all__ = ["MismatchExplorer"]
