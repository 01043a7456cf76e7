"""Which origin feeds which distribution, by Leaseweb's policies."""

import pytest

from tests.conftest import LoopClock
from tests.vendors.leaseweb_server import (
    KEY,
    START,
    Build,
    Server,
    distribution,
    facts,
    read,
    refusal,
    states,
)
from watcher.collect.vendors.leaseweb.details import Details
from watcher.collect.vendors.leaseweb.paging import Listed
from watcher.collect.vendors.leaseweb.policies import feeding, policies_at_once
from watcher.model.inventory import Item, ItemKind, Known

pytestmark = pytest.mark.looptime

FED = {"origins": "or-1"}


@pytest.fixture
def lsw(clock: LoopClock) -> Server:
    clock.shift = START - clock.now()
    return Server()


def policy(name: str, **values: object) -> dict[str, object]:
    usual = {"id": name, "originPullId": None, "originPullGroupId": None, "path": "/"}
    return {**usual, "created": "2024-08-06T08:55:37", **values}


def known(distribution_id: str, *, gone_at: int | None = None, **said: str) -> Known:
    return Known("lsw", "leaseweb", Item(ItemKind.DISTRIBUTION, distribution_id, said), gone_at=gone_at)


async def test_a_distribution_names_the_origins_and_the_groups_of_its_policies(
    build: Build, lsw: Server
) -> None:
    lsw.lists |= {
        "/distributions": [distribution("di-1"), distribution("di-2"), distribution("di-3")],
        "/distributions/di-1/policies": [
            policy("po-1", originPullId="or-2"),
            policy("po-2", originPullId="or-1"),
            policy("po-3", originPullId="or-2"),
        ],
        "/distributions/di-2/policies": [policy("po-4", originPullGroupId="og-1", originPullId="")],
    }

    found = facts(await read(build("leaseweb", lsw, **KEY), "domains"), "distribution")

    assert found["di-1"]["origins"] == "or-1,or-2"
    assert "origin_group" not in found["di-1"]
    assert (found["di-2"]["origin_group"], found["di-2"].get("origins")) == ("og-1", None)
    assert not {"origins", "origin_group"} & found["di-3"].keys(), "a type that has no policies"


@pytest.mark.parametrize("status", [400, 403, 500])
async def test_policies_that_cannot_be_read_cost_a_remark_and_no_state(
    build: Build, lsw: Server, status: int
) -> None:
    lsw.lists |= {"/distributions": [distribution("di-1")], "/distributions/di-1/domains": []}
    lsw.will("/distributions/di-1/policies", *[refusal(status)] * 6)

    batch = await read(build("leaseweb", lsw, **KEY), "domains")

    assert states(batch, "domain_status") == {("di-1",): "enabled"}
    assert batch.complete


def test_what_is_not_read_yet_stands_as_it_was_last_known() -> None:
    """After a start policies are read a few at a time: meanwhile nothing has changed."""
    inventory = [
        known("di-1", origins="or-9", name="shop"),
        known("di-2", origin_group="og-2", name="video"),
        known("di-3", gone_at=1, origins="or-1"),
    ]
    read_now = Details({"di-1": Listed([policy("po-1", originPullId="or-1")])})

    fed = feeding(read_now, inventory, [])

    assert fed == {"di-1": FED, "di-2": {"origin_group": "og-2"}}


def test_a_policy_of_another_shape_is_a_remark() -> None:
    slips: list[str] = []

    fed = feeding(Details({"di-1": Listed([policy("po-1", originPullId=7)])}), [], slips)

    assert fed == {"di-1": {}}
    assert slips[0].startswith("originPullId of po-1: ")


def test_a_look_asks_for_few_policies_and_for_one_at_least() -> None:
    assert [policies_at_once(domains) for domains in (1, 4, 5, 25)] == [1, 1, 1, 5]
