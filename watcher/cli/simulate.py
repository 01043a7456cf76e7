"""`watcher simulate`: simulated vendors on local ports, to try a configuration or a client on."""

import os
import sys
from pathlib import Path
from typing import Annotated

import orjson
from cyclopts import Parameter

from watcher.cli import logs
from watcher.cli.options import ForOption
from watcher.cli.signals import stopping
from watcher.errors import UserError
from watcher.runtime.clock import SystemClock
from watcher.simulate.scenario import FIRST_LIGHT, load_scenario
from watcher.simulate.serve import serve


async def simulate(
    *,
    scenario: Annotated[Path, Parameter(help="What the vendors show.")] = FIRST_LIGHT,
    port: Annotated[int, Parameter(help="The common port; 0 is any free one.")] = 0,
    for_: ForOption = None,
) -> int:
    """Serve until Ctrl-C. Once all listen, one line of JSON says where, and how to configure it."""
    logs.set_up()
    story = load_scenario(scenario)
    async with stopping(for_) as stop:
        try:
            async with serve(story, clock=SystemClock(), port=port) as simulation:
                sys.stdout.write(orjson.dumps(simulation.announcement()).decode() + "\n")
                sys.stdout.flush()
                await stop.wait()
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            raise UserError(f"port {port}: {why}; choose another with --port") from error
    return 0
