"""The broker between a cluster and an AWS account, in this process and in one of its own."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from demo.fakes.api_server import ApiServer
from demo.fakes.fixtures import cluster_signer, google_signer, signing_key
from demo.fakes.google import ClusterSigner, GoogleSigner
from kube.client import Client
from kube.config import Connection
from secretenv import wire
from secretenv.broker import issuer_keys
from secretenv.broker.answering import Answering, Policy, SharedRole
from secretenv.broker.app import Parts, create_app
from secretenv.broker.aws import AwsSessions
from secretenv.broker.caller import Callers
from secretenv.broker.grants import NOBODY, Grants
from secretenv.broker.legacy import Legacy
from secretenv.broker.places import Places
from secretenv.broker.proofs import Proofs
from secretenv.broker.reading import Limits, Reading
from secretenv.broker.sessions import Sessions
from serving.status import always_ready
from tests.broker.counted import Counted
from tests.broker.world import World
from tests.stores.faulty import FaultyAws

__all__ = ["cluster_signer", "google_signer", "signing_key"]


@pytest.fixture(scope="session")
def served_aws(signing_key: Any) -> Iterator[FaultyAws]:
    """One AWS for all tests; each takes it empty."""
    with FaultyAws(GoogleSigner(key=signing_key)) as server:
        yield server


@pytest.fixture
def world(served_aws: FaultyAws, cluster_signer: ClusterSigner, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An empty account, and a cluster without pods."""
    served_aws.reset()
    served_aws.faults.clear()
    served_aws.asked.clear()
    served_aws.released.clear()
    for name, value in served_aws.environment().items():
        monkeypatch.setenv(name, value)
    found = World(cluster_signer, served_aws, ApiServer())
    yield found
    served_aws.released.set()
    found.close()


@dataclass
class Broker:
    """The application, and what it counted and wrote."""

    world: World
    folder: Path
    counted: Counted = field(default_factory=Counted)
    grants: Grants = NOBODY
    shared_role: str = ""
    enforces_accounts: bool = False
    environ: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 30.0
    stale: float = 600.0
    fresh: float = 60.0
    clock: Callable[[], float] = time.monotonic
    _client: Any = None

    def start(self) -> None:
        """Make it of its real parts."""
        aws = AwsSessions(default_region=None, counts=self.counted)
        reading = Reading(
            Sessions(aws.exchange, clock=self.clock),
            limits=Limits(fresh=self.fresh, stale=self.stale),
            place=Places(8, "AWS").taken,
            counts=self.counted,
            clock=self.clock,
        )
        shared = None
        if self.shared_role:
            token_file = self.folder / "own-token"
            token_file.write_text(self.world.web_identity())
            shared = SharedRole(
                role_arn=self.shared_role,
                token_file=token_file,
                grants=lambda: self.grants,
                enforces_accounts=self.enforces_accounts,
            )
        policy = Policy(
            timeout=self.timeout,
            regions=aws.regions,
            regions_per_request=4,
            default_region=aws.default_region,
            shared_role=shared,
        )
        proofs = Proofs({"https://accounts.google.com": self.world.keys.url}, fetch=issuer_keys.fetch, clock=time.time)
        answering = Answering(reading, policy, proven=proofs.claims)
        callers = Callers(Client(Connection(server=self.world.api.url)))
        parts = Parts(
            callers=callers,
            answering=answering,
            legacy=Legacy(callers, answering, self.environ) if shared else None,
            api_place=Places(8, "the API server").taken,
            max_body_bytes=wire.QUESTION_LIMIT,
        )
        self._client = create_app(parts, always_ready, self.counted, self.counted).test_client()

    def post(self, token: str, question: wire.Question) -> Any:
        """The HTTP answer."""
        if self._client is None:
            self.start()
        headers = {"Authorization": f"Bearer {token}"}
        return self._client.post(
            wire.PATH, data=wire.encode_question(question), headers=headers, content_type="application/json"
        )

    def ask(self, token: str, *references: str, **question: Any) -> wire.Answer:
        """The answer to a question that is answered."""
        response = self.post(token, wire.Question(references=references, region="eu-west-1", **question))
        assert response.status_code == 200, response.data
        return wire.decode_answer(response.data)

    def refusal(self, token: str, *references: str, **question: Any) -> tuple[int, str]:
        """Status and message of a question that is not."""
        response = self.post(token, wire.Question(references=references or ("sm://a",), region="eu-west-1", **question))
        assert response.status_code != 200, response.data
        return response.status_code, wire.decode_message(response.data)

    def legacy(self, token: str, **body: Any) -> Any:
        """piggy-env's request."""
        if self._client is None:
            self.start()
        return self._client.post("/secret", json={"resources": "pods", **body}, headers={"X-Token": token})


@pytest.fixture
def broker(world: World, tmp_path: Path) -> Broker:
    """The broker in this process; start it by asking."""
    assert os.environ["AWS_ENDPOINT_URL"] == world.aws.url
    return Broker(world=world, folder=tmp_path)
