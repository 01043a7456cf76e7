"""Receivers in the configuration: their ways to tell, and what is wrong with them."""

from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo, reset_tzpath

import pytest
from pydantic import ValidationError

from watcher.config import load_config
from watcher.errors import ConfigurationError
from watcher.model.time import zone_of
from watcher.notify.receivers import ReceiverSettings, marks

NATIVE = """\
receivers:
  - name: all
    urls: ["json://127.0.0.1/a", "json://127.0.0.1/b"]
    webhook:
      {url: "https://hooks.example.com/x", secret: {env: HOOK_SECRET}, headers: {X-Auth: {env: HOOK_AUTH}}}
    alertmanager: {url: "http://am:9093", expires: 2h}
    slack: {token: {env: SLACK_TOKEN}, channel: C0123456789}
    zone: Europe/Berlin
heartbeat: {url: "https://hc-ping.com/{env:HEARTBEAT}", every: 30s}
public_url: https://watch.example.com
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "watcher.yaml"
    path.write_text(text)
    return path


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_config(written(folder, text), secrets=False)
    return [f"{one.line}:{one.column} {one.what}" for one in caught.value.problems]


def test_every_way_to_tell_is_a_target_of_its_own(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, NATIVE), secrets=False)

    [receiver] = config.receivers
    assert list(receiver.targets()) == [f"all/{n}" for n in range(5)]
    assert receiver.targets()["all/3"] is receiver.alertmanager
    assert config.heartbeat is not None
    assert config.heartbeat.every == 30_000


def test_secrets_of_native_receivers_are_known_to_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOOK_SECRET", "HOOK_AUTH", "SLACK_TOKEN", "HEARTBEAT"):
        monkeypatch.setenv(name, f"xoxb-value-of-{name}")

    hidden = load_config(written(tmp_path, NATIVE)).secret_values()

    assert {f"xoxb-value-of-{name}" for name in ("HOOK_SECRET", "HOOK_AUTH", "SLACK_TOKEN", "HEARTBEAT")} <= {
        *hidden
    }


def test_a_secret_that_is_not_there_is_named_at_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"watcher.yaml:5:.*HOOK_SECRET is not set"):
        load_config(written(tmp_path, NATIVE))


@pytest.mark.parametrize(
    ("receiver", "problem"),
    [
        (
            "{name: a}",
            "1:13 receivers[0]: a receiver needs one of `urls`, `webhook`, `alertmanager` and `slack`",
        ),
        (
            "{name: a, webhook: {url: ftp://x}}",
            "1:38 url: expected a URL that begins with https:// or http://",
        ),
        ("{name: a, webhook: {}}", "1:32 `url` is missing"),
        ("{name: a, slack: {token: {env: T}}}", "1:30 `channel` is missing"),
        (
            "{name: a, urls: [json://x], zone: Europe/Atlantis}",
            "1:47 zone: 'Europe/Atlantis' is no time zone; write one as Europe/Berlin, or UTC",
        ),
        ("{name: a, alertmanager: {url: http://am, expires: soon}}", "1:63 expires"),
        ("{name: a, webhok: {url: http://x}}", "1:23 unknown key `webhok`"),
        (
            "{name: a, webhook: {url: http://x, secret: 'whsec_!!!'}}",
            "1:56 secret: it begins with whsec_, and what follows is not base64",
        ),
        (
            "{name: a, alertmanager: {url: http://am, expires: 2m, resend: 1m}}",
            "1:37 alertmanager: `expires` (2m) must exceed twice `resend` (1m), or alerts end by themselves",
        ),
        (
            "{name: a, slack: {token: xoxp-1, channel: C1}}",
            "1:38 token: it is not a bot's token, which begins with xoxb-",
        ),
        ("{name: a, urls: [json://x], rate: 0/1m}", "1:47 rate: '0/1m' is no rate; write 10/1m"),
    ],
)
def test_what_is_wrong_with_a_receiver_is_said_at_its_place(
    tmp_path: Path, receiver: str, problem: str
) -> None:
    [found] = problems(tmp_path, f"receivers: [{receiver}]\n")

    assert found.startswith(problem)


def test_times_of_a_receiver_are_utc_unless_it_says_otherwise() -> None:
    assert ReceiverSettings.model_validate({"name": "a", "urls": ["json://x"]}).zone == "UTC"


def test_a_secret_from_the_environment_is_looked_at_where_secrets_must_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_TOKEN", "xoxp-its-value")
    path = written(tmp_path, "receivers: [{name: a, slack: {token: {env: SLACK_TOKEN}, channel: C1}}]\n")

    assert load_config(path, secrets=False).receivers
    with pytest.raises(ConfigurationError, match="not a bot's token, which begins with xoxb-") as caught:
        load_config(path)
    assert "its-value" not in str(caught.value)


def test_a_heartbeat_that_is_only_its_url_is_answered_with_the_form(tmp_path: Path) -> None:
    [found] = problems(tmp_path, "heartbeat: https://hc-ping.com/x\n")

    assert found == "1:12 heartbeat: expected a mapping, as {url: https://..., every: 1m}"


def test_addresses_folder_and_times_that_are_wrong_are_told_of_together(tmp_path: Path) -> None:
    text = """\
heartbeat: {url: "ftp://x"}
public_url: watch.example.com
templates: nowhere
times:
  nights: [{from: "25:00", to: "07:00"}, {from: "22:00", to: "22:00"}]
  lunch: {from: "12:00", to: "13:00", days: someday}
"""

    assert [found.partition(" ")[0] for found in problems(tmp_path, text)] == [
        *("1:18", "2:13", "3:12", "5:19", "5:42", "6:45"),
    ]


@pytest.mark.parametrize(("start", "end"), [("22:00", "22:00"), ("00:00", "00:00"), ("24:00", "00:00")])
def test_a_time_that_starts_when_it_ends_is_no_time(tmp_path: Path, start: str, end: str) -> None:
    [found] = problems(tmp_path, f"times: {{nights: {{from: '{start}', to: '{end}'}}}}\n")

    assert found.endswith("it starts when it ends; write from '00:00' to '24:00' for a whole day")


def test_routes_gather_in_no_time_at_all_by_no_digest(tmp_path: Path) -> None:
    [found] = problems(
        tmp_path, "receivers: [{name: a, urls: [json://x]}]\nroutes: [{to: [a], digest: 0s}]\n"
    )

    assert found == "2:28 digest: 0s gathers nothing; leave `digest` out, and each is told by itself"


# --- templates


def template_problems(folder: Path, **templates: str) -> list[str]:
    (folder / "mine").mkdir(exist_ok=True)
    for name, text in templates.items():
        (folder / "mine" / f"{name.replace('_', '.')}.j2").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_config(written(folder, "templates: mine\n"), secrets=False)
    return [str(one).removeprefix(f"{folder}/") for one in caught.value.problems]


def test_a_template_that_would_fail_is_found_before_anybody_is_told_by_it(tmp_path: Path) -> None:
    found = template_problems(
        tmp_path,
        incident_txt="{{ story.headline }}\n\n{{ story.headlin }}\n",
        incident_html="{% for %}",
        incident_slack='{"type": "section"}',
        digest_txt="{{ lead }}{% for story in stories %}{{ story.nothing }}{% endfor %}",
    )

    assert [line.partition(": ")[0] for line in found] == [
        "mine/digest.txt.j2:1:1",
        "mine/incident.html.j2:1:1",
        "mine/incident.slack.j2:1:1",
        "mine/incident.txt.j2:3:1",
    ]
    assert found[3].endswith("a story has no `headlin`; did you mean `headline`?")
    assert "expected a JSON list of blocks" in found[2]


def test_a_template_that_is_no_message_s_is_named_with_the_one_that_was_probably_meant(
    tmp_path: Path,
) -> None:
    [problem] = template_problems(tmp_path, incidents_txt="hello")

    assert problem.startswith(
        "mine/incidents.txt.j2:1:1: no message is made of incidents.txt.j2; did you mean"
    )


def test_an_empty_or_absent_folder_is_a_problem(tmp_path: Path) -> None:
    [absent] = problems(tmp_path, "templates: nowhere\n")
    [empty] = template_problems(tmp_path)

    assert absent == f"1:12 there is no folder {tmp_path}/nowhere"
    assert "it holds no template" in empty


def test_good_templates_and_what_they_include_pass(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "incident.txt.j2").write_text(
        '{% include "greeting.j2" %}{{ story.headline }} {{ story.facts | length }}'
    )
    (folder / "greeting.j2").write_text("Hello")

    assert load_config(written(tmp_path, "templates: mine\n"), secrets=False).templates == folder


def marked(folder: Path, *receivers: str) -> dict[str, str]:
    path = written(folder, "receivers:\n" + "".join(f"  - {one}\n" for one in receivers))
    return dict(marks(load_config(path, secrets=False).receivers))


MAIL = '"mailto://ada:{env:PASSWORD}@example.com"'
EVERY_WAY = f"""\
{{name: oncall, urls: [{MAIL}, {{env: PAGER_URL}}, "tgram://12345:abcdef/678"],
     webhook: {{url: "https://hooks.example.com/x", secret: {{env: HOOK_SECRET}}}},
     alertmanager: {{url: "http://am:9093"}}, slack: {{token: {{env: SLACK_TOKEN}}, channel: C1}}}}"""


def test_an_address_is_known_by_the_same_mark_wherever_it_stands(tmp_path: Path) -> None:
    before = marked(tmp_path, EVERY_WAY)
    moved = EVERY_WAY.replace(MAIL, f'"json://new", {MAIL}')

    assert len({*before.values()}) == len(before) == 6
    assert [*marked(tmp_path, moved).values()][1:] == [*before.values()]
    renamed = [*marked(tmp_path, moved.replace("oncall", "night")).values()][1:]
    assert [place for place, mark in enumerate(before.values()) if mark != renamed[place]] == [2]


def test_one_that_comes_with_a_secret_in_its_url_is_not_taken_for_another_that_went(tmp_path: Path) -> None:
    """Without their secrets they look alike; nobody hears what was owed to somebody else."""
    for url in ("tgram://{0}/678", "https://hooks.example.com/services/T0/{0}"):
        ada = marked(tmp_path, f"{{name: ada, urls: ['{url.format('12345:abcdefABCDEF0123456789')}']}}")
        bob = marked(tmp_path, f"{{name: bob, urls: ['{url.format('67890:ghijklGHIJKL9876543210')}']}}")
        assert ada["ada/0"] != bob["bob/0"]


def test_a_mark_outlives_a_changed_secret_and_not_a_changed_reference(tmp_path: Path) -> None:
    mail = "{{name: a, urls: ['mailto://ada:{0}@example.com']}}"

    assert marked(tmp_path, mail.format("old-password")) == marked(tmp_path, mail.format("new-password"))
    assert marked(tmp_path, "{name: a, urls: [{env: A}]}") != marked(tmp_path, "{name: a, urls: [{env: B}]}")


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin"])
def test_the_clocks_of_a_zone_are_known(name: str) -> None:
    assert str(zone_of(name)) == name


def test_without_any_time_zones_utc_is_known_and_others_are_said_to_be_missing() -> None:
    """As in a container that has none; zoneinfo looks nowhere then."""
    before = [*TZPATH]
    reset_tzpath(to=[])
    ZoneInfo.clear_cache()
    try:
        assert zone_of("UTC") is not None
        with pytest.raises(ValidationError, match="no time zones are installed here; install the"):
            ReceiverSettings.model_validate({"name": "a", "urls": ["json://x"], "zone": "Europe/Berlin"})
    finally:
        reset_tzpath(to=before)
        ZoneInfo.clear_cache()
