"""A Leaseweb CDN that behaves as its documentation says (vendors/leaseweb.md, section 5)."""

from typing import Final

from watcher.simulate.findable import (
    domain_enabled,
    edge_errors,
    empty_group,
    expiry,
    failed_job,
    hit_ratio,
    invalid,
    loss,
    provider_errors,
    stuck_job,
)
from watcher.simulate.leaseweb.server import Leaseweb
from watcher.simulate.leaseweb.settings import LeasewebSettings
from watcher.simulate.vendor import Vendor

VENDOR: Final = Vendor(
    "leaseweb",
    LeasewebSettings,
    Leaseweb,
    finds={
        "5xx_burst": edge_errors,
        "single_code_burst": edge_errors,
        "partial_outage": edge_errors,
        "provider_failing": provider_errors,
        "hit_ratio_collapse": hit_ratio,
        "traffic_loss": loss,
        "late_bins": None,
        "domain_offline": domain_enabled,
        "stuck_change": domain_enabled,
        "certificate_near_expiry": expiry,
        "certificate_invalid": invalid,
        "stuck_job": stuck_job,
        "failed_job": failed_job,
        "origin_group_empty": empty_group,
        "revoked": "credentials_rejected",
        "unauthorized": "credentials_rejected",
        "denied": "permission_missing",
        "ungrouped": "contract_changed",
    },
)
