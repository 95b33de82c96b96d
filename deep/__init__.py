"""Objectives for learned models at scale: neural networks, sampled data. Stands on `tabular`."""
