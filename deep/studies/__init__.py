"""Published figures with neural networks: each study computes a record, and draws it.

    for study in studies.resolve(["pedagogical"]):
        studies.write(study.run(), "results")

A new figure is a function that returns a `Record`, a function that draws it, and a line in `STUDIES`. Listing the
studies imports neither JAX nor matplotlib.
"""

from __future__ import annotations

from functools import partial

from tabular import studies
from tabular.studies import Record, Study

__all__ = ["GROUPS", "STUDIES", "Record", "Study", "resolve", "write"]

GROUPS = ("pedagogical", "trained", "own")
"""Groups that can be asked for by name; `all` is every study."""

STUDIES = (
    Study(
        "vagram-fig1",
        "pedagogical",
        "Losses around one transition of the pendulum, V from exact value iteration (Voelcker et al. 2022, Figure 1)",
        "deep.studies.vagram_fig1",
        "landscapes",
        "draw_landscapes",
    ),
    Study(
        "vagram-fig2",
        "pedagogical",
        "Value-aware error of a model while the value function changes (Voelcker et al. 2022, Figure 2)",
        "deep.studies.vagram_fig2",
        "moving_values",
        "draw_moving_values",
    ),
    Study(
        "maac-fig3",
        "pedagogical",
        "Error of the gradient through a model over its horizon, double integrator (Clavera et al. 2020, Figure 3)",
        "deep.studies.maac_fig3",
        "gradient_error",
        "draw_gradient_error",
    ),
    Study(
        "vaml-fig1",
        "pedagogical",
        "Value-aware models of random dynamics that hold the truth, or can't (Lovatto et al. 2020, Figure 1)",
        "deep.studies.vaml_fig1",
        "random_dynamics",
        "draw_random_dynamics",
    ),
    Study(
        "omd-fig5",
        "trained",
        "Return over the width of the model: OMD, MLE, VEP on CartPole (Nikishin et al. 2021, Figure 5)",
        "deep.studies.omd_cartpole",
        "fig5",
        "draw_fig5",
        resumes=True,
    ),
    Study(
        "omd-fig6",
        "trained",
        "Return over the number of distractors: OMD, MLE, VEP on CartPole (Nikishin et al. 2021, Figure 6)",
        "deep.studies.omd_cartpole",
        "fig6",
        "draw_fig6",
        resumes=True,
    ),
    Study(
        "omd-table1",
        "trained",
        "Errors of the learned models' next states, from the runs of omd-fig5 (Nikishin et al. 2021, Table 1)",
        "deep.studies.omd_cartpole",
        "table1",
        "draw_table1",
        resumes=True,
    ),
    Study(
        "deep-vs-exact",
        "own",
        "CartPole as a table, solved exactly, against deep agents: returns and values",
        "deep.studies.deep_vs_exact",
        "compare",
        "draw",
    ),
)


resolve = partial(studies.resolve, studies=STUDIES)
"""The studies that names stand for: see `tabular.studies.resolve`."""
write = partial(studies.write, studies=STUDIES)
"""Draw a record and write its files: see `tabular.studies.write`."""
