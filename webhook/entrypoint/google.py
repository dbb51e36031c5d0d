"""A Google access token of the webhook's own identity, for Artifact Registry and Container Registry.

Asked of the metadata server, and only for hosts that are Google's: nobody else ever gets it.
"""

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError

from contract.environ import GCE_METADATA_HOST
from webhook.entrypoint.credential import Credential, Offers
from webhook.entrypoint.deadline import Deadline
from webhook.entrypoint.hosts import matches_any
from webhook.entrypoint.image_name import ImageName
from webhook.entrypoint.question import Wanted

_HOSTS = ("*.pkg.dev", "gcr.io", "*.gcr.io")
_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"
_LIMIT = 64 << 10
_OK = 200
# A metadata server answers in milliseconds; where there is none, nobody shall wait long.
_SECONDS = 1.0
# The server hands out a token until five minutes before its end.
_EARLY = 240.0
_REST = 60.0


class GoogleCredentials:
    """A `Source`."""

    def __init__(self, environ: Mapping[str, str], *, clock: Callable[[], float]) -> None:
        """`clock` is monotonic seconds."""
        self._host = environ.get(GCE_METADATA_HOST) or "metadata.google.internal"
        self._clock = clock
        self._lock = threading.Lock()
        self._offers = Offers()
        self._until = float("-inf")

    def __call__(self, name: ImageName, _: Wanted, deadline: Deadline) -> Offers:
        """The token, as the password that Google's registries take."""
        if not matches_any(_HOSTS, name.registry):
            return Offers()
        with self._lock:
            if self._clock() >= self._until:
                self._offers, life = self._ask(min(_SECONDS, deadline.left()))
                self._until = self._clock() + life
            return self._offers

    def _ask(self, timeout: float) -> tuple[Offers, float]:
        """What it has, and for how many seconds that holds."""
        origin = f"Google's metadata server {self._host}"
        try:
            document = self._get(timeout)
            credential = Credential(origin=origin, username="oauth2accesstoken", password=document["access_token"])
            return Offers(credentials=[credential]), float(document["expires_in"]) - _EARLY
        except HTTPError:
            return Offers(problems=[f"{origin}: no answer"]), _REST
        except (ValueError, KeyError, TypeError, RecursionError):  # the exception may hold the token
            problem = f"{origin}: it gives no token: bind the webhook's service account to a Google service account"
            return Offers(problems=[problem]), _REST

    def _get(self, timeout: float) -> dict[str, Any]:
        """Raises HTTPError, or ValueError and KeyError for another answer than the metadata server's."""
        with urllib3.PoolManager(retries=False, timeout=timeout) as http:
            url = f"http://{self._host}{_PATH}"
            headers = {"Metadata-Flavor": "Google"}
            response = http.request("GET", url, headers=headers, redirect=False, preload_content=False)
            body = response.read(_LIMIT)
        if response.status != _OK or response.headers.get("Metadata-Flavor") != "Google":
            raise ValueError("not the metadata server's answer")
        document: dict[str, Any] = json.loads(body)
        return document
