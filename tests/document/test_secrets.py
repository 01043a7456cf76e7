"""Secrets: revealed at use, shown never."""

import json
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, ValidationError

from watcher.document.context import ValidationContext
from watcher.document.secrets import Secret, SecretUrl
from watcher.errors import SecretUnavailable


class Account(BaseModel):
    model_config = ConfigDict(frozen=True)

    password: Secret
    url: SecretUrl | None = None


def account(*, secrets: bool = False, **values: object) -> Account:
    context = ValidationContext(secrets=secrets)
    return Account.model_validate(values, context=context)


def test_a_secret_reads_its_variable_at_use(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = account(password={"env": "PW"}).password
    monkeypatch.setenv("PW", "first")

    assert secret.reveal() == "first"

    monkeypatch.setenv("PW", "second\n")

    assert secret.reveal() == "second"


def test_a_secret_file_starts_at_the_folder_and_loses_one_newline(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("word\n\n")
    (tmp_path / "pw").chmod(0o600)
    read = Account.model_validate({"password": {"file": "pw"}}, context=ValidationContext(tmp_path))

    assert read.password.reveal() == "word\n"


def test_a_byte_order_mark_is_no_part_of_a_secret(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("word", encoding="utf-8-sig")
    (tmp_path / "pw").chmod(0o600)

    assert Secret(file=tmp_path / "pw").reveal() == "word"


def test_a_file_everyone_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("word")
    (tmp_path / "pw").chmod(0o644)

    with pytest.raises(SecretUnavailable, match="can be read by everyone"):
        Secret(file=tmp_path / "pw").reveal()


def test_an_absent_file_and_an_empty_variable_are_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PW", "")

    with pytest.raises(SecretUnavailable, match="No such file"):
        Secret(file=tmp_path / "no").reveal()
    with pytest.raises(SecretUnavailable, match="PW is empty"):
        Secret(env="PW").reveal()


def test_nothing_shows_a_literal() -> None:
    held = account(password="hunter2", url="slack://TokenA/TokenB")

    assert held.password.reveal() == "hunter2"
    for shown in (repr(held), str(held.password), held.model_dump_json(), str(held.url), f"{held.url}"):
        assert "hunter2" not in shown
        assert "TokenA" not in shown


def test_a_dump_keeps_the_reference() -> None:
    held = account(password={"env": "PW"}, url="mailto://me:{env:MAIL}@example.com")

    assert json.loads(held.model_dump_json()) == {
        "password": {"env": "PW"},
        "url": "mailto://me:{env:MAIL}@example.com",
    }


def test_validation_asks_for_the_secret_only_when_told_to() -> None:
    account(password={"env": "SURELY_NOT_SET"})
    with pytest.raises(ValidationError, match="SURELY_NOT_SET is not set"):
        account(secrets=True, password={"env": "SURELY_NOT_SET"})


@pytest.mark.parametrize(
    "value", [5, "", {"env": "A", "file": "b"}, {"env": ""}, ["x"], {"env:PW": None}, None]
)
def test_other_shapes_are_no_secret(value: object) -> None:
    with pytest.raises(ValidationError, match="expected a secret"):
        account(password=value)


def test_a_secret_in_a_url_is_percent_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW", "p@ss/wörd?")
    url = SecretUrl.read("mailto://me:{env:PW}@example.com")

    assert url.reveal() == "mailto://me:p%40ss%2Fw%C3%B6rd%3F@example.com"
    assert {"p@ss/wörd?", "p%40ss%2Fw%C3%B6rd%3F"} <= set(url.values())
    assert not url.literal


def test_a_whole_url_may_be_a_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK", "slack://a/b/c")
    url = SecretUrl.read({"env": "SLACK"})

    assert url.reveal() == "slack://a/b/c"
    assert "slack://a/b/c" in url.values()
    assert str(url) == "{env: SLACK}"


@pytest.mark.parametrize(
    ("text", "literal", "masked"),
    [
        ("sqlite:///var/watcher.db", False, "sqlite:///var/watcher.db"),
        ("postgresql+asyncpg://user:pw@host/db", True, "postgresql+asyncpg://user:***@host/db"),
        ("postgresql://user@host/db", False, "postgresql://user@host/db"),
        ("slack://a/b/c", True, "slack://***"),
        ("json://127.0.0.1:8080/hook", False, "json://127.0.0.1:8080/hook"),
        ("mailto://u:{env:PW}@example.com", False, "mailto://u:{env:PW}@example.com"),
        ("mailto://u:{env:PW}@h?to=a@b", False, "mailto://u:{env:PW}@h?to=a@b"),
        ("mailto://u:{env:PW}@h?to=a@b&pass=pw", True, "mailto://u:{env:PW}@h?to=a@b&pass=***"),
        ("mailto://u:x{env:PW}@h", True, "mailto://u:***@h"),
        ("postgresql://user:pa/ss@host/db", True, "postgresql://user:***@host/db"),
        ("postgresql://user:p?s#s@host/db", True, "postgresql://user:***@host/db"),
        ("postgresql://user:p@ss@host/db", True, "postgresql://user:***@host/db"),
        ("postgresql://us@er:pw@host/db", True, "postgresql://us@er:***@host/db"),
        ("postgresql://user@h/db?password=pw&ssl=on", True, "postgresql://user@h/db?password=***&ssl=on"),
        ("postgresql://user@h/db?p%61ssword=p@w", True, "postgresql://user@h/db?p%61ssword=***"),
        ("postgresql://user@h/db?password={env:PW}", False, "postgresql://user@h/db?password={env:PW}"),
        ("http://user:p/w@proxy:3128", True, "http://user:***@proxy:3128"),
        ("http://token@proxy:1/", True, "http://***@proxy:1/"),
        ("http://token:@proxy:1/", True, "http://***:@proxy:1/"),
        ("http://token@host:80/a@b", True, "http://***@b"),
        ("http://{env:TOKEN}@proxy:1/", False, "http://{env:TOKEN}@proxy:1/"),
        ("json://h/?+X-Token=pw&a=b", True, "json://h/?+X-Token=***&a=b"),
        ("mailto://u@example.com?pass=pw", True, "mailto://u@example.com?pass=***"),
        ("mailto://me@a.org:{env:PW}@h", False, "mailto://me@a.org:{env:PW}@h"),
        ("sqlite:////srv/a:b@c.db", False, "sqlite:////srv/a:b@c.db"),
        ("slack://{env:A}/b?token=pw", True, "slack://{env:A}/b?token=***"),
    ],
)
def test_a_url_knows_whether_it_holds_a_secret(text: str, *, literal: bool, masked: str) -> None:
    url = SecretUrl.read(text)

    assert (literal, masked) == (url.literal, url.masked())


def test_where_host_and_port_read_well_nothing_is_told_though_more_is_masked() -> None:
    url = SecretUrl.read("mailto://127.0.0.1:25?to=a@b")

    assert (url.literal, url.masked()) == (False, "mailto://127.0.0.1:***@b")


def test_a_password_behind_an_odd_user_is_told_to_the_redactor_alone() -> None:
    assert {"hunter2", "us@er:hunter2"} <= set(SecretUrl("http://us@er:hunter2@h").values())


def test_a_literal_password_is_told_to_the_redactor_in_both_forms() -> None:
    assert set(SecretUrl.read("http://u:a%40b@h").values()) == {"a%40b", "a@b"}


_PASSWORDS = st.text(st.characters(exclude_characters="{}", exclude_categories=["Cs"]), min_size=1)
_URLS = [
    "postgresql://watcher:{}@~.invalid/db",
    "http://user:{}@~.invalid:3128",
    "mailto://user:{}@~.invalid?to=~",
    "http://{}@~.invalid",
]


@example("http://{}@~.invalid", "@0")
@example("postgresql://watcher:{}@~.invalid/db", "1/a?b#c@d")
@given(st.sampled_from(_URLS), _PASSWORDS)
def test_no_password_is_ever_shown_and_each_is_told_to_the_redactor(template: str, password: str) -> None:
    assume(":{}" in template or ":" not in password)
    url = SecretUrl(template.replace("{}", password))

    for shown in (url.masked(), str(url), repr(url), str(url.reference)):
        assert password not in shown or password in f"SecretUrl({template.replace('{}', '***')})"
    assert {password, unquote(password)} <= set(url.values())


@given(st.sampled_from(["password", "+X-Token", "api%5Fkey"]), _PASSWORDS)
def test_no_secret_of_a_query_is_ever_shown(name: str, password: str) -> None:
    url = SecretUrl(f"postgresql://watcher@~.invalid/db?{name}={quote(password, safe='')}&a=b")

    assert url.literal
    assert url.masked() == f"postgresql://watcher@~.invalid/db?{name}=***&a=b"
    assert {password, quote(password, safe="")} <= set(url.values())


@pytest.mark.parametrize("value", ["no url", 5, "mailto://{env:}@x", "x://{env:1A}"])
def test_what_is_no_url_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        account(password="x", url=value)


def test_the_schema_offers_the_three_forms() -> None:
    schema = Account.model_json_schema()["properties"]["password"]

    assert [form["type"] for form in schema["anyOf"]] == ["string", "object", "object"]
