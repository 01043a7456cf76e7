"""This process by name, and whether another one of this machine still lives."""

import os
import socket
from functools import cache
from pathlib import Path


@cache
def _born(pid: int) -> str:
    return _started(pid) or ""


def name() -> str:
    """`host:pid:start`: the start (ticks since boot) tells apart two lives of one pid, as in a container."""
    pid = os.getpid()
    return f"{socket.gethostname()}:{pid}:{_born(pid)}"


def parts(holder: str) -> tuple[str, str]:
    """Pid and host of a process by its name."""
    host, pid, _start = holder.rsplit(":", 2)
    return pid, host


def alive(holder: str) -> bool | None:
    """Whether the process of this name lives; None when it is another machine's."""
    host, pid, start = holder.rsplit(":", 2)
    if host != socket.gethostname():
        return None
    if start:
        return _started(int(pid)) == start
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _started(pid: int) -> str | None:
    """When a process began (proc(5), stat: field 22, on Linux); None when it is gone or unknown."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # from the third on; the name before may hold anything
    state, start = fields[0], fields[19]
    return None if state in {"Z", "X"} else start
