"""What a pod makes the webhook ask has one deadline, however many images and ConfigMaps it names."""

from collections.abc import Mapping

import pytest

from webhook.entrypoint.manifest import Entrypoint
from webhook.entrypoint.question import Failure, Wanted
from webhook.one_review import for_one_review
from webhook.secrets.look_ups import LookUps, LookUpUnavailableError, Missing

SECONDS = 5.0


class Slow:
    """Both sources; each question takes as long as it is told."""

    def __init__(self) -> None:
        self.now = 100.0
        self.takes = 3.0
        self.asked = 0

    def _answer(self) -> None:
        self.asked += 1
        self.now += self.takes

    def data(self, namespace: str, name: str) -> Mapping[str, str] | Missing:
        """A ConfigMap."""
        del namespace
        self._answer()
        return {"NAME": name}

    def look_up(self, wanted: Wanted) -> Entrypoint | Failure:
        """An image."""
        del wanted
        self._answer()
        return Entrypoint(entrypoint=("/app",), cmd=())


def wanted(image: str) -> Wanted:
    """A question without credentials."""
    return Wanted(image=image, namespace="shop", service_account="orders")


def test_images_are_asked_for_until_the_time_is_over() -> None:
    """Two of three seconds fit into five, as the second began in time; the third is not asked."""
    slow = Slow()
    look_ups = for_one_review(
        LookUps(config_maps=slow, entrypoints=slow), seconds=SECONDS, clock=lambda: slow.now
    ).entrypoints

    found = [look_ups.look_up(wanted(f"registry.example/app:{tag}")) for tag in range(3)]

    assert [type(each) for each in found] == [Entrypoint, Entrypoint, Failure]
    assert slow.asked == 2


def test_config_maps_share_the_deadline() -> None:
    """The message names the object and says that nothing is wrong with the pod."""
    slow = Slow()
    look_ups = for_one_review(LookUps(config_maps=slow, entrypoints=slow), seconds=SECONDS, clock=lambda: slow.now)
    slow.takes = SECONDS

    assert look_ups.config_maps.data("shop", "first") == {"NAME": "first"}
    with pytest.raises(LookUpUnavailableError, match=r"ConfigMap shop/second.*Nothing is wrong with the pod: retry"):
        look_ups.config_maps.data("shop", "second")


def test_the_next_review_begins_anew() -> None:
    """Nothing of a review's time is left for the next one."""
    slow = Slow()
    sources = LookUps(config_maps=slow, entrypoints=slow)
    slow.takes = 2 * SECONDS
    for_one_review(sources, seconds=SECONDS, clock=lambda: slow.now).config_maps.data("shop", "first")

    again = for_one_review(sources, seconds=SECONDS, clock=lambda: slow.now)

    assert again.config_maps.data("shop", "second") == {"NAME": "second"}
