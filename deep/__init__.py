"""Objectives for learned models at scale: neural networks, sampled data. Stands on `tabular`.

Importing it switches JAX to float64, as `tabular.device` does, so that no number depends on what is imported first. All
arrays here name their type: float32 unless a configuration asks for float64.
"""

import tabular.device  # noqa: F401
