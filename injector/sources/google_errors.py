"""How does google-auth fail? Its errors become ours, with the fix; imported only where google-auth is."""

from __future__ import annotations

from google.auth import exceptions

from contract import exit_codes
from injector.errors import RefreshError, printable

# What a source has to catch: google-auth lets some of the network's and the parser's errors through.
ERRORS = (exceptions.GoogleAuthError, OSError, ValueError)


def refresh_error(exc: Exception) -> RefreshError:
    """Ours for one of ERRORS. Without credentials no retry helps; anything else may pass."""
    said = printable(str(exc))
    if isinstance(exc, exceptions.DefaultCredentialsError):
        return RefreshError(
            f"google-auth finds no usable credentials ({said}); set GOOGLE_APPLICATION_CREDENTIALS to a service "
            "account's file, or run `gcloud auth application-default login` and add --impersonate-service-account",
            exit_code=exit_codes.NO_SERVICE_ACCOUNT,
        )
    return RefreshError(
        f"google-auth got no token ({type(exc).__name__}: {said}); it is tried again, and if this stays: "
        "check the credentials, and that Google's APIs can be reached",
        exit_code=exit_codes.SOURCE_UNAVAILABLE,
    )
