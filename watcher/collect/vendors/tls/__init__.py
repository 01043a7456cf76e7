"""TLS endpoints: what a client sees in a real handshake, as states of expiry and validity."""

from watcher.collect.collector import Vendor
from watcher.collect.vendors.tls.collector import Tls
from watcher.collect.vendors.tls.settings import TlsSettings

VENDOR = Vendor("tls", TlsSettings, Tls)
