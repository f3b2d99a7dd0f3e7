"""Which files of a repository to take: what somebody asked for, or what fits here best."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from paddock.acquire.hub_names import canonical
from paddock.acquire.offer import Offer, Row, listed
from paddock.acquire.quants import spelled_out
from paddock.acquire.remote import RemoteFile
from paddock.acquire.weights import Weights
from paddock.config.nearest import nearest
from paddock.errors import Ambiguous, NotThere

_LATEST: Final = frozenset({"", "latest"})
_MOST_COMPARED: Final = 500
"""Names among which the one that was meant is looked for."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be fetched."""

    files: tuple[RemoteFile, ...]
    rows: tuple[Row, ...]
    """Those that the files belong to, as far as they belong to any."""
    note: str = ""
    """What was chosen and why, where nobody said exactly."""


def choose(
    offered: Offer,
    *,
    quant: str = "",
    file: str = "",
    patterns: Sequence[str] = (),
    everything: bool = False,
) -> Choice:
    """The files that were asked for: one named file, patterns, everything, a quantization, or best.

    A quantization is taken as it is called, else in Unsloth's recipe (`UD-`), else every file that
    has the text in its name. Raises NotThere, which tells what there is, and Ambiguous when
    somebody has to choose.
    """
    if file:
        return _named(offered, file)
    if patterns:
        return _matching(offered, patterns)
    if everything:
        return _all_files(offered)
    return _best_choice(offered) if quant.lower() in _LATEST else _of_quant(offered, quant)


def _best_choice(offered: Offer) -> Choice:
    row = offered.best
    if row is not None:
        return Choice(row.weights.all_files, (row,), offered.note)
    repository = offered.repository.id
    if not any(not row.weights.problem for row in offered.rows):
        raise NotThere(f"{repository}: {offered.note}", hint="other repositories: paddock search")
    raise Ambiguous(
        f"{repository}: {offered.note}",
        hint=f"choose with `paddock quants {repository}`; a file is named {_example(offered)}",
    )


def _of_quant(offered: Offer, asked: str) -> Choice:
    """What a quantization's name means here."""
    quant = canonical(asked)
    for name in dict.fromkeys((quant, f"UD-{quant}", spelled_out(quant))):
        if rows := [row for row in offered.rows if row.weights.quant == name]:
            return _one_model(offered, asked, rows)
    rows = [row for row in offered.rows if _contains(row.weights, asked)]
    if not rows:
        raise _no_such(offered, f"nothing called {asked[:100]!r}", asked)
    names = ", ".join(row.label for row in rows)
    return _usable(offered, rows, f"all whose name contains {asked}: {names}")


def _one_model(offered: Offer, asked: str, rows: list[Row]) -> Choice:
    usable = [row for row in rows if not row.weights.problem] or rows
    if len(usable) > 1:
        paths = [row.weights.files[0].path for row in usable]
        raise Ambiguous(
            f"{offered.repository.id} holds {len(usable)} models in {asked}: {listed(paths)}",
            hint=f"name one of the files: {offered.repository.id}/{paths[0]}",
        )
    label = usable[0].label
    note = "" if label.casefold() == asked.casefold() else f"{label} is what {asked} means here"
    return _usable(offered, usable, note)


def _usable(offered: Offer, rows: list[Row], note: str = "") -> Choice:
    """These rows without the broken ones. Raises NotThere when nothing is left.

    What only other engines run comes too: it was asked for by its name.
    """
    usable = [row for row in rows if not row.weights.broken]
    if not usable:
        problem = f"{rows[0].label}: {rows[0].weights.problem}"
        raise _no_such(offered, problem, "")
    files = _distinct(file for row in usable for file in row.weights.all_files)
    warnings = [f"{row.label}: {row.weights.problem}" for row in usable if row.weights.problem]
    return Choice(files, tuple(usable), "; ".join(filter(None, (note, *warnings))))


def _contains(weights: Weights, text: str) -> bool:
    wanted = text.casefold()
    return any(wanted in file.path.casefold() for file in weights.files)


def _named(offered: Offer, path: str) -> Choice:
    """One file by its path, or by its name where only one is called so; a shard brings its set."""
    wanted = path.casefold()
    known = [file for file in offered.repository.files if _is_gguf(file)]
    found = [file for file in known if file.path == path] or [
        file for file in known if wanted in {file.path.casefold(), _base(file).casefold()}
    ]
    if not found:
        raise _no_such(offered, f"no file {path[:200]!r}", path, [file.path for file in known])
    if len(found) > 1:
        paths = [file.path for file in found]
        raise Ambiguous(
            f"{offered.repository.id} holds {len(found)} files of that name: {listed(paths)}",
            hint=f"name one with its folder: {offered.repository.id}/{paths[0]}",
        )
    row = next((row for row in offered.rows if found[0] in row.weights.files), None)
    return _usable(offered, [row]) if row else Choice((found[0],), ())


def _matching(offered: Offer, patterns: Sequence[str]) -> Choice:
    """The GGUF files whose path or name matches one of the patterns; a shard brings its set."""
    folded = [pattern.casefold() for pattern in patterns]
    known = [file for file in offered.repository.files if _is_gguf(file)]
    files = [file for file in known if _matches(file, folded)]
    if not files:
        asked = ", ".join(patterns)[:200]
        raise _no_such(offered, f"no GGUF file like {asked}", "", [file.path for file in known])
    paths = {file.path for file in files}
    sets = (row.weights.files for row in offered.rows)
    sisters = (file for one in sets if any(f.path in paths for f in one) for file in one)
    whole = _distinct((*files, *sisters))
    return Choice(whole, _rows_of(offered, whole))


def _matches(file: RemoteFile, patterns: Iterable[str]) -> bool:
    names = (file.path.casefold(), _base(file).casefold())
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)


def _all_files(offered: Offer) -> Choice:
    files = tuple(file for file in offered.repository.files if _is_gguf(file))
    if not files:
        raise _no_such(offered, "no GGUF file", "")
    return Choice(files, _rows_of(offered, files))


def _rows_of(offered: Offer, files: Iterable[RemoteFile]) -> tuple[Row, ...]:
    """The rows whose weights are all among these files."""
    paths = {file.path for file in files}
    rows = offered.rows
    return tuple(row for row in rows if all(file.path in paths for file in row.weights.files))


def _no_such(offered: Offer, what: str, asked: str, known: Iterable[str] = ()) -> NotThere:
    """The error for what a repository does not hold, with what it does."""
    names = list(dict.fromkeys(known or (row.label for row in offered.rows)))
    meant = nearest(asked, names[:_MOST_COMPARED]) if asked else ""
    hint = f"did you mean {meant}? " if meant else ""
    return NotThere(
        f"{offered.repository.id} has {what}",
        hint=f"{hint}there is {listed(names)}" if names else "it holds no GGUF model",
    )


def _example(offered: Offer) -> str:
    row = next(row for row in offered.rows if not row.weights.problem)
    return f"{offered.repository.id}/{row.weights.files[0].path}"


def _is_gguf(file: RemoteFile) -> bool:
    return file.path.lower().endswith(".gguf")


def _base(file: RemoteFile) -> str:
    return file.path.rpartition("/")[2]


def _distinct(files: Iterable[RemoteFile]) -> tuple[RemoteFile, ...]:
    return tuple(dict.fromkeys(files))
