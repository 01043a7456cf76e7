"""Everything that Leaseweb lists, as rows: pure functions of the scene and time."""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from watcher.model.time import DAY, SECOND, Instant, rfc3339
from watcher.simulate.chance import stable_id
from watcher.simulate.jobs import FINISHED, PENDING, Job
from watcher.simulate.leaseweb.answers import envelope
from watcher.simulate.leaseweb.settings import LeasewebSettings
from watcher.simulate.states import ONLINE
from watcher.simulate.vendor import Scene
from watcher.simulate.world import Resource

Row: TypeAlias = dict[str, Any]

CUSTOMER: Final = "cu-8smmd9n"
ACCOUNT: Final = "59841258"
"""The same customer, as actions spell it."""
HIDDEN: Final = "Hidden for security reasons"
PROVIDER: Final = "edgio"
REGION: Final = "eu"
"""What serves a resource that names none."""
JOBS_KEPT: Final = 7 * DAY


def distribution_id(resource: str) -> str:
    """The vendor's id of a resource's distribution."""
    return f"di-{stable_id('distribution', resource, length=9)}"


def certificate_id(resource: str) -> str:
    """The vendor's id of its certificate."""
    return f"ce-{stable_id('certificate', resource, length=8)}"


def origin_id(host: str) -> str:
    """The vendor's id of an origin."""
    return f"or-{stable_id('origin', host, length=8)}"


def member_id(group: str, host: str) -> str:
    """The vendor's id of an origin's place in a group."""
    return f"or-{stable_id('member', group, host, length=8)}"


def group_id(group: str) -> str:
    """The vendor's id of an origin group."""
    return f"og-{stable_id('group', group, length=7)}"


def policy_id(resource: str) -> str:
    """The vendor's id of a distribution's only policy."""
    return f"po-{stable_id('policy', resource, length=6)}"


class Catalogue:
    """The lists of one customer."""

    def __init__(self, settings: LeasewebSettings, scene: Scene) -> None:
        self._settings = settings
        self._scene = scene
        self._shown = scene.world.shown_by("leaseweb")
        self._groups = {group_id(group.id): group for group in scene.world.origin_groups}

    def origins(self, _now: Instant) -> Sequence[Row]:
        """Every host that feeds something, simple and advanced in turn."""
        hosts = [resource.origin_host for resource in self._shown if not resource.origin_group]
        hosts += [host for group in self._groups.values() for host in group.members]
        return [self._origin(place, host) for place, host in enumerate(dict.fromkeys(hosts))]

    def groups(self, _now: Instant) -> Sequence[Row]:
        """Load balancers."""
        return [
            envelope(
                "ORIGIN_GROUP",
                {
                    "balancingMethod": "ROUNDROBIN",
                    "description": group.id,
                    "failTimeOut": 1,
                    "keepAlive": True,
                    "keepAliveSeconds": 30,
                    "enabled": True,
                    "id": name,
                    "customerId": CUSTOMER,
                    "created": _local(self._scene.anchor - 300 * DAY),
                    "updated": None,
                },
            )
            for name, group in self._groups.items()
        ]

    def members(self, group: str, now: Instant) -> Sequence[Row] | None:
        """Of one group; None where there is no such."""
        if group not in self._groups:
            return None
        name = self._groups[group].id
        return [
            envelope(
                "ORIGIN_GROUP_MEMBER",
                {
                    "originId": origin_id(host),
                    "status": status,
                    "id": member_id(name, host),
                    "originHost": host,
                },
            )
            for host, status in self._scene.states.group(name, now).items()
        ]

    def certificates(self, now: Instant) -> Sequence[Row]:
        """One for each resource that has TLS."""
        return [self._certificate(resource, now) for resource in self._there(now) if resource.tls]

    def distributions(self, now: Instant) -> Sequence[Row]:
        """One for each resource."""
        return [self._distribution(resource, now) for resource in self._there(now)]

    def domains(self, distribution: str, now: Instant) -> Sequence[Row] | None:
        """Of one distribution; None where there is no such."""
        return [
            {
                "domain": resource.host,
                "id": resource.host,
                "distributionId": distribution,
                "created": _local(self._scene.states.created(resource.id)),
                "updated": _local(self._scene.states.created(resource.id)),
            }
            for resource in self._there(now)
            if distribution_id(resource.id) == distribution
        ] or None

    def policies(self, distribution: str, now: Instant) -> Sequence[Row] | None:
        """Of one distribution: the only one that it may have."""
        return [
            self._policy(resource)
            for resource in self._there(now)
            if distribution_id(resource.id) == distribution
        ] or None

    def actions(self, now: Instant) -> Sequence[Row]:
        """Background jobs, newest first."""
        jobs = self._scene.jobs.at(now, past=JOBS_KEPT, vendor="leaseweb")
        return [self._action(job) for job in jobs]

    def _there(self, now: Instant) -> Sequence[Resource]:
        return [one for one in self._shown if self._scene.states.domain(one.id, now) is not None]

    def _origin(self, place: int, host: str) -> Row:
        made = _local(self._scene.anchor - 300 * DAY)
        values = {
            "id": origin_id(host),
            "customerId": CUSTOMER,
            "created": made,
            "updated": made,
            "host": host,
            "description": f"Origin {host}",
            "enabled": True,
        }
        if place % 2 == 0:
            return envelope("SIMPLE_ORIGIN", values)
        return envelope("ADVANCED_ORIGIN", {**values, "path": "/", "httpPort": 8080, "httpsPort": 8081})

    def _certificate(self, resource: Resource, now: Instant) -> Row:
        state = self._scene.states.certificate(resource.id, now)
        made = _local(state.not_before)
        return {
            "description": f"Certificate of {resource.name or resource.id}",
            **dict.fromkeys(("certificate", "privateKey", "caBundle"), HIDDEN),
            "validation": True,
            "id": certificate_id(resource.id),
            "commonName": resource.host,
            "issuer": "R11",
            "valid": state.valid,
            "trusted": state.trusted,
            "daysLeft": (state.not_after - now) // DAY,
            "validFrom": state.not_before // SECOND,
            "validUntil": state.not_after // SECOND,
            "created": made,
            "updated": made,
        }

    def _distribution(self, resource: Resource, now: Instant) -> Row:
        state, made = self._scene.states.domain(resource.id, now), self._scene.states.created(resource.id)
        changed = made if state is None else state.changed_at
        return envelope(
            "DISTRIBUTION_VOLUME",
            {
                "description": resource.name or resource.id,
                "enabled": state is not None and state.status == ONLINE,
                "ipv6": True,
                "tls": resource.tls,
                "tlsType": "CUSTOM" if resource.tls else None,
                "certificateId": certificate_id(resource.id) if resource.tls else None,
                "logging": False,
                "id": distribution_id(resource.id),
                "customerId": CUSTOMER,
                "created": _local(made),
                "updated": None if changed == made else _local(changed),
            },
        )

    def _policy(self, resource: Resource) -> Row:
        made = _local(self._scene.states.created(resource.id))
        group = resource.origin_group
        return {
            "originPullProtocol": "HTTPS",
            "originPullHostHeader": resource.host,
            "originPullId": None if group else origin_id(resource.origin_host),
            "originPullGroupId": group_id(group) if group else None,
            "originPullShieldId": None,
            "cacheDefaultTtl": 86_400,
            "cacheSegmented": True,
            "description": "default",
            "allowedMethods": "GET,HEAD",
            "path": "/",
            "id": policy_id(resource.id),
            "customerId": CUSTOMER,
            "created": made,
            "updated": made,
        }

    def _action(self, job: Job) -> Row:
        failed = job.status not in {PENDING, FINISHED}
        by_url = failed and self._settings.failure_shows_in == "url_status"
        own = FINISHED if by_url else job.status
        row: Row = {"type": job.kind}
        if job.kind == "INVALIDATION":
            row["resource"] = self._invalidation(job, own, job.status if by_url else "SUCCESS")
        return row | {
            "status": own,
            "id": job.id,
            "customerId": ACCOUNT,
            "created": _local(job.begun) + "Z",
            "updated": "" if job.ended is None else _local(job.ended) + "Z",
        }

    def _invalidation(self, job: Job, own: str, done: str) -> Row:
        resource = next(one for one in self._shown if one.id == job.resource)
        status = PENDING if job.ended is None else done
        return {
            "invalidation_id": f"in-{stable_id(job.id, length=8)}",
            "status": own,
            "url_status": [
                {
                    "distribution_group_id": "",
                    "status": status,
                    "message": "" if status in {PENDING, "SUCCESS"} else f"{provider}: purge failed",
                }
                for provider in resource.providers or (PROVIDER,)
            ],
            "submitted": _local(job.begun - SECOND),
            "completed": "" if job.ended is None else None,
        }


def _local(at: Instant) -> str:
    """UTC, without saying so."""
    return rfc3339(at // SECOND * SECOND).removesuffix("Z")
