"""Bad input: told when a kind of it begins in a stream, when it is over, and meanwhile with how it stands."""

from dataclasses import replace

import structlog

from watcher.engine.guard import Guard
from watcher.model.sample import Poll


class Refusals:
    """The voice of a guard, which has none."""

    def __init__(self, guard: Guard) -> None:
        """Of one engine."""
        self._guard = guard
        self._log = structlog.get_logger()

    def tell(self) -> None:
        """One line for each kind in each stream when it begins, and one when it is over."""
        for notice in self._guard.notices():
            log = self._log.bind(source=notice.source, stream=notice.stream, reason=str(notice.reason))
            if notice.over:
                log.info("input_refused", state="over", count=notice.count)
            else:
                log.warning("input_refused", state="begins", count=notice.count)

    def remarked(self, poll: Poll) -> Poll:
        """The poll with what is presently refused of its stream in its sight, for `watcher status`."""
        refused = self._guard.remark(poll.sight.source, poll.sight.stream)
        if not refused or not poll.sight.up:
            return poll
        message = "; ".join(part for part in (poll.sight.message, refused) if part)
        return replace(poll, sight=replace(poll.sight, message=message))
