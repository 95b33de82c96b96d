"""The commands of the program, a file for each group: `add` describes them to the parser, the others do the work.

What a command can't do it says by raising ValueError, OSError, ImportError or NotConverged. Here is what the programs
`tabular` and `deep` have in common.
"""

from importlib import metadata


def message(error: Exception) -> str:
    """An error in words; the system's own without its number."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def version() -> str:
    """That of the installed distribution."""
    try:
        return metadata.version("mdpscope")
    except metadata.PackageNotFoundError:
        return "(not installed)"
