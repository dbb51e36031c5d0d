"""Registries in the chart: each credential of webhook/entrypoint is where the webhook looks for it."""

import json
from typing import Any

import pytest

from contract.environ import AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE
from tests.chart.charts import CHART, Manifest, case, of_component, of_kind, template, with_values
from tests.chart.test_programs import settings_of

ROLE = "arn:aws:iam::123456789012:role/webhook"


def webhook_pod(rendered: list[Manifest]) -> Manifest:
    """The webhook's pod template."""
    (deployment,) = of_kind(of_component(rendered, "webhook"), "Deployment")
    pod: Manifest = deployment["spec"]["template"]
    return pod


def files_of(pod: Manifest) -> dict[str, dict[str, Any]]:
    """What the kubelet puts into the only container: each file's path, and the source that has it."""
    (container,) = pod["spec"]["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    found = {}
    for volume in pod["spec"]["volumes"]:
        sources = volume.get("projected", {}).get("sources") or [{key: volume[key] for key in volume if key != "name"}]
        for source in sources:
            for part in source.values():
                for item in part.get("items", []):
                    found[f"{mounts[volume['name']]}/{item['path']}"] = {**part, "key": item["key"]}
    return found


def test_what_flags_name_is_mounted() -> None:
    """Pull secret and CAs: the file of each flag is a key of the object that the values name."""
    pod = webhook_pod(case("registries").expected)
    files = files_of(pod)

    _, server = settings_of(pod)

    pull_secret = files[server.entrypoint.registry_pull_secret]
    assert (pull_secret["secretName"], pull_secret["key"]) == ("registry", ".dockerconfigjson")
    assert [(host, files[path]["name"], files[path]["key"]) for host, path in server.entrypoint.registry_ca] == [
        ("registry.example", "our-ca", "ca.crt"),
        ("*.example:5000", "our-ca", "ca.crt"),
        ("mirror.example", "mirror", "tls-ca.pem"),
    ]
    assert server.entrypoint.pull_secret_namespaces == ("shop", "bank", "*")


def test_a_missing_object_keeps_no_webhook_from_starting() -> None:
    """What only a look-up needs is optional."""
    files = files_of(webhook_pod(case("registries").expected))

    assert {path for path, part in files.items() if not part.get("optional")} == set()
    assert len(files) == 3


@pytest.mark.parametrize("mode", ["google", "cluster"])
def test_the_ecr_role_has_its_token(mode: str) -> None:
    """The variables that webhook/entrypoint/ecr.py reads, and a token where they say, from sidecar or kubelet."""
    pod = webhook_pod(template({"registries": {"ecrRole": {"arn": ROLE, "mode": mode}}}))
    (container,) = pod["spec"]["containers"]
    environ = {entry["name"]: entry.get("value") for entry in container["env"]}
    (volume,) = [volume for volume in pod["spec"]["volumes"] if volume["name"] == "web-identity"]
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "web-identity"]
    folder, _, file = environ[AWS_WEB_IDENTITY_TOKEN_FILE].rpartition("/")

    assert environ[AWS_ROLE_ARN] == ROLE
    assert mount == {"name": "web-identity", "mountPath": folder, "readOnly": True}
    if mode == "cluster":
        token = volume["projected"]["sources"][0]["serviceAccountToken"]
        assert (token["path"], token["audience"]) == (file, "sts.amazonaws.com")
        assert "initContainers" not in pod["spec"]
    else:
        (sidecar,) = pod["spec"]["initContainers"]
        assert f"--file={folder}/{file}" in sidecar["command"]
        assert sidecar["volumeMounts"] == [{"name": "web-identity", "mountPath": folder}]
        assert sidecar["restartPolicy"] == "Always"
        # A token that cannot be had must not keep the webhook from starting.
        assert "lifecycle" not in sidecar


def test_without_a_role_there_is_no_identity() -> None:
    """No variable, no token, no sidecar; no file of a registry's either."""
    pod = webhook_pod(case("defaults").expected)

    assert "AWS_" not in json.dumps(pod)
    assert "initContainers" not in pod["spec"]
    assert files_of(pod) == {}


def test_a_sidecar_has_what_is_injected() -> None:
    """The metadata server and the operator's environment, as in an injected container, and the same audience."""
    (sidecar,) = webhook_pod(case("registries").expected)["spec"]["initContainers"]

    assert sidecar["env"] == [
        {"name": "GCE_METADATA_HOST", "value": "10.244.0.1:8080"},
        {"name": "EMPTY", "value": ""},
        {"name": "GREETING", "value": 'say "$(hello)"'},
    ]
    assert "--audience=registries" in sidecar["command"]


def test_an_operators_entry_wins() -> None:
    """injector-env is later than the webhook's own metadata server, as in webhook/settings.py."""
    values: dict[str, Any] = {
        "registries": {"ecrRole": {"arn": ROLE}},
        "webhook": {
            "settings": {"injector-env": ["GCE_METADATA_HOST=10.0.0.2"]},
            "extraEnv": [{"name": "GCE_METADATA_HOST", "value": "10.0.0.1"}],
        },
    }
    pod = webhook_pod(template(values))
    (sidecar,) = pod["spec"]["initContainers"]

    assert sidecar["env"] == [{"name": "GCE_METADATA_HOST", "value": "10.0.0.2"}]
    settings, _ = settings_of(pod)
    assert settings.injector_env == (("GCE_METADATA_HOST", "10.0.0.2"),)


def test_a_webhook_has_the_identity_that_its_account_names() -> None:
    """By which Google gives it a token for Artifact Registry."""
    (account,) = [
        one
        for one in of_kind(case("registries").expected, "ServiceAccount")
        if one["metadata"]["name"].endswith("webhook")
    ]
    assert account["metadata"]["annotations"] == {
        "iam.gke.io/gcp-service-account": "webhook@project.iam.gserviceaccount.com"
    }


OFF = {"webhook": {"settings": {"entrypoint-lookup": False}}}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a wait that is too short": (
        {"webhook": {"timeoutSeconds": 5}},
        "webhook.timeoutSeconds is 5, and webhook.settings.entrypoint-timeout 5",
    ),
    "a wait shorter than what is set": (
        {"webhook": {"timeoutSeconds": 20, "settings": {"entrypoint-timeout": 25}}},
        "webhook.timeoutSeconds is 20, and webhook.settings.entrypoint-timeout 25",
    ),
    "a pull secret for nobody": ({**OFF, "registries": {"pullSecret": "a"}}, "registries.pullSecret is set"),
    "a role for nobody": ({**OFF, "registries": {"ecrRole": {"arn": ROLE}}}, "registries.ecrRole.arn is set"),
    "a grant for nobody": (
        {**OFF, "registries": {"podPullSecrets": [{"namespace": "shop"}]}},
        "registries.podPullSecrets is set",
    ),
    "two grants in one namespace": (
        {"registries": {"podPullSecrets": [{"namespace": "shop", "names": ["a"]}, {"namespace": "shop"}]}},
        'registries.podPullSecrets[1].namespace: "shop" is already in podPullSecrets[0]',
    ),
    "every Secret beside the cert job's": (
        {"registries": {"podPullSecrets": [{"namespace": "default"}]}},
        "registries.podPullSecrets[0]: without names the webhook could read the cert job's keys",
    ),
}


@pytest.mark.parametrize(("values", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_meant_is_refused(values: dict[str, Any], said: str) -> None:
    """Helm names the key, before anything is in the cluster."""
    finished = with_values(values, "template", "token-injector", str(CHART))

    assert finished.returncode
    assert said in finished.stderr


def test_a_short_wait_is_enough_where_nothing_is_looked_up() -> None:
    """Without look-ups a review takes milliseconds."""
    assert template({"webhook": {"timeoutSeconds": 2, "settings": {"entrypoint-lookup": False}}})


def test_an_old_cluster_has_no_native_sidecar() -> None:
    """The token's sidecar would be an init container that never ends."""
    values = {"registries": {"ecrRole": {"arn": ROLE}}}
    finished = with_values(values, "template", "token-injector", str(CHART), "--kube-version", "1.28")

    assert "registries.ecrRole.mode is google" in finished.stderr
