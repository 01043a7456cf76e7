"""`watcher sources export`: a recording leaves in the long format."""

from pathlib import Path

from tests.cli.conftest import Cli, Filled
from tests.databases import NOON
from tests.store.building import Store, batch, poll
from watcher.longformat.arrivals import arrivals
from watcher.longformat.files import load
from watcher.model.ports import Tick
from watcher.model.time import MINUTE, rfc3339
from watcher.store.migrate import upgrade
from watcher.store.samples import samples_of


async def three_bins(store: Store) -> None:
    async with samples_of(store.database) as samples:
        await upgrade(samples)
    bins = [batch(start=NOON // MINUTE * MINUTE + at * MINUTE, value=float(at)) for at in range(3)]
    await store.book.commit(Tick(at=NOON, polls=[poll(*bins)]))


def test_what_was_recorded_leaves_as_rows_with_their_arrivals(cli: Cli, filled: Filled) -> None:
    ended = cli("sources", "export", "-c", filled(three_bins))

    first, *rows = ended.out.splitlines()
    assert (ended.code, ended.err) == (0, "")
    assert first == "time,width,metric,value,fetched_at,source,vendor,resource,tier"
    assert len(rows) == 3
    at = NOON // MINUTE * MINUTE
    came = rfc3339(at + 5 * MINUTE)
    assert rows[0] == f"{rfc3339(at)},60,cdn_requests,0,{came},cdnv,cdnvideo,shop,edge"


def test_it_is_read_again_from_a_file(tmp_path: Path, cli: Cli, filled: Filled) -> None:
    out = tmp_path / "day.jsonl.gz"

    assert cli("sources", "export", "cdnv", "--out", out, "-c", filled(three_bins)).code == 0

    assert len([*arrivals(load([out]), "cdnv")]) == 3


def test_a_source_without_a_recording_is_told(cli: Cli, filled: Filled) -> None:
    ended = cli("sources", "export", "cdnw", "-c", filled(three_bins))

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("nothing was recorded of `cdnw`; ")
