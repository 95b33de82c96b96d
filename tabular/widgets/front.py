"""The bridge to the browser: one widget for all explorers. It carries messages and knows nothing of what they say.

To the browser go traits, in one message for each change:

    spec      what doesn't change (`Explorer.spec`)
    values    the controls' values
    scene     `Explorer.scene`, arrays as {"dtype", "shape", "data"} with raw bytes
    working   whether there is more to do: the browser then asks for `advance` once it has drawn this
    message   {"text", "error"}: what went wrong, or what was done
    revision  counts up, last; `answered` is the number of the request that this answers

From it come requests {"do": name, "arguments": {...}, "number": n}, one at a time (the browser keeps what is newer back
until the answer is there, and merges it), and {"frames": revision}: what the player plays, asked for when idle.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
import traitlets

if TYPE_CHECKING:
    from tabular.widgets.explorer import Explorer

HERE = Path(__file__).parent


class Front(anywidget.AnyWidget):
    """Shows an explorer in a notebook."""

    spec = traitlets.Dict().tag(sync=True)
    values = traitlets.Dict().tag(sync=True)
    disabled = traitlets.Dict().tag(sync=True)
    scene = traitlets.Dict().tag(sync=True)
    working = traitlets.Bool(False).tag(sync=True)
    message = traitlets.Dict().tag(sync=True)
    answered = traitlets.Int(0).tag(sync=True)
    revision = traitlets.Int(0).tag(sync=True)

    def __init__(self, explorer: Explorer):
        self._explorer = explorer
        self._request = 0  # the number of the request being answered
        self._advancing = False
        self._esm = module(*explorer.scripts)
        self._css = (HERE / "common.css").read_text(encoding="utf-8")
        super().__init__(spec=explorer.spec())
        self.show()
        self.on_msg(self._receive)

    def show(self, text: str = "", error: bool = False) -> None:
        """Send the present state to the browser."""
        explorer = self._explorer
        with self.hold_sync():
            self.values = dict(explorer.values)
            self.disabled = explorer.disabled()
            self.scene = packed(explorer.scene())
            self.working = explorer.working
            if text or not self._advancing:  # what was said stays while the work goes on
                self.message = {"text": text, "error": error}
            self.answered = self._request
            self.revision += 1

    def _receive(self, _, content: dict[str, Any], buffers) -> None:
        if "frames" in content:
            self._send_frames()
        else:
            self._do(content["do"], content.get("arguments", {}), content["number"])

    def _send_frames(self) -> None:
        self._told({"frames": packed(self._explorer.frames() or {}), "revision": self.revision})

    def _do(self, name: str, arguments: dict[str, Any], number: int) -> None:
        """Do what was asked for, and say what went wrong where the person looks."""
        self._request, self._advancing = number, name == "advance"
        try:
            download = self._explorer.do(name, **arguments)
        except Exception as error:
            self.show(str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}", error=True)
            if not isinstance(error, ValueError):
                raise  # a fault of ours: its traceback belongs into the log as well
        else:
            if download is not None:
                content = {"name": download.name, "kind": download.kind, "content": download.content}
                self._told({"download": content})

    def _told(self, content: dict[str, Any]) -> None:
        """Send a message whose bytes travel beside it: in it stand their numbers."""
        buffers: list[Any] = []
        self.send(_numbered(content, buffers), buffers)


@cache
def module(*scripts: str) -> str:
    """One ES module from the shared code and an explorer's own."""
    parts = [(HERE / name).read_text(encoding="utf-8") for name in ("common.js", *scripts)]
    return "\n".join([*parts, "export default { render };\n"])


def packed(value: Any) -> Any:
    """What can be sent: arrays become {"dtype", "shape", "data"}, numbers become Python's."""
    if isinstance(value, np.ndarray):
        flat = np.ascontiguousarray(value)
        return {"dtype": flat.dtype.name, "shape": list(flat.shape), "data": flat.tobytes()}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(name): packed(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [packed(part) for part in value]
    return value


def _numbered(value: Any, buffers: list[Any]) -> Any:
    if isinstance(value, bytes):
        buffers.append(value)
        return len(buffers) - 1
    if isinstance(value, dict):
        return {name: _numbered(part, buffers) for name, part in value.items()}
    if isinstance(value, list):
        return [_numbered(part, buffers) for part in value]
    return value
