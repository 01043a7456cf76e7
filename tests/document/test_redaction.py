"""No secret survives in a text or a log line."""

import json
import re
from base64 import b64encode, urlsafe_b64encode
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


@pytest.mark.parametrize("secret", ["pa\\ss'wörd", 'pa"ss word!', "sécret  two", "tab\there", "plain-word"])
def test_a_secret_is_masked_in_every_form_it_is_written_in(secret: str) -> None:
    coded = secret.encode()
    forms = [
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        repr(coded)[2:-1],
        repr(f"'\"{secret}")[4:-1],
        " ".join(secret.split()),
        "\n  ".join(secret.split()),
        b64encode(coded).decode(),
        urlsafe_b64encode(coded).decode().rstrip("="),
    ]

    for form in forms:
        assert redact(f"<{form}>", {secret}).rstrip("=>") == "<***", form


@pytest.mark.parametrize("user", ["a", "ab", "abc"])
def test_what_basic_authentication_sends_is_masked_whoever_the_user_is(user: str) -> None:
    sent = b64encode(f"{user}:{PASSWORD}".encode()).decode()

    assert re.fullmatch(r"Basic \w{2,6}\*\*\*\w?=*", redact(f"Basic {sent}", {PASSWORD}))


def test_of_a_secret_of_spaces_nothing_is_masked() -> None:
    assert redact("a   b", {"   "}) == "a   b"


def test_the_longer_of_two_secrets_is_masked_whole() -> None:
    assert redact("token-abcdef", {"token", "token-abcdef"}) == "***"


def test_a_very_short_secret_is_masked_only_as_a_word() -> None:
    assert redact("pw of the pwd is pw", {"pw"}) == "*** of the pwd is ***"
    assert redact("a c h", {"h"}) == "a c ***"
    assert redact("the administrator is admin, admin:admin@host", {"admin"}) == (
        "the administrator is ***, ***:***@host"
    )


def test_a_short_secret_is_masked_in_base64_wherever_it_stands() -> None:
    sent = b64encode(b"root:admin").decode()

    assert "***" in redact(f"Basic {sent}", {"admin"})


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
