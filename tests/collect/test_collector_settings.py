"""What every source may be configured to, whatever its vendor."""

from typing import Any

import pytest
from pydantic import ValidationError

from watcher.collect.collector import BOUNDS, SourceSettings
from watcher.collect.vendors import known, vendor
from watcher.document.fields import DurationField


class Rare(SourceSettings):
    """A vendor's settings with a default of their own."""

    every: DurationField = 300_000


def read(settings: type[SourceSettings], **keys: Any) -> SourceSettings:  # noqa: ANN401 - as YAML has it
    return settings.model_validate({"name": "a", "vendor": "b", **keys})


@pytest.mark.parametrize("settings", [SourceSettings, Rare])
@pytest.mark.parametrize(
    ("key", "value", "hint"),
    [
        ("every", "0s", "write 1s to 1d"),
        ("every", "999ms", "write 1s to 1d"),
        ("every", "99999999999999d", "write 1s to 1d"),
        ("timeout", "0s", "write 1s to 10m"),
        ("timeout", "11m", "write 1s to 10m"),
        ("settle", "2d", "write 0s to 1d"),
        ("overlap", "25h", "write 0s to 1d"),
        ("backfill", "401d", "write 0s to 400d"),
    ],
)
def test_a_duration_out_of_bounds_is_refused_with_what_would_be_right(
    settings: type[SourceSettings], key: str, value: str, hint: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        read(settings, **{key: value})
    (error,) = caught.value.errors()

    assert (error["loc"], error["ctx"]["hint"]) == ((key,), hint)


@pytest.mark.parametrize("limit", [0, 0.0001, 1001, float("inf"), float("nan")])
def test_a_limit_that_is_no_rate_is_refused(limit: float) -> None:
    with pytest.raises(ValidationError):
        read(SourceSettings, limit=limit)


@pytest.mark.parametrize(
    "keys",
    [
        {"every": "1s", "timeout": "1s", "settle": "0s", "overlap": "0s", "backfill": "0s", "limit": 0.001},
        {"every": "1d", "timeout": "10m", "settle": "1d", "overlap": "1d", "backfill": "400d", "limit": 1000},
    ],
)
def test_the_bounds_themselves_are_right(keys: dict[str, Any]) -> None:
    assert read(Rare, **keys).model_dump(include=set(keys)) == keys


@pytest.mark.parametrize("name", known())
def test_every_vendors_own_defaults_are_within_bounds(name: str) -> None:
    found = vendor(name)
    assert found is not None
    defaults = found.settings.model_construct(name="a", vendor=name)
    keys = defaults.model_dump(include={*BOUNDS, "limit"})

    assert read(SourceSettings, **keys).model_dump(include=set(keys)) == keys


def test_the_schema_says_what_an_editor_can_check() -> None:
    schema = SourceSettings.model_json_schema()["properties"]

    assert schema["every"]["type"] == "string"
    assert (schema["limit"]["minimum"], schema["limit"]["maximum"]) == (0.001, 1000)
