"""Whom a source's connections trust when its settings name a file of authorities."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from watcher.document.context import context_of
from watcher.document.fields import PathField
from watcher.errors import UserError


@contextmanager
def loading(ca_file: Path) -> Iterator[None]:
    """Around giving the file to `ssl`.

    Raises:
        UserError: in words, why the file cannot be used.
    """
    try:
        yield
    except ssl.SSLError as error:
        raise UserError(f"ca_file {ca_file} holds no certificate in PEM form") from error
    except OSError as error:
        words = (error.strerror or type(error).__name__).lower()
        raise UserError(f"ca_file {ca_file} cannot be read: {words}") from error


def _usable(ca_file: Path, info: ValidationInfo) -> Path:
    context = context_of(info)
    if context is not None and not context.secrets:
        return ca_file  # whoever only reads the database connects to nobody
    try:
        with loading(ca_file):
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(ca_file)
    except UserError as error:
        hint = "name a PEM file of the authorities to trust"
        raise PydanticCustomError("watcher", "{what}", {"what": str(error), "hint": hint}) from error
    return ca_file


CaFile = Annotated[PathField, AfterValidator(_usable)]
"""A file of authorities; one that cannot be used is a problem of the configuration."""
