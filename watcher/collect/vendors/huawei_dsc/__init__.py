"""Huawei Cloud DSC: calls of its open API as its audit feed has them, by minute, and what failed in them."""

from watcher.collect.collector import Vendor
from watcher.collect.vendors.huawei_dsc.collector import HuaweiDsc
from watcher.collect.vendors.huawei_dsc.settings import HuaweiDscSettings

VENDOR = Vendor("huawei_dsc", HuaweiDscSettings, HuaweiDsc)
