"""`watcher simulate`: simulated vendors on local ports, to try a configuration or a client on."""

import os
import sys
from pathlib import Path
from typing import Annotated, Final

import orjson
from cyclopts import Parameter
from cyclopts.validators import Number

from watcher.cli import logs
from watcher.cli.options import ForOption
from watcher.cli.signals import stopping
from watcher.cli.simulated import configuration_text
from watcher.errors import UserError
from watcher.runtime.clock import SystemClock
from watcher.simulate.scenario import ALL_VENDORS, load_scenario
from watcher.simulate.serve import serve

HEADING: Final = (
    "# Written by `watcher simulate`, of servers that end with it: ports and ca_file change each time."
)

TRUTH_OPENING: Final = '{\n  "seed":'
"""How the file of the truth begins."""


async def simulate(
    *,
    scenario: Annotated[Path, Parameter(help="What the vendors show.")] = ALL_VENDORS,
    port: Annotated[
        int, Parameter(validator=Number(gte=0, lte=65_535), help="The common port; 0 is any free one.")
    ] = 0,
    write: Annotated[
        Path | None, Parameter(help="Also write a configuration that reads them, for `watcher run -c FILE`.")
    ] = None,
    truth: Annotated[
        Path | None, Parameter(help="Also write as JSON what was planted, and what should be found.")
    ] = None,
    for_: ForOption = None,
) -> int:
    """Serve until Ctrl-C. Once all listen, one line of JSON says where, and how to configure it."""
    logs.set_up()
    story = load_scenario(scenario)
    if write is not None:
        _ensure_ours(write, HEADING)
    if truth is not None:
        _ensure_ours(truth, TRUTH_OPENING)
    async with stopping(for_) as stop:
        try:
            async with serve(story, clock=SystemClock(), port=port) as simulation:
                if write is not None:
                    sources = [served["source"] for served in simulation.announcement().values()]
                    _write(write, configuration_text(HEADING, sources))
                if truth is not None:
                    _write(
                        truth, orjson.dumps(simulation.truth(), option=orjson.OPT_INDENT_2).decode() + "\n"
                    )
                _announce(orjson.dumps(simulation.announcement()).decode())
                _say_what_next(write)
                await stop.wait()
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            raise UserError(f"port {port}: {why}; choose another with --port") from error
    return 0


def _announce(line: str) -> None:
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except OSError as error:
        raise UserError(f"the announcement cannot be written: {error.strerror}") from error


def _say_what_next(written: Path | None) -> None:
    """To a person: programs read the one line of the answer."""
    if written is not None:
        sys.stderr.write(f"now, in another terminal: watcher run -c {written}\n")
    else:
        sys.stderr.write("with `--write FILE` it also writes a configuration that reads these vendors\n")


def _ensure_ours(path: Path, opening: str) -> None:
    """Raise `UserError` where somebody else has written a file: what is overwritten is ours."""
    try:
        ours = not path.exists() or path.read_text(encoding="utf-8", errors="replace").startswith(opening)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    if not ours:
        raise UserError(f"{path}: `watcher simulate` has not written this file; name another")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from error
