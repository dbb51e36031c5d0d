"""The shared role in google mode, as the chart starts it: the token's sidecar, then the broker."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.fakes.metadata import MetadataServer
from tests.broker.brokers import RunningBroker
from tests.broker.world import REGION, World
from tests.chart.charts import arguments_of, case, of_component, of_kind
from tests.serving.pki import Pki

pytestmark = pytest.mark.slow

SECRET = "sm://shop/db#password"
ACCOUNT = "bank:api"
_ROOT = Path(__file__).parents[2]


@pytest.fixture
def metadata(world: World) -> Iterator[MetadataServer]:
    """The broker's own pod's, strict as GKE's."""
    with MetadataServer(signer=world.aws.signer, pod_service_account="token-injector/broker") as server:
        yield server


@pytest.fixture
def pod() -> dict[str, Any]:
    """The pod that the chart renders."""
    (deployment,) = of_kind(of_component(case("broker").expected, "broker"), "Deployment")
    found: dict[str, Any] = deployment["spec"]["template"]
    return found


@pytest.fixture
def token_file(pod: dict[str, Any], metadata: MetadataServer, tmp_path: Path) -> Iterator[Path]:
    """The rendered sidecar at work, with this machine's metadata server and folder in the place of the pod's."""
    (sidecar,) = pod["spec"]["initContainers"]
    (mount,) = sidecar["volumeMounts"]
    names = {entry["name"] for entry in sidecar["env"]}
    assert names == {"GCE_METADATA_HOST"}
    _, *arguments = [word.replace(mount["mountPath"], str(tmp_path)) for word in sidecar["command"]]
    environ = {"PATH": os.environ["PATH"], "NO_GCE_CHECK": "true", **dict.fromkeys(names, metadata.host)}
    process = subprocess.Popen([sys.executable, "-m", "injector", *arguments], env=environ, cwd=_ROOT)
    path = tmp_path / "token"
    deadline = time.monotonic() + 30
    try:
        while not path.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield path
    finally:
        process.terminate()
        process.wait(20)


def test_a_pod_without_a_role_reads_by_it(
    world: World,
    pod: dict[str, Any],
    token_file: Path,
    tmp_path: Path,
    pki: Pki,
    metadata: MetadataServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a grant allows it gets, by Google's token for the broker's own account; what none allows it does not."""
    (grants,) = of_kind(of_component(case("broker").expected, "broker"), "ConfigMap")
    (text,) = grants["data"].values()
    (tmp_path / "grants.yaml").write_text(text)
    (arn,) = [word.partition("=")[2] for word in arguments_of(pod) if word.startswith("--shared-role-arn=")]
    assert world.role("broker") == arn
    world.secret("shop/db", {"password": "hunter2"})
    world.secret("bank/db", {"password": "hunter3"})
    world.pod("a", ACCOUNT)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token_file))
    broker = RunningBroker(tmp_path, pki, world, shared_role_arn=arn, grants=tmp_path / "grants.yaml")
    try:
        question = {"references": [SECRET, "sm://bank/db#password"], "region": REGION}
        status, answer = broker.ask(world.token("a", ACCOUNT), question)
    finally:
        broker.kill()

    assert status == 200
    assert answer["values"] == {SECRET: {"text": "hunter2"}}
    assert "no grant" in str(answer) or "grant" in str(answer)
    assert metadata.identity_requests()
    assert world.aws.asked["GetSecretValue"] + world.aws.asked["BatchGetSecretValue"] == 1
