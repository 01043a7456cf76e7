"""A CDNvideo that behaves as its documentation says (vendors/cdnvideo.md, section 5)."""

from typing import Final

from watcher.simulate.cdnvideo.server import Cdnvideo
from watcher.simulate.cdnvideo.settings import CdnvideoSettings
from watcher.simulate.faults import Fault
from watcher.simulate.findable import Case, by_status, edge_errors, hit_ratio, latency, loss
from watcher.simulate.vendor import Vendor


def _refusal(case: Case) -> str | None:
    """A refused login is taken for rejected credentials, also with 403."""
    login = isinstance(case.one, Fault) and (not case.one.calls or "token" in case.one.calls)
    return "credentials_rejected" if login and case.one.status == 403 else by_status(case.one.status)


def _refused_inside(case: Case) -> str | None:
    """Only logins are refused so."""
    return _refusal(case) if not case.one.calls or "token" in case.one.calls else None


def _echoed(case: Case) -> str | None:
    """Only data are refused so."""
    return by_status(case.one.status) if not case.one.calls or "metrics" in case.one.calls else None


VENDOR: Final = Vendor(
    "cdnvideo",
    CdnvideoSettings,
    Cdnvideo,
    finds={
        "5xx_burst": edge_errors,
        "single_code_burst": edge_errors,
        "partial_outage": edge_errors,
        "hit_ratio_collapse": hit_ratio,
        "slowness": latency,
        "traffic_loss": loss,
        "late_bins": None,
        "refusal": _refusal,
        "refused_inside": _refused_inside,
        "echoed_token": _echoed,
        "revoked": "credentials_rejected",
    },
)
