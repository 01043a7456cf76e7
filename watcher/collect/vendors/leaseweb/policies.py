"""Policies of distributions, as far as they say where a distribution gets its content from."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from watcher.collect.vendors.leaseweb.details import Details
from watcher.collect.vendors.leaseweb.rows import LONGEST_ID, Thing, things
from watcher.collect.words import printable
from watcher.model.inventory import ItemKind, Known

_SHARE: Final = 5
"""Of so many lists of domains that one look asks for, one list of policies: they hardly ever change."""
FACTS: Final = ("origins", "origin_group")


class Policy(Thing):
    """What is read of one."""

    originPullId: str | None = None  # noqa: N815 - the vendor's spelling
    originPullGroupId: str | None = None  # noqa: N815


def policies_at_once(domains: int) -> int:
    """How many distributions one look asks for their policies, of those that it asks for their domains."""
    return max(1, domains // _SHARE)


def feeding(details: Details, known: Iterable[Known], slips: list[str]) -> Mapping[str, Mapping[str, str]]:
    """By distribution, `origins` and `origin_group` as facts; of one not read yet, as it was last known."""
    held = {
        one.item.id: {name: one.item.facts[name] for name in FACTS if name in one.item.facts}
        for one in known
        if one.item.kind is ItemKind.DISTRIBUTION and one.gone_at is None
    }
    read = {
        distribution: _facts(things(listed.rows, Policy, slips))
        for distribution, listed in details.lists.items()
    }
    return held | read


def _facts(policies: Sequence[Policy]) -> Mapping[str, str]:
    pulled = {
        "origins": (policy.originPullId for policy in policies),
        "origin_group": (policy.originPullGroupId for policy in policies),
    }
    joined = {
        name: ",".join(sorted({printable(one, LONGEST_ID) for one in ids if one}))
        for name, ids in pulled.items()
    }
    return {name: ids for name, ids in joined.items() if ids}
