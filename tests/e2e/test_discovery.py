"""What one source lists, another probes: the inventory as the running daemon hands it on."""

from dataclasses import replace
from pathlib import Path

import anyio

from tests.store.building import Store, batch, poll
from watcher.app import daemon
from watcher.app.settings import load
from watcher.model.inventory import Item, ItemKind, Listing
from watcher.model.ports import Tick
from watcher.runtime.clock import SystemClock
from watcher.store.database import Database
from watcher.store.migrate import upgrade

CONFIG = """\
database: sqlite:///watcher.db
sources:
  - {name: edge, vendor: tls, discover: true, timeout: 1s, every: 1s}
  - {name: other, vendor: http, targets: [{url: "http://127.0.0.1:9/"}]}
"""


async def test_a_domain_in_the_book_is_probed_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "watcher.yaml"
    path.write_text(CONFIG)
    now = SystemClock().now()
    async with await Database.open(f"sqlite:///{tmp_path / 'watcher.db'}", clock=SystemClock()) as database:
        await upgrade(database)
        store = await Store.on(database)
        for source, name in (("other", "127.0.0.1"), ("former", "127.0.0.2")):
            listing = Listing(ItemKind.DOMAIN, (Item(ItemKind.DOMAIN, name),))
            said = replace(batch(source=source), fetched_at=now, listings=(listing,))
            await store.book.commit(Tick(now, [poll(said, source=source)]))
        await store.lease.release()
    probed, stop = set[str](), anyio.Event()

    def listen(tick: Tick, _committed: object) -> None:
        for one in tick.polls:
            if (one.sight.source, one.sight.stream) == ("edge", "handshakes"):
                probed.add(one.sight.message)
                if "127.0.0.1" in one.sight.message or one.sight.up:
                    stop.set()

    with anyio.fail_after(20):
        await daemon.run(load(path), stop=stop, listen=listen)

    assert not any("127.0.0.2" in message for message in probed)
