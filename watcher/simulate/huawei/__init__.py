"""A Huawei Cloud DSC that behaves as its documentation says (vendors/huawei_dsc.md, section 5)."""

from typing import Final

from watcher.simulate.findable import api_failures, by_code
from watcher.simulate.huawei.answers import usual_code
from watcher.simulate.huawei.server import Huawei
from watcher.simulate.huawei.settings import HuaweiSettings
from watcher.simulate.vendor import Vendor

CODES: Final = {
    "APIG.0101": "request_refused",
    "APIG.0301": "credentials_rejected",
    "APIG.0308": "quota_nearly_spent",
}
"""Rule by how a code begins."""

VENDOR: Final = Vendor(
    "huawei",
    HuaweiSettings,
    Huawei,
    finds={"failing_api_calls": api_failures, "refusal": by_code(CODES, usual_code)},
)
