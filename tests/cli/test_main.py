"""Every way of ending a command, as a shell sees it."""

import inspect
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from cyclopts import App

from tests.cli.conftest import Cli
from watcher.cli import main as rim
from watcher.cli.main import VERBS, build
from watcher.cli.plain import printable
from watcher.errors import (
    ConfigurationError,
    LeaseLost,
    Problem,
    SecretUnavailable,
    StoreReplaced,
    StoreUnavailable,
    UserError,
)

HEAVY = ("sqlalchemy", "apprise", "numpy", "aiohttp", "pydantic", "structlog", "anyio", "ruamel", "jinja2")


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from watcher.cli.main import main; main(['--help']); print('', *sys.modules)"
    ended = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert "Usage: watcher COMMAND" in ended.stdout
    assert [name for name in HEAVY if name in ended.stdout.split()] == []


@pytest.mark.parametrize("verb", [name for name, _, _ in VERBS])
def test_every_verb_has_its_help(verb: str, cli: Cli) -> None:
    ended = cli(*verb.split(), "--help")

    assert (ended.code, ended.err) == (0, "")
    assert f"Usage: watcher {verb}" in ended.out


def test_help_names_what_a_value_is(cli: Cli) -> None:
    assert "--for DURATION" in cli("run", "--help").out
    assert "--since TIME" in cli("incidents", "list", "--help").out


@pytest.mark.parametrize(("verb", "path"), [(name, path) for name, path, _ in VERBS])
def test_every_verb_answers_with_an_exit_code(verb: str, path: str) -> None:
    module, _, name = path.partition(":")
    function = getattr(import_module(module), name)

    assert inspect.signature(function).return_annotation is int, verb


def test_an_async_verb_is_run_and_not_only_made(tmp_path: Path, cli: Cli) -> None:
    config = tmp_path / "watcher.yaml"
    config.write_text("database: sqlite:///watcher.db\n")

    assert cli("db", "upgrade", "-c", config).code == 0
    assert (tmp_path / "watcher.db").exists()


@pytest.mark.parametrize("words", [(), ("--help",), ("rules",), ("incidents", "-h")])
def test_asking_for_nothing_shows_what_there_is(words: tuple[str, ...], cli: Cli) -> None:
    ended = cli(*words)

    assert (ended.code, ended.err) == (0, "")
    assert "Commands" in ended.out


def test_the_version_is_that_of_the_package(cli: Cli) -> None:
    assert cli("--version").out == "0.1.0\n"


NO_TIME = "'yesterday' is no time; write 6h for six hours ago, 2026-11-22, or 2026-11-22T03:00Z"
NO_DURATION = "'60' is not a duration; write 30s, 5m, 6h or 14d"


@pytest.mark.parametrize(
    ("words", "told", "where"),
    [
        ("statsu", "unknown command `statsu`; did you mean `status`?", ""),
        ("rules tset", "unknown command `tset`; did you mean `test`?", "rules"),
        ("rules x", "unknown command `x`; there are list, lint, test, why, why-not", "rules"),
        ("check --bogus", "Unknown option: --bogus", "check"),
        ("run --for", 'Command "run" parameter --for requires an argument', "run"),
        ("demo --for 60", f"Invalid value for --for: {NO_DURATION}", "demo"),
        ("incidents list --limit 0", 'Invalid value "0" for --limit. Must be >= 1', "incidents list"),
        ("incidents list --since yesterday", f"Invalid value for --since: {NO_TIME}", "incidents list"),
    ],
)
def test_wrong_use_is_told_in_one_line(words: str, told: str, where: str, cli: Cli) -> None:
    ended = cli(*words.split())

    help_command = " ".join(["watcher", *where.split(), "--help"])
    assert (ended.code, ended.out) == (2, "")
    assert ended.complaints == [f"{told}; see `{help_command}`"]


def test_a_configuration_that_is_not_there_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    monkeypatch.chdir(tmp_path)

    ended = cli("check")

    assert ended.code == 2
    told = "watcher.yaml: there is no such file; name one with -c FILE or $WATCHER_CONFIG"
    assert ended.complaints == [f"{told}; write one with `watcher init`"]


def test_the_variable_names_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    monkeypatch.setenv("WATCHER_CONFIG", str(tmp_path / "other.yaml"))

    assert cli("status").complaints[0].startswith(f"{tmp_path}/other.yaml: there is no such file")


def wrong(*lines: int) -> ConfigurationError:
    return ConfigurationError(Problem("a.yaml", line, 1, "wrong", "do right") for line in lines)


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (wrong(3, 1), 2, ["a.yaml:1:1: wrong; do right", "a.yaml:3:1: wrong; do right"]),
        (SecretUnavailable("X is not set", hint="set it"), 2, ["X is not set; set it"]),
        (ExceptionGroup("", [UserError("one"), ExceptionGroup("", [UserError("two")])]), 2, ["one", "two"]),
        (LeaseLost("another watcher has taken over"), 69, ["another watcher has taken over"]),
        (StoreUnavailable("locked"), 69, ["locked"]),
        (StoreReplaced("watcher.db was removed"), 69, ["watcher.db was removed"]),
        (UserError("two\nlines \x1b[2J"), 2, ["two", "lines \\x1b[2J"]),
        (BaseExceptionGroup("", [KeyboardInterrupt()]), 130, []),
        (
            ExceptionGroup("", [ZeroDivisionError("x / 0"), UserError("one")]),
            70,
            [
                "bug in watcher: ZeroDivisionError: x / 0",
                "please report it with the traceback that WATCHER_DEBUG=1 shows",
            ],
        ),
    ],
)
def test_each_kind_of_error_has_its_exit_code_and_its_lines(
    error: BaseException, code: int, told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert rim._ended(error) == code
    assert capsys.readouterr().err.splitlines() == told


def test_a_traceback_is_shown_to_who_asks_for_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WATCHER_DEBUG", "1")
    with pytest.raises(ZeroDivisionError) as raised:
        1 // 0  # noqa: B018 - raises

    assert rim._ended(raised.value) == 70
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_a_reader_that_goes_away_ends_the_command_in_peace() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as nobody:
        ended = subprocess.run(
            [sys.executable, "-m", "watcher", "rules", "list"],
            stdout=nobody,
            stderr=subprocess.PIPE,
            check=False,
        )

    assert (ended.returncode, ended.stderr) == (0, b"")


def test_building_the_verbs_imports_none_of_them() -> None:
    root = build()

    assert isinstance(root, App)
    assert {"run", "rules", "--help"} <= set(root)


def test_control_characters_are_written_out_and_lines_kept() -> None:
    assert printable("a\x1b[31mb\tc\nd\x9be\u202ef\r") == "a\\x1b[31mb\tc\nd\\x9be\\u202ef\\r"
