"""google-auth's application default credentials, for use outside GKE: a service account's file, or Google's runtimes.

With a service account's key azp is its e-mail, not its number; --impersonate-service-account keeps it numeric.
https://google.aip.dev/auth/4110
"""

from __future__ import annotations

from functools import partial

from google.auth.transport.requests import Request
from google.oauth2.id_token import fetch_id_token

from injector.sources.google_errors import ERRORS, refresh_error


class ApplicationDefault:
    """Looks for the credentials anew at every fetch, so a changed file is seen."""

    def fetch(self, *, audience: str, timeout: float) -> str:
        """Ask google-auth once."""
        try:
            token = fetch_id_token(partial(Request(), timeout=timeout), audience)  # type: ignore[no-untyped-call]  # untyped
        except ERRORS as exc:
            raise refresh_error(exc) from exc
        return str(token)
