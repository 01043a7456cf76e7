"""`watcher notify`: whether people can be told."""

import sys
from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from watcher.app import trials
from watcher.cli.loading import configured
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from watcher.cli.screen import show_json, show_table
from watcher.document.complaints import nearest


async def try_receiver(
    receiver: Annotated[str, Parameter(help="Its name.")],
    /,
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> int:
    """Send a test message to each target of a receiver; exit 1 when one does not take it."""
    settings = configured(config)
    names = [one.name for one in settings.receivers]
    if receiver not in names:
        sys.stderr.write(f"no receiver `{receiver}`; {nearest(receiver, names)}\n")
        return 1
    tests = await trials.try_receiver(settings, receiver)
    if json:
        show_json({"targets": [asdict(test) for test in tests]})
    else:
        rows = [(test.target, "told" if test.ok else "not told", test.words) for test in tests]
        show_table(("TARGET", "RESULT", ""), rows)
    return 0 if all(test.ok for test in tests) else 1
