"""The metadata server on its good and bad days."""

import pytest

from contract import annotations, exit_codes, pod
from demo.fakes.metadata import (
    FORBIDDEN_BODY,
    Garbage,
    MetadataServer,
    NoFlavor,
    NotHttp,
    Redirect,
    Slow,
    Status,
    Truncated,
)
from demo.fakes.metadata.faults import Fault
from injector.errors import RefreshError
from injector.sources import gke_metadata
from injector.sources.gke_metadata import GkeMetadata, quoted
from injector.token import read_unverified


def fetched(metadata: MetadataServer, *, audience: str = pod.GOOGLE_AUDIENCE, timeout: float = 5) -> str:
    """Ask once."""
    return GkeMetadata(host=metadata.host).fetch(audience=audience, timeout=timeout)


def refusal(metadata: MetadataServer, *faults: Fault, timeout: float = 5) -> RefreshError:
    """Ask once and be refused."""
    metadata.script(*faults)
    with pytest.raises(RefreshError) as caught:
        fetched(metadata, timeout=timeout)
    assert metadata.host in str(caught.value)
    return caught.value


def test_token(metadata: MetadataServer) -> None:
    """The token is for the audience that was asked for, and its azp is numeric."""
    token = read_unverified(fetched(metadata))
    assert token.unverified_audiences == (pod.GOOGLE_AUDIENCE,)
    assert token.unverified_sub == metadata.signer.unique_id


def test_request(metadata: MetadataServer) -> None:
    """One request, with the header that the server demands."""
    fetched(metadata)
    (asked,) = metadata.requests
    assert (asked.method, asked.path) == ("GET", gke_metadata.IDENTITY)
    assert asked.query == {"audience": pod.GOOGLE_AUDIENCE, "format": "full"}
    assert asked.headers["metadata-flavor"] == "Google"
    assert asked.headers["host"] == metadata.host


@pytest.mark.parametrize("audience", ["a b", "a&format=standard", "ünï", "a\r\nX-Y: z", "100%", "a+b", "#?"])
def test_any_audience(metadata: MetadataServer, audience: str) -> None:
    """An audience with any character reaches the server as it is, and nothing of it becomes HTTP."""
    fetched(metadata, audience=audience)
    assert metadata.requests[0].query == {"audience": audience, "format": "full"}
    assert "x-y" not in metadata.requests[0].headers


def test_quoted() -> None:
    """RFC 3986's unreserved characters stay."""
    assert quoted("aZ0-._~/é") == "aZ0-._~%2F%C3%A9"


def test_no_service_account(metadata: MetadataServer) -> None:
    """404: permanent, and the reason is what to annotate and what to grant."""
    metadata.bound = False
    error = refusal(metadata)
    assert error.exit_code == exit_codes.NO_SERVICE_ACCOUNT
    assert annotations.GOOGLE_SERVICE_ACCOUNT in str(error)
    assert "roles/iam.workloadIdentityUser" in str(error)


def test_forbidden(metadata: MetadataServer) -> None:
    """403: permanent, with the role and the server's own words."""
    error = refusal(metadata, Status(403, FORBIDDEN_BODY))
    assert error.exit_code == exit_codes.NO_SERVICE_ACCOUNT
    assert "roles/iam.workloadIdentityUser" in str(error)
    assert "HTTP 403: " in str(error)


def test_audience_refused(metadata: MetadataServer) -> None:
    """400: permanent; the flag and the annotation are named."""
    error = refusal(metadata, Status(400, "non-empty audience parameter required"))
    assert error.exit_code == exit_codes.AUDIENCE_REFUSED
    assert "--audience" in str(error)
    assert annotations.AUDIENCE in str(error)
    assert "non-empty audience parameter required" in str(error)


def test_names_are_the_contracts() -> None:
    """The two names that are repeated for the sake of weight are the contract's."""
    assert (gke_metadata.AUDIENCE, gke_metadata.GOOGLE_SERVICE_ACCOUNT) == (
        annotations.AUDIENCE,
        annotations.GOOGLE_SERVICE_ACCOUNT,
    )


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Status(429, "quota", retry_after=5), "HTTP 429: quota"),
        (Status(500), "HTTP 500"),
        (Status(503, "GKE Metadata Server: Internal Server Error"), "HTTP 503"),
        (Status(401), "HTTP 401"),
        (Status(204), "HTTP 204"),
        (Redirect("http://127.0.0.1:1/elsewhere"), "redirect, which is not followed"),
        (NoFlavor(), "without the header Metadata-Flavor"),
        (Truncated(100), "ended in the middle"),
        (NotHttp(b"SSH-2.0\r\n"), "status line"),
        (NotHttp(b""), "ended in the middle"),
        (Garbage(b"x" * 70_000), "no number up to"),
    ],
)
def test_what_may_pass(metadata: MetadataServer, fault: Fault, expected: str) -> None:
    """Everything else is transient: it says what was seen and what to check if it stays."""
    error = refusal(metadata, fault)
    assert error.exit_code == exit_codes.SOURCE_UNAVAILABLE
    assert expected in str(error)
    assert "network policies" in str(error)
    assert fetched(metadata)


def test_redirects_are_not_followed(metadata: MetadataServer) -> None:
    """The place that a redirect names is never asked."""
    with MetadataServer() as other:
        refusal(metadata, Redirect(f"http://{other.host}{gke_metadata.IDENTITY}"))
        assert other.requests == []


def test_slow(metadata: MetadataServer) -> None:
    """A server that does not answer in time."""
    error = refusal(metadata, Slow(5), timeout=0.2)
    assert error.exit_code == exit_codes.SOURCE_UNAVAILABLE
    assert "within 0.2 s" in str(error)


def test_down_and_up(metadata: MetadataServer) -> None:
    """A refused connection is transient."""
    metadata.down()
    assert "refused" in str(refusal(metadata))
    metadata.up()
    assert fetched(metadata)


def test_a_token_in_an_error_is_withheld(metadata: MetadataServer) -> None:
    """If an error's text holds a token, none of it is repeated."""
    secret = metadata.signer.id_token("a")
    assert "withheld" in str(error := refusal(metadata, Status(500, f"failed with {secret}")))
    assert secret[:20] not in str(error)
