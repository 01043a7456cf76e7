"""An Alibaba Cloud CDN that behaves as its documentation says (vendors/alibaba_cdn.md, section 5)."""

from typing import Final

from watcher.simulate.alibaba.server import Alibaba
from watcher.simulate.alibaba.settings import AlibabaSettings
from watcher.simulate.vendor import Vendor

VENDOR: Final = Vendor(
    "alibaba",
    AlibabaSettings,
    Alibaba,
    finds={
        "domain_offline": "domain_not_serving",
        "stuck_change": "domain_stuck",
        "domain_gone": "origin_orphaned",
    },
)
