"""Foreign database errors, turned into ours in one place."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolExhausted

from watcher.errors import StoreUnavailable

_BUGS: Final = (IntegrityError, ProgrammingError, DataError, NotSupportedError)
"""What waiting does not mend: these go through as they are."""


@contextmanager
def translated(where: object) -> Iterator[None]:
    """Raise `StoreUnavailable` for what may pass: locked, full, interrupted, gone.

    The statement and its values are left out of the message; `where` must print without secrets.
    """
    try:
        yield
    except _BUGS:
        raise
    except DBAPIError as error:
        raise StoreUnavailable(f"{where}: {_words(error.orig)}") from error
    except (PoolExhausted, TimeoutError) as error:
        raise StoreUnavailable(f"{where}: no answer in time") from error
    except SQLAlchemyError:
        raise
    except (OSError, sqlite3.DatabaseError) as error:  # the latter of what is read past SQLAlchemy
        raise StoreUnavailable(f"{where}: {_words(error)}") from error


def _words(error: BaseException | None) -> str:
    """The first line of what the driver says, without the class name that SQLAlchemy puts before it."""
    text = str(error).strip().partition("\n")[0]
    words = text.rpartition("'>: ")[2] or type(error).__name__
    return "the query took too long" if words == "interrupted" else words
