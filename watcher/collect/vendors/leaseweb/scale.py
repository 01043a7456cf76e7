"""Whether a hit ratio of 1 means all or one percent: the vendor does not say."""

from watcher.collect.vendors.leaseweb.settings import Scale
from watcher.collect.vendors.leaseweb.statistics import RATIO_ROUNDING
from watcher.model.sample import Floats


class HitRatioScale:
    """As configured; else a share from 0 to 1 until one value above 1 is seen, and percent from then on.

    Values from 0 to 1 fit both scales, so "ratio" is never proved: an account of which no distribution had
    more than one hit in a hundred for a day, told in percent, would be read wrongly.
    """

    def __init__(self, configured: Scale) -> None:
        self.percent = configured == "percent"
        self._open = configured == "auto"
        self.looked_back = not self._open
        """Whether older values were asked for, or need not be."""

    def learn(self, values: Floats) -> bool:
        """Whether the scale is certain after these."""
        if self._open and (values > 1 + RATIO_ROUNDING).any():
            self.percent, self._open = True, False
        return not self._open
