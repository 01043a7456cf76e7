"""Templates of an operator's own, and what is said where they fail: no template ever stops a message."""

import pytest
from jinja2 import DictLoader
from structlog.testing import capture_logs

from tests.notify.doubles import OPEN, T
from tests.notify.test_render import GUIDANCE, message, plan
from watcher.model.time import MINUTE
from watcher.notify.render import SHAPES, Renderer, environment


@pytest.mark.parametrize(
    "template",
    ["{{ story.nothing }}", "{% for %}", "{{ 1 / 0 }}", "{{ story.facts + 1 }}", "{{ ''.__class__ }}"],
)
def test_where_an_operator_s_template_fails_the_shipped_one_speaks_and_the_flaw_is_told(
    template: str,
) -> None:
    broken = DictLoader({"incident.txt.j2": template, "incident.html.j2": template})

    with capture_logs() as logs:
        told = Renderer(GUIDANCE, broken).message(plan(OPEN), now=T + 12 * MINUTE)

    assert (told.text, told.html) == (message(OPEN).text, message(OPEN).html)
    assert "template incident.txt.j2: " in told.flaw
    assert "template incident.html.j2: " in told.flaw
    assert [line["event"] for line in logs] == ["template_failed"] * 2


def test_where_every_template_fails_the_plain_words_are_sent() -> None:
    renderer = Renderer(GUIDANCE)
    renderer.__dict__["_shipped"] = environment(
        DictLoader({f"incident.{shape}.j2": "{{ story.nothing }}" for shape in SHAPES})
    )

    with capture_logs():
        told = renderer.message(plan(OPEN), now=T + 12 * MINUTE)

    assert told.text.startswith(f"{OPEN.summary}\nOpen for 12 min.\nSeen since: 2026-11-22 03:00 UTC")
    assert told.html == f"<pre>{told.text}</pre>"
    assert told.blocks == ()


def test_an_operator_s_template_is_used_and_what_it_leaves_out_of_what_is_promised_is_added() -> None:
    own = DictLoader({"incident.txt.j2": "{{ story.badge | upper }}! {{ story.headline }}"})

    told = Renderer(GUIDANCE, own).message(plan(OPEN), now=T)

    assert told.text == f"CRITICAL! {OPEN.summary}\n\n{OPEN.id} {OPEN.summary}"
    assert told.html == message(OPEN, now=T).html
    assert told.flaw == ""
