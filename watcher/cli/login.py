"""Who uses this process."""

import getpass
import os


def login() -> str:
    """The name of the login, for timelines and for what is theirs."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user, as in a container
        return f"uid {os.getuid()}"
