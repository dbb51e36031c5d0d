"""Fixtures of the webhook's tests."""

from collections.abc import Callable

import pytest

from tests.webhook.cases import IMAGE
from webhook.settings import Settings, parse_settings


@pytest.fixture
def settings() -> Settings:
    """The defaults and an image."""
    return parse_settings({"image": [IMAGE]}, {})[0]


@pytest.fixture
def make_settings() -> Callable[..., Settings]:
    """Make settings with some flags given, for example region="eu-west-1"."""

    def make(**flags: str) -> Settings:
        given = {name.replace("_", "-"): [value] for name, value in flags.items()}
        return parse_settings({"image": [IMAGE], **given}, {})[0]

    return make
