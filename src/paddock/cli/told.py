"""What is said on stderr before and after an answer."""

from __future__ import annotations

import sys

from paddock.cli.answer import Answer, statistics
from paddock.cli.attachments import Attachment
from paddock.cli.table import printable


def tell_added(files: list[Attachment]) -> None:
    """Which files go along."""
    for file in files:
        sys.stderr.write(printable(f"Added {file.kind} '{file.path}'\n"))


def tell_final(answer: Answer, *, verbose: bool) -> None:
    """What was left out of the prompt, and with `verbose` counts and times."""
    if dropped := answer.final.get("truncated"):
        what = "the oldest message" if dropped == 1 else "the oldest messages"
        sys.stderr.write(f"note: {what} did not fit into the context\n")
    if verbose and answer.final:
        sys.stderr.write(statistics(answer.final) + "\n")
