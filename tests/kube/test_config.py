"""Where the API server is and who we are, as every pod knows it; and what importing all this costs."""

import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest

from demo.fakes.api_server import ApiServer
from kube.client import Client
from kube.config import Connection, TokenFile, in_cluster
from kube.errors import ConnectionConfigError, UnauthorizedError
from kube.signature import signature
from tests.kube.certificates import Authority
from tests.kube.following import ONE, TOKEN, reaches


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """What the kubelet mounts: links through ..data, which it swaps."""
    swap(tmp_path, TOKEN)
    (tmp_path / "token").symlink_to("..data/token")
    (tmp_path / "ca.crt").write_text("CA")
    return tmp_path


def swap(directory: Path, token: str) -> None:
    """As the kubelet's atomic writer: a new folder, and one rename of the link to it."""
    version = directory / f"..{len(list(directory.iterdir()))}"
    version.mkdir()
    (version / "token").write_text(token)
    new = directory / "..data_tmp"
    new.symlink_to(version.name)
    new.rename(directory / "..data")


ENVIRON = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"}


def test_in_cluster(mounted: Path) -> None:
    """A pod finds address, CA and token where every pod has them, and its repr shows no token."""
    connection = in_cluster(ENVIRON, clock=Clock(), directory=mounted)
    assert connection.server == "https://127.0.0.1:6443"
    assert connection.ca_file == str(mounted / "ca.crt")
    assert connection.authorization(refused=None) == f"Bearer {TOKEN}"
    assert TOKEN not in repr(connection)


def test_in_cluster_ipv6(mounted: Path) -> None:
    """An IPv6 address stands in brackets."""
    connection = in_cluster({**ENVIRON, "KUBERNETES_SERVICE_HOST": "::1"}, clock=Clock(), directory=mounted)
    assert connection.server == "https://[::1]:6443"


@pytest.mark.parametrize(
    "environ", [{}, {"KUBERNETES_SERVICE_HOST": "127.0.0.1"}, {**ENVIRON, "KUBERNETES_SERVICE_PORT": ""}]
)
def test_no_pod(mounted: Path, environ: dict[str, str]) -> None:
    """Outside a pod the message says so, and what to give instead."""
    with pytest.raises(ConnectionConfigError, match=r"KUBERNETES_SERVICE_HOST.*kubeconfig"):
        in_cluster(environ, clock=Clock(), directory=mounted)


@pytest.mark.parametrize("missing", ["token", "ca.crt"])
def test_no_automount(mounted: Path, missing: str) -> None:
    """A pod without its service account's token is told the field to set."""
    (mounted / missing).unlink()
    with pytest.raises(ConnectionConfigError, match=f"{missing}.*automountServiceAccountToken"):
        in_cluster(ENVIRON, clock=Clock(), directory=mounted)


def test_token_rotation(mounted: Path) -> None:
    """The kubelet's new token holds from the next request on, without a restart and without waiting."""
    authorization = TokenFile(mounted / "token", clock=Clock())
    assert authorization(refused=None) == f"Bearer {TOKEN}"
    swap(mounted, "rotated\n")
    assert authorization(refused=None) == "Bearer rotated"


def test_token_that_looks_unchanged(tmp_path: Path) -> None:
    """A file whose stat shows nothing is read again after a minute, and when its token was refused."""
    clock = Clock()
    path = tmp_path / "token"
    path.write_text("one")
    authorization = TokenFile(path, clock=clock)
    authorization(refused=None)
    path.write_text("two")
    authorization._signature = signature(path)
    assert authorization(refused=None) == "Bearer one"
    assert authorization(refused="Bearer one") == "Bearer two"
    path.write_text("six")
    authorization._signature = signature(path)
    clock.now = 59.9
    assert authorization(refused=None) == "Bearer two"
    clock.now = 60.0
    assert authorization(refused=None) == "Bearer six"


def test_token_gone(mounted: Path) -> None:
    """While the file is away or empty, the last token stays in force."""
    authorization = TokenFile(mounted / "token", clock=Clock())
    authorization(refused=None)
    swap(mounted, "")
    assert authorization(refused=None) == f"Bearer {TOKEN}"
    (mounted / "..data").unlink()
    assert authorization(refused=f"Bearer {TOKEN}") == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    "content", [b"", b"two words" + TOKEN.encode(), b"a\nb" + TOKEN.encode(), b"\xff" + TOKEN.encode()]
)
def test_no_token(tmp_path: Path, content: bytes) -> None:
    """What is no token is refused before it gets into a header, and is not repeated."""
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(ConnectionConfigError, match="token") as caught:
        TokenFile(path, clock=Clock())(refused=None)
    assert TOKEN not in str(caught.value)


def test_rotation_on_the_wire(server: ApiServer, mounted: Path) -> None:
    """A token that the API server refuses is read again and the request repeated, at once."""
    server.put("shop", "web", {})
    authorization = TokenFile(mounted / "token", clock=Clock())
    with closing(Client(Connection(server=server.url, authorization=authorization))) as client:
        assert client.get(ONE)
        server.tokens = {"rotated"}
        with pytest.raises(UnauthorizedError):
            client.get(ONE)
        swap(mounted, "rotated")
        assert client.get(ONE)


def test_in_cluster_on_the_wire(mounted: Path) -> None:
    """What a pod finds leads to an API server with the cluster's own CA."""
    authority = Authority(mounted)
    (mounted / "ca.crt").write_bytes(authority.file.read_bytes())
    with closing(ApiServer(tls=authority.server_context(authority.issue("api")), tokens={TOKEN})) as secure:
        host, port = secure.host.split(":")
        environ = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
        assert reaches(in_cluster(environ, clock=Clock(), directory=mounted), secure)


@pytest.mark.parametrize(
    "module", ["kube.client", "kube.watch", "kube.config", "webhook.accounts", "webhook.account_file"]
)
def test_light_imports(module: str) -> None:
    """Whoever lists and watches does not pay 48 MB for the official client, nor for YAML."""
    code = f"""
        import sys, {module}
        heavy = {{"kubernetes", "yaml", "requests", "google"}} & set(sys.modules)
        sys.exit(f"imported {{sorted(heavy)}}" if heavy else 0)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=60)
