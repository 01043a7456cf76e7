"""What people read of every shipped rule: the messages of its own proof, as golden texts in `golden/`.

With GOLDEN=write in the environment the present messages are written: read them as somebody who knows nothing
would, before you believe them.
"""

import json
import os
import re
from functools import lru_cache
from html import unescape
from pathlib import Path

import pytest

from tests.notify.played import PROOFS, messages
from watcher.model.message import Message, Telling

GOLDEN = Path(__file__).parent / "golden"
FACTS = {"Seen", "Usual", "Limit", "Where", "Now", "Worst", "Rule"}
_NAMES = [path.name.removesuffix(".test.yaml") for path in PROOFS]

every_rule = pytest.mark.parametrize("proof", PROOFS, ids=_NAMES)
told_of = lru_cache(messages)


def shown(told: dict[Telling, Message]) -> str:
    return "\n\n\n".join(f"## {telling}\n\n{one.title}\n\n{one.text}" for telling, one in told.items()) + "\n"


def plain(page: str) -> str:
    """What a reader sees of a mail's page."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


@every_rule
def test_the_messages_of_each_shipped_rule_are_those_that_were_read(proof: Path) -> None:
    file = GOLDEN / f"{proof.name.removesuffix('.test.yaml')}.txt"
    if os.environ.get("GOLDEN") == "write":
        file.write_text(shown(told_of(proof)), encoding="utf-8")

    assert shown(told_of(proof)) == file.read_text(encoding="utf-8")


@every_rule
def test_each_says_what_since_when_where_why_and_what_to_do(proof: Path) -> None:
    told = told_of(proof)
    opened, ended = told[Telling.OPENED].text, told[Telling.RESOLVED].text

    for asked in ("Seen since:", "Where:", "Why it matters:", "What to do:", "Details:", "Acknowledge:"):
        assert f"\n{asked}" in opened
    for asked in ("When:", "Now:", "Where:", "Details:"):
        assert f"\n{asked}" in ended
    assert "It lasted" in ended
    assert "{" not in opened + ended


@every_rule
def test_a_mail_s_page_and_slack_s_blocks_say_what_the_text_says(proof: Path) -> None:
    for message in told_of(proof).values():
        page, blocks = plain(message.html), json.dumps([*message.blocks], ensure_ascii=False)
        for line in message.text.splitlines():
            name, colon, value = line.partition(":")
            if colon and value and name.strip() in FACTS:
                assert " ".join(value.split()) in page
                assert value.strip() in blocks


def test_no_golden_text_is_of_a_rule_that_is_not_there() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.txt")) == sorted(_NAMES)
