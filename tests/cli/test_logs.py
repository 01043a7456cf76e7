"""Log lines: their shape, and what never stands in them."""

import io
import json
import logging

import pytest
import structlog

from watcher.cli import logs
from watcher.errors import UserError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def logged(stream: io.StringIO, event: str, **fields: object) -> str:
    structlog.get_logger().info(event, **fields)
    return stream.getvalue()


def test_what_is_no_terminal_gets_one_line_of_pairs() -> None:
    out = io.StringIO()
    logs.set_up(stream=out)

    line = logged(out, "stream_up", source="cdnv", after="a b")

    assert line.startswith("timestamp=20")
    assert line.endswith('level=info event=stream_up source=cdnv after="a b"\n')


def test_a_terminal_gets_colours_unless_they_are_unwanted(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal()
    logs.set_up(stream=out)
    assert "\x1b[" in logged(out, "stream_up")

    monkeypatch.setenv("NO_COLOR", "1")
    out = Terminal()
    logs.set_up(stream=out)
    assert "\x1b[" not in logged(out, "stream_up")


def test_json_lines_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHER_LOG", "json")
    out = io.StringIO()
    logs.set_up(stream=out)

    line = json.loads(logged(out, "stream_up", source="cdnv"))

    assert (line["event"], line["level"], line["source"]) == ("stream_up", "info", "cdnv")


def test_an_unknown_shape_is_wrong_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHER_LOG", "xml")

    with pytest.raises(UserError, match="WATCHER_LOG=xml: write console, logfmt or json"):
        logs.set_up(stream=io.StringIO())


@pytest.mark.parametrize("shape", ["console", "logfmt", "json"])
def test_a_secret_is_masked_wherever_it_stands(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHER_LOG", shape)
    out = io.StringIO()
    secrets = ["hunter2-hunter2"]
    logs.set_up(secrets, stream=out)
    secrets.append("learned-later")
    refused = ValueError("token learned-later refused")
    structlog.get_logger().error("failed", url="https://u:hunter2-hunter2@example.com", exc_info=refused)

    assert "ValueError: token *** refused" in out.getvalue()
    assert "hunter2" not in out.getvalue()
    assert "learned-later" not in out.getvalue()


def test_what_libraries_log_goes_the_same_way() -> None:
    out = io.StringIO()
    logs.set_up(["hunter2-hunter2"], stream=out)

    logging.getLogger("some.library").warning("refused %s", "hunter2-hunter2")
    logging.getLogger("some.library").info("chatter")
    logging.getLogger("apprise").error("payload")

    assert len(out.getvalue().splitlines()) == 1
    assert 'event="refused ***" logger=some.library' in out.getvalue()


@pytest.mark.parametrize("shape", ["console", "logfmt"])
def test_a_vendors_text_moves_no_cursor(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHER_LOG", shape)
    out = io.StringIO()
    logs.set_up(stream=out)

    assert "\x1b" not in logged(out, "stream_down", message="\x1b[2Jgone")


def test_set_up_twice_logs_once() -> None:
    logs.set_up(stream=io.StringIO())
    out = io.StringIO()
    logs.set_up(stream=out)

    logging.getLogger("some.library").warning("once")

    assert len(out.getvalue().splitlines()) == 1
