"""HTTP probes: what a client gets from a URL, from each address of it if asked, as states."""

from watcher.collect.collector import Vendor
from watcher.collect.vendors.http.collector import Http
from watcher.collect.vendors.http.settings import HttpSettings

VENDOR = Vendor("http", HttpSettings, Http)
