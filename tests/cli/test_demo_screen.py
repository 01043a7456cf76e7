"""What the demo shows: how far the past is read, and vendors' words as words."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from tests.conftest import BASE, LoopClock
from tests.store.building import key, opened, resolved
from watcher.cli.demo_screen import Backfill, DemoScreen
from watcher.cli.screen import Screen, show_json, show_table
from watcher.model.incident import Change, Incident, Status, Transition
from watcher.model.ports import Committed, Tick
from watcher.model.sample import Poll, Sight
from watcher.model.time import HOUR, MINUTE, Duration


def sight(stream: str, behind: Duration, *, caught_up: bool = False) -> Poll:
    return Poll(Sight("cdnv", "cdnvideo", stream, BASE, up=True, caught_up=caught_up, behind=behind))


def tick(*polls: Poll) -> Tick:
    return Tick(BASE, polls)


def incident(transition: Transition) -> Incident:
    return Incident(
        id="01",
        key=transition.key,
        severity=transition.severity,
        status=Status.OPEN if transition.resolved_at is None else Status.RESOLVED,
        summary=transition.summary,
        opened_at=transition.opened_at,
        resolved_at=transition.resolved_at,
        detected_at=transition.decided_at,
        evidence=transition.evidence,
        recovery=transition.recovery,
    )


def test_progress_is_what_was_to_be_read_less_what_still_is() -> None:
    backfill = Backfill()
    backfill.see(tick(sight("past", 5 * HOUR), sight("fine", HOUR)))
    assert (backfill.total, backfill.read, backfill.over) == (6 * HOUR, 0, False)

    backfill.see(tick(sight("past", 0, caught_up=True), sight("fine", HOUR + MINUTE)))
    assert (backfill.read, backfill.over) == (5 * HOUR, False)

    backfill.see(tick(sight("fine", 0, caught_up=True)))
    assert (backfill.read, backfill.over) == (6 * HOUR, True)


def test_nothing_seen_yet_is_not_the_end() -> None:
    backfill = Backfill()
    backfill.see(tick(sight("streams", 0, caught_up=True)))

    assert not backfill.over


def test_openings_and_ends_are_lines_with_evidence_and_moves_are_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = DemoScreen(tmp_path, LoopClock())
    opening = opened(key("shop"), at=BASE - 50 * MINUTE)
    end = resolved(opening, end=BASE - 38 * MINUTE)
    with screen:
        screen.listen(tick(), [Committed(Change.OPENED, incident(opening))])
        screen.listen(tick(), [Committed(Change.MOVED, incident(opening))])
        screen.listen(tick(), [Committed(Change.RESOLVED, incident(end))])

    assert capsys.readouterr().out.splitlines() == [
        "03:00:00Z  opened    warning  resource shop: 5xx 12.4 %  (since 02:10Z, 50 min ago)",
        "03:00:00Z  resolved  warning  resource shop: 5xx 12.4 %  (lasted 12 min; now 5xx 0.2 %)",
    ]


@pytest.mark.parametrize("width", [80, 120])
def test_on_a_terminal_no_line_is_wider_and_what_goes_on_stands_below_its_text(
    width: int, tmp_path: Path
) -> None:
    shown = StringIO()
    out = Console(file=shown, width=width, force_terminal=True, color_system=None, soft_wrap=True)
    summary = " ".join(["source huawei: API calls fail"] + ["and the reason is long"] * 8)
    screen = DemoScreen(tmp_path, LoopClock(), out)
    screen.listen(tick(), [Committed(Change.OPENED, replace(incident(opened(key("shop"))), summary=summary))])

    first, *rest = shown.getvalue().splitlines()
    assert first.startswith("03:00:00Z  opened    warning  source huawei: API calls fail and")
    assert max(map(len, (first, *rest))) <= width
    assert rest
    assert all(line.startswith(" " * 30) and line[30] != " " for line in rest)


def test_a_vendors_text_is_neither_markup_nor_control(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("A", "B"), [("[red]x[/red]\x1b[2J", "[/]")])

    assert capsys.readouterr().out.splitlines() == ["A                    B", "[red]x[/red]\\x1b[2J  [/]"]


def test_a_pipe_gets_each_row_whole(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("A", "B"), [("x" * 500, "y" * 500)])

    assert capsys.readouterr().out.splitlines()[1] == f"{'x' * 500}  {'y' * 500}"


def test_what_is_not_a_finite_number_is_null_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    show_json({"value": float("nan")})

    assert capsys.readouterr().out == '{\n  "value": null\n}\n'


def test_a_reader_that_went_away_is_not_richs_affair() -> None:
    assert issubclass(Screen, Console)
    with pytest.raises(BrokenPipeError):
        Screen().on_broken_pipe()
