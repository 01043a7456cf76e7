"""The whole hand on real sockets: outbox, lanes, stages, templates, apprise."""

from collections.abc import Callable
from random import Random

import anyio

from tests.conftest import LoopClock
from tests.notify.doubles import OPEN, MemoryOutbox, resolved
from tests.notify.servers import Hook, Mailbox
from watcher.document.secrets import SecretUrl
from watcher.model.message import Telling
from watcher.model.time import MINUTE
from watcher.notify.apprise_sender import AppriseSender
from watcher.notify.courier import Courier
from watcher.notify.render import Renderer


def courier_of(outbox: MemoryOutbox, clock: LoopClock, **urls: str) -> Courier:
    senders = {f"{name}/0": AppriseSender(SecretUrl.read(url)) for name, url in urls.items()}
    rng = Random(1)  # noqa: S311 - jitter, not a secret
    return Courier(outbox, senders, renderer=Renderer({}), clock=clock, rng=rng)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what happens in a thread."""
    with anyio.fail_after(10):
        while True:
            if condition():
                return
            await anyio.sleep(0.005)


async def test_a_receiver_that_refuses_is_tried_again_and_told_once(hook: Hook, clock: LoopClock) -> None:
    outbox = MemoryOutbox()
    row = outbox.owe(OPEN, Telling.OPENED, "hook/0", at=clock.now())
    hook.statuses = [503]
    courier = courier_of(outbox, clock, hook=hook.url)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(courier.run)
        await until(lambda: "error=503" in row.detail)
        clock.shift = MINUTE
        courier.notify()
        await until(lambda: row.state == "done")
        courier.stop()

    assert hook.keys == [row.due.key]


async def test_a_hanging_webhook_does_not_keep_mail_from_its_readers(
    hook: Hook, mailbox: Mailbox, clock: LoopClock
) -> None:
    outbox = MemoryOutbox()
    hook.hold = anyio.Event()
    for target in ("hook/0", "mail/0"):
        outbox.owe(resolved(), Telling.RESOLVED, target, at=clock.now())
    courier = courier_of(outbox, clock, hook=hook.url, mail=mailbox.url)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(courier.run)
        await until(lambda: len(mailbox.mails) == 1)
        assert hook.bodies == []
        hook.hold.set()
        courier.stop()

    assert mailbox.mails[0]["Subject"].startswith("Resolved after 25 min: ")
    assert [body["type"] for body in hook.bodies] == ["success"]
