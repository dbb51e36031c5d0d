"""`inject --live`: what no file tells is read from a cluster; here a scripted API server and a kubeconfig."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.fakes.api_server import ApiServer
from tests.ctl.commands import Finished, run

TOKEN = "a-token-of-the-tests"
ROLE = "arn:aws:iam::123456789012:role/web"
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "shop", "labels": {"admission.token-injector/enabled": "true"}},
    "spec": {"serviceAccountName": "web", "containers": [{"name": "app", "image": "nginx:1"}]},
}


@pytest.fixture
def server() -> Iterator[ApiServer]:
    """An API server with one service account and one node."""
    server = ApiServer(tokens={TOKEN})
    server.put("shop", "web", {"amazonaws.com/role-arn": ROLE})
    node(server, "v1.36.3")
    yield server
    server.close()


def node(server: ApiServer, version: str) -> None:
    """A node with this kubelet."""
    server.put("", "one", {}, "nodes", fields={"status": {"nodeInfo": {"kubeletVersion": version}}})


@pytest.fixture
def live(server: ApiServer, tmp_path: Path) -> list[str]:
    """The flags that name it."""
    kubeconfig = tmp_path / "kubeconfig"
    named = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": server.url}}],
        "users": [{"name": "u", "user": {"token": TOKEN}}],
        "contexts": [named],
    }
    kubeconfig.write_text(yaml.safe_dump(content))
    return ["--live", f"--kubeconfig={kubeconfig}"]


def inject(*flags: str, manifest: dict[str, Any] = POD) -> Finished:
    """Render one pod."""
    return run("inject", "-f", "-", "--image=injector:1", *flags, stdin=yaml.safe_dump(manifest))


def rendered(finished: Finished) -> dict[str, Any]:
    """The pod that was written."""
    assert finished.code == 0, finished.err
    found: dict[str, Any] = yaml.safe_load(finished.out)
    return found


def test_a_service_account_is_read_from_the_cluster(live: list[str]) -> None:
    """No file has it, and the pod has its role."""
    pod = rendered(inject(*live))

    assert {"name": "AWS_ROLE_ARN", "value": ROLE} in pod["spec"]["containers"][0]["env"]


@pytest.mark.parametrize("status", ["there", "absent", "forbidden"])
def test_config_maps_are_read_from_the_cluster(live: list[str], server: ApiServer, status: str) -> None:
    """No file has it: what it holds is known; what is not there yet, or may not be read, the launcher looks at."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "annotations": {"admission.token-injector/secrets": "true", "admission.token-injector/region": "eu-west-1"},
        },
        "spec": {
            "serviceAccountName": "web",
            "containers": [
                {
                    "name": "app",
                    "image": "n:1",
                    "command": ["/app"],
                    "envFrom": [{"configMapRef": {"name": "settings"}}],
                }
            ],
        },
    }
    if status == "there":
        server.put("shop", "settings", {}, "configmaps", fields={"data": {"A": "sm://db#a"}})
    if status == "forbidden":
        server.forbidden_resources.add("configmaps")

    finished = run("check", "-f", "-", *live, stdin=yaml.safe_dump(pod))

    assert finished.code == 0, finished.err
    assert finished.out.endswith(
        {
            "there": "Pod/shop/web: ok: app: 1 reference by envfile\n",
            "absent": "Pod/shop/web: ok: app: 0 references by socket\n",
            "forbidden": "Pod/shop/web: ok: app: 0 references by socket\n",
        }[status]
    )
    assert ("ConfigMap shop/settings is in none of the files" in finished.out) is (status == "forbidden")


def test_a_file_wins_over_the_cluster(live: list[str], tmp_path: Path) -> None:
    """It may be what is about to be applied; the cluster is not asked for it."""
    file = tmp_path / "accounts.yaml"
    metadata = {"name": "web", "namespace": "shop", "annotations": {"amazonaws.com/role-arn": ROLE + "-new"}}
    file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}))

    pod = rendered(inject(*live, f"--service-accounts={file}"))

    assert {"name": "AWS_ROLE_ARN", "value": ROLE + "-new"} in pod["spec"]["containers"][0]["env"]


@pytest.mark.parametrize(
    ("version", "name"), [("v1.36.3", "update-gcp-id-token"), ("v1.28.1", "generate-gcp-id-token")]
)
def test_the_oldest_kubelet_decides_the_shape(live: list[str], server: ApiServer, version: str, name: str) -> None:
    """As in the webhook."""
    node(server, version)

    assert rendered(inject(*live))["spec"]["initContainers"][0]["name"] == name


def test_without_the_right_to_read_nodes_the_skew_rule_holds(live: list[str], server: ApiServer) -> None:
    """An ordinary user may not list nodes; the API server's version less three is the floor then."""
    server.forbidden_resources.add("nodes")
    server.server_version = {"major": "1", "minor": "31"}

    assert rendered(inject(*live))["spec"]["initContainers"][0]["name"] == "generate-gcp-id-token"


def test_a_version_that_was_given_wins_over_the_nodes(live: list[str]) -> None:
    """Who names a floor means it."""
    pod = rendered(inject(*live, "--kubelet-version-floor=1.28"))

    assert pod["spec"]["initContainers"][0]["name"] == "generate-gcp-id-token"


def test_an_account_that_does_not_exist_is_a_warning(live: list[str], server: ApiServer) -> None:
    """It may be made later."""
    server.delete("shop", "web")
    finished = inject(*live)

    assert finished.code == 0
    assert "service account shop/web" in finished.err


def test_a_cluster_that_refuses_ends_the_command(live: list[str], server: ApiServer) -> None:
    """The message names the kubeconfig, what was asked, and the way without a cluster; never the credentials."""
    server.tokens = {"another"}
    finished = inject(*live)

    assert finished.code == 2
    assert finished.out == ""
    assert live[1].partition("=")[2] in finished.err
    assert "--service-accounts" in finished.err
    assert TOKEN not in finished.err


def test_a_cluster_is_asked_only_with_live(live: list[str]) -> None:
    """Offline is the default; a kubeconfig alone would be passed over in silence."""
    finished = inject(live[1])

    assert finished.code == 2
    assert "--live" in finished.err
