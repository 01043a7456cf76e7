"""Settings: the one YAML file of design section 6, read and checked as a whole."""

from watcher.config.load import (
    load_config,
    load_database,
    load_maintenance,
    load_patience,
    load_receiver,
    receiver_names,
)
from watcher.config.schema import json_schema
from watcher.config.settings import Config, HttpSettings, SampleSettings

__all__ = [
    "Config",
    "HttpSettings",
    "SampleSettings",
    "json_schema",
    "load_config",
    "load_database",
    "load_maintenance",
    "load_patience",
    "load_receiver",
    "receiver_names",
]
