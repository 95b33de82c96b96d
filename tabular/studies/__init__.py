"""Published figures: each study computes a record, and draws it.

    for study in studies.resolve(["papers"]):
        studies.write(study.run(), "results")

`tabular reproduce` is this loop. A new figure is a function that returns a `Record`, a function that draws it, and a
line in `STUDIES`. Listing the studies imports neither JAX nor matplotlib.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from tabular.studies.record import Record, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["GROUPS", "STUDIES", "Record", "Study", "resolve", "write"]

GROUPS = ("papers", "own", "lab")
"""Groups that can be asked for by name; `all` is every study."""


@dataclass(frozen=True)
class Study:
    """A figure: where to find the functions that compute and draw it."""

    name: str
    """Name on the command line and of the files."""
    group: str
    """`papers` for a published figure, `own` for one that no paper has, `lab` for pictures of claims."""
    about: str
    """One line: what it shows, and its source."""
    module: str
    """Module of this package with `compute(quick=..., progress=...) -> Record` and `picture(record) -> Figure`."""
    compute: str
    picture: str

    resumes: bool = False
    """Whether an interrupted run goes on where it stopped: `compute` takes `partial`, a folder for finished parts."""

    def run(self, quick: bool = False, progress: bool = False, partial: Path | None = None) -> Record:
        """Compute the figure's numbers.

        Args:
          quick: fewer points, seeds and steps through the same code, for a first look.
          progress: whether to show a progress bar.
          partial: where a study that `resumes` keeps its finished parts.
        """
        more = {"partial": partial} if self.resumes else {}
        return getattr(import_module(self.module), self.compute)(quick=quick, progress=progress, **more)

    def draw(self, record: Record) -> Figure:
        """The picture of a record of this study."""
        return getattr(import_module(self.module), self.picture)(record)


STUDIES = (
    Study(
        "omd-fig2",
        "papers",
        "Return against model capacity, likelihood and OMD (Nikishin et al. 2021, Figure 2)",
        "tabular.studies.omd",
        "fig2",
        "draw_fig2",
    ),
    Study(
        "omd-fig3",
        "papers",
        "A learned MDP with the optimal values of the true one, side by side (Nikishin et al. 2021, Figure 3)",
        "tabular.studies.omd_models",
        "fig3",
        "draw_fig3",
    ),
    Study(
        "omd-fig4",
        "papers",
        "Error of the learned Q and the bounds on it (Nikishin et al. 2021, Figure 4)",
        "tabular.studies.omd",
        "fig4",
        "draw_fig4",
    ),
    Study(
        "omd-ift",
        "papers",
        "The implicit gradient at a disturbed fixed point (Nikishin et al. 2021, appendix)",
        "tabular.studies.omd_noise",
        "ift",
        "draw_ift",
    ),
    Study(
        "mnm-fig2a",
        "papers",
        "Sampled agents in a maze, and what their gain comes from (Eysenbach et al. 2021, Figure 2a left)",
        "tabular.studies.mnm_agents",
        "fig2a",
        "draw_fig2a",
    ),
    Study(
        "mnm-dynamics",
        "papers",
        "Optimistic dynamics as arrows (Eysenbach et al. 2021, Figure 2a right)",
        "tabular.studies.mnm_grid",
        "dynamics",
        "draw_dynamics",
    ),
    Study(
        "mnm-fig2b",
        "papers",
        "Planning with a model that can't see a wall (Eysenbach et al. 2021, Figure 2b)",
        "tabular.studies.mnm_grid",
        "fig2b",
        "draw_fig2b",
    ),
    Study(
        "mnm-fig3a",
        "papers",
        "Who takes the risk (Eysenbach et al. 2021, Figure 3a)",
        "tabular.studies.mnm_bounds",
        "fig3a",
        "draw_fig3a",
    ),
    Study(
        "mnm-fig3b",
        "papers",
        "Lower bounds on the logarithm of the return (Eysenbach et al. 2021, Figure 3b)",
        "tabular.studies.mnm_bounds",
        "fig3b",
        "draw_fig3b",
    ),
    Study(
        "mnm-transfer",
        "papers",
        "Optimistic dynamics on other tasks (Eysenbach et al. 2021, Figure 13)",
        "tabular.studies.mnm_agents",
        "transfer",
        "draw_transfer",
    ),
    Study(
        "mnm-table1",
        "papers",
        "Four properties of four lower bounds, decided numerically (Eysenbach et al. 2021, Table 1)",
        "tabular.studies.mnm_table",
        "table1",
        "draw_table1",
    ),
    Study(
        "maac-horizon",
        "papers",
        "Value and gradient error over the planning horizon (Clavera et al. 2020, in tables)",
        "tabular.studies.maac",
        "horizon",
        "draw_horizon",
    ),
    Study(
        "vaml-tabular",
        "papers",
        "Value-aware models against likelihood under limited capacity (Farahmand 2018; Lovatto et al. 2020)",
        "tabular.studies.vaml",
        "capacity",
        "draw_capacity",
    ),
    Study(
        "mismatch-map",
        "own",
        "Every objective over model capacity: return, Q error, likelihood and bounds",
        "tabular.studies.mismatch_map",
        "mismatch_map",
        "draw_mismatch_map",
        resumes=True,
    ),
    Study(
        "lab-board",
        "lab",
        "Every claim, checked on random instances and attacked: the verdict board",
        "tabular.studies.lab_board",
        "board",
        "draw_board",
        resumes=True,
    ),
    Study(
        "lab-simulation",
        "lab",
        "The simulation lemma: random models, printed bound, sharp bound, ceiling",
        "tabular.studies.lab_simulation",
        "simulation",
        "draw_simulation",
    ),
    Study(
        "lab-mnm-ladder",
        "lab",
        "The ladder of MnM's bounds over one parameter of the model, and four best models",
        "tabular.studies.lab_ladder",
        "mnm_ladder",
        "draw_mnm_ladder",
    ),
    Study(
        "lab-maac41",
        "lab",
        "What a policy can lose against MAAC's Theorem 4.1, over the discount",
        "tabular.studies.lab_maac41",
        "maac41",
        "draw_maac41",
    ),
    Study(
        "lab-residual",
        "lab",
        "Bellman residual against error: the cone, and a pair whose order it reverses",
        "tabular.studies.lab_residual",
        "residual",
        "draw_residual",
    ),
)


def resolve(names: Iterable[str], studies: Sequence[Study] = STUDIES) -> list[Study]:
    """The studies that names stand for, each once: names of studies or of groups, or `all`.

    Args:
      studies: those to choose from.

    Raises:
      ValueError for an unknown name; it lists the nearest ones.
    """
    chosen = []
    groups = list(dict.fromkeys(study.group for study in studies))
    for name in names:
        found = [study for study in studies if name in (study.name, study.group, "all")]
        if not found:
            known = [study.name for study in studies]
            nearest = difflib.get_close_matches(name, [*known, *groups, "all"], n=3)
            hint = f" Did you mean {' or '.join(nearest)}?" if nearest else ""
            raise ValueError(
                f"no study is called {name!r}.{hint} There are {', '.join(known)}; "
                f"{', '.join(groups)} and all are groups."
            )
        chosen += [study for study in found if study not in chosen]
    return chosen


def write(record: Record, out: Path | str, studies: Sequence[Study] = STUDIES) -> list[Path]:
    """Draw a record and write NAME.csv, NAME.png and NAME.json to a directory; returns their paths.

    Raises:
      ValueError if the record's study isn't one of `studies`; `record.save` takes any picture.
    """
    (study,) = [study for study in studies if study.name == record.name] or resolve([record.name], studies)
    return save(record, study.draw(record), out)
