"""Named times of the configuration: the nights and weekends in which routes stay quiet."""

import re
from typing import Annotated, Any, Final, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from watcher.model.recurrence import ALL_DAYS, MIDNIGHT, Recurrence
from watcher.notify.receivers import ZoneName

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")


def _minutes(text: Any) -> Any:  # noqa: ANN401 - whatever YAML held
    if isinstance(text, str) and _TIME.fullmatch(text):
        hours, minutes = text.split(":")
        return int(hours) * 60 + int(minutes)
    words = text.split() if isinstance(text, str) else []
    zoned = len(words) == 2 and _TIME.fullmatch(words[0]) is not None
    hint = f", with `zone: {words[1]}` beside" if zoned else ""
    raise ValueError(f"{text!r} is no time of day; write it in quotes as '22:00'{hint}")


def _days(value: Any) -> Any:  # noqa: ANN401 - see above
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not words:
        raise ValueError("expected days of the week, as [sat, sun] or mon-fri")
    return frozenset(day for word in words for day in _span(word))


def _span(word: Any) -> list[int]:  # noqa: ANN401 - see above
    """``fri`` is one day, ``fri-mon`` four."""
    names = str(word).lower().split("-")
    if len(names) > 2 or any(name not in _DAYS for name in names):
        raise ValueError(
            f"{word!r} is no day of the week; write mon, tue, wed, thu, fri, sat, sun or mon-fri"
        )
    first, last = _DAYS.index(names[0]), _DAYS.index(names[-1])
    return [(first + ordinal) % 7 for ordinal in range((last - first) % 7 + 1)]


TimeOfDay: TypeAlias = Annotated[
    int, BeforeValidator(_minutes, json_schema_input_type=Annotated[str, Field(pattern=_TIME.pattern)])
]
DaysField: TypeAlias = Annotated[
    frozenset[int], BeforeValidator(_days, json_schema_input_type=str | list[str])
]


class TimeSettings(BaseModel):
    """One span of the day on some days of the week; one that ends before it starts crosses midnight."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: TimeOfDay = Field(alias="from", description="time of day it starts at, '22:00'")
    end: TimeOfDay = Field(alias="to", description="time of day it ends at; '24:00' is midnight")
    days: DaysField = Field(default=ALL_DAYS, description="days it starts on: [sat, sun], or mon-fri")
    zone: ZoneName = Field(default="UTC", description="whose clocks: Europe/Berlin")

    @model_validator(mode="after")
    def _lasts(self) -> "TimeSettings":
        """One that starts when it ends may be meant as nothing or as a day; the day has a name of its own."""
        whole_day = (self.start, self.end) == (0, MIDNIGHT)
        if self.start % MIDNIGHT == self.end % MIDNIGHT and not whole_day:
            raise ValueError("it starts when it ends; write from '00:00' to '24:00' for a whole day")
        return self

    def recurrence(self) -> Recurrence:
        """The same for who reckons with it."""
        return Recurrence(self.start, self.end, self.days, self.zone)


def _several(value: Any) -> Any:  # noqa: ANN401 - see above
    return value if isinstance(value, list) else [value]


NamedTime: TypeAlias = Annotated[
    tuple[TimeSettings, ...],
    BeforeValidator(_several, json_schema_input_type=TimeSettings | list[TimeSettings]),
]
"""One span or several under one name."""
