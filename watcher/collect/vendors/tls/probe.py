"""One endpoint's certificates: real handshakes, and what they say of their chain and their name.

The first handshake verifies the chain as a client would. Where only the time is against it, a second one
without the time check tells the chain: expiry is a fact of its own. Where that fails too, or the chain is
wrong otherwise, one without verification fetches the certificates. Each may reach another node. Whether the
name fits is judged on the certificate itself.
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

from watcher.collect.hosts import is_ip
from watcher.collect.trust import loading
from watcher.collect.vendors.tls.endpoint import Endpoint
from watcher.model.time import SECOND, Duration, Instant, rfc3339
from watcher.model.words import span

_NO_CHECK_TIME: Final = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which `ssl` does not name."""
_NOT_YET_VALID: Final = 9
_EXPIRED: Final = 10
"""OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED."""
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
class Trust:
    """Which authorities are trusted: as a client would now, and whatever the time is."""

    now: ssl.SSLContext
    ever: ssl.SSLContext
    own: bool
    """They are ours, out of a file: how long they last is then our business too."""


@dataclass(frozen=True, slots=True)
class _Presented:
    """Certificates, the endpoint's own first, and what is wrong with their chain."""

    chain: Sequence[x509.Certificate]
    fault: str = ""
    ends_with_root: bool = False
    """The authority that the chain leads to counts, too."""


async def probe(endpoint: Endpoint, trust: Trust, timeout: Duration) -> Finding | str:  # noqa: ASYNC109 - of all handshakes
    """What the endpoint presents, or in words why nothing is known of it. Raises nothing but cancellation."""
    try:
        with anyio.fail_after(timeout / SECOND):
            presented = await _presented(endpoint, trust)
        return _finding(presented, endpoint.name)
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


def trusting(ca_file: Path | None) -> Trust:
    """Trusts the system's authorities, or only those in the file; looks at no name.

    Raises:
        UserError: the file cannot be used.
    """
    now, ever = _context(ca_file), _context(ca_file)
    ever.verify_flags |= _NO_CHECK_TIME
    return Trust(now, ever, own=ca_file is not None)


def _context(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
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
    leaf, *others = presented.chain
    ends, fault = _ends(leaf), host_fault(leaf, name)
    counted = (one for one in others if presented.ends_with_root or one.issuer != one.subject)
    first = min([leaf, *counted], key=_ends)
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
        leaf_begins=_begins(leaf),
        leaf_ends=ends,
        fingerprint=fingerprint,
        sha1=leaf.fingerprint(SHA1()).hex(),  # noqa: S303 - a name, no proof
        serial=serial,
        issuer=facts["issuer"],
        facts={key: fact for key, fact in facts.items() if fact},
    )


def _begins(certificate: x509.Certificate) -> Instant:
    return round(certificate.not_valid_before_utc.timestamp()) * SECOND


def _ends(certificate: x509.Certificate) -> Instant:
    return round(certificate.not_valid_after_utc.timestamp()) * SECOND


def _trusting_all() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _presented(endpoint: Endpoint, trust: Trust) -> _Presented:
    try:
        return _Presented(await _handshake(endpoint, trust.now), ends_with_root=trust.own)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code in {_NOT_YET_VALID, _EXPIRED}:
            return await _at_another_time(endpoint, trust, too_early=error.verify_code == _NOT_YET_VALID)
        return _Presented(await _handshake(endpoint, _trusting_all()), error.verify_message)


async def _at_another_time(endpoint: Endpoint, trust: Trust, *, too_early: bool) -> _Presented:
    """A chain that is good but for the time: its end says when that was, but not when it will be."""
    try:
        chain = await _handshake(endpoint, trust.ever)
    except ssl.SSLCertVerificationError as error:
        return _Presented(await _handshake(endpoint, _trusting_all()), error.verify_message)
    last = max(chain, key=_begins)
    of_issuer = "" if last is chain[0] else f": {last.subject.rfc4514_string()}"
    fault = f"not valid before {rfc3339(_begins(last))}{of_issuer}" if too_early else ""
    return _Presented(chain, fault, ends_with_root=True)


async def _handshake(endpoint: Endpoint, context: ssl.SSLContext) -> Sequence[x509.Certificate]:
    """The certificates of one handshake."""
    stream = await anyio.connect_tcp(
        endpoint.host,
        endpoint.port,
        ssl_context=context,
        tls_hostname=endpoint.name,
        tls_standard_compatible=False,  # nothing is said after the handshake, not even goodbye
    )
    async with stream:
        leaf = stream.extra(TLSAttribute.peer_certificate_binary) or b""  # noqa: S610 - not Django's
        session = stream.extra(TLSAttribute.ssl_object)  # noqa: S610 - the same
    return [x509.load_der_x509_certificate(one) for one in _chain(session, context) or [leaf]]


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
