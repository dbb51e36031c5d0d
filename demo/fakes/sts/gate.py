"""Who signed this request? Only credentials that the STS issued and that still live pass, and one root key for setup.

The signature itself is not checked: the key's name and the session token are.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from werkzeug.wrappers import Request, Response

from demo.fakes.sts.errors import RefusedError
from demo.fakes.sts.registry import Session

ROOT_ACCESS_KEY_ID = "AKIAFAKEROOTOFTHEDEMO"
ROOT_SECRET_ACCESS_KEY = "root-of-the-fake"

# AKID/DATE/REGION/SERVICE/aws4_request, in the header of SigV4 or in the query of a presigned URL.
CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/[0-9]{8}/[^/,\s]+/([^/,\s]+)/aws4_request")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """What the request says of its signer."""

    access_key_id: str
    service: str
    session_token: str | None


def signer_of(request: Request) -> Signer | None:
    """Read the signer; None for an unsigned request."""
    presigned = f"Credential={request.args.get('X-Amz-Credential', '')}"
    match = CREDENTIAL.search(request.headers.get("Authorization", "")) or CREDENTIAL.search(presigned)
    if match is None:
        return None
    token = request.headers.get("X-Amz-Security-Token") or request.args.get("X-Amz-Security-Token")
    return Signer(access_key_id=match[1], service=match[2], session_token=token)


def refusal(signer: Signer | None, sessions: Mapping[str, Session], *, now: float) -> RefusedError | None:
    """Say why AWS would not listen to this signer, in the words of STS; None if it would."""
    if signer is None:
        message = "Request is missing Authentication Token"
        return RefusedError("MissingAuthenticationToken", message, HTTPStatus.FORBIDDEN)
    if signer.access_key_id == ROOT_ACCESS_KEY_ID:
        return None
    session = sessions.get(signer.access_key_id)
    if session is None or signer.session_token != session.session_token:
        message = "The security token included in the request is invalid."
        return RefusedError("InvalidClientTokenId", message, HTTPStatus.FORBIDDEN)
    if now >= session.expires_at:
        message = "The security token included in the request is expired"
        return RefusedError("ExpiredToken", message, HTTPStatus.FORBIDDEN)
    return None


def answer(error: RefusedError, request: Request, signer: Signer | None, request_id: str) -> Response:
    """Put the refusal into the protocol of the service: query XML, S3's XML, or JSON with its other names."""
    if "json" in request.mimetype or "X-Amz-Target" in request.headers:
        names = {"InvalidClientTokenId": "UnrecognizedClientException", "ExpiredToken": "ExpiredTokenException"}
        name = names.get(error.code, f"{error.code}Exception")
        body = json.dumps({"__type": f"com.amazon.coral.service#{name}", "message": error.message})
        # In this protocol every refusal is 400, whatever STS says.
        status = error.status if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR else HTTPStatus.BAD_REQUEST
        return Response(body, status, content_type="application/x-amz-json-1.1")
    if signer is not None and signer.service == "s3":
        names = {"InvalidClientTokenId": "InvalidAccessKeyId", "MissingAuthenticationToken": "AccessDenied"}
        code = names.get(error.code, error.code)
        status = HTTPStatus.BAD_REQUEST if code == "ExpiredToken" else HTTPStatus.FORBIDDEN
        body = (
            f"<Error><Code>{code}</Code><Message>{error.message}</Message><RequestId>{request_id}</RequestId></Error>"
        )
        return Response(body, status, content_type="application/xml")
    return Response(error.xml(request_id), error.status, content_type="text/xml")
