"""The time on this machine's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo


class _Local(tzinfo):
    """The zone this machine is in, by the system's rules: it knows the offset of every date, where
    `datetime.astimezone()` gives one that has only today's."""

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        return None if dt is None else dt.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, dt: datetime | None) -> timedelta | None:  # noqa: ARG002  # tzinfo's signature
        return None

    def tzname(self, dt: datetime | None) -> str | None:
        return None if dt is None else dt.replace(tzinfo=None).astimezone().tzname()

    def fromutc(self, dt: datetime) -> datetime:
        # A naive one knows which of two equal hours it is in.
        return datetime.fromtimestamp(dt.replace(tzinfo=UTC).timestamp()).replace(tzinfo=self)  # noqa: DTZ006


LOCAL = _Local()


def now() -> datetime:
    """The time now, in this machine's zone."""
    return datetime.now(LOCAL)
