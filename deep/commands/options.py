"""The options of `deep train`, as a record for tyro. Imported when they are asked for: tyro is slow to import."""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import OmitArgPrefixes

from deep.config import Config


@dataclass(frozen=True)
class Options:
    """Train agents with these settings, or some of them changed."""

    config: OmitArgPrefixes[Config]
    seeds: int = 1
    """Number of seeds, all in one batch."""
    first_seed: int = 0
    """The first of them."""
    out: Path | None = None
    """A new folder for the run; by default runs/PRESET-DATE-TIME."""
    quiet: bool = False
    """Show no progress bar."""
