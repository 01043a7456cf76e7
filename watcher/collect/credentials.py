"""Credentials at the moment of use. What is wrong with them is a rejection: nothing tries them in a loop."""

from yarl import URL

from watcher.document.secrets import Secret
from watcher.errors import AuthenticationFailed, SecretUnavailable


def revealed(secret: Secret) -> str:
    """The value now: a file that has changed is used at once.

    Raises:
        AuthenticationFailed: it cannot be read.
    """
    try:
        return secret.reveal()
    except SecretUnavailable as error:
        raise AuthenticationFailed(f"{error}; {error.hint}") from error


def header_value(secret: Secret) -> str:
    """The value, where it is sent as a header or a part of one.

    Raises:
        AuthenticationFailed: it cannot be read, or no header can carry it.
    """
    value = revealed(secret)
    if not (value and value.isascii() and value.isprintable()):
        raise AuthenticationFailed("the credentials hold characters that no header can carry")
    return value


def host_of(url: str) -> str:
    """The `Host` of a URL as it is signed and sent: with the port, unless it is the scheme's own."""
    return URL(url, encoded=True).host_port_subcomponent or ""
