"""The logs: what the daemon says, what the models' servers print, and where their lines go."""

from __future__ import annotations

import logging
import re
import sys
from collections import deque
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Literal

from paddock.config.schema import Config
from paddock.observe.lines import LineRing
from paddock.observe.time_format import formatted
from paddock.observe.upstream_log import StderrWriter, UpstreamLog

TROUBLES = 5

LINE = "%(levelname)-7s %(name)s: %(message)s"

Shown = Literal["proxy", "upstream", "both", "none"]

_SECRETS = re.compile(
    r"(?i)((?:authorization|x-api-key)['\"]?\s*[:=]\s*['\"]?(?:bearer |basic )?"
    r"|[?&](?:key|api_key|token)=)[^\s'\"&,]+"
    r"|\b(?:hf_|sk-)[A-Za-z0-9_\-]{8,}"
)


def redact(text: str) -> str:
    """`text` with everything that looks like a key or a token made unreadable."""
    return _SECRETS.sub(lambda found: f"{found[1] or ''}[redacted]", text)


class RedactingFormatter(logging.Formatter):
    """Formats a record, traceback and all, without secrets."""

    def __init__(self, time_format: str = "") -> None:
        """`time_format` is a name of `time_format.FORMATS`; empty: no time in front."""
        super().__init__(f"%(asctime)s {LINE}" if time_format else LINE)
        self._time_format = time_format

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802
        """The record's time, of this machine's zone."""
        return formatted(datetime.fromtimestamp(record.created).astimezone(), self._time_format)

    def format(self, record: logging.LogRecord) -> str:
        """A line, or several."""
        return redact(super().format(record))


class LogRing(logging.Handler):
    """The daemon's own log: its last lines, and its last troubles. From any thread."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = LineRing()
        self._troubles: deque[str] = deque(maxlen=TROUBLES)

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        line = self.format(record) + "\n"
        self.lines.add(line)
        if record.levelno >= logging.WARNING:
            self._troubles.append(line.rstrip())

    def history(self) -> str:
        """The lines that are kept, at most 100 KiB."""
        return self.lines.history()

    def follow(self, *, history: bool = True) -> AsyncIterator[bytes]:
        """Every line from now on, after those that are kept. A slow reader loses lines."""
        return self.lines.follow(history=history)

    def troubles(self) -> tuple[str, ...]:
        """The last warnings and errors, the last of them last."""
        return tuple(self._troubles)


class Logs:
    """The logs of this daemon: its own, that of the models' servers, and what is shown of both."""

    def __init__(self, shown: Shown = "proxy") -> None:
        """`shown` is `logToStdout`."""
        self.daemon = LogRing()
        self.upstream = UpstreamLog()
        self.shown = LineRing()
        """What `/logs` shows."""
        if shown in {"proxy", "both"}:
            self.daemon.lines.listeners.append(self.shown.add)
        if shown in {"upstream", "both"}:
            self.upstream.lines.listeners.append(self.shown.add)


def configure(config: Config) -> Logs:
    """Make the logs, and let every part of the daemon write to them, and to stderr what is to be.

    Call once, when the daemon starts: where lines go, and how their time is written, stays so.
    """
    shown = config.log_to_stdout
    logs = Logs(shown)
    handlers: list[logging.Handler] = [logs.daemon]
    if shown in {"proxy", "both"}:
        handlers.append(logging.StreamHandler(sys.stderr))
    if shown in {"upstream", "both"}:
        logs.upstream.lines.listeners.append(StderrWriter().write)
    for handler in handlers:
        handler.setFormatter(RedactingFormatter(config.log_time_format))
    logging.basicConfig(level=config.log_level.upper(), handlers=handlers, force=True)
    logging.captureWarnings(capture=True)
    return logs
