"""Figures as a person reads them at 3 a.m."""

from watcher.model.time import DAY, HOUR, MINUTE, SECOND, Duration


def percent(ratio: float) -> str:
    """``0.124`` is ``12.4 %``; small ratios keep two significant digits, ``0.00042`` is ``0.042 %``."""
    value = ratio * 100
    if value != 0 and abs(value) < 0.1:
        return f"{value:.2g} %"
    return f"{value:.1f} %" if abs(value) < 99.95 or value % 1 else f"{value:.0f} %"


def number(value: float) -> str:
    """``48210`` is ``48 210``: thin groups of three, no unit."""
    if value == round(value):
        return f"{round(value):,}".replace(",", " ")
    return f"{value:,.3g}".replace(",", " ") if abs(value) < 1_000 else f"{value:,.0f}".replace(",", " ")


def span(duration: Duration) -> str:
    """The two largest units: ``3_725_000`` is ``1 h 2 min``."""
    if duration < SECOND:
        return "0 s"
    parts = []
    for size, unit in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s")):
        count, duration = divmod(duration, size)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts)
