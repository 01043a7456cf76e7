"""A SwiftFederation that behaves as its documentation says (vendors/swiftfederation.md, section 5)."""

from typing import Final

from watcher.simulate.findable import by_code, loss, origin_errors
from watcher.simulate.swiftfederation.answers import usual_code
from watcher.simulate.swiftfederation.server import Swiftfederation
from watcher.simulate.swiftfederation.settings import SwiftfederationSettings
from watcher.simulate.vendor import Vendor

CODES: Final = {
    "GetOriginHttpCodes.OperationFailed": "collector_down",
    "ServiceName.NotFound": "domain_not_serving",
    "Signature.Expired": "clock_skewed",
    "Timestamp.Invalid": "clock_skewed",
    "AccessKeyId.Invalid": "credentials_rejected",
    "AccessCredential.Invalid": "credentials_rejected",
    "Signature.NotMatch": "credentials_rejected",
    "Permission.Forbidden": "permission_missing",
    "Product.Subscription.Invalid": "permission_missing",
}
"""Rule by how a code begins, where its status is below 500."""

VENDOR: Final = Vendor(
    "swiftfederation",
    SwiftfederationSettings,
    Swiftfederation,
    finds={
        "5xx_burst": origin_errors,
        "partial_outage": origin_errors,
        "single_code_burst": origin_errors,
        "traffic_loss": loss,
        "late_bins": None,
        "domain_gone": "domain_not_serving",
        "refusal": by_code(CODES, lambda fault: usual_code(fault.status), below=500),
        "operation_failed": "collector_down",
        "forgotten": "domain_not_serving",
        "revoked": "credentials_rejected",
    },
)
