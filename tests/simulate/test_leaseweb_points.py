"""Points of the simulated Leaseweb: what a percentile is of, which are missing, and that nobody waits."""

import anyio
import pytest

from tests.simulate.asking import NOON
from tests.simulate.leaseweb_asking import BLOG, SHOP, leaseweb, local, question
from watcher.model.time import DAY, MINUTE


async def test_the_95th_is_the_highest_rate_when_the_top_twentieth_is_dropped() -> None:
    hour = {"fromDt": local(NOON - DAY), "toDt": local(NOON - DAY + 55 * MINUTE)}
    async with leaseweb() as lsw:
        fine = (await lsw.series("BANDWIDTH", **hour))[SHOP]
        [mean] = (await lsw.series("BANDWIDTH", **hour, granularity="HOUR"))[SHOP]
        [busiest] = (await lsw.series("95TH", **hour, granularity="HOUR"))[SHOP]
        same = (await lsw.series("95TH", **hour))[SHOP]
        totals = question(**hour, metric="95TH")
        _, body = await lsw.get("/statistics/customer/totals", totals)

    assert busiest == max(fine) > mean
    assert same == fine
    assert next(entry[SHOP] for entry in body["series"] if SHOP in entry) == [{"total": max(fine)}]


async def test_the_95th_of_a_day_is_below_its_peak() -> None:
    day = {"fromDt": local(NOON - DAY), "toDt": local(NOON - 5 * MINUTE)}
    async with leaseweb() as lsw:
        fine = sorted((await lsw.series("BANDWIDTH", **day))[SHOP])
        _, body = await lsw.get("/statistics/customer/totals", question(**day, metric="95TH"))

    [total] = next(entry[SHOP] for entry in body["series"] if SHOP in entry)
    assert total["total"] == fine[273]  # of 288, the 274th is the first with 95 % at or below it


@pytest.mark.parametrize("totals", ["", "/totals"])
async def test_late_bins_are_missing_and_not_zero(totals: str) -> None:
    late = {"kind": "late_bins", "resource": "shop", "start": "-2h", "lasts": "2h", "by": "3h"}
    async with leaseweb([late]) as lsw:
        _, body = await lsw.get(f"/statistics/customer{totals}", question())

    shown = {name: len(points) for entry in body["series"] for name, points in entry.items()}
    assert (shown[SHOP], shown[BLOG] > 0) == (0, True)


async def test_a_wide_question_keeps_nobody_waiting() -> None:
    wide = question(fromDt=local(NOON - 20 * DAY), granularity="DAY", toDt=local(NOON))
    async with leaseweb() as lsw, anyio.create_task_group() as tasks:
        answered: list[str] = []

        async def ask(path: str, params: dict[str, str]) -> None:
            assert (await lsw.get(path, params))[0] == 200
            answered.append(path)

        tasks.start_soon(ask, "/statistics/customer", wide)
        await anyio.sleep(0.01)
        tasks.start_soon(ask, "/origins", {})

    assert answered == ["/origins", "/statistics/customer"]


async def test_jobs_end_on_whole_seconds() -> None:
    async with leaseweb() as lsw:
        _, body = await lsw.get("/actions", {"limit": "-1"})

    assert body["actions"]
    assert not [row for row in body["actions"] if "." in row["updated"] + row["created"]]
