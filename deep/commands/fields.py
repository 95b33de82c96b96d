"""Fields of records as options of the command line, by tyro; its errors in one line."""

from __future__ import annotations

import contextlib
import io
import re
from typing import TypeVar

Options = TypeVar("Options")


def parsed(default: Options, arguments: list[str], prog: str) -> Options:
    """A record with the values that the arguments give to its fields.

    Raises:
      ValueError for arguments that can't be understood, in one line.
      SystemExit after printing the help, if that was asked for.
    """
    import tyro  # takes a fifth of a second

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(type(default), prog=prog, args=arguments, default=default)
    except SystemExit as stop:
        if not stop.code:
            raise
        raise ValueError(one_line(said.getvalue())) from None


def one_line(text: str) -> str:
    """What tyro prints in a box, or between rules: its message, and the option it would have understood."""
    bare = [line.strip("│ ") for line in text.splitlines() if line.strip("│ ") and line.strip()[0] not in "╭╰"]
    rules = [i for i, line in enumerate(bare) if set(line) <= {"─", "-"}]
    first = 0 if "╭" in text or not rules else rules.pop(0) + 1  # between rules the title comes first
    message = " ".join(bare[first : rules[0] if rules else None])
    nearest = [line.split()[0] for line in bare if re.match(r"--\w", line)]
    hint = f" Did you mean {nearest[0]}?" if message.startswith("Unrecognized") and nearest else ""
    return message.rstrip(".") + "." + hint
