"""A Leaseweb CDN that behaves as its documentation says (vendors/leaseweb.md, section 5)."""

from typing import Final

from watcher.simulate.leaseweb.server import Leaseweb
from watcher.simulate.leaseweb.settings import LeasewebSettings
from watcher.simulate.vendor import Vendor

VENDOR: Final = Vendor(
    "leaseweb",
    LeasewebSettings,
    Leaseweb,
    finds={
        "5xx_burst": "http_5xx_spike",
        "partial_outage": "http_5xx_spike",
        "provider_failing": "provider_failing",
        "hit_ratio_collapse": "hit_ratio_drop",
        "traffic_loss": "traffic_loss",
        "domain_offline": "domain_not_serving",
        "certificate_near_expiry": "certificate_expiry",
        "certificate_invalid": "certificate_invalid",
        "stuck_job": "job_stuck",
        "failed_job": "job_failed",
        "origin_group_empty": "origin_group_empty",
    },
)
