"""What the certificates' tests have in common: a fixed day, names, and a CA that takes no time to make."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from certjob.certificates import Issued, Source, issue_authority, issue_leaf, new_private_key
from certjob.certify import Request
from certjob.decide import Wanted
from certjob.names import Names, serving_names


@pytest.fixture
def now() -> datetime:
    """The day on which everything is made."""
    return datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def names() -> Names:
    """The Service's names and the address on which tests serve."""
    return serving_names(service="admission-webhook-svc", namespace="webhook", sans=["127.0.0.1"])


@pytest.fixture
def source() -> Source:
    """Real keys and serial numbers."""
    return Source(new_key=new_private_key, new_serial=x509.random_serial_number)


@pytest.fixture
def authority(now: datetime) -> Issued:
    """A CA of ten years."""
    return issue_authority(
        key=new_private_key(), serial=x509.random_serial_number(), now=now, lifetime=timedelta(days=3650)
    )


@pytest.fixture
def leaf(authority: Issued, names: Names, now: datetime) -> Issued:
    """A serving certificate of one year."""
    return issue_leaf(
        authority,
        key=new_private_key(),
        serial=x509.random_serial_number(),
        common_name="admission-webhook-svc.webhook.svc",
        names=names,
        now=now,
        lifetime=timedelta(days=365),
    )


@pytest.fixture
def request_for(tmp_path: Path, names: Names) -> Request:
    """One year for the leaf, ten for the CA, into an empty folder."""
    return Request(
        directory=tmp_path / "certs",
        common_name="admission-webhook-svc.webhook.svc",
        wanted=Wanted(names=names),
        lifetime=timedelta(days=365),
        ca_lifetime=timedelta(days=3650),
    )
