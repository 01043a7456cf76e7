"""A command that is done ends with its own exit code, whatever a thread still waits for."""

import os
import subprocess
import sys
from pathlib import Path
from time import monotonic
from typing import IO, Any, Final

import pytest

HANGS: Final = 20
DONE: Final = f"""
import os, signal, sys, time
from threading import Thread
from watcher.cli.leaving import leave

class Hanging(Thread):
    def join(self, timeout=None):
        if "interrupted" in sys.argv:
            os.kill(os.getpid(), signal.SIGINT)
        super().join(timeout)

Hanging(target=time.sleep, args=({HANGS},)).start()
sys.stdout.write("the answer")
leave(3)
"""
"""A command that has answered, with a thread that hangs; the signal comes while it is waited for."""


def left(*arguments: str, stdout: IO[Any] | int = subprocess.PIPE) -> "subprocess.CompletedProcess[bytes]":
    """How that process ends, and what it says."""
    command = [sys.executable, "-c", DONE, *arguments]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    began = monotonic()
    ended = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, env=buffered, check=False)  # noqa: S603 - our own

    assert monotonic() - began < HANGS / 2
    return ended


def test_the_answer_is_written_and_the_exit_code_is_the_command_s() -> None:
    ended = left()

    assert (ended.returncode, ended.stdout, ended.stderr) == (3, b"the answer", b"")


def test_whoever_presses_ctrl_c_again_waits_no_longer_and_sees_no_traceback() -> None:
    ended = left("interrupted")

    assert (ended.returncode, ended.stdout, ended.stderr) == (3, b"the answer", b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is always full")
def test_an_answer_that_nobody_can_take_keeps_nobody_waiting() -> None:
    with Path("/dev/full").open("wb") as full:
        ended = left(stdout=full)

    assert (ended.returncode, ended.stderr) == (3, b"")
