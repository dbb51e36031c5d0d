"""Which settings hold for the review that comes now?

The operator's, with what is found out while the server runs. `Settings` is frozen: a new one is made when something
changed, not for each review.
"""

import logging
from collections.abc import Callable
from dataclasses import replace

from webhook.kubelet_version import Version, shown
from webhook.role_policy import RolePolicy
from webhook.settings import Settings

_log = logging.getLogger(__name__)


class SettingsInForce:
    """Called for each review, by many threads."""

    def __init__(
        self,
        settings: Settings,
        *,
        floor: Callable[[], Version | None],
        role_policy: Callable[[], RolePolicy | None],
        broker_ca: Callable[[], str],
    ) -> None:
        """The callables give what holds at this moment, and must cost next to nothing."""
        self._floor = floor
        self._role_policy = role_policy
        self._broker_ca = broker_ca
        self._held = settings

    def __call__(self) -> Settings:
        """The settings that hold now."""
        held, floor, role_policy, broker_ca = self._held, self._floor(), self._role_policy(), self._broker_ca()
        if floor != held.kubelet_version_floor:
            _log.info("kubelet version floor: %s", shown(floor) or "not known")
        if floor != held.kubelet_version_floor or role_policy is not held.role_policy:
            self._held = held = replace(held, kubelet_version_floor=floor, role_policy=role_policy)
        if broker_ca != held.secrets.broker_ca:
            self._held = held = replace(held, secrets=replace(held.secrets, broker_ca=broker_ca))
        return held
