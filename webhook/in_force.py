"""Which settings hold for the review that comes now?

The operator's, with what is found out while the server runs. `Settings` is frozen: a new one is made when something
changed, not for each review.
"""

import logging
from collections.abc import Callable
from dataclasses import replace

from webhook.kubelet_version import Version, shown
from webhook.settings import Settings

_log = logging.getLogger(__name__)


class SettingsInForce:
    """Called for each review, by many threads."""

    def __init__(self, settings: Settings, *, floor: Callable[[], Version | None]) -> None:
        """`floor` gives the kubelet version floor of this moment; both must cost next to nothing."""
        self._floor = floor
        self._held = settings

    def __call__(self) -> Settings:
        """The settings that hold now."""
        held, floor = self._held, self._floor()
        if floor != held.kubelet_version_floor:
            _log.info("kubelet version floor: %s", shown(floor) or "not known")
            self._held = held = replace(held, kubelet_version_floor=floor)
        return held
