"""Shows what a model says while it says it."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import closing
from typing import Any

from paddock.cli.spinner import Spinner
from paddock.cli.terminal import harmless, is_terminal, size
from paddock.cli.wrapping import Wrapper


class Answer:
    """One answer on stdout: on a terminal wrapped and harmless, elsewhere as it is."""

    def __init__(self, *, wrap: bool = True, hide_thinking: bool = False) -> None:
        self._live = is_terminal(sys.stdout)
        self._wrapper = Wrapper(lambda: size()[0]) if wrap and self._live else None
        self._hide_thinking = hide_thinking
        self._is_thinking = False
        self.text = ""
        """What was said so far, without the thinking."""
        self.thinking = ""
        self.final: dict[str, Any] = {}
        """The last line of the stream, with its counts; empty until then."""

    def show(self, lines: Generator[dict[str, Any]]) -> None:
        """Show the lines of `/api/generate` or `/api/chat`. Raises what they do.

        However it ends, what came is on the screen, `lines` is closed, and the cursor is at the
        begin of a line.
        """
        with closing(lines), Spinner() as spinner:
            try:
                for told in lines:
                    self._take(told, spinner)
            finally:
                spinner.stop()
                self._end()

    def _take(self, told: dict[str, Any], spinner: Spinner) -> None:
        message = told.get("message") or {}
        thinking = told.get("thinking") or message.get("thinking") or ""
        text = told.get("response") or message.get("content") or ""
        if thinking or text:
            spinner.stop()
        if thinking:
            self._think(thinking)
        if text:
            self._say(text)
        if told.get("done"):
            self.final = told

    def _think(self, text: str) -> None:
        self.thinking += text
        if self._hide_thinking:
            return
        if not self._is_thinking:
            self._is_thinking = True
            self._write("Thinking...\n")
        self._write(text)

    def _say(self, text: str) -> None:
        self._stop_thinking()
        self.text += text
        self._write(text)

    def _stop_thinking(self) -> None:
        if self._is_thinking:
            self._is_thinking = False
            self._write("\n...done thinking.\n\n")

    def _end(self) -> None:
        self._stop_thinking()
        rest = self._wrapper.end() if self._wrapper else ""
        sys.stdout.write(rest + ("\n\n" if self._live else "\n"))
        sys.stdout.flush()

    def _write(self, text: str) -> None:
        if self._live:
            text = harmless(text)
        sys.stdout.write(self._wrapper.feed(text) if self._wrapper else text)
        sys.stdout.flush()


def show_text(text: str, *, wrap: bool = True) -> None:
    """Text of a model that is there already, as an answer is shown."""
    answer = Answer(wrap=wrap)
    answer.show(line for line in ({"response": text},))


def statistics(final: dict[str, Any]) -> str:
    """What the counts of a final line come to, as `--verbose` prints it."""
    from paddock.cli.ollama_units import go_duration

    rows = []
    for name, key in (("total duration", "total_duration"), ("load duration", "load_duration")):
        if final.get(key):
            rows.append((name, go_duration(final[key])))
    for name, key in (("prompt eval", "prompt_eval"), ("eval", "eval")):
        count, duration = final.get(f"{key}_count") or 0, final.get(f"{key}_duration") or 0
        if count:
            rows.append((f"{name} count", f"{count} token(s)"))
        if duration:
            rows.append((f"{name} duration", go_duration(duration)))
            rows.append((f"{name} rate", f"{count / duration * 1e9:.2f} tokens/s"))
    return "".join(f"{name + ':':<21} {value}\n" for name, value in rows)
