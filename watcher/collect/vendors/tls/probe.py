"""One endpoint's certificate: real handshakes, and what they say of its chain and its name.

Two passes. The first verifies the chain, with the time check off, since expiry is a fact of its own. Only
where it fails does a second one, without verification, fetch the certificate; it may reach another node.
Whether the name fits is judged on the certificate itself.
"""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Final

import anyio
from anyio.streams.tls import TLSAttribute
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from service_identity import CertificateError
from service_identity.hazmat import DNS_ID, DNSPattern, IPAddress_ID, IPAddressPattern

from watcher.collect.trust import loading
from watcher.collect.vendors.tls.settings import Target, is_ip
from watcher.model.time import SECOND, Duration, Instant, rfc3339
from watcher.model.words import span

_NO_CHECK_TIME: Final = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which `ssl` does not name."""
UNREADABLE_NAMES: Final = "the certificate's names cannot be read"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one endpoint presented. Empty words mean that the check passed."""

    not_after: Instant
    """When the certificate expires."""
    chain_fault: str
    host_fault: str | None
    """None where the certificate's names cannot be read."""
    facts: Mapping[str, str]
    """What evidence says of it."""


async def probe(target: Target, trust: ssl.SSLContext, timeout: Duration) -> Finding | str:  # noqa: ASYNC109 - of each handshake
    """What the endpoint presents, or in words why nothing is known of it. Raises nothing but cancellation."""
    try:
        der, chain_fault = await _presented(target, trust, timeout)
        return _finding(x509.load_der_x509_certificate(der), chain_fault, target.name)
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


def _finding(certificate: x509.Certificate, chain_fault: str, name: str) -> Finding:
    not_after = round(certificate.not_valid_after_utc.timestamp()) * SECOND
    fault = host_fault(certificate, name)
    facts = {
        "fingerprint": certificate.fingerprint(SHA256()).hex(),
        "issuer": certificate.issuer.rfc4514_string(),
        "subject": certificate.subject.rfc4514_string(),
        "serial": f"{certificate.serial_number:x}",
        "not_after": rfc3339(not_after),
        "chain": chain_fault,
        "host": UNREADABLE_NAMES if fault is None else fault,
    }
    return Finding(not_after, chain_fault, fault, {key: fact for key, fact in facts.items() if fact})


def _trusting_all() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _presented(target: Target, trust: ssl.SSLContext, timeout: Duration) -> tuple[bytes, str]:  # noqa: ASYNC109 - see probe
    """The certificate as DER, and what is wrong with its chain."""
    try:
        return await _handshake(target, trust, timeout), ""
    except ssl.SSLCertVerificationError as error:
        return await _handshake(target, _trusting_all(), timeout), error.verify_message


async def _handshake(target: Target, context: ssl.SSLContext, timeout: Duration) -> bytes:  # noqa: ASYNC109 - see probe
    """The certificate that the endpoint presents, as DER."""
    with anyio.fail_after(timeout / SECOND):
        stream = await anyio.connect_tcp(
            target.host,
            target.port,
            ssl_context=context,
            tls_hostname=target.name,
            tls_standard_compatible=False,  # nothing is said after the handshake, not even goodbye
        )
        async with stream:
            return stream.extra(TLSAttribute.peer_certificate_binary) or b""  # noqa: S610 - not Django's


def _network_words(error: OSError) -> str:
    """The system's words; anyio has them in the cause."""
    cause = error.__cause__
    if isinstance(cause, ExceptionGroup):
        cause = cause.exceptions[0]
    reason = cause if isinstance(cause, OSError) else error
    return (reason.strerror or type(reason).__name__).lower()
