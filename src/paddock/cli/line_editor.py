"""Lines from the terminal: editing, history, completion, and an editor for long ones."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from paddock.cli.history import History
from paddock.errors import PaddockError

_readline: ModuleType | None
try:
    import readline as _readline
except ImportError:  # a Python without it still reads lines
    _readline = None

EDIT = "\x07"
"""Ctrl-G: ends a line that is to be gone on with in an editor."""


class NoEditor(PaddockError):
    """No external editor can be run."""


class LineEditor:
    """Asks for lines. There is one terminal, so there should be one of these."""

    def __init__(self, history: History, complete: Callable[[str, str], list[str]]) -> None:
        """`complete(line before the word, word)` gives what the word may become."""
        self._history = history
        self._complete = complete
        self._offers: list[str] = []
        if _readline is not None:
            self._set_up(_readline)

    def _set_up(self, readline: Any) -> None:
        readline.set_auto_history(False)  # a block of lines is one entry
        readline.clear_history()
        for entry in self._history.read():
            readline.add_history(entry)
        readline.set_completer(self._offer)
        readline.set_completer_delims(" \t\n")
        if "libedit" in (readline.__doc__ or ""):
            readline.parse_and_bind("bind ^I rl_complete")
            return
        readline.parse_and_bind("tab: complete")
        readline.parse_and_bind("set enable-bracketed-paste on")
        readline.parse_and_bind(r'"\C-g": "\C-e\C-v\C-g\C-m"')

    def read(self, prompt: str) -> str:
        """One line, or what was pasted at once. Raises EOFError for Ctrl-D, KeyboardInterrupt."""
        line = input(prompt)
        while line.endswith(EDIT):
            line = self._again(prompt, edited(line.removesuffix(EDIT)))
        return line

    def add(self, entry: str) -> None:
        """Remember what was sent."""
        if self._history.on and entry.strip():
            self._history.add(entry)
            if _readline is not None:
                _readline.add_history(entry)

    def is_empty(self) -> bool:
        """Whether nothing was typed on the line that Ctrl-C ended."""
        return _readline is None or not _readline.get_line_buffer()

    def _again(self, prompt: str, text: str) -> str:
        """The line with that text on it already, to go on with."""
        if _readline is None:
            return text
        readline = _readline
        readline.set_startup_hook(lambda: readline.insert_text(text))
        try:
            return input(prompt)
        finally:
            readline.set_startup_hook(None)

    def _offer(self, word: str, number: int) -> str | None:
        """For readline: the `number`-th completion. What it raised would print a traceback."""
        if number == 0:
            before = _readline.get_line_buffer()[: _readline.get_begidx()] if _readline else ""
            self._offers = self._complete(before, word)
        return self._offers[number] if number < len(self._offers) else None


def edited(text: str, env: Mapping[str, str] = os.environ) -> str:
    """The text as the owner's editor left it, without a last line's end. Raises NoEditor."""
    name = env.get("OLLAMA_EDITOR") or env.get("VISUAL") or env.get("EDITOR") or "vi"
    descriptor, path = tempfile.mkstemp(prefix="paddock-", suffix=".txt")
    file = Path(path)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write(text)
        subprocess.run([*shlex.split(name), path], check=True, stdout=sys.stdout)
        return file.read_text(encoding="utf-8", errors="replace").rstrip("\n")
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        raise NoEditor(
            f"the editor {name!r} did not work: {error}", hint="name one in EDITOR"
        ) from error
    finally:
        file.unlink(missing_ok=True)
