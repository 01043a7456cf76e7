"""One endpoint's certificate: real handshakes, and what they say of its chain and its name.

Two passes. The first verifies the chain, with the time check off, since expiry is a fact of its own. Only
where it fails does a second one, without verification, fetch the certificate; it may reach another node.
Whether the name fits is judged on the certificate itself.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
from anyio.streams.tls import TLSAttribute
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address

from watcher.collect.vendors.tls.settings import Target, is_ip
from watcher.errors import UserError
from watcher.model.time import SECOND, Duration, Instant, rfc3339
from watcher.model.words import span

_NO_CHECK_TIME: Final = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which `ssl` does not name."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one endpoint presented. Empty words mean that the check passed."""

    certificate: x509.Certificate
    chain_fault: str
    host_fault: str

    @property
    def not_after(self) -> Instant:
        """When it expires."""
        return round(self.certificate.not_valid_after_utc.timestamp()) * SECOND

    @property
    def facts(self) -> Mapping[str, str]:
        """What evidence says of it."""
        facts = {
            "fingerprint": self.certificate.fingerprint(SHA256()).hex(),
            "issuer": self.certificate.issuer.rfc4514_string(),
            "subject": self.certificate.subject.rfc4514_string(),
            "serial": f"{self.certificate.serial_number:x}",
            "not_after": rfc3339(self.not_after),
            "chain": self.chain_fault,
            "host": self.host_fault,
        }
        return {name: fact for name, fact in facts.items() if fact}


async def probe(target: Target, trust: ssl.SSLContext, timeout: Duration) -> Finding | str:  # noqa: ASYNC109 - of each handshake
    """What the endpoint presents, or in words why nothing is known of it."""
    try:
        try:
            der, chain_fault = await _handshake(target, trust, timeout), ""
        except ssl.SSLCertVerificationError as error:
            der, chain_fault = await _handshake(target, _trusting_all(), timeout), error.verify_message
        certificate = x509.load_der_x509_certificate(der)
        return Finding(certificate, chain_fault, host_fault(certificate, target.name))
    except TimeoutError:
        return f"no handshake within {span(timeout)}"
    except ssl.SSLError as error:
        return f"TLS: {(error.reason or 'handshake failed').lower().replace('_', ' ')}"
    except OSError as error:
        return _network_words(error)
    except (anyio.BrokenResourceError, anyio.EndOfStream):
        return "the connection was closed during the handshake"
    except ValueError:
        return "the certificate cannot be read"


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
    try:
        context.load_verify_locations(ca_file)
    except ssl.SSLError as error:
        raise UserError(f"ca_file {ca_file} holds no certificate in PEM form") from error
    except OSError as error:
        raise UserError(f"ca_file {ca_file} cannot be read: {error.strerror}") from error
    return context


def host_fault(certificate: x509.Certificate, name: str) -> str:
    """Why a certificate does not fit a name or IP address (RFC 9525: by SAN, never CN); empty if it does."""
    verify = verify_certificate_ip_address if is_ip(name) else verify_certificate_hostname
    try:
        verify(certificate, name)
    except VerificationError:
        return f"not for {name}"
    except CertificateError:
        return "it names no host"
    return ""


def _trusting_all() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


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
