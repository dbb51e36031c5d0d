"""A forwarded token for a session of its own role, at the strict STS."""

import time
from typing import Any

import pytest

from secretenv.references import Secret
from secretenv.stores import Fetched, Refusal
from secretenv.stores.assume import Session, assume
from secretenv.stores.aws import Aws
from secretenv.stores.clients import Clients
from tests.stores.conftest import AUDIENCE, ROLE_ARN, Setup
from tests.stores.faulty import FaultyAws


def exchanged(clients: Clients, token: str, **change: Any) -> Session | Refusal:
    """What STS gives for a token."""
    asked = {"role_arn": ROLE_ARN, "session_name": "ns.app", "timeout": 10.0, **change}
    return assume(clients, token=token, clock=time.monotonic, **asked)


def test_the_session_reads(aws: FaultyAws, setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who exchanges needs no credentials; what comes back reads as the token's own role, and lives an hour."""
    for name in ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"):
        monkeypatch.delenv(name)
    setup("secretsmanager").create_secret(Name="app/db", SecretString="secret")
    clients = Clients()
    session = exchanged(clients, aws.signer.id_token(AUDIENCE))
    assert isinstance(session, Session)
    assert session.expires_at == pytest.approx(time.time() + 3600, abs=60)
    store = Aws(clients, clock=time.monotonic, credentials=session.credentials, role=ROLE_ARN)
    assert isinstance(store.fetch([Secret("app/db")], timeout=10)[Secret("app/db")], Fetched)
    assert aws.calls[-1].role_arn == ROLE_ARN
    assert session.credentials.session_token not in repr(session)


def test_no(aws: FaultyAws) -> None:
    """STS's reason, and what to do; never the token."""
    token = aws.signer.id_token("another audience")
    refusal = exchanged(Clients(), token)
    assert refusal == Refusal(
        reason="access_denied",
        message=f"role {ROLE_ARN} cannot be assumed: STS says AccessDenied; "
        "run `kubectl token-injector doctor` for the pod (its --help says how to get the token)",
    )
    bad = exchanged(Clients(), "x")
    assert isinstance(bad, Refusal)
    assert bad.reason == "invalid"


def test_late(aws: FaultyAws) -> None:
    """An STS that hangs takes no more time than was given."""
    aws.faults["STS"] = aws.hanging
    refusal = exchanged(Clients(), aws.signer.id_token(AUDIENCE), timeout=0.3)
    assert refusal == Refusal(reason="unavailable", message=f"role {ROLE_ARN}: no answer from STS within 0.3 s")
