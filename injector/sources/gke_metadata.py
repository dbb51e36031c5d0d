"""GKE's metadata server: one GET of the identity endpoint, which needs no role but workloadIdentityUser.

Its tokens have a numeric azp, which existing trust policies compare:
https://cloud.google.com/kubernetes-engine/docs/concepts/workload-identity#metadata_server
"""

from __future__ import annotations

from contract import exit_codes
from injector.errors import RefreshError, printable
from injector.flags import UNRESERVED, split_host
from injector.http_get import OK, Answer, MalformedAnswerError, get

IDENTITY = "/computeMetadata/v1/instance/service-accounts/default/identity"
FLAVOR_HEADER = "Metadata-Flavor"
FLAVOR = "Google"

# contract/annotations.py has both; importing it costs two bare starts, so a test compares.
AUDIENCE = "admission.token-injector/audience"
GOOGLE_SERVICE_ACCOUNT = "iam.gke.io/gcp-service-account"
ROLE = "roles/iam.workloadIdentityUser"

NOT_BOUND = (
    f"has no Google service account for this pod; annotate its Kubernetes service account with {GOOGLE_SERVICE_ACCOUNT}"
    f" and grant that one {ROLE} on the Google one"
)
FORBIDDEN = f"may not act as the Google service account; grant {ROLE} on it to the pod's Kubernetes service account"
REFUSED = f"refuses the audience; correct --audience (annotation {AUDIENCE})"
# Only a person can mend these; the metadata server's own text is put behind ours.
PERMANENT = {
    400: (exit_codes.AUDIENCE_REFUSED, REFUSED),
    403: (exit_codes.NO_SERVICE_ACCOUNT, FORBIDDEN),
    404: (exit_codes.NO_SERVICE_ACCOUNT, NOT_BOUND),
}


class GkeMetadata:
    """Asks HOST[:PORT], which is metadata.google.internal on GKE."""

    def __init__(self, *, host: str) -> None:
        self._host = host
        self._name, self._port = split_host(host)

    def fetch(self, *, audience: str, timeout: float) -> str:
        """Ask once. A 404, 403 or 400 is permanent; everything else that goes wrong may pass."""
        path = f"{IDENTITY}?audience={quoted(audience)}&format=full"
        headers = {"Host": self._host, FLAVOR_HEADER: FLAVOR, "User-Agent": "token-injector", "Accept": "*/*"}
        try:
            answer = get(host=self._name, port=self._port, path=path, headers=headers, timeout=timeout)
        except TimeoutError as exc:
            raise self._unavailable(f"did not answer within {timeout:g} s") from exc
        except (OSError, MalformedAnswerError) as exc:
            raise self._unavailable(f"did not answer: {printable(str(exc))}") from exc
        if answer.status != OK:
            raise self._refused(answer)
        # On errors GKE's server leaves the header out, so only a token must come with it.
        if answer.headers.get(FLAVOR_HEADER.lower()) != FLAVOR:
            raise self._unavailable(
                f"answered without the header {FLAVOR_HEADER}: {FLAVOR}, so it is another server; "
                "correct GCE_METADATA_HOST, or find what stands in between"
            )
        return answer.body.decode("ascii", "replace").strip()

    def _refused(self, answer: Answer) -> RefreshError:
        said = printable(answer.body.decode("ascii", "replace"))
        said = f" (HTTP {answer.status}: {said})" if said else f" (HTTP {answer.status})"
        if answer.status in PERMANENT:
            code, reason = PERMANENT[answer.status]
            return RefreshError(f"{self._who()} {reason}{said}", exit_code=code)
        if answer.status // 100 == 3:  # noqa: PLR2004 - the class of all redirects
            return self._unavailable(
                f"answered with a redirect, which is not followed; find what stands in between{said}"
            )
        return self._unavailable(f"cannot give a token now{said}")

    def _unavailable(self, reason: str) -> RefreshError:
        return RefreshError(
            f"{self._who()} {reason}; it is asked again, and if this stays: the node needs Workload Identity, "
            "and network policies must let the pod reach the metadata server",
            exit_code=exit_codes.SOURCE_UNAVAILABLE,
        )

    def _who(self) -> str:
        return f"the metadata server {self._host}"


def quoted(text: str) -> str:
    """Percent-encode for a query; not urllib.parse, which costs nearly half a bare start."""
    return "".join(chr(byte) if chr(byte) in UNRESERVED else f"%{byte:02X}" for byte in text.encode())
