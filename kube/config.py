"""Where is the API server, and who are we to it?

Two answers: as a pod knows it, or from a kubeconfig. The official `kubernetes` client is imported in the function
that reads a kubeconfig, nowhere else.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from kube.errors import ConnectionConfigError, printable
from kube.signature import signature

# Where every pod finds its own: https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
SERVICE_ACCOUNT_DIR = Path("/var/run/secrets/kubernetes.io/serviceaccount")
# client-go re-reads a token file after a minute whether or not it looks changed; the old token lives for minutes more.
TOKEN_REREAD_SECONDS = 60.0


class Authorization(Protocol):
    """Who gives the value of the Authorization header."""

    def __call__(self, *, refused: str | None) -> str | None:
        """The header's value now, None for no header.

        `refused` is the value that was just answered with 401: an authorization that can renew itself must.
        Raises `ConnectionConfigError`.
        """


def anonymous(*, refused: str | None) -> str | None:
    """No header: a client certificate says who we are, or nobody asks."""
    del refused
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """An API server and our credentials. Files are named, not read: they are replaced while we run."""

    server: str
    """https://HOST:PORT, with a path where the API server is behind one."""
    ca_file: str | None = None
    """None: what this machine trusts."""
    client_certificate_file: str | None = None
    client_key_file: str | None = None
    contents: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """What stood in those files, for when one has vanished: the official client keeps the data of a kubeconfig in
    temporary files, and the first forked worker to end deletes them for all."""
    tls_server_name: str | None = None
    """The name to find in the server's certificate, where it is not the host's."""
    verify_tls: bool = True
    authorization: Authorization = field(default=anonymous, repr=False)


def in_cluster(
    environ: Mapping[str, str], *, clock: Callable[[], float], directory: Path = SERVICE_ACCOUNT_DIR
) -> Connection:
    """The connection that every pod has. Raises `ConnectionConfigError` outside a pod."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        raise ConnectionConfigError(
            "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is no pod, give a kubeconfig"
        )
    authorization = TokenFile(directory / "token", clock=clock)
    authorization(refused=None)
    ca_file = directory / "ca.crt"
    if not ca_file.is_file():
        raise ConnectionConfigError(f"{ca_file} is missing: the pod needs automountServiceAccountToken: true")
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return Connection(server=f"https://{address}", ca_file=str(ca_file), authorization=authorization)


class TokenFile:
    """An `Authorization` from a file that the kubelet replaces long before the token in it expires."""

    def __init__(self, path: Path, *, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._header: str | None = None
        self._signature: object = None
        self._read_at = 0.0

    def __call__(self, *, refused: str | None) -> str | None:
        """As the Protocol says. A file that can't be read now leaves the last token in force."""
        with self._lock:
            found = signature(self._path)
            due = self._clock() - self._read_at >= TOKEN_REREAD_SECONDS
            if self._header is None or refused is not None or found != self._signature or due:
                self._read(found)
            return self._header

    def _read(self, found: object) -> None:
        try:
            token = self._path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as exc:
            if self._header is not None:
                return
            reason = exc.strerror if isinstance(exc, OSError) else "not text"
            raise ConnectionConfigError(
                f"{self._path}: {reason}: the pod needs automountServiceAccountToken: true"
            ) from None  # a decode error's text quotes the file
        if token or self._header is None:
            self._header, self._signature, self._read_at = bearer(token, str(self._path)), found, self._clock()


def bearer(token: str, origin: str) -> str:
    """The header's value for a token. Raises `ConnectionConfigError`, without the token, for what is none."""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ConnectionConfigError(f"{origin} holds no bearer token: expected one line of ASCII")
    return f"Bearer {token}"


def from_kubeconfig(path: str, *, context: str | None = None) -> Connection:
    """The connection that a kubeconfig describes, in its current context or this one.

    `path` may be several, separated as in KUBECONFIG. Exec plugins run now, and again when their token has expired or
    is refused. Raises `ConnectionConfigError`.
    """
    loaded = _load_kubeconfig(path, context)
    files = [name for name in (loaded.ssl_ca_cert, loaded.cert_file, loaded.key_file) if name]
    return Connection(
        server=loaded.host,
        ca_file=loaded.ssl_ca_cert,
        client_certificate_file=loaded.cert_file,
        client_key_file=loaded.key_file,
        contents={name: Path(name).read_bytes() for name in files},
        tls_server_name=loaded.tls_server_name,
        verify_tls=loaded.verify_ssl,
        authorization=_KubeconfigAuthorization(loaded, lambda: _load_kubeconfig(path, context), path),
    )


class _KubeconfigAuthorization:
    """What the official client would send; it runs an exec plugin again once its token has expired."""

    def __init__(self, loaded: Any, reload: Callable[[], Any], origin: str) -> None:
        self._loaded = loaded
        self._reload = reload
        self._origin = origin
        self._lock = threading.Lock()

    def __call__(self, *, refused: str | None) -> str | None:
        with self._lock:
            header = self._header()
            if refused is not None and header == refused:
                self._loaded = self._reload()
                header = self._header()
            return header

    def _header(self) -> str | None:
        setting = self._loaded.auth_settings().get("BearerToken")
        if setting is None:
            return None
        scheme, _, credentials = setting["value"].partition(" ")
        bearer(credentials, f"the user in {self._origin}")
        return f"{scheme} {credentials}"


def _load_kubeconfig(path: str, context: str | None) -> Any:
    # Imported here: 48 MB that the webhook must not pay where it runs as a pod.
    from kubernetes.client import Configuration  # noqa: PLC0415 - see above
    from kubernetes.config import ConfigException  # noqa: PLC0415 - see above
    from kubernetes.config.kube_config import KubeConfigLoader, KubeConfigMerger  # noqa: PLC0415 - see above
    from yaml import YAMLError  # noqa: PLC0415 - needed by the client, not by pods

    loaded = Configuration()
    try:
        merged = KubeConfigMerger(path).config
        if merged is None:
            raise ConnectionConfigError(f"kubeconfig {path}: no such file")
        loader = KubeConfigLoader(config_dict=merged, active_context=context, config_base_path=None)
        loader.load_and_set(loaded)
    except YAMLError:
        raise ConnectionConfigError(f"kubeconfig {path}: not YAML") from None  # its text quotes the file's secrets
    except (ConfigException, OSError, ValueError, TypeError, KeyError) as exc:
        # Its text may hold the whole entry, token included, as a dict.
        reason = printable(str(exc).partition("{")[0])
        raise ConnectionConfigError(
            f"kubeconfig {path}: {reason}: see kubectl --kubeconfig {path} config view"
        ) from None
    _check(path, loader, loaded, merged)
    return loaded


def _check(path: str, loader: Any, loaded: Any, merged: Any) -> None:
    """What the official client passes over in silence would end as an anonymous request, or as another user's."""
    name = loader.current_context["context"].get("user")
    node = merged["users"].get_with_name(name, safe=True) if name and merged.safe_get("users") else None
    user = (node.value.get("user") or {}) if node else {}
    if name and node is None:
        raise ConnectionConfigError(f"kubeconfig {path}: the context names the user {name}, which is not in it")
    if user.keys() & {"as", "as-uid", "as-groups", "as-user-extra"}:
        raise ConnectionConfigError(f"kubeconfig {path}: user {name}: impersonation (as) is not supported")
    if user and "BearerToken" not in loaded.api_key and not loaded.cert_file:
        raise ConnectionConfigError(
            f"kubeconfig {path}: user {name}: no credentials: expected token, tokenFile, client-certificate, or an "
            f"exec plugin that answers; try it with: kubectl --kubeconfig {path} auth whoami"
        )
    if getattr(loader, "proxy", None):
        raise ConnectionConfigError(f"kubeconfig {path}: proxy-url is not supported: use a direct address or a tunnel")
    if not loaded.host.startswith(("https://", "http://")):
        raise ConnectionConfigError(f"kubeconfig {path}: server: expected https://HOST[:PORT]")
