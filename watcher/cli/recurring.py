"""Times that come back, as a person types them, and windows that the configuration names."""

from pathlib import Path
from typing import Final

from pydantic import ValidationError

from watcher.config import load_maintenance
from watcher.errors import UserError
from watcher.model.recurrence import Recurrence
from watcher.model.silence import Silence
from watcher.notify.times import TimeSettings

_WRITTEN: Final = 'write it as "mon-fri 22:00-06:00 Europe/Berlin", "sat,sun 00:00-24:00" or "02:00-04:00"'


def recurrence(text: str) -> Recurrence:
    """Days (all, where none are named), from-to, and a zone (UTC, where none is named).

    Raises:
        UserError: anything else, with what would be right.
    """
    words = text.split()
    at = next((place for place, word in enumerate(words) if ":" in word), None)
    if at is None or at > 1 or len(words) > at + 2 or words[at].count("-") != 1:
        raise UserError(f"--every {text!r}: {_WRITTEN}")
    start, _, end = words[at].partition("-")
    values: dict[str, object] = {"from": start, "to": end}
    if at:
        values["days"] = [day for day in words[0].split(",") if day]
    if words[at + 1 :]:
        values["zone"] = words[at + 1]
    try:
        return TimeSettings.model_validate(values).recurrence()
    except ValidationError as error:
        wrong = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise UserError(f"--every {text!r}: {wrong}; {_WRITTEN}") from None


def maintenance_in(config: Path) -> tuple[Silence, ...]:
    """The windows of a configuration; none where it is not right in this part: `check` says what is wrong."""
    return load_maintenance(config)
