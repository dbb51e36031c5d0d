"""An API server on a real socket, and a client of it."""

from collections.abc import Iterator

import pytest

from demo.fakes.api_server import ApiServer
from kube.client import Client
from kube.config import Connection
from tests.kube.following import TOKEN, always


@pytest.fixture
def server() -> Iterator[ApiServer]:
    """An API server that wants the token."""
    server = ApiServer(tokens={TOKEN})
    yield server
    server.close()


@pytest.fixture
def connection(server: ApiServer) -> Connection:
    """How to reach it."""
    return Connection(server=server.url, authorization=always(TOKEN))


@pytest.fixture
def client(connection: Connection) -> Iterator[Client]:
    """A client of it."""
    client = Client(connection)
    yield client
    client.close()
