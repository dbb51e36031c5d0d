"""Bounded requests to registries: our settings' TLS, our guard's addresses, our deadline.

No proxy is used, whatever the environment says: a proxy resolves names itself, so nobody could say where a request
goes. A cluster behind one names a mirror. Make one for each look-up: `close` ends all that it does, in any thread.
"""

import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urljoin

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    SSLError,
)
from urllib3.exceptions import TimeoutError as TimedOutError

from kube.errors import printable
from kube.signature import Signature, signature
from kube.sockets import OpenSockets
from webhook.entrypoint.deadline import Deadline
from webhook.entrypoint.errors import UnreachableError
from webhook.entrypoint.hosts import matches
from webhook.entrypoint.ssrf import Destination, Guard

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HOPS = 5
_CONNECT_SECONDS = 2.0
_CHUNK = 65_536
# More is no length, and int() refuses thousands of them with an error of its own.
_DIGITS = 20
# Several platforms of one image are read at the same time.
_CONNECTIONS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer."""

    host: str
    """Who gave it, after redirects."""
    status: int
    headers: urllib3.HTTPHeaderDict
    body: bytes = field(repr=False)
    """May be a token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    authorization: str | None = field(default=None, repr=False)
    form: bytes | None = field(default=None, repr=False)
    limit: int = _CHUNK
    """Bytes of the body; more is refused."""


class Transport:
    """The connections of one look-up."""

    def __init__(self, guard: Guard, tls: Callable[[str], ssl.SSLContext], deadline: Deadline) -> None:
        """`tls` is our side of the handshake with a HOST[:PORT]; raises `UnreachableError`."""
        self.guard = guard
        self.deadline = deadline
        self._tls = tls
        self._sockets = OpenSockets()
        self._lock = threading.Lock()
        self._pools: dict[tuple[str, str, str], urllib3.HTTPConnectionPool] = {}

    def close(self) -> None:
        """End every request at once; none succeeds any more."""
        self._sockets.close()
        with self._lock:
            for pool in self._pools.values():
                pool.close()

    def ask(self, request: Request) -> Answer:
        """Follow redirects of a GET or HEAD; to another host go no credentials. Raises `UnreachableError`."""
        url, authorization, asked = request.url, request.authorization, None
        for _ in range(_HOPS + 1):
            destination = self.guard.admit(url)
            origin = (destination.scheme, destination.registry)
            if asked is not None and origin != asked:
                authorization = None
            asked = origin
            answer = self._once(destination, request, authorization)
            location = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or location is None or request.method == "POST":
                return answer
            url = urljoin(url, location)
        raise UnreachableError(f"{destination.registry} redirects more than {_HOPS} times")

    def _once(self, destination: Destination, request: Request, authorization: str | None) -> Answer:
        headers = {
            **request.headers,
            "Host": destination.registry,
            "User-Agent": "token-injector",
            "Accept-Encoding": "identity",  # a small body must not become a large one
        }
        if authorization is not None:
            headers["Authorization"] = authorization
        try:
            response = self._open(destination, request, headers)
            try:
                body = self._body(destination, response, request)
            finally:
                response.close()
            self.deadline.left()  # what `close` cut short looks whole
        except HTTPError as exc:
            raise UnreachableError(f"{destination.registry}: {_what(exc)}") from exc
        return Answer(host=destination.registry, status=response.status, headers=response.headers, body=body)

    def _open(self, destination: Destination, request: Request, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        """From the first of the addresses that takes a connection."""
        unreachable: HTTPError | None = None
        for address in destination.addresses:
            left = self.deadline.left()
            try:
                return self._pool(destination, address).urlopen(
                    request.method,
                    destination.target,
                    body=request.form,
                    headers=headers,
                    timeout=urllib3.Timeout(connect=min(left, _CONNECT_SECONDS), read=left),
                    retries=False,
                    redirect=False,
                    preload_content=False,
                    decode_content=False,
                )
            except (NewConnectionError, ConnectTimeoutError) as exc:
                unreachable = exc
        raise unreachable or UnreachableError(f"{destination.registry}: no address")

    def _body(self, destination: Destination, response: urllib3.BaseHTTPResponse, request: Request) -> bytes:
        """Chunk by chunk: a drip of bytes meets the deadline, not the time limit of a read."""
        body = bytearray()
        if request.method == "HEAD" or _length(response) <= request.limit:
            while len(body) <= request.limit and (data := response.read1(_CHUNK, decode_content=False)):
                self.deadline.left()
                body += data
            if len(body) <= request.limit:
                return bytes(body)
        raise UnreachableError(f"{destination.registry} answers more than {request.limit} bytes")

    def _pool(self, destination: Destination, address: str) -> urllib3.HTTPConnectionPool:
        key = (destination.scheme, destination.registry, address)
        with self._lock:
            if key not in self._pools:
                self._pools[key] = self._new_pool(destination, address)
            return self._pools[key]

    def _new_pool(self, destination: Destination, address: str) -> urllib3.HTTPConnectionPool:
        if destination.scheme == "http":
            pool = urllib3.HTTPConnectionPool(address, destination.port, maxsize=_CONNECTIONS)
        else:
            pool = urllib3.HTTPSConnectionPool(
                address,
                destination.port,
                maxsize=_CONNECTIONS,
                ssl_context=self._tls(destination.registry),
                server_hostname=destination.name,
            )
        pool.ConnectionCls = self._sockets.tracked(pool.ConnectionCls)
        return pool


def tls_contexts(authorities: tuple[tuple[str, str], ...]) -> Callable[[str], ssl.SSLContext]:
    """Our side of each handshake: what this machine trusts, and the CAs of `--registry-ca`.

    Made once, and again when a file has changed: reading this machine's CAs takes as long as a request.
    """
    made: dict[tuple[tuple[str, Signature | None], ...], ssl.SSLContext] = {}

    def context(registry: str) -> ssl.SSLContext:
        files = tuple((path, signature(path)) for pattern, path in authorities if matches(pattern, registry))
        if files not in made:
            made[files] = _new_context(registry, [path for path, _ in files])
        return made[files]

    return context


def _new_context(registry: str, paths: Sequence[str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_default_certs()
    for path in paths:
        try:
            context.load_verify_locations(path)
        except OSError as exc:  # ssl.SSLError is one
            raise UnreachableError(
                f"{registry}: --registry-ca: {path}: {exc.strerror or 'not PEM'}: expected PEM certificates"
            ) from exc
    return context


def _length(response: urllib3.BaseHTTPResponse) -> int:
    """What the answer says of its length; 0 where it says nothing that can be read."""
    said = response.headers.get("Content-Length", "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < _DIGITS else 0


def _what(exc: HTTPError) -> str:
    match exc:
        case NewConnectionError():
            return f"no connection: {printable(str(exc.__cause__ or 'refused'))}"
        case TimedOutError():
            return "no answer in time"
        case SSLError():
            return f"TLS: {printable(str(exc))}: give its CA with --registry-ca"
        case _:
            return "the connection broke, or it speaks no HTTP"
