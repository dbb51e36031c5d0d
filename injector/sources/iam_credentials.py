"""IAM Credentials' generateIdToken with the ambient Google credentials; needs iam.serviceAccounts.getOpenIdToken.

Not google-auth's own helper: that asks for `useEmailAzp`, and trust policies that compare the number would break.
https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateIdToken
"""

from __future__ import annotations

import json
from functools import partial

import google.auth
from google.auth.transport.requests import Request

from contract import exit_codes
from injector.errors import RefreshError, printable
from injector.http_get import OK
from injector.sources.gke_metadata import quoted
from injector.sources.google_errors import ERRORS, refresh_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.auth.transport import Response

ENDPOINT = "https://iamcredentials.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"

PERMANENT = {
    400: (exit_codes.AUDIENCE_REFUSED, "refuses the request; correct --audience or --impersonate-service-account"),
    403: (
        exit_codes.NO_SERVICE_ACCOUNT,
        "does not let these credentials act as it; grant them roles/iam.serviceAccountOpenIdTokenCreator on it",
    ),
    404: (exit_codes.NO_SERVICE_ACCOUNT, "does not know it; correct --impersonate-service-account"),
}


class IamCredentials:
    """Mints tokens of one Google service account, given by e-mail or unique ID."""

    def __init__(
        self, *, service_account: str, credentials: Credentials | None = None, endpoint: str = ENDPOINT
    ) -> None:
        self._service_account = service_account
        self._credentials = credentials
        self._url = f"{endpoint}/v1/projects/-/serviceAccounts/{quoted(service_account)}:generateIdToken"

    def fetch(self, *, audience: str, timeout: float) -> str:
        """Ask once. A 400, 403 or 404 is permanent; everything else that goes wrong may pass."""
        request = partial(Request(), timeout=timeout)
        try:
            answer = self._post(request, json.dumps({"audience": audience, "includeEmail": True}))
            if answer.status == OK:
                return str(json.loads(answer.data)["token"])
        except (KeyError, TypeError) as exc:
            raise RefreshError(
                "IAM Credentials answered without a token; it is tried again", exit_code=exit_codes.SOURCE_UNAVAILABLE
            ) from exc
        except ERRORS as exc:
            raise refresh_error(exc) from exc
        raise self._refused(answer)

    def _post(self, request: partial[Response], body: str) -> Response:
        if self._credentials is None:
            self._credentials, _ = google.auth.default(scopes=[SCOPE])
        if not self._credentials.valid:
            self._credentials.refresh(request)  # type: ignore[no-untyped-call]  # google-auth is typed in part
        headers = {"Content-Type": "application/json"}
        self._credentials.apply(headers)  # type: ignore[no-untyped-call]  # as above
        return request(url=self._url, method="POST", headers=headers, body=body.encode(), allow_redirects=False)

    def _refused(self, answer: Response) -> RefreshError:
        code, reason = PERMANENT.get(
            answer.status, (exit_codes.SOURCE_UNAVAILABLE, "cannot give a token now; it is tried again")
        )
        said = printable(bytes(answer.data).decode("utf-8", "replace"))
        return RefreshError(
            f"IAM Credentials, asked for {printable(self._service_account)}, {reason} (HTTP {answer.status}: {said})",
            exit_code=code,
        )
