"""The words of a command line, for those who check it and those who run it."""

from __future__ import annotations

import re
import shlex

_JOINT = re.compile(r"\\[ \t]*\n")


def words(line: str) -> list[str]:
    """The words as a shell reads them, but there is no shell: nothing in them is replaced.

    Lines that start with `#` are dropped, a `\\` at a line's end joins it to the next. Raises
    ValueError when a quote is left open.
    """
    lines = [one for one in line.splitlines() if not one.lstrip().startswith("#")]
    return shlex.split(_JOINT.sub(" ", "\n".join(lines)))
