"""`watcher notify`: whether people can be told, and what they would read."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import orjson
from cyclopts import Parameter

from watcher.app import book, trials
from watcher.cli.loading import configured, receiver_of
from watcher.cli.named import the_one
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from watcher.cli.screen import say, show_json, show_table
from watcher.config import Config
from watcher.document.complaints import nearest
from watcher.errors import UserError
from watcher.model.incident import ended_by
from watcher.model.message import Message
from watcher.notify.senders.webhook import payload


async def try_receiver(
    receiver: Annotated[str, Parameter(help="Its name.")],
    /,
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> int:
    """Send a test message to each target of a receiver; exit 1 when one does not take it.

    An Alertmanager is asked whether it is one, and no alert is raised. What is wrong elsewhere in the file is
    noted, and keeps nobody from being told.
    """
    try:
        settings = receiver_of(config, receiver)
    except KeyError as unknown:
        _say_unknown(receiver, unknown.args)
        return 1
    tests = await trials.try_receiver(settings, receiver)
    if json:
        show_json({"targets": [asdict(test) for test in tests]})
    else:
        rows = [(test.target, "told" if test.ok else "not told", test.words) for test in tests]
        show_table(("TARGET", "RESULT", ""), rows)
    return 0 if all(test.ok for test in tests) else 1


async def preview(
    incident: Annotated[str, Parameter(help="Its id, or as much of its beginning as no other has.")],
    /,
    *,
    to: Annotated[str, Parameter(help="The receiver's name.")],
    html: Annotated[
        Path | None, Parameter(metavar="FILE", help="Write what a mail would show into this file.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> int:
    """Show what a receiver would be told of an incident as it stands now; nothing is sent."""
    settings = configured(config, secrets=False)
    if not _is_known(settings, to):
        return 1
    async with book.history(settings.database) as history:
        found = the_one(incident, await history.beginning(incident))
        acts = [] if found is None else await history.acts(found.id)
    if found is None:
        return 1
    [found] = await book.widened(settings.database, [ended_by(found, acts)])
    messages = trials.previewed(settings, to, found)
    if html is not None:
        _write(html, next((message.html for message in messages.values() if message.html), ""))
    if json:
        show_json({"targets": [_told(target, message) for target, message in messages.items()]})
    else:
        _show(next(iter(messages.values())))
    return 0


def _is_known(settings: Config, receiver: str) -> bool:
    names = [one.name for one in settings.receivers]
    if receiver not in names:
        _say_unknown(receiver, names)
    return receiver in names


def _say_unknown(receiver: str, names: Sequence[str]) -> None:
    sys.stderr.write(f"no receiver `{receiver}`; {nearest(receiver, names)}\n")


def _told(target: str, message: Message) -> dict[str, object]:
    """The message in every shape that is made for the target, and as a webhook would be posted it."""
    return {
        "target": target,
        "html": message.html or None,
        "blocks": [*message.blocks] or None,
        "flaw": message.flaw or None,
        **orjson.loads(payload(message)),
    }


def _show(message: Message) -> None:
    say(message.title, "bold")
    say()
    for line in message.text.splitlines():
        say(line)
    if message.flaw:
        say()
        say(f"note: {message.flaw}")


def _write(path: Path, page: str) -> None:
    if not page:
        raise UserError(f"--html {path}: this receiver takes no mail")
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(f"--html {path}: it cannot be written: {error.strerror}") from error
