"""Requests to one API server, plain dicts in and out, our errors out: get, list, watch; create, replace, patch.

Safe for many threads. Nothing is retried here but what a kept-alive connection or a rotated token can break, and of the
two a write only the latter: when its connection breaks, nobody knows whether it was done, and a second one would be
refused because of the first. The caller gets `UnavailableError`, reads the object again and decides anew. What keeps
two writers apart is the object's resourceVersion.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, ProtocolError

from kube.answers import broken, read_page, refusal
from kube.config import Connection
from kube.errors import GoneError, UnavailableError, UnexpectedObjectError
from kube.signature import signature
from kube.sockets import OpenSockets
from kube.tls import tls_context

T = TypeVar("T")

CONNECT_SECONDS = 3.0
REQUEST_SECONDS = 30.0
# client-go's page. An item weighs a kilobyte or two: a page stays below what anybody notices.
PAGE_SIZE = 500
_OK = 200
_CREATED = 201
_UNAUTHORIZED = 401
_STREAM_BYTES = 65_536
_JSON = "application/json"
_MERGE_PATCH = "application/merge-patch+json"
_JSON_PATCH = "application/json-patch+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Write:
    """What a request sends that is no GET."""

    method: str
    media_type: str
    body: bytes = field(repr=False)
    """May be a Secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[T]):
    """The whole of a collection at one moment."""

    items: list[T]
    resource_version: str
    """Where a watch has to begin so that it misses nothing."""


class Client:
    """One API server. Make it in the process that uses it: connections do not survive a fork."""

    def __init__(self, connection: Connection, *, connections: int = 4) -> None:
        self._connection = connection
        self._connections = connections
        self._prefix = urlsplit(connection.server).path.rstrip("/")
        self._sockets = OpenSockets()
        self._lock = threading.Lock()
        self._pool: urllib3.HTTPConnectionPool | None = None
        self._files: object = None

    def get(self, path: str, *, timeout: float = REQUEST_SECONDS) -> dict[str, Any]:
        """The object at this path. Raises `NotFoundError`, `ForbiddenError` and the other `KubeError`s."""
        return self._json(path, {}, timeout, verb="get")

    def create(self, path: str, obj: dict[str, Any], *, timeout: float = REQUEST_SECONDS) -> dict[str, Any]:
        """Add the object to the collection at this path; the object as it is now. Raises `AlreadyExistsError`."""
        return self._write("POST", path, obj, timeout, verb="create")

    def replace(self, path: str, obj: dict[str, Any], *, timeout: float = REQUEST_SECONDS) -> dict[str, Any]:
        """Put the object, as it was read and then changed, at its path. Raises `ConflictError`, `NotFoundError`.

        Without the metadata.resourceVersion that was read, somebody's change would be overwritten: ValueError.
        """
        if not obj.get("metadata", {}).get("resourceVersion"):
            raise ValueError(f"PUT {path}: the object has no metadata.resourceVersion")
        return self._write("PUT", path, obj, timeout, verb="update")

    def patch(
        self,
        path: str,
        patch: Sequence[Mapping[str, Any]] | Mapping[str, Any],
        *,
        timeout: float = REQUEST_SECONDS,
    ) -> dict[str, Any]:
        """Change the object at this path: by a sequence of operations (RFC 6902), or by a merge patch (RFC 7386).

        A patch that sets metadata.resourceVersion to the version that was read raises `ConflictError` if there is
        another. An operation `test` cannot do that: the API server answers 422 to it, as to any patch that is wrong.
        """
        media_type = _MERGE_PATCH if isinstance(patch, Mapping) else _JSON_PATCH
        return self._write("PATCH", path, patch, timeout, verb="patch", media_type=media_type)

    def list(
        self,
        path: str,
        *,
        keep: Callable[[dict[str, Any]], T],
        timeout: float = REQUEST_SECONDS,
        page_size: int = PAGE_SIZE,
    ) -> Listing[T]:
        """A collection, page by page; of each item stays only what `keep` makes of it.

        `keep` raises `UnexpectedObjectError` for what is not of its kind. A continue token that expires on the way
        leads to one list without pages, as in client-go. Raises `KubeError`.
        """
        try:
            return self._pages(path, keep, timeout, page_size)
        except GoneError:
            return self._pages(path, keep, timeout, 0)

    @contextmanager
    def stream(self, path: str, query: Mapping[str, str], *, silence: float) -> Iterator[Iterator[bytes]]:
        """The body of a watch as it arrives; ends as the server ends it. Raises `KubeError`.

        `silence` is how many seconds may pass without a byte.
        """
        request = f"GET {path} (watch)"
        response = self._request(path, query, silence, verb="watch", request=request)
        try:
            yield _chunks(response, request)
        finally:
            response.close()

    def interrupt(self) -> None:
        """End every request that is under way, whatever its thread waits for; others can be made."""
        self._sockets.end()

    def close(self) -> None:
        """End every request at once, those in other threads too; none can be made any more."""
        self._sockets.close()
        with self._lock:
            if self._pool is not None:
                self._pool.close()

    def _pages(self, path: str, keep: Callable[[dict[str, Any]], T], timeout: float, page_size: int) -> Listing[T]:
        items: list[T] = []
        query = {"limit": str(page_size)} if page_size else {}
        while True:
            page = self._json(path, query, timeout, verb="list")
            version, token, found = read_page(page, path)
            try:
                items.extend(keep(item) for item in found)
            except UnexpectedObjectError as exc:
                raise UnexpectedObjectError(f"GET {path}: an item of the list: {exc}") from exc
            if not token:
                # The same on each page: they all show the moment of the first.
                return Listing(items=items, resource_version=version)
            if token == query.get("continue"):
                raise UnavailableError(f"GET {path}: each page of the list names the same next one")
            query["continue"] = token

    def _json(self, path: str, query: Mapping[str, str], timeout: float, *, verb: str) -> dict[str, Any]:
        return _object(self._request(path, query, timeout, verb=verb, request=f"GET {path}"), f"GET {path}")

    def _write(
        self, method: str, path: str, content: object, timeout: float, *, verb: str, media_type: str = _JSON
    ) -> dict[str, Any]:
        request = f"{method} {path}"
        write = _Write(method=method, media_type=media_type, body=json.dumps(content).encode())
        return _object(self._request(path, {}, timeout, verb=verb, request=request, write=write), request)

    def _request(
        self,
        path: str,
        query: Mapping[str, str],
        timeout: float,
        *,
        verb: str,
        request: str,
        write: _Write | None = None,
    ) -> urllib3.BaseHTTPResponse:
        target = self._prefix + path + (f"?{urlencode(query)}" if query else "")
        header = self._connection.authorization(refused=None)
        response = self._send(target, header, timeout, request, write)
        if response.status == _UNAUTHORIZED:
            renewed = self._connection.authorization(refused=header)
            if renewed != header:
                response.close()
                response = self._send(target, renewed, timeout, request, write)
        if response.status not in (_OK, _CREATED):
            raise refusal(response, request, verb)
        return response

    def _send(
        self, target: str, header: str | None, timeout: float, request: str, write: _Write | None
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": "application/json", "User-Agent": "token-injector"}
        if write is not None:
            headers["Content-Type"] = write.media_type
        if header is not None:
            headers["Authorization"] = header
        limits = urllib3.Timeout(connect=min(timeout, CONNECT_SECONDS), read=timeout)
        pool = self._current_pool()

        def send() -> urllib3.BaseHTTPResponse:
            return pool.urlopen(
                write.method if write else "GET",
                target,
                body=write.body if write else None,
                headers=headers,
                timeout=limits,
                retries=False,
                redirect=False,
                preload_content=False,
            )

        try:
            try:
                return send()
            except ProtocolError:
                if write is not None:
                    raise  # the server may have done it
                # The server may close a kept-alive connection at the very moment at which we use it.
                return send()
        except HTTPError as exc:
            raise broken(request, exc) from exc

    def _current_pool(self) -> urllib3.HTTPConnectionPool:
        """The pool, made anew when the CA or the client certificate has been replaced."""
        connection = self._connection
        paths = (connection.ca_file, connection.client_certificate_file, connection.client_key_file)
        files = tuple(signature(path) for path in paths if path)
        with self._lock:
            if self._pool is None or files != self._files:
                self._pool, self._files = self._new_pool(), files
            return self._pool

    def _new_pool(self) -> urllib3.HTTPConnectionPool:
        connection = self._connection
        parts = urlsplit(connection.server)
        if parts.scheme == "http":
            pool = urllib3.HTTPConnectionPool(parts.hostname or "", parts.port, maxsize=self._connections)
        else:
            pool = urllib3.HTTPSConnectionPool(
                parts.hostname or "",
                parts.port,
                maxsize=self._connections,
                ssl_context=tls_context(connection),
                assert_hostname=None if connection.verify_tls else False,
                server_hostname=connection.tls_server_name,
            )
        pool.ConnectionCls = self._sockets.tracked(pool.ConnectionCls)
        return pool


def _object(response: urllib3.BaseHTTPResponse, request: str) -> dict[str, Any]:
    """The object in an answer; gives the connection back."""
    try:
        body = json.loads(response.read())
    except HTTPError as exc:
        raise broken(request, exc) from exc
    except (ValueError, RecursionError):
        body = None  # the exception would hold the body
    finally:
        response.release_conn()
    if not isinstance(body, dict):
        raise UnavailableError(f"{request}: the answer is no JSON object; is a proxy in front of the API server?")
    return body


def _chunks(response: urllib3.BaseHTTPResponse, request: str) -> Iterator[bytes]:
    try:
        # read1, not stream: the latter waits for a full buffer where the body is not chunked.
        while data := response.read1(_STREAM_BYTES):
            yield data
    except HTTPError as exc:
        raise broken(request, exc) from exc
