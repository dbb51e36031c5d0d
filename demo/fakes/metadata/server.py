"""The metadata server of one pod: its Google service account, the script of faults, and what was asked."""

import threading
from collections import deque
from http import HTTPStatus
from typing import Self

from demo.fakes.google import GoogleSigner
from demo.fakes.listener import Listener
from demo.fakes.metadata import answers
from demo.fakes.metadata.answers import Answer, Asked
from demo.fakes.metadata.faults import Fault, NearExpiry, Slow, WrongAudience
from demo.fakes.metadata.handler import MetadataHandler

# The shortest rest of a cached token that the real server still hands out: 5 minutes of an hour.
CACHE_REST = 1 / 12


class MetadataServer:
    """A context manager on `host`:`port` (0: a free one); `lifetime`, `bound` and `caching` may be set any time."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        signer: GoogleSigner | None = None,
        lifetime: float = 3600,
        project: str = "fake-project",
        pod_service_account: str = "default/default",
    ) -> None:
        self.signer = signer or GoogleSigner()
        self.lifetime = lifetime
        self.bound = True
        self.caching = False
        self.standing: Fault | None = None
        """What each identity request meets while the script is empty."""
        self.faults_met = 0
        self.requests: list[Asked] = []
        self.project = project
        self.namespace, self.service_account = pod_service_account.split("/")
        self._script: deque[Fault] = deque()
        self._cache: dict[tuple[str, bool], tuple[str, float]] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._listener = Listener(
            host, port, type("Handler", (MetadataHandler,), {"answer": staticmethod(self.answer)})
        )

    @property
    def host(self) -> str:
        """HOST:PORT, the value of GCE_METADATA_HOST."""
        return self._listener.host

    def script(self, *script: Fault) -> None:
        """Queue faults: each of the next valid identity requests meets one."""
        self._script.extend(script)

    def down(self) -> None:
        """Refuse connections on this port from now on, and end the open ones."""
        self._listener.down()

    def up(self) -> None:
        """Accept connections again."""
        self._listener.up()

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._listener.close()

    def identity_requests(self) -> list[Asked]:
        """Give the requests to the identity endpoint, refused ones too."""
        return [asked for asked in self.requests if asked.path.endswith("/identity")]

    def answer(self, asked: Asked) -> tuple[Answer, Fault | None]:
        """Answer as the real server does, and say which fault of the script the answer meets on its way."""
        self.requests.append(asked)
        if refusal := answers.refusal(asked):
            return refusal, None
        if not asked.path.startswith(answers.ACCOUNTS):
            return answers.of_instance(asked.path, project=self.project), None
        account, _, entry = asked.path.removeprefix(answers.ACCOUNTS).partition("/")
        if account not in {"", "default", self.signer.email}:
            return answers.not_found(), None
        if account and entry == "identity":
            return self._identity(asked)
        # Without a Google service account GKE names the workload identity pool in the e-mail's place.
        email = self.signer.email if self.bound else f"{self.project}.svc.id.goog"
        return answers.of_account(account, entry, email=email), None

    def _identity(self, asked: Asked) -> tuple[Answer, Fault | None]:
        audience = asked.query.get("audience", "").strip()
        if not audience:
            return answers.text(HTTPStatus.BAD_REQUEST, "non-empty audience parameter required\n"), None
        with self._lock:
            fault = self._script.popleft() if self._script else self.standing
            self.faults_met += fault is not None
        if isinstance(fault, Slow):
            self._closing.wait(fault.seconds)
        if not self.bound:
            body = answers.UNBOUND_BODY.format(namespace=self.namespace, service_account=self.service_account)
            return answers.text(HTTPStatus.NOT_FOUND, body), fault
        full = asked.query.get("format", "standard") == "full"
        match fault:
            case WrongAudience(aud):
                token = self.signer.id_token(aud, lifetime=self.lifetime, full=full)
            case NearExpiry(seconds):
                token = self._old_token(seconds, audience, full=full)
            case _:
                token = self._token(audience, full=full)
        return Answer(body=token.encode()), fault

    def _token(self, audience: str, *, full: bool) -> str:
        with self._lock:
            now = self.signer.clock()
            token, renew_at = self._cache.get((audience, full), ("", 0.0))
            if not self.caching or now >= renew_at:
                token = self.signer.id_token(audience, lifetime=self.lifetime, full=full)
                self._cache[audience, full] = token, now + self.lifetime * (1 - CACHE_REST)
        return token

    def _old_token(self, seconds: float, audience: str, *, full: bool) -> str:
        # Issued long ago with the usual life, as one from a cache is.
        claims = self.signer.claims(audience, lifetime=seconds, full=full)
        return self.signer.sign({**claims, "iat": int(claims["exp"] - self.lifetime)})
