"""Three real registries for the whole session: open, with passwords, with tokens; the latter two with TLS."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.entrypoint.fake_registry import FakeRegistry
from tests.entrypoint.images import Pusher
from tests.entrypoint.registries import PASSWORD, USER, Served, passwords, registry
from tests.entrypoint.token_server import TokenServer
from tests.kube.certificates import Authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A private CA."""
    return Authority(tmp_path_factory.mktemp("registry-ca"), "registry-ca")


@pytest.fixture(scope="session")
def open_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Plain HTTP, for everybody."""
    with registry(tmp_path_factory.mktemp("open")) as host:
        yield Served(host=host, pusher=Pusher(base=f"http://{host}"))


@pytest.fixture(scope="session")
def password_registry(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Served]:
    """TLS, user and password."""
    directory = tmp_path_factory.mktemp("passwords")
    header = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    with registry(directory, authority=authority, auth=passwords(directory)) as host:
        pusher = Pusher(base=f"https://{host}", ca=str(authority.file), headers={"Authorization": header})
        yield Served(host=host, pusher=pusher)


@dataclass(frozen=True, slots=True, kw_only=True)
class WithTokens:
    """A registry, and who gives its tokens."""

    host: str
    tokens: TokenServer
    pusher: Pusher

    def pusher_of(self, repository: str) -> Pusher:
        """With a token that may push there."""
        token = self.tokens.sign(repository, "pull", "push")
        return replace(self.pusher, headers={"Authorization": f"Bearer {token}"})


@pytest.fixture(scope="session")
def token_registry(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[WithTokens]:
    """TLS, tokens of a server that has TLS too. By name, so that a name is resolved and found in the certificate."""
    directory = tmp_path_factory.mktemp("tokens")
    context = authority.server_context(authority.issue("tokens", dns="localhost"))
    with (
        TokenServer(directory, context) as tokens,
        registry(directory, name="localhost", authority=authority, auth=tokens.auth) as host,
    ):
        yield WithTokens(host=host, tokens=tokens, pusher=Pusher(base=f"https://{host}", ca=str(authority.file)))


@pytest.fixture
def ca(authority: Authority) -> Path:
    """The CA's file."""
    return authority.file


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    """A registry that misbehaves on demand."""
    with FakeRegistry() as registry:
        yield registry
