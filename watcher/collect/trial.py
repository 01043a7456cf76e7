"""One real call to every stream of a source, for a person who wants to know whether it works."""

from dataclasses import dataclass

from watcher.collect.collector import StreamSpec, Window
from watcher.collect.line import Line
from watcher.document.redaction import redact
from watcher.errors import CollectError
from watcher.model.time import Instant, floor
from watcher.model.words import number


@dataclass(frozen=True, slots=True)
class Trial:
    """How one call went; `family` is empty where it went well."""

    source: str
    vendor: str
    stream: str
    ok: bool
    family: str
    words: str


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
    words = f"{read}; {redact(batch.remark, line.secrets)}" if batch.remark else read
    return Trial(line.source, line.vendor, stream.name, ok=not batch.remark, family="", words=words)


def _newest(stream: StreamSpec, now: Instant) -> Window:
    if stream.width == 0:
        return Window(now, now)
    end = floor(now - stream.settle - stream.until, stream.width)
    return Window(end - stream.width, end)


def _failed(line: Line, stream: str, error: CollectError) -> Trial:
    words = redact(str(error), line.secrets)
    return Trial(line.source, line.vendor, stream, ok=False, family=error.family, words=words)
