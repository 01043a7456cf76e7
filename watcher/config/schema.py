"""The JSON Schema of the configuration, for editors and for `watcher schema`."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from watcher.collect.vendors import known, vendor
from watcher.config.settings import ConfigFile


def json_schema() -> dict[str, Any]:
    """Draft 2020-12. `vendor` tells sources apart, so that an editor offers that vendor's keys."""
    settings = {name: found.settings for name in known() if (found := vendor(name)) is not None}
    models: list[type[BaseModel]] = [ConfigFile, *settings.values()]
    references, schema = models_json_schema([(model, "validation") for model in models])
    definitions = schema["$defs"]
    for name, model in settings.items():
        own = definitions[_key(references[model, "validation"])]
        own["properties"]["vendor"] = {"const": name, "type": "string"}
        own["required"] = sorted({*own.get("required", ()), "vendor"})
    root = definitions.pop(_key(references[ConfigFile, "validation"]))
    root["properties"]["sources"]["items"] = {
        "oneOf": [references[model, "validation"] for model in settings.values()],
        "discriminator": {"propertyName": "vendor"},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **root,
        "title": "watcher configuration",
        "$defs": definitions,
    }


def _key(reference: dict[str, Any]) -> str:
    return str(reference["$ref"]).rpartition("/")[2]
