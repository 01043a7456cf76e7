"""`watcher schema`: what an editor needs to help with the configuration."""

from watcher.cli.screen import show_json
from watcher.config import json_schema


def schema() -> int:
    """Print the JSON Schema of the configuration, for the first line of a watcher.yaml to point to."""
    show_json(json_schema())
    return 0
