"""`limit` and `offset`: each list has a default of its own, and -1 is no limit."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from multidict import MultiMapping

from watcher.simulate.leaseweb.answers import Unprocessable, page

_NUMBER: Final = re.compile(r"-?\d{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Paged:
    """One list as it is shown."""

    key: str
    default_limit: int

    def cut(self, rows: Sequence[Any], params: MultiMapping[str], *, largest: int) -> dict[str, Any]:
        """The page that was asked for.

        Raises:
            Unprocessable: a parameter is no usable number.
        """
        limit = _number(params, "limit", self.default_limit)
        offset = _number(params, "offset", 0)
        if limit < -1 or offset < 0:
            raise Unprocessable("limit" if limit < -1 else "offset", "value is too small")
        if limit >= 0:
            limit = min(limit, largest)
        part = rows[offset:] if limit < 0 else rows[offset : offset + limit]
        return page(self.key, part, total=len(rows), limit=limit, offset=offset)


def _number(params: MultiMapping[str], name: str, usual: int) -> int:
    text = params.get(name)
    if text is None:
        return usual
    if not _NUMBER.fullmatch(text):
        raise Unprocessable(name, "value is not a valid integer")
    return int(text)
