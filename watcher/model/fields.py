"""Field types that settings and detector parameters share."""

from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from watcher.model.time import Duration, format_duration, parse_duration


def _duration(value: Any) -> Any:  # noqa: ANN401 - whatever YAML held
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("write a duration as 30s, 5m, 6h or 14d")  # noqa: TRY004 - pydantic wants ValueError
    if isinstance(value, int):
        raise ValueError(f"{value} has no unit; write {value}s, {value}m or {value}h")  # noqa: TRY004
    return parse_duration(value)


DurationField = Annotated[
    Duration,
    BeforeValidator(_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": r"^(\d+(ms|s|m|h|d))+$", "examples": ["30s", "5m", "6h", "14d"]}
    ),
]
"""A duration in milliseconds, written `30s`, `5m`, `6h`, `14d`."""
