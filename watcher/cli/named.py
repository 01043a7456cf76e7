"""Incidents by as much of the beginning of their id as no other has."""

import sys
from collections.abc import Sequence

from watcher.cli.plain import printable
from watcher.cli.telling import moment, one_line
from watcher.model.incident import Incident


def the_one(named: str, found: Sequence[Incident]) -> Incident | None:
    """The incident that is meant, of those whose id begins so; it says where there is none, or several."""
    if len(found) == 1:
        return found[0]
    if not found:
        sys.stderr.write(printable(f"no incident has the id {named}") + "\n")
    else:
        sys.stderr.write(printable(f"several incidents begin with {named}; write more of it:") + "\n")
    for one in found:
        line = f"  {one.id}  {moment(one.opened_at)}  {one.key.rule}  {one_line(one.summary)}"
        sys.stderr.write(printable(line) + "\n")
    return None
