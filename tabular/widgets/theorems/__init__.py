from tabular.widgets.theorems.explorer import TheoremBoard

__all__ = ["TheoremBoard"]
