"""What is written for other programs: files that appear complete or not at all, and JSON without NaN."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np


def write(path: Path | str, content: str | bytes) -> None:
    """Write a file that appears complete or not at all; text gets a last line end.

    Raises:
      OSError, naming the path, if it can't be written.
    """
    write_all({Path(path): content})


def write_all(contents: Mapping[Path, str | bytes]) -> None:
    """Write several files, none before all could be written; each appears complete or not at all."""
    with appearing(*contents) as beside:
        for temporary, content in zip(beside, contents.values(), strict=True):
            temporary.write_bytes(content if isinstance(content, bytes) else f"{content}\n".encode())


@contextmanager
def appearing(*paths: Path) -> Iterator[list[Path]]:
    """Names beside the paths to write to; at the end the files are moved to the paths.

    Raises:
      OSError, naming the path, if one can't be written.
    """
    beside = [path.with_name(f".{path.name}.{os.getpid()}.tmp") for path in paths]
    try:
        yield beside
        for temporary, path in zip(beside, paths, strict=True):
            os.replace(temporary, path)
    except OSError as error:
        named = [path for temporary, path in zip(beside, paths, strict=True) if str(temporary) == error.filename]
        raise OSError(f"can't write {(named or paths)[0]}: {error.strerror or error}") from error
    finally:
        for temporary in beside:
            temporary.unlink(missing_ok=True)


def plain(value: Any) -> Any:
    """What JSON can hold: lists for arrays, `"3/4"` for fractions, None for numbers that aren't finite."""
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value
