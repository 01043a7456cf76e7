"""A Huawei Cloud DSC that behaves as its documentation says (vendors/huawei_dsc.md, section 5)."""

from typing import Final

from watcher.simulate.huawei.server import Huawei
from watcher.simulate.huawei.settings import HuaweiSettings
from watcher.simulate.vendor import Vendor

VENDOR: Final = Vendor("huawei", HuaweiSettings, Huawei, finds={"failing_api_calls": "api_failed_calls"})
