"""No secret survives in a text or a log line."""

from urllib.parse import quote

import pytest
from structlog.processors import format_exc_info
from structlog.types import EventDict

from watcher.document.redaction import redact, redactor

PASSWORD = "s3cret/p&ss wörd"


@pytest.mark.parametrize(
    "text",
    [
        f"login with {PASSWORD} failed",
        f"mailto://me:{quote(PASSWORD, safe='')}@example.com",
        "username=me&password=s3cret%2Fp%26ss+w%C3%B6rd",
    ],
)
def test_a_secret_is_masked_plain_and_percent_encoded(text: str) -> None:
    clean = redact(text, {PASSWORD})

    assert "***" in clean
    assert "s3cret" not in clean


def test_the_longer_of_two_secrets_is_masked_whole() -> None:
    assert redact("token-abcdef", {"token", "token-abcdef"}) == "***"


def test_a_very_short_secret_is_masked_only_as_a_word() -> None:
    assert redact("pw of the pwd is pw", {"pw"}) == "*** of the pwd is ***"


def test_without_secrets_a_text_stays_as_it_is() -> None:
    assert redact("as it is", {""}) == "as it is"


def line(secrets: set[str], **event: object) -> EventDict:
    masked = redactor(secrets)(None, "info", dict(event))
    assert isinstance(masked, dict)
    return masked


def test_every_field_of_a_log_line_is_masked_however_deep() -> None:
    event = line({"hidden"}, event="is hidden", nested={"hidden": ["a hidden b", ("hidden",)]}, count=3)

    assert event == {"event": "is ***", "nested": {"***": ["a *** b", ["***"]]}, "count": 3}


def test_an_object_is_kept_unless_its_repr_shows_a_secret() -> None:
    quiet, telling = ValueError("nothing"), ValueError("hidden")
    event = line({"hidden"}, quiet=quiet, telling=telling)

    assert event == {"quiet": quiet, "telling": "ValueError('***')"}


def test_a_secret_learned_later_is_masked_too() -> None:
    secrets: set[str] = set()
    mask = redactor(secrets)
    assert mask(None, "info", {"event": "token-1"}) == {"event": "token-1"}

    secrets.add("token-1")

    assert mask(None, "info", {"event": "token-1"}) == {"event": "***"}


def test_a_traceback_shows_no_secret() -> None:
    event = format_exc_info(None, "error", {"exc_info": ValueError("the password hidden is wrong")})
    masked = redactor({"hidden"})(None, "error", event)

    assert masked == {"exception": "ValueError: the password *** is wrong"}
