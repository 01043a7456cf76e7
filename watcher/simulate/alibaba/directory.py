"""Which domains each origin feeds, and what the vendor says of each."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta, timezone
from typing import Final

from watcher.model.time import Instant, to_datetime
from watcher.simulate.alibaba.answers import Refused, Value
from watcher.simulate.alibaba.settings import AlibabaSettings
from watcher.simulate.vendor import Scene
from watcher.simulate.world import Resource

TYPES: Final = frozenset({"web", "download", "video"})
NOTHING: Final = "origin.example.com"
"""Origin of the announced source where there is no resource to have one."""
_SOURCE: Final = re.compile(r"(?!-)[\w:-]{1,63}(\.[\w:-]{1,63})*")
_CHINA: Final = timezone(timedelta(hours=8))


class Directory:
    """The domains of the scenario as one account has them."""

    def __init__(self, settings: AlibabaSettings, scene: Scene) -> None:
        self._settings = settings
        self._states = scene.states
        groups = {group.id: tuple(group.members) for group in scene.world.origin_groups}
        self._fed: dict[str, list[Resource]] = {}
        for resource in scene.world.shown_by("alibaba"):
            for host in groups.get(resource.origin_group, (resource.origin_host,)):
                self._fed.setdefault(host, []).append(resource)

    @property
    def origins(self) -> Sequence[str]:
        """All there are, and those that the scenario calls orphans."""
        return [*dict.fromkeys((*self._fed, *self._settings.orphans))] or [NOTHING]

    @property
    def resources(self) -> Collection[str]:
        """Ids."""
        return {resource.id for fed in self._fed.values() for resource in fed}

    def feeds(self, sources: Sequence[str], at: Instant) -> bool:
        """Whether any of the sources feeds a domain that is listed now."""
        fed = (resource for source in sources for resource in self._fed.get(source, ()))
        return any(self._states.domain(resource.id, at) is not None for resource in fed)

    def entries(
        self, sources: Sequence[str], at: Instant, *, flat: bool, bare: Collection[str]
    ) -> Sequence[Mapping[str, Value]]:
        """One by source in the order asked for; `bare` are ids of resources that have no details."""
        found = []
        for source in dict.fromkeys(sources):
            fed = self._fed.get(source, ())
            infos = {each.id: info for each in fed if (info := self._info(each, at)) is not None}
            if infos or self._settings.unused == "entry":
                names = [info["DomainName"] for info in infos.values()]
                detailed = [info for name, info in infos.items() if name not in bare]
                found.append(_entry(source, names, detailed, flat=flat))
        return found

    def _info(self, resource: Resource, at: Instant) -> dict[str, str] | None:
        state = self._states.domain(resource.id, at)
        if state is None:
            return None
        host = resource.host.lower()
        return {
            "DomainName": host,
            "DomainCname": f"{host}.w.kunlun.example",
            "CdnType": resource.type if resource.type in TYPES else "web",
            "Status": state.status,
            "CreateTime": self._written(self._states.created(resource.id)),
            "UpdateTime": self._written(state.changed_at),
        }

    def _written(self, instant: Instant) -> str:
        moment = to_datetime(instant)
        if self._settings.offset == "Z":
            return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        return moment.astimezone(_CHINA).isoformat(timespec="seconds")


def sources_of(text: str) -> Sequence[str]:
    """The comma-separated list.

    Raises:
        Refused: there is none, or something in it is no address.
    """
    if not text:
        raise Refused(400, "MissingParameter", "The parameter Sources miss.")
    sources = text.split(",")
    if any(len(source) > 255 or not _SOURCE.fullmatch(source) for source in sources):
        raise Refused(400, "InvalidSources.Malformed", "Specified Sources is malformed.")
    return sources


def _entry(
    source: str, names: Sequence[str], infos: Sequence[Mapping[str, str]], *, flat: bool
) -> Mapping[str, Value]:
    if flat:
        return {"Source": source, "DomainInfos": infos, "Domains": names}
    return {
        "Source": source,
        "DomainInfos": {"domainInfo": infos},
        "Domains": {"domainNames": names},
    }
