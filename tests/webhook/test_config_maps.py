"""ConfigMaps of a cluster, over real sockets: read once, remembered for a moment, and never waited for in vain."""

import time
from collections.abc import Callable, Iterator

import pytest

from demo.fakes.api_server import ApiServer
from demo.fakes.api_server.script import Answer, Hang
from kube.config import Connection, bearer
from webhook.account_lookup import LookupLimits
from webhook.config_maps import ReadConfigMaps
from webhook.secrets.look_ups import ConfigMaps, LookUpUnavailableError

TOKEN = "tok-51d0aa"
DATA = {"A": "sm://prod/db#a", "B": "plain"}


def authorization(*, refused: str | None) -> str:
    """A header that never changes."""
    del refused
    return bearer(TOKEN, "a test")


@pytest.fixture
def server() -> Iterator[ApiServer]:
    """An API server that wants the token."""
    server = ApiServer(tokens={TOKEN})
    yield server
    server.close()


@pytest.fixture
def read(server: ApiServer) -> Iterator[Callable[..., ConfigMaps]]:
    """Make the reader of one worker."""
    made: list[ReadConfigMaps] = []

    def make(**limits: float) -> ConfigMaps:
        connection = Connection(server=server.url, authorization=authorization)
        made.append(ReadConfigMaps(connection, clock=time.monotonic, limits=LookupLimits(**limits)))  # type: ignore[arg-type]  # seconds and counts
        return made[-1]

    yield make
    for each in made:
        each.stop()


def test_it_is_read_and_remembered(server: ApiServer, read: Callable[..., ConfigMaps]) -> None:
    """One request for two reviews; its text keys come back."""
    server.put("shop", "settings", {}, resource="configmaps", fields={"data": DATA, "binaryData": {"C": "AA=="}})
    config_maps = read(memory=60)

    assert config_maps.data("shop", "settings") == DATA
    assert config_maps.data("shop", "settings") == DATA
    assert server.counts["get"] == 1


def test_one_without_data_is_empty(server: ApiServer, read: Callable[..., ConfigMaps]) -> None:
    """Which is not absent, and not forbidden."""
    server.put("shop", "settings", {}, resource="configmaps")

    assert read().data("shop", "settings") == {}


@pytest.mark.parametrize(("namespace", "name"), [("shop", "none"), ("shop", "../../secrets/x"), ("S", "settings")])
def test_what_is_not_there_is_absent(
    namespace: str, name: str, server: ApiServer, read: Callable[..., ConfigMaps]
) -> None:
    """Names that no object can have are put into no path."""
    assert read().data(namespace, name) == "absent"
    assert all(seen.path == "/api/v1/namespaces/shop/configmaps/none" for seen in server.requests)


def test_without_the_permission_nobody_knows(server: ApiServer, read: Callable[..., ConfigMaps]) -> None:
    """403 is an answer; a permission that is granted later counts."""
    server.put("shop", "settings", {}, resource="configmaps", fields={"data": DATA})
    server.forbidden_resources.add("configmaps")
    config_maps = read(memory=0)

    assert config_maps.data("shop", "settings") == "forbidden"
    server.forbidden_resources.clear()
    assert config_maps.data("shop", "settings") == DATA


@pytest.mark.parametrize("fault", [Answer(status=500), Hang()])
def test_an_api_server_that_is_away_is_said(
    fault: Answer | Hang, server: ApiServer, read: Callable[..., ConfigMaps]
) -> None:
    """The message names the ConfigMap, and says that nothing is wrong with the pod."""
    server.put("shop", "settings", {}, resource="configmaps", fields={"data": DATA})
    server.faults["get"].append(fault)

    with pytest.raises(LookUpUnavailableError) as refused:
        read(timeout=0.3).data("shop", "settings")

    assert "ConfigMap shop/settings" in str(refused.value)
    assert "Nothing is wrong with the pod: retry" in str(refused.value)


def test_what_is_no_config_map_is_said(server: ApiServer, read: Callable[..., ConfigMaps]) -> None:
    """An object of another shape is an outage, not an empty ConfigMap; its content is not repeated."""
    server.put("shop", "settings", {}, resource="configmaps", fields={"data": {"A": {"canary": 1}}})

    with pytest.raises(LookUpUnavailableError) as refused:
        read().data("shop", "settings")

    assert "data must be a map of strings" in str(refused.value)
    assert "canary" not in str(refused.value)
