"""Shards that belong together: `big-00001-of-00003.gguf` and its sisters are one model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from paddock.library.facts import Facts
from paddock.library.model import HeaderSummary
from paddock.library.naming import shard_name
from paddock.library.walk import Found

Sisters = tuple[Found, ...]


def group(files: Iterable[Found]) -> list[Sisters]:
    """The files that make one model each, in the order of their numbers."""
    groups: dict[tuple[str, str, int], list[Found]] = defaultdict(list)
    for file in files:
        name = shard_name(file.name)
        groups[file.folder, name.stem if name.total > 1 else file.name, name.total].append(file)
    return [tuple(sorted(files, key=lambda file: file.name)) for files in groups.values()]


def problem(files: Sisters, facts: Sequence[Facts]) -> str:
    """Why these files are no whole model; "" when they are."""
    total = shard_name(files[0].name).total
    present = {shard_name(file.name).number for file in files}
    missing = [number for number in range(1, total + 1) if number not in present]
    if missing:
        return f"incomplete: shard {missing[0]} of {total} is missing"
    if any(max(one.summary.split_count, 1) != total for one in facts):
        return f"its header tells {facts[0].summary.split_count} shards and its name {total}"
    if total > 1 and [one.split_number for one in facts] != list(range(total)):
        return "its shards are numbered in another order than their names"
    return ""


def whole(facts: Sequence[Facts]) -> HeaderSummary:
    """The summary of all shards together: the first tells, all of them weigh."""
    first = facts[0].summary
    if len(facts) == 1:
        return first
    return replace(
        first,
        parameters=sum(one.summary.parameters for one in facts),
        tensor_bytes=sum(one.summary.tensor_bytes for one in facts),
    )
