"""What vendors write, made fit for a line that people read."""

import re
from typing import Final

_SECRET: Final = re.compile(r"[A-Za-z0-9_+/=-]{24,}")
"""What may be an echoed key or token: nothing a person would call a word is as long."""


def printable(text: object, limit: int = 200) -> str:
    """One line, without control characters, cut. For names, hosts and whatever is shown as it is."""
    if not isinstance(text, str):
        return ""
    start = text[: 10 * limit]
    if not start.isprintable():
        start = "".join(letter if letter.isprintable() else " " for letter in start)
    return " ".join(start.split())[:limit]


def clean(text: object, limit: int = 200) -> str:
    """The same for the words of an error, which may echo what we sent: without anything like a key.

    Masked before it is cut: the rest of a key looks like none.
    """
    return printable(_SECRET.sub("***", text), limit) if isinstance(text, str) else ""
