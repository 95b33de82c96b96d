"""Published figures: each study computes a record, and draws it.

    for study in studies.resolve(["papers"]):
        studies.write(study.run(), "results")

`tabular reproduce` is this loop. A new figure is a function that returns a `Record`, a function that draws it, and a
line in `STUDIES`. Listing the studies imports neither JAX nor matplotlib.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from tabular.studies.record import Record, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["GROUPS", "STUDIES", "Record", "Study", "resolve", "write"]

GROUPS = ("papers",)
"""Groups that can be asked for by name; `all` is every study."""


@dataclass(frozen=True)
class Study:
    """A figure: where to find the functions that compute and draw it."""

    name: str
    """Name on the command line and of the files."""
    group: str
    """`papers` for a published figure."""
    about: str
    """One line: what it shows, and its source."""
    module: str
    """Module of this package with `compute(quick=..., progress=...) -> Record` and `picture(record) -> Figure`."""
    compute: str
    picture: str

    def run(self, quick: bool = False, progress: bool = False) -> Record:
        """Compute the figure's numbers.

        Args:
          quick: fewer points, seeds and steps through the same code, for a first look.
          progress: whether to show a progress bar.
        """
        return getattr(import_module(self.module), self.compute)(quick=quick, progress=progress)

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
)


def resolve(names: Iterable[str]) -> list[Study]:
    """The studies that names stand for, each once: names of studies or of groups, or `all`.

    Raises:
      ValueError for an unknown name; it lists the nearest ones.
    """
    chosen = []
    for name in names:
        found = [study for study in STUDIES if name in (study.name, study.group, "all")]
        if not found:
            known = [study.name for study in STUDIES]
            nearest = difflib.get_close_matches(name, [*known, *GROUPS, "all"], n=3)
            hint = f" Did you mean {' or '.join(nearest)}?" if nearest else ""
            raise ValueError(
                f"no study is called {name!r}.{hint} There are {', '.join(known)}; papers and all are groups."
            )
        chosen += [study for study in found if study not in chosen]
    return chosen


def write(record: Record, out: Path | str) -> list[Path]:
    """Draw a record and write NAME.csv, NAME.png and NAME.json to a directory; returns their paths.

    Raises:
      ValueError if the record's study isn't in `STUDIES`; `record.save` takes any picture.
    """
    (study,) = [study for study in STUDIES if study.name == record.name] or resolve([record.name])
    return save(record, study.draw(record), out)
