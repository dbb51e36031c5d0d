"""Which endpoints count, which port is meant, and whose the slices are."""

from typing import Any

import pytest

from certjob.cluster.endpoints import Endpoint, read_endpoints, read_owner
from certjob.cluster.secret import Owner
from certjob.errors import EndpointPortError
from tests.certjob.cluster.objects import SERVICE_UID, slice_of
from tests.certjob.cluster.simulation import TARGET


def of(conditions: dict[str, Any] | None, **changes: Any) -> list[Endpoint]:
    """The endpoints of a slice with one address under these conditions."""
    one = slice_of(TARGET, [("10.0.0.1", True, False)])
    one["endpoints"][0] |= {"conditions": conditions}
    return list(read_endpoints([one | changes], TARGET.service))


@pytest.mark.parametrize(
    ("conditions", "serving"),
    [
        ({"ready": True, "serving": True, "terminating": False}, True),
        ({"ready": False, "serving": False, "terminating": False}, False),
        ({"ready": False, "serving": True}, True),
        ({"ready": False}, False),
        ({"serving": None, "ready": None, "terminating": None}, True),
        ({}, True),
        (None, True),
        ({"ready": True, "serving": True, "terminating": True}, False),
        ({"ready": False, "serving": True, "terminating": True}, False),
    ],
)
def test_conditions(conditions: dict[str, Any] | None, *, serving: bool) -> None:
    """What the API's documentation says of conditions that are not set; who terminates is to get no more requests."""
    (endpoint,) = of(conditions)

    assert endpoint.serving is serving
    assert endpoint.terminating is bool((conditions or {}).get("terminating"))


def test_an_empty_slice_is_nobody() -> None:
    """The lists are null before the first pod, and no port is missed."""
    assert read_endpoints([slice_of(TARGET, [])], TARGET.service) == ()


def test_an_address_in_two_slices_is_one_endpoint() -> None:
    """It counts as serving if one of them says so; the order is always the same."""
    slices = [slice_of(TARGET, [("10.0.0.2", False, False)]), slice_of(TARGET, [("10.0.0.2", True, False)])]
    slices.append(slice_of(TARGET, [("10.0.0.1", True, False)]))
    found = read_endpoints(slices, TARGET.service)

    assert found == read_endpoints(slices[::-1], TARGET.service)
    assert [(one.address, one.serving) for one in found] == [("10.0.0.1", True), ("10.0.0.2", True)]


@pytest.mark.parametrize(
    ("ports", "port"),
    [
        ([{"name": "", "port": 8443}], 8443),
        ([{"name": "metrics", "port": 9090}, {"name": "https", "port": 10250}], 10250),
        ([{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "a", "port": 8443, "protocol": "TCP"}], 8443),
    ],
)
def test_the_port(ports: list[dict[str, Any]], port: int) -> None:
    """The only TCP port, or the one that is called https."""
    assert [endpoint.port for endpoint in of({}, ports=ports)] == [port]


@pytest.mark.parametrize(
    ("ports", "says"),
    [
        ([{"name": "a", "port": 1}, {"name": None, "port": 2}], r"a \(1\), without a name \(2\)"),
        (None, "have none"),
        ([{"name": "https"}], "have none"),
    ],
)
def test_a_port_that_nobody_can_tell(ports: list[dict[str, Any]] | None, says: str) -> None:
    """The error names the ports and the name to give."""
    with pytest.raises(EndpointPortError, match=f"Service hook: .*{says}: name one of them https"):
        of({}, ports=ports)


def test_the_owner_is_the_service_of_the_slices() -> None:
    """Nobody's where there is no slice, where it is another kind, or where a Service was just made anew."""
    assert read_owner([slice_of(TARGET, [])], "hook") == Owner(name="hook", uid=SERVICE_UID)
    assert read_owner([], "hook") is None
    assert read_owner([slice_of(TARGET, []), slice_of(TARGET, [], uid="new")], "hook") is None
    other = slice_of(TARGET, [])
    other["metadata"]["ownerReferences"] = [{"kind": "Node", "name": "hook", "uid": "1"}]
    assert read_owner([other], "hook") is None
    del other["metadata"]["ownerReferences"]
    assert read_owner([other], "hook") is None


def test_how_an_endpoint_reads() -> None:
    """Address and port as in URLs, and the pod."""
    assert str(Endpoint(address="fd00::1", port=1, pod="p", serving=True)) == "[fd00::1]:1 (pod p)"
    assert str(Endpoint(address="10.0.0.1", port=1, pod="", serving=True)) == "10.0.0.1:1"
