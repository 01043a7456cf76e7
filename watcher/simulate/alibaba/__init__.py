"""An Alibaba Cloud CDN that behaves as its documentation says (vendors/alibaba_cdn.md, section 5)."""

from typing import Final

from watcher.simulate.alibaba.server import Alibaba, usual_code
from watcher.simulate.alibaba.settings import AlibabaSettings
from watcher.simulate.findable import by_code, domain_state, orphaned
from watcher.simulate.vendor import Vendor

CODES: Final = {
    "Throttling": "quota_nearly_spent",
    "FlowControlError": "quota_nearly_spent",
    "ServiceBusy": "quota_nearly_spent",
    "Forbidden": "permission_missing",
    "NoPermission": "permission_missing",
    "SignatureDoesNotMatch": "credentials_rejected",
    "IncompleteSignature": "credentials_rejected",
    "InvalidAccessKeyId": "credentials_rejected",
    "MissingAccessKeyId": "credentials_rejected",
    "InvalidSecurityToken": "credentials_rejected",
    "MissingSecurityToken": "credentials_rejected",
    "InvalidTimeStamp": "clock_skewed",
    "IllegalTimestamp": "clock_skewed",
    "InvalidSources.NotFound": "origin_orphaned",
    "SignatureNonceUsed": "request_refused",
    "MissingParameter": "request_refused",
    "InvalidAction": "request_refused",
    "NoSuchVersion": "request_refused",
    "InternalError": "collector_down",
    "ServiceUnavailable": "collector_down",
}
"""Rule by how a code begins, whatever status it comes with: throttling is a 400."""

VENDOR: Final = Vendor(
    "alibaba",
    AlibabaSettings,
    Alibaba,
    finds={
        "domain_offline": domain_state,
        "stuck_change": domain_state,
        "domain_gone": orphaned,
        "refusal": by_code(CODES, usual_code),
        "revoked": "credentials_rejected",
    },
)
