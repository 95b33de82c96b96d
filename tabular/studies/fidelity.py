"""The page docs/fidelity.md: how near each study comes to what was published, from the records' own JSON files.

python -m tabular.studies.fidelity results docs deep.studies

Further packages with studies of published figures are named at the end; nothing here imports them otherwise.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from tabular.output import write_all
from tabular.studies import STUDIES, Study

HEAD = """# Fidelity

How near the studies come to the published figures, and where a paper and its published code disagree. This page is
written by `make fidelity` from the records that the studies leave behind (`docs/records/*.json`); no number in it is
typed by hand. "Off" is the distance between ours and the published value.
"""


UNPUBLISHED = ("own", "lab")
"""Groups of studies that no paper has."""


def page(records: Mapping[str, Mapping[str, Any]], studies: Sequence[Study] = STUDIES) -> str:
    """The page in Markdown.

    Args:
      records: by study, what its JSON file holds. Studies without a record are named at the end.
      studies: those with a published figure make the page, in this order.

    Raises:
      ValueError for a record of the quick form, whose numbers aren't those of the figure.
    """
    for name, record in records.items():
        if record["quick"]:
            raise ValueError(f"{name}.json is of a quick run, expected one of a full run, without --quick.")
    published = _published_of(studies)
    parts = [_section(study, records[study.name]) for study in published if study.name in records]
    missing = [study.name for study in published if study.name not in records]
    if missing:
        parts.append(f"## Not run\n\nNo record yet: {', '.join(missing)}.\n")
    return "\n".join([HEAD, *parts])


def _published_of(studies: Sequence[Study]) -> list[Study]:
    return [study for study in studies if study.group not in UNPUBLISHED]


def _section(study: Study, record: Mapping[str, Any]) -> str:
    """One study: how it was run, published numbers beside ours, and differences of paper and code."""
    lines = [f"## {study.name}", "", f"{study.about}.", "", _how(record), ""]
    lines += _published(record["published"]) or ["No number was published for this figure.", ""]
    lines += _differences(record["differences"])
    return "\n".join(lines)


def _how(record: Mapping[str, Any]) -> str:
    seeds, versions = record["seeds"], record["versions"]
    count = f"{len(seeds)} seeds" if len(seeds) > 1 else "One run" if seeds else "No randomness"
    plain = {k: v for k, v in record["settings"].items() if isinstance(v, str | int | float) and len(str(v)) <= 60}
    settings = "; ".join(f"{name} = {value}" for name, value in plain.items())
    return f"{count}; JAX {versions['jax']}, NumPy {versions['numpy']}. Settings: {settings}."


def _published(numbers: list[Mapping[str, Any]]) -> list[str]:
    rows = [[n["quantity"], _digits(n["value"]), _digits(n["ours"]), f"{n['off']:.1e}", n["source"]] for n in numbers]
    return _table(["quantity", "published", "ours", "off", "published in"], rows)


def _differences(differences: list[Mapping[str, str]]) -> list[str]:
    rows = [[d[name] for name in ("subject", "paper", "code", "here", "effect")] for d in differences]
    return _table(["", "paper", "published code", "here", "what it changes"], rows)


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A table in Markdown and an empty line after it; nothing if there are no rows."""
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return [f"| {' | '.join(cells)} |" for cells in lines] + [""] if rows else []


def _digits(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.7g}"


def main(results: str, docs: str, *packages: str) -> None:
    """Copy the JSON files of the published figures to docs/records, and write the page.

    A figure that isn't in `results` keeps the record that it has in docs/records.

    Args:
      packages: whose studies follow those of `tabular`, such as `deep.studies`.
    """
    studies = [*STUDIES, *(study for name in packages for study in import_module(name).STUDIES)]
    kept = Path(docs) / "records"
    kept.mkdir(parents=True, exist_ok=True)
    texts = {}
    for name in (study.name for study in _published_of(studies)):
        for path in (Path(results) / f"{name}.json", kept / f"{name}.json"):
            if name not in texts and path.exists():
                texts[name] = path.read_text(encoding="utf-8").strip()
    records = {name: json.loads(text) for name, text in texts.items()}
    files = {kept / f"{name}.json": text for name, text in texts.items()}
    write_all({**files, Path(docs) / "fidelity.md": page(records, studies).strip()})


if __name__ == "__main__":
    main(*sys.argv[1:])
