"""CDNvideo: edge and origin counts, cache, bandwidth and latency, in windows of 1 to 10 minutes."""

from watcher.collect.collector import Vendor
from watcher.collect.vendors.cdnvideo.collector import Cdnvideo
from watcher.collect.vendors.cdnvideo.settings import CdnvideoSettings

VENDOR = Vendor("cdnvideo", CdnvideoSettings, Cdnvideo)
