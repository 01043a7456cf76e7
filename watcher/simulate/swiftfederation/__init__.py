"""A SwiftFederation that behaves as its documentation says (vendors/swiftfederation.md, section 5)."""

from typing import Final

from watcher.simulate.swiftfederation.server import Swiftfederation
from watcher.simulate.swiftfederation.settings import SwiftfederationSettings
from watcher.simulate.vendor import Vendor

VENDOR: Final = Vendor(
    "swiftfederation",
    SwiftfederationSettings,
    Swiftfederation,
    finds={
        "5xx_burst": "origin_5xx_spike",
        "partial_outage": "origin_5xx_spike",
        "single_code_burst": "http_status_burst",
        "traffic_loss": "traffic_loss",
        "domain_gone": "domain_not_serving",
    },
)
