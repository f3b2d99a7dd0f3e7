"""Which models may run together, as the owner said: who must leave so that another may run. No I/O.

Rules are made once for each configuration. An answer costs as much as there are models in memory,
however many are configured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from paddock.config.routing import Group
from paddock.config.schema import Config
from paddock.library.naming import lookup_key
from paddock.scheduler.names import keys_of

NOBODY: Final[frozenset[str]] = frozenset()


class Rules(Protocol):
    """Says which models may not be in memory together. Knows ids only."""

    def must_leave(
        self, target: str, running: frozenset[str], going: frozenset[str] = NOBODY
    ) -> frozenset[str]:
        """Ids that may not be there when `target` starts, from `running` and `going`.

        `going` are on their way out already: of several answers, one that makes them leave is not
        the dearer for it. `target` itself may be among them, as an older version of its file; it
        never starts beside that.
        """
        ...

    def why(self, target: str, other: str) -> str:
        """In words, why `other` must leave for `target`, when `must_leave` says so."""
        ...

    def group(self, model_id: str) -> str:
        """The group of a model; empty where there are no groups."""
        ...


class _Free:
    """No rules: only the number of models and their memory count."""

    def must_leave(
        self,
        target: str,  # noqa: ARG002
        running: frozenset[str],  # noqa: ARG002
        going: frozenset[str] = NOBODY,  # noqa: ARG002
    ) -> frozenset[str]:
        return NOBODY

    def why(self, target: str, other: str) -> str:  # noqa: ARG002
        return ""

    def group(self, model_id: str) -> str:  # noqa: ARG002
        return ""


FREE: Final[Rules] = _Free()


class Commands:
    """The owner gave no rules: a command runs alone, for nobody knows what memory it will take.

    So does every model of llama-swap's that is in no group.
    """

    def __init__(self, commands: Iterable[str]) -> None:
        self._keys = frozenset(map(lookup_key, commands))

    def must_leave(
        self, target: str, running: frozenset[str], going: frozenset[str] = NOBODY
    ) -> frozenset[str]:
        """See `Rules.must_leave`."""
        there = running | going
        return there if self._is_command(target) else frozenset(filter(self._is_command, there))

    def why(self, target: str, other: str) -> str:
        """See `Rules.why`."""
        command = target if self._is_command(target) else other
        return f"{command} is a command and runs alone without `maxLoadedModels` or `groups`"

    def group(self, model_id: str) -> str:  # noqa: ARG002
        """See `Rules.group`."""
        return ""

    def _is_command(self, model_id: str) -> bool:
        return lookup_key(model_id) in self._keys


@dataclass(frozen=True, slots=True)
class _Named:
    """A group with its name."""

    name: str
    swap: bool
    exclusive: bool
    persistent: bool


DEFAULT = _Named("(default)", swap=True, exclusive=True, persistent=False)
"""The group of every model that the owner put in none."""


class Groups:
    """Groups as llama-swap has them.

    Of a group with `swap` one model runs at a time. A model of an `exclusive` group makes those of
    other groups leave, except persistent ones. It is the one that starts whose group decides: a
    model of a group that is not exclusive starts beside one that is.
    """

    def __init__(self, groups: Mapping[str, Group], key: Callable[[str], str] = lookup_key) -> None:
        self._of: dict[str, _Named] = {}
        for name, group in groups.items():
            named = _Named(name, group.swap, group.exclusive, group.persistent)
            self._of.update(dict.fromkeys(map(key, group.members), named))

    def must_leave(
        self, target: str, running: frozenset[str], going: frozenset[str] = NOBODY
    ) -> frozenset[str]:
        """See `Rules.must_leave`."""
        own = self._group(target)
        there = running | going
        return frozenset(
            other for other in there if other == target or _ousts(own, self._group(other))
        )

    def why(self, target: str, other: str) -> str:
        """See `Rules.why`."""
        own = self._group(target)
        if own is self._group(other):
            return f"group {own.name} runs one model at a time"
        return f"group {own.name} is exclusive"

    def group(self, model_id: str) -> str:
        """See `Rules.group`."""
        return self._group(model_id).name

    def _group(self, model_id: str) -> _Named:
        return self._of.get(lookup_key(model_id), DEFAULT)


def _ousts(own: _Named, other: _Named) -> bool:
    return own.swap if own is other else own.exclusive and not other.persistent


def rules_of(config: Config) -> Rules:
    """The rules that `config` asks for."""
    if config.matrix_rules is not None:
        from paddock.scheduler.matrix import Matrix  # noqa: PLC0415 - few owners write one

        return Matrix(config.matrix_rules, keys_of(config))
    if config.group_rules:
        return Groups(config.group_rules, keys_of(config))
    commands = [model_id for model_id, entry in config.models.items() if entry.cmd]
    return Commands(commands) if commands and config.max_loaded_models is None else FREE
