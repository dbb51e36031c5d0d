"""One repository of one registry, read with one credential. The distribution specification, as far as pulling goes."""

import json
import re
from urllib.parse import urlencode

from webhook.entrypoint.challenge import Challenge, parse_challenge, pull_scope
from webhook.entrypoint.credential import Credential
from webhook.entrypoint.errors import AbsentError, DeniedError, UnreachableError
from webhook.entrypoint.hosts import API_HOSTS
from webhook.entrypoint.image_name import ImageName
from webhook.entrypoint.manifest import ACCEPTED, CONFIG_LIMIT, MANIFEST_LIMIT, digest_of, is_digest, verified
from webhook.entrypoint.transport import Answer, Request, Transport

_OK = 200
_UNAUTHORIZED = 401
_DENIED = (401, 403)
_NOT_FOUND = 404
_TOO_MANY = 429
_TOKEN_LIMIT = 256 << 10
_CODE = re.compile(r"[A-Z_]{1,64}")
_CODES_SHOWN = 3


class Registry:
    """Reads manifests and configs. A token that the registry asked for is kept as long as this is."""

    def __init__(self, transport: Transport, name: ImageName, credential: Credential) -> None:
        self._transport = transport
        self._repository = name.repository
        self._credential = credential
        self._host = API_HOSTS.get(name.registry, name.registry)
        self._scheme = transport.guard.scheme(self._host)
        self._authorization = f"Bearer {credential.registry_token}" if credential.registry_token else None

    def digest(self, tag: str) -> str:
        """Which image has the tag now, without fetching it. Raises `EntrypointError`."""
        answer = self._ask(f"manifests/{tag}", method="HEAD", accept=ACCEPTED, limit=MANIFEST_LIMIT)
        digest = answer.headers.get("Docker-Content-Digest", "")
        if is_digest(digest):
            return digest
        return digest_of(self._ask(f"manifests/{tag}", accept=ACCEPTED, limit=MANIFEST_LIMIT).body)

    def manifest(self, digest: str) -> tuple[bytes, str]:
        """Its bytes, verified, and their media type. Raises `EntrypointError`."""
        answer = self._ask(f"manifests/{digest}", accept=ACCEPTED, limit=MANIFEST_LIMIT)
        return verified(answer.body, digest), answer.headers.get("Content-Type", "")

    def config(self, digest: str) -> bytes:
        """An image's config, verified. Raises `EntrypointError`."""
        return verified(self._ask(f"blobs/{digest}", accept="*/*", limit=CONFIG_LIMIT).body, digest)

    def _ask(self, path: str, *, accept: str, limit: int, method: str = "GET") -> Answer:
        answer = self._send(path, accept, limit, method)
        if answer.status == _UNAUTHORIZED and answer.host == self._host:
            # Not a failure yet, but the way to learn how to authenticate.
            self._authorization = self._authenticate(parse_challenge(answer.headers.getlist("WWW-Authenticate")))
            answer = self._send(path, accept, limit, method)
        if answer.status != _OK:
            kind, _, named = path.partition("/")
            doubt = " (is the tag right?)" if kind == "manifests" and not is_digest(named) else ""
            raise _refusal(answer, f"{method} {self._repository} {path[:30]}", doubt)
        return answer

    def _send(self, path: str, accept: str, limit: int, method: str) -> Answer:
        return self._transport.ask(
            Request(
                url=f"{self._scheme}://{self._host}/v2/{self._repository}/{path}",
                method=method,
                headers={"Accept": accept},
                authorization=self._authorization,
                limit=limit,
            )
        )

    def _authenticate(self, challenge: Challenge | None) -> str:
        """The value of the header Authorization."""
        if challenge is None:
            raise DeniedError(f"{self._host} answers 401 and asks for neither Basic nor Bearer")
        if challenge.scheme == "bearer":
            return f"Bearer {self._token(challenge)}"
        basic = self._credential.basic
        if basic is None:
            raise DeniedError(f"{self._host} wants a user name and a password")
        return basic

    def _token(self, challenge: Challenge) -> str:
        if self._credential.identity_token:
            form = {
                "grant_type": "refresh_token",
                "service": challenge.service,
                "client_id": "token-injector",
                "scope": pull_scope(self._repository),
                "refresh_token": self._credential.identity_token,
            }
            request = Request(
                url=challenge.realm,
                method="POST",
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                form=urlencode(form).encode(),
                limit=_TOKEN_LIMIT,
            )
        else:
            joined = "&" if "?" in challenge.realm else "?"
            url = f"{challenge.realm}{joined}{challenge.token_query(self._repository)}"
            request = Request(url=url, authorization=self._credential.basic, limit=_TOKEN_LIMIT)
        answer = self._transport.ask(request)
        if answer.status != _OK:
            raise _refusal(answer, "a request for a token")
        return _token_in(answer)


def _token_in(answer: Answer) -> str:
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        document = None  # the exception would hold the token
    found = (document.get("token") or document.get("access_token")) if isinstance(document, dict) else None
    if not isinstance(found, str) or not re.fullmatch(r"[!-~]+", found):
        raise UnreachableError(f"{answer.host} gives no token: expected JSON with token or access_token")
    return found


def _refusal(answer: Answer, what: str, doubt: str = "") -> Exception:
    """The error for a status; `doubt`: what may be wrong where it is not there.

    Of the body only the specification's error codes are told: it may be anybody's.
    """
    said = f"{answer.host} answers {answer.status}{_codes(answer)} to {what}"
    if answer.status in _DENIED:
        return DeniedError(said)
    if answer.status == _NOT_FOUND:
        return AbsentError(said + doubt)
    if answer.status == _TOO_MANY:
        return UnreachableError(f"{said}: it limits how often it is asked: give it credentials, or a mirror")
    return UnreachableError(said)


def _codes(answer: Answer) -> str:
    try:
        errors = json.loads(answer.body)["errors"]
        codes = [error["code"] for error in errors[:_CODES_SHOWN]]
    except (ValueError, RecursionError, KeyError, TypeError):
        return ""
    return "".join(f" {code}" for code in codes if isinstance(code, str) and _CODE.fullmatch(code))
