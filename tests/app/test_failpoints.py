"""Points where the daemon dies when it is told to: named, counted, and absent unless asked for."""

import sys

import anyio
import pytest

from watcher.app.failpoints import VARIABLE, Failpoint, Point
from watcher.errors import UserError


def test_without_the_variable_there_is_none() -> None:
    assert Failpoint.planned({}) is None
    assert Failpoint.planned({VARIABLE: ""}) is None


@pytest.mark.parametrize("said", ["after_lunch", "after_send:0", "after_send:often", ":3"])
def test_a_point_that_is_none_is_a_mistake(said: str) -> None:
    with pytest.raises(UserError, match=r"is no point; write one of before_commit, .*, and :3 for the third"):
        Failpoint.planned({VARIABLE: said})


@pytest.mark.parametrize("point", list(Point))
async def test_the_process_dies_at_its_point_and_no_sooner(point: Point) -> None:
    code = (
        "import sys; from watcher.app.failpoints import Failpoint, Point\n"
        "fail = Failpoint.planned(); assert fail\n"
        "for number in range(1, 9):\n"
        "    for point in Point:\n"
        "        print(number, point, flush=True)\n"
        "        fail.passed(point)\n"
    )
    environment = {VARIABLE: f"{point}:3"}
    done = await anyio.run_process([sys.executable, "-c", code], env=environment, check=False)

    assert done.returncode == -9
    assert done.stdout.decode().splitlines()[-1] == f"3 {point}"
