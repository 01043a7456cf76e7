"""One endpoint's certificates: real handshakes, and what they say of their chain and their name.

Two passes. The first verifies the chain, with the time check off, since expiry is a fact of its own. Only
where it fails does a second one, without verification, fetch the certificates; it may reach another node.
Whether the name fits is judged on the certificate itself.
"""

import os
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, Final

import anyio
from anyio.streams.tls import TLSAttribute
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from service_identity import CertificateError
from service_identity.hazmat import DNS_ID, DNSPattern, IPAddress_ID, IPAddressPattern

from watcher.collect.probing import is_ip
from watcher.collect.trust import loading
from watcher.collect.vendors.tls.endpoint import Endpoint
from watcher.model.time import SECOND, Duration, Instant, rfc3339
from watcher.model.words import span

_NO_CHECK_TIME: Final = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which `ssl` does not name."""
_DER: Final = 2
"""`_ssl.ENCODING_DER`, for Pythons before 3.13."""
UNREADABLE_NAMES: Final = "the certificate's names cannot be read"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one endpoint presented. Empty words mean that the check passed."""

    not_after: Instant
    """When the first certificate of its chain expires."""
    chain_fault: str
    host_fault: str | None
    """None where the certificate's names cannot be read."""
    leaf_begins: Instant
    leaf_ends: Instant
    fingerprint: str
    """SHA-256 in hex; `sha1` the same with SHA-1, which some vendors name certificates by."""
    sha1: str
    serial: str
    """In hex, without zeros before it."""
    issuer: str
    facts: Mapping[str, str]
    """What evidence says of it."""


@dataclass(frozen=True, slots=True)
class _Presented:
    """Certificates as DER, the endpoint's own first, and what is wrong with their chain."""

    chain: Sequence[bytes]
    fault: str = ""


async def probe(endpoint: Endpoint, trust: ssl.SSLContext, timeout: Duration) -> Finding | str:  # noqa: ASYNC109 - of each handshake
    """What the endpoint presents, or in words why nothing is known of it. Raises nothing but cancellation."""
    try:
        return _finding(await _presented(endpoint, trust, timeout), endpoint.name)
    except TimeoutError:
        return f"no handshake within {span(timeout)}"
    except ssl.SSLError as error:
        return f"TLS: {(error.reason or 'handshake failed').lower().replace('_', ' ')}"
    except OSError as error:
        return _network_words(error)
    except (anyio.BrokenResourceError, anyio.EndOfStream):
        return "the connection was closed during the handshake"
    except Exception as error:  # noqa: BLE001 - strangers' bytes: one odd endpoint must not blind the others
        return f"cannot be read: {type(error).__name__}: {error}"


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """Trusts the system's authorities, or only those in the file; looks at neither name nor time.

    Raises:
        UserError: the file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= _NO_CHECK_TIME
    if ca_file is None:
        context.load_default_certs()
        return context
    with loading(ca_file):
        context.load_verify_locations(ca_file)
    return context


def host_fault(certificate: x509.Certificate, name: str) -> str | None:
    """Why a certificate does not fit a name or IP address (RFC 9525: by SAN, never CN); empty if it does.

    Names count one by one: a wildcard that nobody may use, such as `*.com`, fits nothing and spoils nothing.
    None where the names cannot be read.
    """
    try:
        patterns = list(_patterns(certificate))
    except (ValueError, x509.UnsupportedGeneralNameType, x509.DuplicateExtension):
        return None
    if not patterns:
        return "it names no host"
    wanted = IPAddress_ID(name) if is_ip(name) else DNS_ID(name)
    return "" if any(map(wanted.verify, patterns)) else f"not for {name}"


def _patterns(certificate: x509.Certificate) -> Iterator[DNSPattern | IPAddressPattern]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    for address in names.get_values_for_type(x509.IPAddress):
        if isinstance(address, IPv4Address | IPv6Address):
            yield IPAddressPattern(address)
    for name in names.get_values_for_type(x509.DNSName):
        with suppress(CertificateError):
            yield DNSPattern.from_bytes(name.encode())


def _finding(presented: _Presented, name: str) -> Finding:
    leaf, *others = map(x509.load_der_x509_certificate, presented.chain)
    ends, fault = _ends(leaf), host_fault(leaf, name)
    first = min([leaf, *(one for one in others if one.issuer != one.subject)], key=_ends)
    fingerprint, serial = leaf.fingerprint(SHA256()).hex(), f"{leaf.serial_number:x}"
    facts = {
        "fingerprint": fingerprint,
        "issuer": leaf.issuer.rfc4514_string(),
        "subject": leaf.subject.rfc4514_string(),
        "serial": serial,
        "not_after": rfc3339(ends),
        "chain": presented.fault,
        "host": UNREADABLE_NAMES if fault is None else fault,
        "ends_first": "" if first is leaf else first.subject.rfc4514_string(),
        "chain_not_after": "" if first is leaf else rfc3339(_ends(first)),
    }
    return Finding(
        not_after=_ends(first),
        chain_fault=presented.fault,
        host_fault=fault,
        leaf_begins=round(leaf.not_valid_before_utc.timestamp()) * SECOND,
        leaf_ends=ends,
        fingerprint=fingerprint,
        sha1=leaf.fingerprint(SHA1()).hex(),  # noqa: S303 - a name, no proof
        serial=serial,
        issuer=facts["issuer"],
        facts={key: fact for key, fact in facts.items() if fact},
    )


def _ends(certificate: x509.Certificate) -> Instant:
    return round(certificate.not_valid_after_utc.timestamp()) * SECOND


def _trusting_all() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _presented(endpoint: Endpoint, trust: ssl.SSLContext, timeout: Duration) -> _Presented:  # noqa: ASYNC109 - see probe
    try:
        return _Presented(await _handshake(endpoint, trust, timeout))
    except ssl.SSLCertVerificationError as error:
        chain = await _handshake(endpoint, _trusting_all(), timeout)
        return _Presented(chain, error.verify_message)


async def _handshake(endpoint: Endpoint, context: ssl.SSLContext, timeout: Duration) -> Sequence[bytes]:  # noqa: ASYNC109 - see probe
    """The certificates of one handshake."""
    with anyio.fail_after(timeout / SECOND):
        stream = await anyio.connect_tcp(
            endpoint.host,
            endpoint.port,
            ssl_context=context,
            tls_hostname=endpoint.name,
            tls_standard_compatible=False,  # nothing is said after the handshake, not even goodbye
        )
        async with stream:
            leaf = stream.extra(TLSAttribute.peer_certificate_binary) or b""  # noqa: S610 - not Django's
            return _chain(stream.extra(TLSAttribute.ssl_object), context) or [leaf]  # noqa: S610 - the same


def _chain(session: Any, context: ssl.SSLContext) -> Sequence[bytes]:  # noqa: ANN401 - public from Python 3.13
    """The chain that was verified, where it was: what else was sent along decides nothing. Else all of it."""
    kind = "unverified" if context.verify_mode is ssl.CERT_NONE else "verified"
    public = getattr(session, f"get_{kind}_chain", None)
    if public is not None:
        return list(public())
    own = getattr(getattr(session, "_sslobj", None), f"get_{kind}_chain", None)
    return [] if own is None else [one.public_bytes(_DER) for one in own() or ()]


def _network_words(error: OSError) -> str:
    """The system's words: asyncio puts addresses into its own, and anyio has the error in the cause."""
    cause = error.__cause__
    if isinstance(cause, ExceptionGroup):
        cause = cause.exceptions[0]
    reason = cause if isinstance(cause, OSError) else error
    return os.strerror(reason.errno).lower() if reason.errno else type(reason).__name__
