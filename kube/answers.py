"""What an answer that is not the expected object means: a page of a list, a refusal, a broken connection."""

import json
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError

from kube.errors import KubeError, UnavailableError, printable, status_error

# A Status is small; what is longer is not read into memory for an error's sake.
_STATUS_BYTES = 16_384
# Where a message begins to quote what was sent, the whole object at times.
_QUOTE = "Invalid value: "


def read_page(page: dict[str, Any], path: str) -> tuple[str, str, list[Any]]:
    """resourceVersion, continue token ("" on the last page) and items, all objects. Raises `UnavailableError`."""
    metadata, items = page.get("metadata"), page.get("items")
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    # Go writes an empty list of some kinds as null.
    if not isinstance(metadata, dict) or not isinstance(version, str) or not isinstance(items, list | None):
        raise UnavailableError(f"GET {path}: the answer is no list with metadata.resourceVersion and items")
    token = metadata.get("continue") or ""
    if not isinstance(token, str) or not all(isinstance(item, dict) for item in items or ()):
        raise UnavailableError(f"GET {path}: the answer is a list whose continue token or items are of a wrong type")
    return version, token, items or []


def refusal(response: urllib3.BaseHTTPResponse, request: str, verb: str) -> KubeError:
    """The error for an answer that is no success; closes it. `verb` is what RBAC calls the request."""
    message = reason = None
    try:
        body = json.loads(response.read(_STATUS_BYTES))
        if isinstance(body, dict) and body.get("kind") == "Status" and isinstance(body.get("message"), str):
            message, reason = body["message"].partition(_QUOTE)[0], body.get("reason")
    except (HTTPError, ValueError, RecursionError):
        message = None  # the status says enough
    finally:
        response.close()
    seconds = response.headers.get("Retry-After", "")
    retry_after = float(seconds) if seconds.isascii() and seconds.isdigit() else None
    return status_error(
        response.status, request=request, message=message, verb=verb, reason=reason, retry_after=retry_after
    )


def broken(request: str, exc: HTTPError) -> UnavailableError:
    """The error for a request that got no answer, or half of one."""
    match exc:
        case urllib3.exceptions.NewConnectionError():
            what = f"no connection: {printable(str(exc.__cause__ or exc))}"
        case urllib3.exceptions.TimeoutError():
            what = "no answer in time"
        case urllib3.exceptions.SSLError():
            what = f"TLS: {printable(str(exc))}: check the CA, and the clock"
        case _:
            what = "the connection broke"
    return UnavailableError(f"{request}: {what}")
