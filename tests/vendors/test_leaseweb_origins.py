"""Leaseweb's origins, groups of them and their members."""

import numpy as np
import pytest

from tests.vendors.leaseweb_server import KEY, Build, Server, facts, read, refusal, resource, states, values

pytestmark = pytest.mark.looptime


@pytest.fixture
def lsw() -> Server:
    return Server()


async def test_members_have_a_status_and_groups_count_them(build: Build, lsw: Server) -> None:
    lsw.lists["/originGroups"] = [
        resource("ORIGIN_GROUP", id=name, description=f"Group {name}") for name in ("og-1", "og-2")
    ]
    lsw.lists["/originGroups/og-1/members"] = [
        resource("ORIGIN_GROUP_MEMBER", originId=f"or-{number}", status=status, id=f"or-m{number}")
        for number, status in enumerate(["active", "ACTIVE", "inactive", "draining"])
    ]
    lsw.lists["/originGroups/og-2/members"] = []

    batch = await read(build("leaseweb", lsw, **KEY), "origins")

    assert batch.complete
    assert states(batch, "origin_member_status") == {
        ("or-m0", "og-1"): "active",
        ("or-m1", "og-1"): "active",
        ("or-m2", "og-1"): "inactive",
        ("or-m3", "og-1"): "draining",
    }
    counts = {
        status: [values(batch, "origin_group_members", place, status=status)[0] for place in (0, 1)]
        for status in ("active", "backup", "inactive", "draining")
    }
    assert counts == {"active": [2, 0], "backup": [0, 0], "inactive": [1, 0], "draining": [1, 0]}
    assert facts(batch, "origin_group")["og-1"]["origins"] == "or-0,or-1,or-2,or-3"
    assert batch.names == {"og-1": "Group og-1", "og-2": "Group og-2"}
    assert [exemplar.facts["status"] for exemplar in batch.exemplars] == ["inactive", "draining"]


async def test_a_group_whose_members_are_not_known_has_no_number(build: Build, lsw: Server) -> None:
    lsw.lists["/originGroups"] = [resource("ORIGIN_GROUP", id=name) for name in ("og-1", "og-2")]
    lsw.lists["/originGroups/og-2/members"] = []
    lsw.will("/originGroups/og-1/members", refusal(400))

    batch = await read(build("leaseweb", lsw, **KEY), "origins")

    numbers = [values(batch, "origin_group_members", place, status="active")[0] for place in (0, 1)]
    assert numbers == pytest.approx([np.nan, 0], nan_ok=True)
    assert not batch.complete


async def test_a_member_without_a_status_makes_the_number_unknown(build: Build, lsw: Server) -> None:
    lsw.lists["/originGroups"] = [resource("ORIGIN_GROUP", id=name) for name in ("og-1", "og-2")]
    lsw.lists["/originGroups/og-1/members"] = [
        resource("ORIGIN_GROUP_MEMBER", id="or-1", status=" "),
        resource("ORIGIN_GROUP_MEMBER", id="or-2", status="active"),
    ]
    lsw.lists["/originGroups/og-2/members"] = [resource("ORIGIN_GROUP_MEMBER", id="or-3", status="active")]

    batch = await read(build("leaseweb", lsw, **KEY), "origins")

    assert states(batch, "origin_member_status") == {
        ("or-2", "og-1"): "active",
        ("or-3", "og-2"): "active",
    }
    numbers = [values(batch, "origin_group_members", place, status="active")[0] for place in (0, 1)]
    assert numbers == pytest.approx([np.nan, 1], nan_ok=True)
    assert batch.remark == "member or-1 has no status"


async def test_members_that_cannot_be_read_any_more_are_unknown(build: Build, lsw: Server) -> None:
    lsw.lists["/originGroups"] = [resource("ORIGIN_GROUP", id=name) for name in ("og-1", "og-2")]
    for name in ("og-1", "og-2"):
        member = resource("ORIGIN_GROUP_MEMBER", id=f"{name}-m", status="active")
        lsw.lists[f"/originGroups/{name}/members"] = [member]
    collector = build("leaseweb", lsw, **KEY)
    await read(collector, "origins")
    lsw.will("/originGroups/og-1/members", *[refusal(500)] * 6)
    await read(collector, "origins")

    batch = await read(collector, "origins")

    assert states(batch, "origin_member_status") == {("og-2-m", "og-2"): "active"}
    numbers = [values(batch, "origin_group_members", place, status="active")[0] for place in (0, 1)]
    assert numbers == pytest.approx([np.nan, 1], nan_ok=True)
    assert not batch.complete


async def test_a_long_host_is_shown_as_it_is(build: Build, lsw: Server) -> None:
    host = "internal-my-production-loadbalancer-1234567890.eu-west-1.example.com"
    lsw.lists["/origins"] = [resource("SIMPLE_ORIGIN", id="or-1", host=host)]

    batch = await read(build("leaseweb", lsw, **KEY), "origins")

    assert facts(batch, "origin")["or-1"]["host"] == host
