"""`notify preview` and `drill`, in the process: what they show, and what they refuse."""

from pathlib import Path

import pytest

from tests.cli.conftest import Cli, Filled
from tests.databases import NOON
from tests.store.building import Store, key, opened, owed, resolved
from watcher.model.time import HOUR, MINUTE

RECEIVERS = """\
receivers:
  - {name: mail, urls: ["mailto://u:{env:NOT_SET_3}@example.com"], zone: Asia/Tokyo}
  - {name: hook, webhook: {url: "https://hooks.example.com/x"}}
public_url: https://watch.example.com
"""


async def one_over(store: Store) -> None:
    shop = opened(key("shop"))
    await store.apply(shop, owed=[owed("mail/0")])
    await store.apply(resolved(shop, end=NOON + 12 * MINUTE))


async def one_open(store: Store) -> None:
    await store.apply(opened(key("shop"), at=NOON - HOUR))


async def one_that_no_daemon_watches(store: Store) -> None:
    await one_open(store)
    await store.lease.release()


def with_receivers(path: Path) -> str:
    path.write_text(path.read_text() + RECEIVERS)
    return str(path)


def the_id(cli: Cli, config: str) -> str:
    return str(cli("incidents", "list", "-c", config, "--json").json["incidents"][0]["id"])


def test_a_preview_is_what_the_receiver_would_read_now(cli: Cli, filled: Filled, tmp_path: Path) -> None:
    config = with_receivers(filled(one_over))
    page = tmp_path / "page.html"

    ended = cli("notify", "preview", the_id(cli, config)[:12], "--to", "mail", "--html", page, "-c", config)

    assert ended.code == 0, ended.err
    assert ended.out.startswith("Resolved after 12 min: http_5xx_spike: ")
    assert " JST to " in ended.out
    assert "https://watch.example.com/incidents/" in ended.out
    assert "<html" in page.read_text()


def test_a_preview_names_who_ended_it_by_hand_and_why(cli: Cli, filled: Filled) -> None:
    config = with_receivers(filled(one_that_no_daemon_watches))
    assert (
        cli("incidents", "resolve", the_id(cli, config), "-m", "moved", "--as", "root", "-c", config).code
        == 0
    )

    ended = cli("notify", "preview", the_id(cli, config), "--to", "mail", "-c", config)

    assert ended.out.startswith("Resolved by root: http_5xx_spike: ")
    assert "Resolved by root: moved." in ended.out


def test_a_preview_as_json_holds_every_shape_of_every_target(cli: Cli, filled: Filled) -> None:
    config = with_receivers(filled(one_open))

    [hook] = cli("notify", "preview", the_id(cli, config), "--to", "hook", "-c", config, "--json").json[
        "targets"
    ]

    assert (hook["target"], hook["kind"], hook["html"], hook["flaw"]) == ("hook/0", "opened", None, None)
    assert hook["incidents"][0]["id"] == the_id(cli, config)


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (
            ("drill", "http_5xx_spik"),
            1,
            "no rule `http_5xx_spik` is configured; did you mean `http_5xx_spike`?",
        ),
        (("drill", "http_5xx_spike", "--label", "shop"), 2, "--label shop: write it as resource=shop"),
        (("notify", "preview", "nonesuch", "--to", "mail"), 1, "no incident has the id nonesuch"),
        (("notify", "preview", "0", "--to", "mial"), 1, "no receiver `mial`; did you mean `mail`?"),
    ],
)
def test_what_cannot_be_played_or_shown_is_said_plainly(
    cli: Cli,
    filled: Filled,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    code: int,
    complaint: str,
) -> None:
    config = with_receivers(filled(one_open))
    for number in (1, 2, 3):
        monkeypatch.setenv(f"NOT_SET_{number}", "secret")

    ended = cli(*words, "-c", config)

    assert (ended.code, ended.out) == (code, "")
    assert complaint in ended.err


def test_a_page_that_cannot_be_written_or_made_is_said_plainly(
    cli: Cli, filled: Filled, tmp_path: Path
) -> None:
    config = with_receivers(filled(one_open))
    incident = the_id(cli, config)

    absent = cli("notify", "preview", incident, "--to", "mail", "--html", tmp_path / "no" / "x", "-c", config)
    none = cli("notify", "preview", incident, "--to", "hook", "--html", tmp_path / "x", "-c", config)

    assert (absent.code, none.code) == (2, 2)
    assert "it cannot be written: No such file or directory" in absent.err
    assert "this receiver takes no mail" in none.err


OTHERS = """\
receivers:
  - {name: none, urls: ["json://127.0.0.1:9/{env:NOT_SET_3}"], webhook: {url: {env: NOT_SET_4}}}
  - {name: strange, urls: ["nonsense://abcdef"]}
  - {name: shut, webhook: {url: "http://127.0.0.1:1/x"}}
"""


def test_a_receiver_is_tried_whatever_is_wrong_with_another(cli: Cli, filled: Filled) -> None:
    path = filled(one_open)
    path.write_text(path.read_text() + OTHERS)

    ended = cli("notify", "test", "shut", "-c", path)

    assert (ended.code, ended.err) == (1, "")
    assert "shut/0  not told" in ended.out


MISSHAPEN = """\
receivers:
  - {name: shut, webhook: {url: "http://127.0.0.1:1/x"}}
  - {name: odd, urls: [7], zone: Nowhere}
  - {name: shut, rate: often, urls: ["json://127.0.0.1:9/x"]}
routes:
  - {to: [nobody]}
"""


def test_what_is_wrong_elsewhere_in_the_file_is_noted_and_keeps_nobody_from_being_tried(
    cli: Cli, filled: Filled
) -> None:
    path = filled(one_open)
    path.write_text(path.read_text() + MISSHAPEN)

    ended = cli("notify", "test", "shut", "-c", path)
    odd = cli("notify", "test", "odd", "-c", path)

    assert (ended.code, odd.code, odd.out) == (1, 2, "")
    assert "shut/0  not told" in ended.out
    notes = ended.err.splitlines()
    assert all(line.startswith("note: ") for line in notes)
    for wrong in ("zone: 'Nowhere'", "rate: 'often'", "unknown receiver `nobody`", "stands twice"):
        assert wrong in ended.err
    assert "'Nowhere' is no time zone" in odd.err
    assert "often" not in odd.err


def test_what_is_wrong_with_the_receiver_that_is_tried_is_told_at_its_place(cli: Cli, filled: Filled) -> None:
    path = filled(one_open)
    path.write_text(path.read_text() + OTHERS)

    absent, strange = (cli("notify", "test", name, "-c", path) for name in ("none", "strange"))

    assert (absent.code, absent.out, strange.code, strange.out) == (2, "", 2, "")
    assert "environment variable NOT_SET_3 is not set; set it before watcher starts" in absent.err
    assert "environment variable NOT_SET_4 is not set" in absent.err
    assert f"{path}:" in strange.err
    assert "urls[0]: apprise knows no receiver of the kind nonsense://" in strange.err
