"""Where does a token come from? One source is asked; what only some need is imported when they are chosen."""

from __future__ import annotations

from contract import exit_codes
from injector.errors import RefreshError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from injector.settings import Settings

    class TokenSource(Protocol):
        """Gives a token as the source says it, unverified; raises RefreshError with the fix in its text."""

        def fetch(self, *, audience: str, timeout: float) -> str:
            """Ask once, for at most `timeout` seconds."""


GKE_METADATA = "gke-metadata"
IAM_CREDENTIALS = "iam-credentials"
ADC = "adc"
FILE = "file"
NAMES = (GKE_METADATA, IAM_CREDENTIALS, ADC, FILE)


def token_source(settings: Settings) -> TokenSource:
    """The source that the settings name; raises RefreshError where google-auth is needed and not installed."""
    if settings.source == GKE_METADATA:
        from injector.sources.gke_metadata import GkeMetadata

        return GkeMetadata(host=settings.metadata_host)
    if settings.source == FILE:
        from injector.sources.file import FileSource

        return FileSource(path=settings.source_file)
    try:
        if settings.impersonate_service_account:
            from injector.sources.iam_credentials import IamCredentials

            return IamCredentials(service_account=settings.impersonate_service_account)
        from injector.sources.adc import ApplicationDefault

        return ApplicationDefault()
    except ImportError as exc:
        raise RefreshError(
            f"--source={settings.source} needs google-auth, which this interpreter does not find ({exc.name}); "
            "pip install 'token-injector[injector]', or use --source=gke-metadata",
            exit_code=exit_codes.USAGE,
        ) from exc
