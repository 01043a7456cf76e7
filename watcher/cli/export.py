"""`watcher sources export`: what was recorded, in the long format, to be judged elsewhere."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from watcher.app import book
from watcher.cli.loading import book_of
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, MomentOption
from watcher.document.complaints import nearest
from watcher.longformat.rows import Rows
from watcher.longformat.writing import writer
from watcher.model.ports import Recording, Wanted


async def export(
    *names: Annotated[str, Parameter(help="Sources to write; without any, all.")],
    out: Annotated[
        Path | None,
        Parameter(help="The file: .csv, .jsonl or .parquet, with .gz packed; without it, CSV to stdout."),
    ] = None,
    since: Annotated[MomentOption | None, Parameter(name="--from", help="Only bins that end later.")] = None,
    until: Annotated[
        MomentOption | None, Parameter(name="--to", help="Only bins that begin earlier.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Write recorded samples as rows with their arrival times, for `watcher backtest --samples`."""
    async with book.recording(book_of(config)) as recording:
        known = await recording.sources()
        unknown = [name for name in names if name not in known]
        for name in unknown:
            sys.stderr.write(f"nothing was recorded of `{name}`; {nearest(name, known)}\n")
        if unknown:
            return 1
        wanted = [Wanted(source=source, since=since, until=until) for source in names or known]
        labels = await _labels(recording, wanted)
        with writer(out, sorted(labels)) as rows:
            for one in wanted:
                made = Rows()
                async for page in recording.pages(one):
                    for row in (row for batch in page for row in made.of(batch)):
                        rows.write(row)
    return 0


async def _labels(recording: Recording, wanted: list[Wanted]) -> set[str]:
    """The names of all labels: a CSV file says them before its first row."""
    found: set[str] = set()
    for one in wanted:
        async for page in recording.pages(one):
            for batch in page:
                found.update(name for entity in batch.entities for name, _ in entity)
                found.update(name for _, labels in batch.metrics for name, _ in labels)
    return found
