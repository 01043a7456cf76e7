"""SwiftFederation: status codes that origins answered with, counted in bins of 5 minutes or a day."""

from watcher.collect.collector import Vendor
from watcher.collect.vendors.swiftfederation.collector import Swiftfederation
from watcher.collect.vendors.swiftfederation.settings import SwiftfederationSettings

VENDOR = Vendor("swiftfederation", SwiftfederationSettings, Swiftfederation)
