"""Who we are as a kubeconfig says it, through the official client, with what that passes over in silence."""

import base64
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.fakes.api_server import ApiServer
from kube.config import from_kubeconfig
from kube.errors import ConnectionConfigError
from tests.kube.certificates import Authority
from tests.kube.following import ONE, TOKEN, reaches

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path, server: ApiServer) -> Write:
    """Write a kubeconfig for the server with this user."""

    def write(user: dict[str, Any] | None, *, cluster: dict[str, Any] | None = None, name: str = "kubeconfig") -> str:
        context = {"cluster": "test", **({"user": "me"} if user is not None else {})}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": server.url, **(cluster or {})}}],
            "contexts": [{"name": "here", "context": context}],
            "current-context": "here",
            "users": [{"name": "me", "user": user or {}}],
        }
        path = tmp_path / name
        path.write_text(yaml.safe_dump(config))
        return str(path)

    return write


def test_kubeconfig_token(server: ApiServer, write: Write) -> None:
    """A token in the file; the repr does not show it."""
    connection = from_kubeconfig(write({"token": TOKEN}))
    assert reaches(connection, server)
    assert TOKEN not in repr(connection)


def test_kubeconfig_token_file(server: ApiServer, write: Write, tmp_path: Path) -> None:
    """A tokenFile, relative to the kubeconfig, is read again when its token is refused."""
    (tmp_path / "token").write_text("old")
    connection = from_kubeconfig(write({"tokenFile": "token"}))
    server.tokens = {"old"}
    assert reaches(connection, server)
    server.tokens = {"new"}
    (tmp_path / "token").write_text("new")
    assert reaches(connection, server)


def test_kubeconfig_context(server: ApiServer, write: Write) -> None:
    """A context is chosen by name, and an unknown one is named in the error."""
    path = write({"token": TOKEN})
    assert reaches(from_kubeconfig(path, context="here"), server)
    with pytest.raises(ConnectionConfigError, match="elsewhere"):
        from_kubeconfig(path, context="elsewhere")


def test_several_kubeconfigs(server: ApiServer, write: Write) -> None:
    """KUBECONFIG may name several files; the first that says something wins."""
    paths = [write({"token": TOKEN}, name="one"), write({"token": "another"}, name="two")]
    assert reaches(from_kubeconfig(os.pathsep.join(paths)), server)


@pytest.mark.parametrize("inline", [True, False])
def test_kubeconfig_client_certificate(tmp_path: Path, write: Write, *, inline: bool) -> None:
    """CA and client certificate come from files beside the kubeconfig, or from its data fields."""
    authority = Authority(tmp_path)
    me = authority.issue("me", address=None)
    tls = authority.server_context(authority.issue("api"), client_ca=authority.file)
    with closing(ApiServer(tls=tls)) as secure:

        def entry(key: str, path: Path) -> dict[str, str]:
            data = base64.b64encode(path.read_bytes()).decode()
            return {f"{key}-data": data} if inline else {key: path.name}

        cluster = {"server": secure.url, **entry("certificate-authority", authority.file)}
        user = {**entry("client-certificate", me.certificate), **entry("client-key", me.key)}
        assert reaches(from_kubeconfig(write(user, cluster=cluster)), secure)


@pytest.mark.slow
def test_kubeconfig_before_fork(tmp_path: Path, write: Write) -> None:
    """A worker that ends takes the temporary files of the official client with it; the others live on."""
    authority = Authority(tmp_path)
    me = authority.issue("me", address=None)
    data = {path: base64.b64encode(path.read_bytes()).decode() for path in (authority.file, me.certificate, me.key)}
    tls = authority.server_context(authority.issue("api"), client_ca=authority.file)
    with closing(ApiServer(tls=tls)) as secure:
        secure.put("shop", "web", {})
        cluster = {"server": secure.url, "certificate-authority-data": data[authority.file]}
        user = {"client-certificate-data": data[me.certificate], "client-key-data": data[me.key]}
        path = write(user, cluster=cluster)
        code = f"""
            import os, sys
            from pathlib import Path
            from kube.client import Client
            from kube.config import from_kubeconfig
            connection = from_kubeconfig({path!r})
            if os.fork() == 0:
                sys.exit()
            os.wait()
            assert not Path(connection.ca_file).exists()
            assert Client(connection).get({ONE!r})["metadata"]["name"] == "web"
        """
        subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=60)


@pytest.fixture
def plugin(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """A user whose credentials an exec plugin gives: what `answer` holds, counting its runs."""

    def plugin(**status: Any) -> dict[str, Any]:
        credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
        (tmp_path / "answer").write_text(json.dumps(credential))
        script = tmp_path / "plugin"
        script.write_text(f"#!/bin/sh\nset -e\necho run >> {tmp_path}/runs\ncat {tmp_path}/answer\n")
        script.chmod(0o755)
        return {"exec": {"apiVersion": credential["apiVersion"], "command": str(script), "interactiveMode": "Never"}}

    return plugin


def runs(directory: Path) -> int:
    """How often the plugin has run."""
    return len((directory / "runs").read_text().splitlines())


def test_exec_plugin(server: ApiServer, write: Write, plugin: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    """A plugin's token is used until it expires, then the plugin runs again."""
    connection = from_kubeconfig(write(plugin(token=TOKEN, expirationTimestamp="2999-01-01T00:00:00Z")))
    assert reaches(connection, server)
    assert reaches(connection, server)
    assert runs(tmp_path) == 1
    plugin(token="second", expirationTimestamp="2999-01-01T00:00:00Z")
    expired = from_kubeconfig(write(plugin(token=TOKEN, expirationTimestamp="2001-01-01T00:00:00Z")))
    plugin(token="second", expirationTimestamp="2999-01-01T00:00:00Z")
    server.tokens = {"second"}
    assert reaches(expired, server)
    assert expired.authorization(refused=None) == "Bearer second"


def test_exec_plugin_after_refusal(server: ApiServer, write: Write, plugin: Callable[..., dict[str, Any]]) -> None:
    """A token that is refused before it expires makes the plugin run again, once, as kubectl does."""
    connection = from_kubeconfig(write(plugin(token=TOKEN)))
    server.tokens = {"second"}
    plugin(token="second")
    assert reaches(connection, server)


def test_exec_plugin_fails(write: Write, plugin: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    """A plugin that fails stops the start: the official client would go on without a word, as nobody."""
    user = plugin(token=TOKEN)
    (tmp_path / "answer").unlink()
    with pytest.raises(ConnectionConfigError, match=r"user me: no credentials.*kubectl"):
        from_kubeconfig(write(user))


def test_exec_plugin_certificate(write: Write, plugin: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    """A plugin may give a client certificate."""
    authority = Authority(tmp_path)
    me = authority.issue("me", address=None)
    tls = authority.server_context(authority.issue("api"), client_ca=authority.file)
    user = plugin(clientCertificateData=me.certificate.read_text(), clientKeyData=me.key.read_text())
    with closing(ApiServer(tls=tls)) as secure:
        cluster = {"server": secure.url, "certificate-authority": authority.file.name}
        assert reaches(from_kubeconfig(write(user, cluster=cluster)), secure)


def test_basic(write: Write) -> None:
    """A user name and a password, as some test clusters have it."""
    connection = from_kubeconfig(write({"username": "me", "password": "pw"}))
    assert connection.authorization(refused=None) == "Basic " + base64.b64encode(b"me:pw").decode()


def test_nobody(write: Write) -> None:
    """A context without a user sends no header (kubectl proxy)."""
    assert from_kubeconfig(write(None)).authorization(refused=None) is None


@pytest.mark.parametrize(
    ("user", "cluster", "said"),
    [
        ({"token": TOKEN, "as": "admin"}, {}, "impersonation"),
        ({"token": TOKEN}, {"proxy-url": "http://127.0.0.1:1"}, "proxy-url"),
        ({"token": TOKEN}, {"server": "127.0.0.1"}, "https://HOST"),
        ({"token": TOKEN + "\nX-Evil: 1"}, {}, None),
        ({"auth-provider": {"name": "azure", "config": {"access-token": TOKEN}}}, {}, "no credentials"),
        (
            {"client-certificate": "missing.crt", "client-key": "missing.key"},
            {"server": "https://127.0.0.1"},
            "missing.crt",
        ),
    ],
)
def test_what_would_be_silent(write: Write, user: dict[str, Any], cluster: dict[str, Any], said: str | None) -> None:
    """What the official client passes over, and what we do not support, is said; no error holds a token."""
    with pytest.raises(ConnectionConfigError, match=said) as caught:
        from_kubeconfig(write(user, cluster=cluster)).authorization(refused=None)
    assert TOKEN not in f"{caught.value!r}"


# The user's token stands beside its entry, not in it; the context's user is not there.
MISPLACED = f"""
current-context: a
contexts: [{{name: a, context: {{cluster: c, user: me}}}}]
clusters: [{{name: c, cluster: {{server: "https://127.0.0.1"}}}}]
users: [{{name: me, token: {TOKEN}}}]
"""
NO_USER = MISPLACED.replace("name: me", "name: you")


@pytest.mark.parametrize(
    "text", ["", "}{", "[]", f"token: '{TOKEN}", MISPLACED, NO_USER, "current-context: a\ncontexts: []\nclusters: []"]
)
def test_broken_kubeconfig(tmp_path: Path, text: str) -> None:
    """A broken kubeconfig is named, and its content is not repeated."""
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(ConnectionConfigError, match=str(path)) as caught:
        from_kubeconfig(str(path))
    assert TOKEN not in f"{caught.value!r}"


def test_missing_kubeconfig(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(ConnectionConfigError, match="nowhere: no such file"):
        from_kubeconfig(str(tmp_path / "nowhere"))
