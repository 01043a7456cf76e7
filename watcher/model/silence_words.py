"""Silences as people and programs read them."""

from collections.abc import Iterable
from typing import Final

from watcher.model.labels import Matcher
from watcher.model.recurrence import ALL_DAYS, Recurrence
from watcher.model.silence import Silence, spec_of
from watcher.model.time import Instant, rfc3339

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def matcher_words(matchers: Iterable[Matcher]) -> str:
    """``resource=shop severity=info severity=warning``, as it may be typed; what has none hides all."""
    words = [
        f"{one.label}=~{one.regex}" if one.regex is not None else f"{one.label}={value}"
        for one in matchers
        for value in (one.values or ("",))
    ]
    return " ".join(words) or "everything"


def recurrence_words(recurrence: Recurrence) -> str:
    """``mon-fri 22:00-06:00 Europe/Berlin``, as it may be typed."""
    hours = f"{_time(recurrence.start)}-{_time(recurrence.end)}"
    days = "" if recurrence.days == ALL_DAYS else f"{_days(recurrence)} "
    return f"{days}{hours} {recurrence.zone}"


def silence_json(silence: Silence, at: Instant, occurrences: int) -> dict[str, object]:
    """A silence as it stands at a time, with the next times it holds."""
    recurrence = silence.recurrence
    spans = silence.spans(at, occurrences)
    return {
        "id": silence.id,
        "matchers": dict(spec_of(silence.matchers)),
        "starts_at": rfc3339(silence.starts_at),
        "ends_at": None if silence.ends_at is None else rfc3339(silence.ends_at),
        "recurrence": None if recurrence is None else _recurrence_json(recurrence),
        "author": silence.author,
        "reason": silence.reason,
        "created_at": rfc3339(silence.created_at),
        "ended_at": None if silence.ended_at is None else rfc3339(silence.ended_at),
        "ended_by": silence.ended_by or None,
        "active": silence.until(at) is not None,
        "over": not spans,
        "occurrences": [{"start": rfc3339(span.start), "end": rfc3339(span.end)} for span in spans],
    }


def _recurrence_json(recurrence: Recurrence) -> dict[str, object]:
    return {
        "days": [DAYS[day] for day in sorted(recurrence.days)],
        "from": _time(recurrence.start),
        "to": _time(recurrence.end),
        "zone": recurrence.zone,
    }


def _time(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _days(recurrence: Recurrence) -> str:
    days = sorted(recurrence.days)
    in_a_row = len(days) > 2 and days[-1] - days[0] == len(days) - 1
    return f"{DAYS[days[0]]}-{DAYS[days[-1]]}" if in_a_row else ",".join(DAYS[day] for day in days)
