"""What Leaseweb has: certificates, and distributions with their domains."""

import numpy as np
import pytest

from tests.conftest import LoopClock
from tests.vendors.leaseweb_server import (
    BASE,
    KEY,
    START,
    Build,
    Server,
    answer,
    certificate,
    distribution,
    domain,
    facts,
    read,
    refusal,
    states,
    values,
)
from watcher.collect.http import Response
from watcher.errors import ContractBroken, PermissionMissing, VendorFailed
from watcher.model.time import DAY, rfc3339

pytestmark = pytest.mark.looptime


@pytest.fixture
def lsw(clock: LoopClock) -> Server:
    clock.shift = START - clock.now()
    return Server()


def serve(lsw: Server, *distributions: object, **domains: list[str]) -> None:
    lsw.lists["/distributions"] = list(distributions)
    for name, hosts in domains.items():
        within = f"/distributions/{name.replace('_', '-')}"
        lsw.lists |= {f"{within}/domains": [domain(host) for host in hosts], f"{within}/policies": []}


class TestCertificates:
    async def test_they_end_when_the_vendor_says_and_hold_when_it_trusts_them(
        self, build: Build, lsw: Server
    ) -> None:
        serve(lsw, distribution("di-1", certificateId="ce-1"))
        lsw.lists["/certificates"] = [
            certificate("ce-1", validUntil=1754646847),
            certificate("ce-2", trusted=False),
            certificate("ce-3", valid=None),
            certificate("ce-4", valid=False, trusted=None, validUntil=None),
        ]

        batch = await read(build("leaseweb", lsw, **KEY), "certificates")

        assert batch.complete
        ends = [values(batch, "tls_certificate_not_after_seconds", place)[0] for place in range(4)]
        assert ends[0] == 1754646847
        assert np.isnan(ends[3])
        good = [values(batch, "tls_certificate_valid", place, check="vendor")[0] for place in range(4)]
        assert good == pytest.approx([1, 0, np.nan, 0], nan_ok=True)
        assert batch.remark == "no end of certificate ce-4"

    async def test_those_that_no_enabled_distribution_refers_to_are_unused(
        self, build: Build, lsw: Server
    ) -> None:
        serve(
            lsw,
            distribution("di-1", certificateId="ce-1"),
            distribution("di-2", certificateId="ce-2", enabled=False),
        )
        lsw.lists["/certificates"] = [certificate(f"ce-{number}") for number in (1, 2, 3)]

        batch = await read(build("leaseweb", lsw, **KEY), "certificates")

        unused = {dict(entity)["certificate"]: dict(entity).get("unused") for entity in batch.entities}
        assert unused == {"ce-1": None, "ce-2": "true", "ce-3": "true"}

    async def test_none_is_called_unused_by_half_a_list(self, build: Build, lsw: Server) -> None:
        page = {"distributions": [distribution("di-1")], "_metadata": {"totalCount": 2, "limit": 25}}
        lsw.will("/distributions", *[answer(200, page)] * 4)
        lsw.lists["/certificates"] = [certificate("ce-1")]

        batch = await read(build("leaseweb", lsw, **KEY), "certificates")

        assert "unused" not in dict(batch.entities[0])

    async def test_what_was_unused_stays_so_while_half_the_list_comes(
        self, build: Build, lsw: Server
    ) -> None:
        serve(lsw, distribution("di-1", certificateId="ce-1"))
        lsw.lists["/certificates"] = [certificate(name) for name in ("ce-1", "ce-2", "ce-9")]
        collector = build("leaseweb", lsw, **KEY)
        before = await read(collector, "certificates")
        lsw.lists["/certificates"].append(certificate("ce-3"))
        using = distribution("di-9", certificateId="ce-9")
        page = {"distributions": [using], "_metadata": {"totalCount": 2, "limit": 25}}
        lsw.will("/distributions", *[answer(200, page)] * 4)

        batch = await read(collector, "certificates")

        assert batch.entities[:2] == before.entities[:2]
        unused = {dict(entity)["certificate"]: dict(entity).get("unused") for entity in batch.entities}
        assert unused == {"ce-1": None, "ce-2": "true", "ce-9": None, "ce-3": None}

    @pytest.mark.parametrize(
        "reply", [refusal(403), refusal(404), *[answer(200, {"distributions": None})], refusal(500)]
    )
    async def test_they_are_read_where_distributions_are_not(
        self, build: Build, lsw: Server, reply: Response
    ) -> None:
        lsw.lists["/certificates"] = [certificate("ce-1")]
        lsw.will("/distributions", *[reply] * (3 if reply.status == 500 else 1))

        batch = await read(build("leaseweb", lsw, **KEY), "certificates")

        assert values(batch, "tls_certificate_valid", check="vendor") == [1]
        assert "unused" not in dict(batch.entities[0])
        assert batch.remark.startswith("not known which are in use: ")

    @pytest.mark.parametrize(
        ("field", "said", "words"),
        [
            ("created", "0000-00-00T00:00:00", "created of ce-2: '0000-00-00T00:00:00' is no time"),
            ("created", "2026-02-31T00:00:00", "created of ce-2: '2026-02-31T00:00:00' is no time"),
            (
                "created",
                "9999-12-31T23:59:59-14:00",
                "created of ce-2: '9999-12-31T23:59:59-14:00' is no time",
            ),
            ("updated", 0, "updated of ce-2: no time"),
            ("issuer", ["R1"], "issuer of ce-2: Expected `str | null`, got `array`"),
            ("daysLeft", "ten", "daysLeft of ce-2: Expected `float | null`, got `str`"),
            ("daysLeft", 89.5, ""),
            ("description", "", ""),
        ],
    )
    async def test_what_nothing_is_judged_by_hides_no_certificate(
        self, build: Build, lsw: Server, field: str, said: object, words: str
    ) -> None:
        lsw.lists["/certificates"] = [certificate("ce-1"), certificate("ce-2", **{field: said})]

        batch = await read(build("leaseweb", lsw, **KEY), "certificates")

        good = [values(batch, "tls_certificate_valid", place, check="vendor")[0] for place in (0, 1)]
        assert good == [1, 1]
        assert batch.remark == words

    async def test_a_long_name_is_shown_as_it_is(self, build: Build, lsw: Server) -> None:
        name = "my-very-long-application-name-production.example.com"
        lsw.lists["/certificates"] = [certificate("ce-1", commonName=name, description=None)]

        batch = await read(build("leaseweb", lsw, **KEY), "certificates")

        assert dict(batch.entities[0])["domain"] == name
        assert facts(batch, "certificate")["ce-1"]["common_name"] == name

    async def test_what_is_kept_of_one_holds_no_masked_field(self, build: Build, lsw: Server) -> None:
        lsw.lists["/certificates"] = [certificate("ce-1", description="Main", daysLeft=90)]

        batch = await read(build("leaseweb", lsw, **KEY), "certificates")

        end = rfc3339(START + 90 * DAY)
        assert facts(batch, "certificate") == {
            "ce-1": {
                "name": "Main",
                "common_name": "ce-1.example.com",
                "issuer": "R1",
                "not_after": end,
                "valid": "yes",
                "trusted": "yes",
            }
        }
        assert "Hidden" not in repr(batch)

    async def test_the_most_urgent_come_first_as_exemplars(self, build: Build, lsw: Server) -> None:
        serve(lsw, distribution("di-1", certificateId="ce-9"), distribution("di-2", certificateId="ce-8"))
        ends = [START // 1000 + 86_400 * (40 - number) for number in range(30)]
        lsw.lists["/certificates"] = [
            certificate(f"ce-{number}", validUntil=end, valid=number != 8) for number, end in enumerate(ends)
        ]

        batch = await read(build("leaseweb", lsw, **KEY), "certificates")

        shown = [exemplar.facts["certificate"] for exemplar in batch.exemplars]
        assert len(shown) == 20
        assert shown[:2] == ["ce-8", "ce-9"]


class TestDistributions:
    async def test_they_are_enabled_or_disabled_with_the_vendors_time_of_change(
        self, build: Build, lsw: Server
    ) -> None:
        serve(
            lsw,
            distribution("di-1", updated="2026-11-20T00:00:00"),
            distribution("di-2", enabled=False),
            distribution("di-3", enabled=None, created=None, updated=""),
            di_1=[],
            di_2=[],
            di_3=[],
        )

        batch = await read(build("leaseweb", lsw, **KEY), "domains")

        assert states(batch, "domain_status") == {("di-1",): "enabled", ("di-2",): "disabled"}
        assert np.isnan(values(batch, "domain_status", 2, status="enabled")[0])
        changed = [values(batch, "domain_changed_seconds", place)[0] for place in range(3)]
        assert changed == pytest.approx([1795132800, 1723026300, np.nan], nan_ok=True)

    async def test_domains_say_which_distribution_serves_them_and_how(
        self, build: Build, lsw: Server
    ) -> None:
        serve(
            lsw,
            distribution("di-1", tls=True, certificateId="ce-1", description="Shop"),
            distribution("di-2", enabled=False),
            di_1=["WWW.Example.com", "shared.example.com"],
            di_2=["shared.example.com"],
        )

        batch = await read(build("leaseweb", lsw, **KEY), "domains")

        assert all(listing.complete for listing in batch.listings)
        usual = {"status": "enabled", "tls": "yes", "certificate": "ce-1", "created": "2024-07-31T02:15:32Z"}
        assert facts(batch, "domain") == {
            "www.example.com": {"distribution": "di-1", **usual},
            "shared.example.com": {"distribution": "di-1,di-2", **usual},
        }
        assert facts(batch, "distribution")["di-1"] == {
            "name": "Shop",
            "status": "enabled",
            "type": "DISTRIBUTION_VOLUME",
            "tls": "yes",
            "certificate": "ce-1",
            "created": "2024-08-07T10:25:00Z",
        }
        assert batch.names == {"di-1": "Shop", "di-2": "shared.example.com"}

    async def test_one_that_is_deleted_meanwhile_is_gone(self, build: Build, lsw: Server) -> None:
        serve(lsw, distribution("di-1"), distribution("di-2"), di_1=[])
        lsw.will("/distributions/di-2", refusal(404, "Not found"))

        batch = await read(build("leaseweb", lsw, **KEY), "domains")

        assert batch.entities == ((("resource", "di-1"),),)
        assert batch.complete
        assert list(facts(batch, "distribution")) == ["di-1"]

    async def test_one_without_a_list_of_domains_is_still_there(self, build: Build, lsw: Server) -> None:
        serve(lsw, distribution("di-1"))

        batch = await read(build("leaseweb", lsw, **KEY), "domains")

        assert states(batch, "domain_status") == {("di-1",): "enabled"}
        assert [request.url.removeprefix(BASE) for request in lsw.requests] == [
            "/distributions",
            "/distributions/di-1/domains",
            "/distributions/di-1",
            "/distributions/di-1/policies",
            "/distributions/di-1",
        ]

    async def test_one_that_is_refused_blinds_no_other_and_says_so(self, build: Build, lsw: Server) -> None:
        serve(lsw, distribution("di-1"), distribution("di-2"), di_1=["a.example"], di_2=["b.example"])
        collector = build("leaseweb", lsw, **KEY)
        lsw.will("/distributions/di-2/domains", refusal(400))

        batch = await read(collector, "domains")

        assert set(states(batch, "domain_status").values()) == {"enabled"}
        assert list(facts(batch, "domain")) == ["a.example"]
        assert [listing.complete for listing in batch.listings] == [True, False]
        assert batch.remark.startswith("nothing new of di-2: HTTP 400")

        batch = await read(collector, "domains")
        assert list(facts(batch, "domain")) == ["a.example", "b.example"]
        assert batch.remark == ""

    async def test_one_on_which_the_vendor_fails_keeps_what_was_known(
        self, build: Build, lsw: Server
    ) -> None:
        serve(lsw, distribution("di-1"), distribution("di-2"), di_1=["a.example"], di_2=["b.example"])
        collector = build("leaseweb", lsw, **KEY)
        await read(collector, "domains")
        lsw.will("/distributions/di-2/domains", *[refusal(500)] * 3)

        batch = await read(collector, "domains")

        assert list(facts(batch, "domain")) == ["a.example", "b.example"]
        assert not batch.listings[1].complete

    async def test_what_cannot_be_read_twice_is_no_longer_believed(self, build: Build, lsw: Server) -> None:
        serve(lsw, distribution("di-1"), distribution("di-2"), di_1=["a.example"], di_2=["b.example"])
        collector = build("leaseweb", lsw, **KEY)
        await read(collector, "domains")
        lsw.will("/distributions/di-2/domains", *[refusal(500)] * 6)
        await read(collector, "domains")

        batch = await read(collector, "domains")

        assert list(facts(batch, "domain")) == ["a.example"]
        assert not batch.listings[1].complete
        assert batch.remark.startswith("nothing new of di-2: HTTP 500")

    async def test_a_list_that_cannot_be_read_hides_no_other(self, build: Build, lsw: Server) -> None:
        serve(lsw, distribution("di-1"), distribution("di-2"), di_1=["a.example"])
        lsw.lists["/distributions/di-2/domains"] = [{"domain": "b.example"}]

        batch = await read(build("leaseweb", lsw, **KEY), "domains")

        assert len(states(batch, "domain_status")) == 2
        assert list(facts(batch, "domain")) == ["a.example"]
        assert batch.remark == "nothing new of di-2: an item of domains has no id"

    async def test_lists_that_all_cannot_be_read_are_a_changed_contract(
        self, build: Build, lsw: Server
    ) -> None:
        serve(lsw, distribution("di-1"), distribution("di-2"))
        lsw.will("/domains", *[answer(200, {"domains": None})] * 2)

        with pytest.raises(ContractBroken):
            await read(build("leaseweb", lsw, **KEY), "domains")

    @pytest.mark.parametrize("odd", [{"ipv6": "yes"}, {"tlsType": 1}, {"updated": "soon"}])
    async def test_what_nothing_is_judged_by_hides_none(
        self, build: Build, lsw: Server, odd: dict[str, object]
    ) -> None:
        serve(lsw, distribution("di-1"), distribution("di-2", **odd), di_1=[], di_2=[])

        batch = await read(build("leaseweb", lsw, **KEY), "domains")

        assert set(states(batch, "domain_status")) == {("di-1",), ("di-2",)}
        assert batch.remark.startswith(f"{next(iter(odd))} of di-2: ")

    async def test_a_vendor_that_fails_on_all_has_failed(self, build: Build, lsw: Server) -> None:
        serve(lsw, distribution("di-1"), di_1=[])
        lsw.will("/distributions/di-1/domains", *[refusal(503)] * 3)

        with pytest.raises(VendorFailed):
            await read(build("leaseweb", lsw, **KEY), "domains")

    async def test_a_vendor_that_fails_on_several_is_not_asked_for_all(
        self, build: Build, lsw: Server
    ) -> None:
        names = [f"di-{number}" for number in range(10)]
        serve(lsw, *map(distribution, names), **{name.replace("-", "_"): [] for name in names})
        lsw.will("/domains", *[refusal(503)] * 30)

        with pytest.raises(VendorFailed):
            await read(build("leaseweb", lsw, **KEY), "domains")
        assert len(lsw.requests) == 1 + 3 * 3

    async def test_what_is_not_allowed_is_no_matter_of_one(self, build: Build, lsw: Server) -> None:
        serve(lsw, distribution("di-1"), distribution("di-2"), di_1=[], di_2=[])
        lsw.will("/distributions/di-1/domains", refusal(403))

        with pytest.raises(PermissionMissing):
            await read(build("leaseweb", lsw, **KEY), "domains")

    async def test_a_reading_of_many_has_a_bound_and_all_get_their_turn(
        self, build: Build, lsw: Server
    ) -> None:
        names = [f"di-{number}" for number in range(60)]
        serve(
            lsw, *map(distribution, names), **{name.replace("-", "_"): [f"{name}.example"] for name in names}
        )
        collector = build("leaseweb", lsw, **KEY)

        batches = [await read(collector, "domains") for _ in range(3)]

        assert len(lsw.requests) == 3 * (1 + 25 + 5)
        assert [len(facts(batch, "domain")) for batch in batches] == [25, 50, 60]
        assert [batch.listings[1].complete for batch in batches] == [False, False, True]
        assert all(batch.complete for batch in batches)

    async def test_a_reading_asks_for_no_more_than_its_limit_allows(self, build: Build, lsw: Server) -> None:
        """A reading has a deadline, and what it did not reach would be asked for in vain again."""
        serve(lsw, *(distribution(f"di-{number}") for number in range(10)))

        await read(build("leaseweb", lsw, **KEY, limit=0.1), "domains")

        assert len([one for one in lsw.requests if one.url.endswith("/domains")]) == 3

    async def test_an_id_is_no_path(self, build: Build, lsw: Server) -> None:
        serve(lsw, distribution("../di/1?a"))
        within = "/distributions/../di/1?a"
        lsw.lists |= {f"{within}/domains": [], f"{within}/policies": []}

        await read(build("leaseweb", lsw, **KEY), "domains")

        assert [one.url for one in lsw.requests[-2:]] == [
            f"{BASE}/distributions/..%2Fdi%2F1%3Fa/domains",
            f"{BASE}/distributions/..%2Fdi%2F1%3Fa/policies",
        ]
