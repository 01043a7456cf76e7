"""Why a TLS connection to a receiver was not made, in words that say what to mend."""

import ssl
from typing import Final

import aiohttp

_UNTRUSTED: Final = "its certificate is not trusted"
_BY_CODE: Final = {
    9: "its certificate is not valid yet: compare the clocks",
    10: "its certificate has expired",
    18: f"{_UNTRUSTED}: it is self-signed",
    19: f"{_UNTRUSTED}: the chain ends in a root that is not known here",
    20: f"{_UNTRUSTED}: its authority is not known here, or an intermediate is missing",
    21: f"{_UNTRUSTED}: an intermediate is missing",
    62: "its certificate is for another name",
    64: "its certificate is for another address",
}
"""By OpenSSL's code of a verification (X509_V_ERR_...)."""
_BY_REASON: Final = {
    "WRONG_VERSION_NUMBER": "it speaks no TLS at this port",
    "HTTP_REQUEST": "it speaks no TLS at this port",
    "UNSUPPORTED_PROTOCOL": "it speaks only versions of TLS that are not taken any more",
    "TLSV1_ALERT_PROTOCOL_VERSION": "it takes no version of TLS that is spoken here",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "it takes no cipher that is offered here",
    "NO_SHARED_CIPHER": "it takes no cipher that is offered here",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it asks for a certificate of watcher's own",
    "TLSV1_UNRECOGNIZED_NAME": "it does not know this name",
    "TLSV1_ALERT_UNRECOGNIZED_NAME": "it does not know this name",
}
"""By OpenSSL's name of what went wrong in a handshake."""


def tls_words(error: aiohttp.ClientSSLError) -> str:
    """What is wrong, by OpenSSL's code or name of it; neither holds the address."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        found = error.certificate_error
        code = found.verify_code if isinstance(found, ssl.SSLCertVerificationError) else 0
        return _BY_CODE.get(code, f"{_UNTRUSTED} (OpenSSL's code {code})" if code else _UNTRUSTED)
    reason = getattr(error.os_error, "reason", None) or ""
    return _BY_REASON.get(reason, f"TLS failed ({reason})" if reason else "TLS failed")
