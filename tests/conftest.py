"""What holds in every test: no library looks for a cloud, and no socket leaves this machine."""

import os
import signal
import socket
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.serving.pki import Pki

# Before any test imports google-auth or boto3, and inherited by every process that a test starts: each of them would
# otherwise probe a link-local address.
os.environ.update(NO_GCE_CHECK="true", AWS_EC2_METADATA_DISABLED="true", GCE_METADATA_HOST="127.0.0.1:1")
for _name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
    os.environ.pop(_name, None)
# A shell starts what it puts into the background with SIGINT ignored, and processes inherit that: a test's must not.
signal.signal(signal.SIGINT, signal.default_int_handler)

_LOOPBACK = ("127.", "::1", "localhost")

# A property says what holds, not how fast: the machine may be busy.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(autouse=True, scope="session")
def _loopback_only() -> Iterator[None]:
    """A connection to any other address is a bug of the test."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6} and not str(address[0]).startswith(_LOOPBACK):
            pytest.fail(f"a test connects to {address[0]}: only loopback is allowed")
        connect(self, address)

    socket.socket.connect = guarded  # type: ignore[method-assign, assignment]  # the narrowest place that sees them all
    yield
    socket.socket.connect = connect  # type: ignore[method-assign]  # as above


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> "Pki":
    """One CA for every server under test."""
    from tests.serving.pki import Pki  # noqa: PLC0415 - cryptography, which most tests do without

    return Pki(tmp_path_factory.mktemp("pki"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests go first: with two processes the longest must not be the last to start."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """CI has every tool: there a skip is a hole, not a reason."""
    report = yield
    if report.skipped and os.environ.get("REQUIRE_ALL_TESTS"):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped where every tool must be there: {report.longreprtext}"
    return report
