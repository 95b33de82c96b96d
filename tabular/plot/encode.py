"""A figure as the content of a file."""

from __future__ import annotations

import io

import matplotlib.pyplot as plt
from matplotlib.figure import Figure


def encoded(figure: Figure, kind: str = "png") -> bytes:
    """The picture as bytes of a format that matplotlib writes (png, svg, pdf). The figure is closed.

    Raises:
      ValueError for an unknown format.
    """
    content = io.BytesIO()
    figure.savefig(content, format=kind, dpi=110, bbox_inches="tight")
    plt.close(figure)
    return content.getvalue()
