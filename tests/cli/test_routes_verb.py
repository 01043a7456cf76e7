"""`routes test`: who would be told, when, through which route; and what `check` says of routes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Cli

Written = Callable[[str], Path]

ROUTED = """\
sources:
  - {name: edge, vendor: tls, targets: [www.example.com:443]}
receivers:
  - {name: oncall, urls: ["json://127.0.0.1:9/a"], rate: 10/1m}
  - {name: mail, urls: ["mailto://127.0.0.1:9/?from=a@example.com&to=b@example.com"]}
  - {name: chat, urls: ["json://127.0.0.1:9/b"]}
times:
  nights: {from: "22:00", to: "07:00", zone: Europe/Berlin}
routes:
  - {name: pager, match: {severity: critical}, to: [oncall], repeat: 1h, repeat_max: 8h, continue: true}
  - {match: {source: edge}, to: [mail], group_by: [source, rule], mute: [nights], digest: 1h}
  - {match: {source: edge}, to: [chat]}
"""
LABELS = "source=edge,rule=certificate_expiry"


def test_each_target_is_told_when_through_which_route_and_who_is_not_and_why(
    written: Written, cli: Cli
) -> None:
    path = written(ROUTED)

    answer = cli(
        *("routes", "test", "-c", path, "--labels", LABELS, "--severity", "critical"),
        *("--at", "2026-11-22T21:30:00Z", "--json"),
    ).json

    assert answer["labels"]["vendor"] == "tls"
    assert [
        (one["target"], one["at"], one["route"]["name"], one["route"]["line"]) for one in answer["told"]
    ] == [
        ("oncall/0", "2026-11-22T21:30:00Z", "pager", 10),
        ("mail/0", "2026-11-23T06:00:00Z", "routes[1]", 11),
    ]
    assert answer["told"][0] | {"route": None} == {
        "target": "oncall/0",
        "at": "2026-11-22T21:30:00Z",
        "route": None,
        "pauses": [],
        "group": {},
        "repeat": "1h",
        "repeat_max": "8h",
        "repeat_times": None,
        "rate": "10/1m",
    }
    assert answer["told"][1]["pauses"] == [
        {"reason": "waits for its group", "until": "2026-11-22T21:30:30Z"},
        {"reason": "muted", "until": "2026-11-23T06:00:00Z"},
    ]
    assert answer["told"][1]["group"] == {"rule": "certificate_expiry", "source": "edge"}
    assert [(one["route"]["line"], one["why"]) for one in answer["passed"]] == [
        (12, "routes[1] takes it before, without `continue`")
    ]
    assert answer["untold"] == ["chat/0"]


def test_a_person_reads_the_same(written: Written, cli: Cli) -> None:
    told = cli(
        "routes",
        "test",
        "-c",
        written(ROUTED),
        "--labels",
        LABELS,
        "--severity",
        "info",
        "--at",
        "2026-11-22T12:10:00Z",
    )

    assert told.code == 0
    lines = told.out.splitlines()
    assert lines[1].startswith("mail/0  2026-11-22T13:00:00Z  routes[1] (")
    assert "waits for the digest until 2026-11-22T13:00:00Z" in lines[1]
    assert any("wants severity=critical, and it has 'info'" in line for line in lines)
    assert lines[-1] == "not told   oncall/0, chat/0"


def test_nobody_to_tell_is_an_answer_that_a_shell_can_see(written: Written, cli: Cli) -> None:
    ended = cli("routes", "test", "-c", written(ROUTED), "--labels", "source=lsw")

    assert (ended.code, ended.out.splitlines()[0]) == (1, "nobody would be told")


def test_without_routes_everybody_is_told(written: Written, cli: Cli) -> None:
    path = written(ROUTED.partition("routes:")[0])

    answer = cli("routes", "test", "-c", path, "--labels", LABELS, "--json").json

    assert [one["target"] for one in answer["told"]] == ["oncall/0", "mail/0", "chat/0"]
    assert {one["route"]["name"] for one in answer["told"]} == {"everyone"}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--labels", "edge"], "--labels edge: write them as source=cdnv,resource=shop"),
        (["--severity", "urgent"], "--severity: 'urgent' is not a severity; write info, warning or critical"),
    ],
)
def test_what_cannot_be_asked_is_told(
    written: Written, cli: Cli, arguments: list[str], complaint: str
) -> None:
    ended = cli("routes", "test", "-c", written(ROUTED), *arguments)

    assert (ended.code, ended.complaints) == (2, [complaint])


def test_a_rule_that_is_not_in_force_is_asked_about_all_the_same_with_a_note(
    written: Written, cli: Cli
) -> None:
    ended = cli("routes", "test", "-c", written(ROUTED), "--labels", "source=edge,rule=certificate_expired")

    assert ended.code == 0
    assert ended.complaints == [
        "note: no rule `certificate_expired` is in force; did you mean `certificate_expiry`?"
    ]


def test_of_a_rule_on_trial_it_says_that_nobody_is_told_while_it_is_one(written: Written, cli: Cli) -> None:
    ended = cli("routes", "test", "-c", written(ROUTED), "--labels", "source=edge,rule=http_status_burst")

    (note,) = ended.complaints
    assert note.startswith("note: rule `http_status_burst` is of mode shadow: nobody is told of it")


def test_check_says_which_routes_nothing_comes_to_and_which_receivers_hear_nothing(
    written: Written, cli: Cli
) -> None:
    path = written(ROUTED)

    warnings = [
        f"{one['line']}:{one['column']}: {one['what']}"
        for one in cli("check", "-c", path, "--json").json["warnings"]
    ]

    assert warnings == [
        "12:5: no incident comes to this route: the route in line 11 takes all that it matches",
    ]


ALWAYS_MUTED = """\
sources: [{name: edge, vendor: tls, targets: [www.example.com:443]}]
receivers: [{name: mail, urls: ["json://127.0.0.1:9/a"]}]
times:
  weekends: {from: "00:00", to: "24:00", days: [sat, sun], zone: Europe/Berlin}
  weekdays: {from: "00:00", to: "24:00", days: mon-fri, zone: Europe/Berlin}
routes:
  - {match: {source: edge}, to: [mail], mute: [weekends]}
  - {match: {}, to: [mail], mute: [weekends, weekdays], group_by: [sorce, rule]}
"""


def test_check_warns_of_times_that_cover_the_week_and_of_labels_to_group_by_that_there_are_not(
    written: Written, cli: Cli
) -> None:
    warnings = cli("check", "-c", written(ALWAYS_MUTED), "--json").json["warnings"]

    assert [(one["line"], one["column"], one["what"], one["hint"]) for one in warnings] == [
        (
            8,
            35,
            "its times cover the whole week: this route tells of nothing new, ever",
            "leave some hours of some day free",
        ),
        (8, 68, "no incident has a label `sorce`", "did you mean `source`?"),
    ]


def test_a_mute_that_follows_a_mute_is_said_once(written: Written, cli: Cli) -> None:
    told = cli("routes", "test", "-c", written(ALWAYS_MUTED), "--labels", "source=lsw")

    assert told.out.count("muted until") == 1


def test_every_mistake_in_routes_is_told_in_its_place(written: Written, cli: Cli) -> None:
    ended = cli("check", "-c", written(WRONG))

    assert ended.code == 2
    assert [line.partition("watcher.yaml:")[2] for line in ended.complaints] == COMPLAINTS


WRONG = """\
sources: [{name: watcher, vendor: tls, targets: [www.example.com:443]}]
receivers: [{name: mail, urls: ["json://127.0.0.1:9/a"], rate: fast}]
times:
  nights: {from: "25:00", to: "07:00", zone: Berlin}
  lunch: {from: "12:00 CET", to: "13:00", days: [mon-fri, someday]}
routes:
  - {to: [mail], mute: [night]}
  - {to: [mail], repeat_max: 1h}
  - {to: [mail], repeat: 2h, repeat_max: 1h}
  - {to: [mail], group_interval: 1m}
  - {to: [mail], digest_below: critical}
  - {to: [mail], digest: 1h, digest_below: info}
  - {to: [mail], repeat_times: 3}
"""
COMPLAINTS = [
    "1:18: `watcher` is what watcher calls itself; choose another name",
    "2:64: rate: 'fast' is no rate; write 10/1m for ten messages in a minute, or none",
    "4:18: from: '25:00' is no time of day; write it in quotes as '22:00'",
    "4:46: zone: 'Berlin' is no time zone; write one as Europe/Berlin, or UTC",
    "5:17: from: '12:00 CET' is no time of day; write it in quotes as '22:00', with `zone: CET` beside",
    "5:49: days: 'someday' is no day of the week; write mon, tue, wed, thu, fri, sat, sun or mon-fri",
    "7:25: unknown time `night`; did you mean `nights`?",
    "8:5: routes[1]: `repeat_max` needs `repeat`, which it bounds",
    "9:5: routes[2]: `repeat_max` is shorter than `repeat`; make it as long or longer",
    "10:5: routes[3]: `group_interval` needs `group_by`, which says what a group is",
    "11:5: routes[4]: `digest_below` needs `digest`, which says how often",
    "12:44: digest_below: expected 'warning' or 'critical', got 'info'",
    "13:5: routes[6]: `repeat_times` needs `repeat`, which says how often",
]


WORKED_ON = """\
maintenance:
  - {name: move, match: {source: edge}, reason: moving, from: 2036-11-22T12:00Z, to: 2036-11-22T14:00Z}
receivers:
  - {name: mail, urls: ["json://127.0.0.1:9/a"]}
routes:
  - {match: {}, to: [mail], repeat: 30m, repeat_max: 4h, repeat_times: 5}
"""


def test_a_window_and_a_silence_that_hold_then_put_it_off_by_name(written: Written, cli: Cli) -> None:
    path = written(WORKED_ON)
    assert cli("db", "upgrade", "-c", path).code == 0
    silence = cli(
        *("silences", "add", "-c", path, "source=edge", "--reason", "known", "--as", "ada"),
        *("--from", "2036-11-22T13:30Z", "--until", "2036-11-22T15:00Z", "--json"),
    )

    ended = cli(
        *("routes", "test", "-c", path, "--labels", "source=edge", "--at", "2036-11-22T13:00:00Z", "--json")
    )

    [told] = ended.json["told"]
    assert told["at"] == "2036-11-22T15:00:00Z"
    assert [(pause["reason"], pause["until"]) for pause in told["pauses"]] == [
        ("in maintenance by move: moving", "2036-11-22T14:00:00Z"),
        (f"silenced by {silence.json['silence']['id']}: known", "2036-11-22T15:00:00Z"),
    ]


def test_how_often_reminders_come_is_said(written: Written, cli: Cli) -> None:
    ended = cli("routes", "test", "-c", written(WORKED_ON), "--labels", "source=web")

    assert "again every 30m, then less often, up to 4h, 5 times at most" in ended.out
    assert ended.err == ""
