"""Leaseweb CDN: traffic by distribution and by provider, certificates, domains, origins and jobs."""

from watcher.collect.collector import Vendor
from watcher.collect.vendors.leaseweb.collector import Leaseweb
from watcher.collect.vendors.leaseweb.settings import LeasewebSettings

VENDOR = Vendor("leaseweb", LeasewebSettings, Leaseweb)
