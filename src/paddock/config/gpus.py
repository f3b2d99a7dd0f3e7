"""The `gpus` section: what is kept free of each GPU, always or by the clock."""

from __future__ import annotations

import re
from datetime import time
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BeforeValidator, Field, ValidationError, WrapValidator
from pydantic_core import InitErrorDetails

from paddock.config.section import Section
from paddock.units import parse_bytes

ALL: Final = "all"

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

DAYS: Final[tuple[Day, ...]] = get_args(Day)
"""In the order of `date.weekday()`."""

_LONG: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SHORT: Final = dict(zip(_LONG, DAYS, strict=True))
_CLOCK: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)|24:00")
_PERCENT: Final = re.compile(r"(\d+(?:\.\d+)?) ?%")


def _amount(value: object) -> int | str:
    """Bytes, or `all`, or a percentage as it was written."""
    text = str(value).strip().casefold()
    percent = _PERCENT.fullmatch(text)
    if text == ALL or (percent and float(percent[1]) <= 100):
        return text
    try:
        return parse_bytes(value if isinstance(value, str | int | float) else "")
    except ValueError:
        message = "expected a size such as 4GiB, a percentage such as 25%, or `all`"
        raise ValueError(message) from None


def _clock(value: object) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not _CLOCK.fullmatch(text):
        raise ValueError("expected a time of the day such as 18:00, from 00:00 to 24:00")
    return text.zfill(5)


def _day(value: object) -> object:
    text = value.strip().casefold() if isinstance(value, str) else value
    return _SHORT.get(text, text) if isinstance(text, str) else text


def _one_or_several(value: Any, several: Any) -> Any:
    """A rule alone is a list of one, but what is wrong with it has its place without a number."""
    if isinstance(value, list):
        return several(value)
    try:
        return several([] if value is None else [value])
    except ValidationError as error:
        raise ValidationError.from_exception_data(error.title, _lifted(error)) from None


def _lifted(error: ValidationError) -> list[InitErrorDetails]:
    """Every fault, one list higher."""
    return [
        InitErrorDetails(
            type=detail["type"],
            loc=detail["loc"][1:],
            input=detail["input"],
            ctx=detail.get("ctx", {}),
        )
        for detail in error.errors(include_url=False)
    ]


Amount = Annotated[
    int | str,
    BeforeValidator(_amount, json_schema_input_type=int | str),
    Field(examples=["4GiB"]),
]
"""Bytes, `all`, or a part such as `25%`."""

Clock = Annotated[
    str, BeforeValidator(_clock, json_schema_input_type=str), Field(examples=["18:00"])
]
"""`HH:MM`, from 00:00 to 24:00."""


class Reservation(Section):
    """What models may not use of a GPU."""

    reserve: Amount
    """How much is kept free of models, whoever else uses it: bytes, or text like `4GiB`, a
    percentage of the GPU's memory like `25%`, or `all`."""
    from_: Annotated[Clock, Field(alias="from")] = "00:00"
    """Local time at which it begins."""
    until: Clock = "24:00"
    """Local time at which it ends; on the next day when it is not later than `from`."""
    days: Annotated[
        list[Annotated[Day, BeforeValidator(_day, json_schema_input_type=Day)]],
        Field(examples=[["fri", "sat"]]),
    ] = []
    """Days on which it begins: `mon` to `sun`. Default: each."""

    def bytes_of(self, total: int) -> int:
        """What is kept free of a device of `total` bytes."""
        if isinstance(self.reserve, int):
            return min(self.reserve, total)
        return total if self.reserve == ALL else int(total * float(self.reserve.rstrip(" %")) / 100)

    @property
    def is_always(self) -> bool:
        """Whether it never ends: one that ends when it begins lasts a day."""
        return self.begins == self.ends and {*(self.days or DAYS)} == {*DAYS}

    @property
    def begins(self) -> time:
        """The time at which it begins."""
        return _time(self.from_)

    @property
    def ends(self) -> time:
        """The time at which it ends; one that is not after `begins` is that of the next day."""
        return _time(self.until)

    def begins_on(self, weekday: int) -> bool:
        """Whether it begins on this day; Monday is 0."""
        return not self.days or DAYS[weekday] in self.days


def _time(clock: str) -> time:
    hours, minutes = map(int, clock.split(":"))
    return time(hours % 24, minutes)


Reservations = Annotated[
    list[Reservation],
    WrapValidator(_one_or_several, json_schema_input_type=Reservation | list[Reservation]),
    Field(examples=[{"reserve": "4GiB"}]),
]
"""One rule, or several."""
