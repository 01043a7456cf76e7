"""When a message that did not arrive is tried again, and when it is given up."""

from dataclasses import dataclass

from watcher.model.time import DAY, HOUR, MINUTE, SECOND, Duration, Instant


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubling waits between attempts, with jitter; given up by age and number of attempts together."""

    first: Duration = 5 * SECOND
    most: Duration = 15 * MINUTE
    most_asked: Duration = HOUR
    """The longest `Retry-After` that is followed."""
    give_up_after: Duration = DAY
    give_up_attempts: int = 10
    """Fewer never give up: a daemon that slept for a week tries again as often as any other."""

    def wait(self, attempts: int, *, chance: float, retry_after: float | None = None) -> Duration:
        """How long to wait after attempt 1, 2, ...; `chance` in [0, 1) spreads it by a quarter."""
        doubled = self.first << min(attempts - 1, 30)
        wait = round(min(doubled, self.most) * (0.75 + chance / 2))
        return max(wait, 0 if retry_after is None else self.asked(retry_after))

    def asked(self, retry_after: float) -> Duration:
        """How long a target that says so is left alone."""
        return min(round(retry_after * SECOND), self.most_asked)

    def exhausted(self, attempts: int, *, owed_at: Instant, now: Instant) -> bool:
        """Whether a message owed since then is dead after this many attempts."""
        return attempts >= self.give_up_attempts and now - owed_at >= self.give_up_after
