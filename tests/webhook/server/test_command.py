"""`python -m webhook server` as a whole, with its API server gone."""

import base64
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contract.annotations import ROLE_ARN
from demo.fakes.api_server import ApiServer
from tests.serving.pki import Pki, SecretVolume
from tests.webhook.server.webhooks import RealWebhook

pytestmark = pytest.mark.slow

KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: gone
clusters: [{name: gone, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: gone, context: {cluster: gone, user: nobody}}]
users: [{name: nobody, user: {token: hunter2}}]
"""
REVIEWS = 24


def test_api_server_gone_denies_with_the_reason_and_lives(tmp_path: Path, pki: Pki) -> None:
    """Labelled pods are denied with a message that says retry, others pass; nothing exits, nothing leaks."""
    volume = SecretVolume(tmp_path / "certs")
    volume.write(*pki.issue()[:2])
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    flags = {
        "image": "registry.example/token-injector:1",
        "kubeconfig": str(tmp_path / "kubeconfig"),
        "listen-address": "127.0.0.1:0",
        "tls-cert-file": str(volume.cert_file),
        "tls-private-key-file": str(volume.key_file),
        "graceful-timeout": "2",
    }
    command = [sys.executable, "-m", "webhook", "server", *(f"--{flag}={value}" for flag, value in flags.items())]
    root = Path(__file__).parents[3]
    with (tmp_path / "stderr").open("wb") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, cwd=root, env=dict(os.environ))
    assert process.stdout
    try:
        listening = json.loads(process.stdout.readline())
        port = int(listening["address"].rpartition(":")[2])
        answers: list[dict[str, Any]] = []
        callers = [
            threading.Thread(target=lambda number=number: answers.append(_review(pki, port, f"account-{number}")))
            for number in range(REVIEWS)
        ]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(30)
        unlabelled = _review(pki, port, None)
        ready = _request(pki, port, "GET", "/readyz", None)
    finally:
        process.terminate()
        output = process.communicate(timeout=20)[0].decode()

    assert process.returncode == 0
    assert len(answers) == REVIEWS
    assert {answer["status"]["code"] for answer in answers} == {503}
    assert all("retry" in answer["status"]["message"] for answer in answers)
    assert unlabelled["allowed"]
    assert ready[0] == 503
    said = json.loads(ready[1])
    assert "not yet listed" in said["missing"]["service accounts"]
    assert "not yet listed" in said["missing"]["kubelet version floor"]
    assert said["details"]["kubelet version floor"].startswith("not known, nodes are not yet listed: ")
    reviews = [json.loads(line) for line in output.splitlines()]
    assert [event["reason"] for event in reviews].count("accounts_unavailable") == REVIEWS
    assert "hunter2" not in output + (tmp_path / "stderr").read_text()


def test_the_floor_is_followed_without_a_restart(tmp_path: Path, pki: Pki) -> None:
    """Ready once nodes are known; a node that joins changes what the next pods get; readiness and metrics say so."""
    server = ApiServer(tokens={"hunter2"})
    server.put("shop", "orders", {ROLE_ARN: "arn:aws:iam::123456789012:role/orders"})
    server.put("", "new", {}, "nodes", fields={"status": {"nodeInfo": {"kubeletVersion": "v1.36.3"}}})
    (tmp_path / "kubeconfig").write_text(KUBECONFIG.replace("http://127.0.0.1:1", server.url))
    running = RealWebhook(tmp_path / "webhook", pki, {"kubeconfig": str(tmp_path / "kubeconfig"), "workers": 1})
    try:
        _until(lambda: _readiness(running)["ready"])
        assert _readiness(running)["details"] == {"kubelet version floor": "1.36, the lowest of 1 node"}
        assert _injected(pki, running.port) == ["/spec/initContainers"]

        server.put("", "old", {}, "nodes", fields={"status": {"nodeInfo": {"kubeletVersion": "v1.28.9-gke.1"}}})
        _until(lambda: _readiness(running)["details"]["kubelet version floor"] == "1.28, the lowest of 2 nodes")
        assert _injected(pki, running.port) == ["/spec/initContainers", "/spec/containers/-"]
        floor = 'token_injector_kubelet_version_floor_info{{source="nodes",version="{}"}}'
        _until(lambda: running.metric(floor.format("1.36")) == 0)
        assert running.metric(floor.format("1.28")) == 1

        server.down()
        _until(lambda: "kubelet version floor" in _readiness(running).get("problems", {}))
        assert _readiness(running)["ready"]
        assert _injected(pki, running.port) == ["/spec/initContainers", "/spec/containers/-"]
    finally:
        running.kill()
        server.close()
    assert "hunter2" not in running.log()


def test_look_ups_are_counted(tmp_path: Path, pki: Pki) -> None:
    """One question and the registry that was asked for it; no label has the image's name."""
    (tmp_path / "accounts.yaml").write_text(
        "{kind: ServiceAccount, metadata: {name: orders, namespace: shop, annotations: "
        f"{{{ROLE_ARN}: 'arn:aws:iam::123456789012:role/orders'}}}}}}"
    )
    flags = {"service-accounts": str(tmp_path / "accounts.yaml"), "workers": 1, "secret-delivery": "launcher"}
    running = RealWebhook(tmp_path / "webhook", pki, {**flags, "region": "eu-west-1"})
    attempts = 'token_injector_entrypoint_attempts_total{{outcome="{}",source="anonymous"}}'
    lookups = 'token_injector_entrypoint_lookups_total{{outcome="{}"}}'
    try:
        assert running.metric(attempts.format("unreachable")) == 0
        assert running.metric(lookups.format("failed")) == 0

        answer = _review(pki, running.port, "orders", value="sm://db#user", image="127.0.0.1:1/canary:1")

        assert "127.0.0.1" in answer["status"]["message"]
        assert running.metric(attempts.format("unreachable")) == 1
        assert running.metric(lookups.format("failed")) == 1
        assert running.metric("token_injector_entrypoint_lookup_seconds_count") == 1
        with running.caller() as caller:
            assert b"canary" not in caller.get("/metrics")[1]
    finally:
        running.kill()


def _until(fact: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _readiness(running: RealWebhook) -> dict[str, Any]:
    with running.caller() as caller:
        found: dict[str, Any] = json.loads(caller.get("/readyz")[1])
    return found


def _injected(pki: Pki, port: int) -> list[str]:
    """Where the patch adds containers."""
    patch = json.loads(base64.b64decode(_review(pki, port, "orders")["patch"]))
    lists = ("/spec/initContainers", "/spec/containers/-")
    return [operation["path"] for operation in patch if operation["path"] in lists]


def _review(pki: Pki, port: int, account: str | None, *, value: str = "", image: str = "app") -> dict[str, Any]:
    labels = {"admission.token-injector/enabled": "true"} if account else {}
    container = {"name": "app", "image": image, "env": [{"name": "VALUE", "value": value}]}
    spec = {"serviceAccountName": account or "any", "containers": [container]}
    request = {
        "uid": "u1",
        "namespace": "shop",
        "operation": "CREATE",
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "object": {"metadata": {"name": "pod", "labels": labels}, "spec": spec},
    }
    body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()
    status, text = _request(pki, port, "POST", "/pods", body)
    assert status == 200
    response = json.loads(text)["response"]
    assert isinstance(response, dict)
    return response


def _request(pki: Pki, port: int, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=pki.client_context())
    connection.request(method, path, body=body, headers={"Content-Type": "application/json"})
    response = connection.getresponse()
    found = response.status, response.read()
    connection.close()
    return found
