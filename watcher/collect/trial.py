"""One real call to every stream of a source, for a person who wants to know whether it works."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from watcher.collect.collector import StreamSpec, Window
from watcher.collect.line import CollectorBug, Line
from watcher.errors import CollectError
from watcher.model.time import Instant, floor
from watcher.model.words import number

ADVICE: Final[Mapping[str, str]] = {
    "auth": "put the credentials right; vendors ban for trying wrong ones again and again",
    "permission": "let the vendor give these credentials the right to see this, or leave it out",
    "quota": "ask less often (`every`, `limit`), or ask the vendor for more",
    "clock": "set this machine's clock; NTP keeps it right",
    "request": "check what the source is configured to ask for: names, ids, windows",
    "vendor": "wait: the fault is the vendor's; see its status page",
    "network": "check name, port, proxy and firewall between here and the vendor",
    "contract": "report it with the answer that was kept",
}
"""What a person can do, by the family of the failure."""


@dataclass(frozen=True, slots=True)
class Trial:
    """How one call went; `family` is empty where it went well."""

    source: str
    vendor: str
    stream: str
    ok: bool
    family: str
    words: str
    advice: str = ""
    """What would mend it."""


async def try_source(line: Line) -> list[Trial]:
    """Ask what streams there are, and for the newest settled window of each."""
    try:
        streams = await line.ask(line.collector.streams)
    except CollectError as error:
        return [_failed(line, "streams", error)]
    return [await _try_stream(line, stream) for stream in streams]


async def _try_stream(line: Line, stream: StreamSpec) -> Trial:
    window = _newest(stream, line.clock.now())
    try:
        batch = await line.ask(lambda: line.collector.collect(stream, window))
    except CollectError as error:
        return _failed(line, stream.name, error)
    read = f"{number(batch.size)} samples of {number(len(batch.entities))} label sets"
    words = "; ".join([read, *(line.words(said) for said in (batch.remark, batch.note) if said)])
    return Trial(line.source, line.vendor, stream.name, ok=not batch.remark, family="", words=words)


def _newest(stream: StreamSpec, now: Instant) -> Window:
    if stream.width == 0:
        return Window(now, now)
    end = floor(now - stream.settle - stream.until, stream.width)
    return Window(end - stream.width, end)


def _failed(line: Line, stream: str, error: CollectError) -> Trial:
    advice = "report it: a bug in watcher" if isinstance(error, CollectorBug) else ADVICE[error.family]
    return Trial(
        line.source,
        line.vendor,
        stream,
        ok=False,
        family=error.family,
        words=line.words(error),
        advice=advice,
    )
