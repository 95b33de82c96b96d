from tabular.widgets.two_state.explorer import TwoStateExplorer

__all__ = ["TwoStateExplorer"]
