"""Alibaba Cloud CDN: which domains each origin feeds, and the configuration status of these domains."""

from watcher.collect.collector import Vendor
from watcher.collect.vendors.alibaba_cdn.collector import AlibabaCdn
from watcher.collect.vendors.alibaba_cdn.settings import AlibabaCdnSettings

VENDOR = Vendor("alibaba_cdn", AlibabaCdnSettings, AlibabaCdn)
