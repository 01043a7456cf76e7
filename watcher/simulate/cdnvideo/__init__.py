"""A CDNvideo that behaves as its documentation says (vendors/cdnvideo.md, section 5)."""

from typing import Final

from watcher.simulate.cdnvideo.server import Cdnvideo
from watcher.simulate.cdnvideo.settings import CdnvideoSettings
from watcher.simulate.vendor import Vendor

VENDOR: Final = Vendor(
    "cdnvideo",
    CdnvideoSettings,
    Cdnvideo,
    finds={
        "5xx_burst": "http_5xx_spike",
        "single_code_burst": "http_5xx_spike",
        "partial_outage": "http_5xx_spike",
        "hit_ratio_collapse": "hit_ratio_drop",
        "slowness": "latency_rise",
        "traffic_loss": "traffic_loss",
    },
)
