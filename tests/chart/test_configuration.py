"""The webhook configuration: which pods it names, and who owns which of its fields."""

import base64
from typing import Any

import pytest

from contract import annotations, server
from tests.chart.charts import CASES, LABEL, ChartCase, case, of_component, of_kind, template

# The expression that Autopilot writes into admission configurations by itself.
AUTOPILOT = [
    "kube-system",
    "gke-gmp-system",
    "gke-managed-cim",
    "gke-managed-volumepopulator",
    "gke-managed-checkpointing",
    "gke-managed-parallelstorecsi",
    "gke-managed-lustrecsi",
    "gke-managed-otel",
    "gke-managed-mldiagnostics",
    "gke-managed-networking-dra-driver",
    "gke-managed-pod-snapshots",
]
NAMESPACE_NAME = "kubernetes.io/metadata.name"


def webhook_of(one: ChartCase) -> dict[str, Any]:
    """The only entry."""
    (configuration,) = of_kind(one.expected, "MutatingWebhookConfiguration")
    (webhook,) = configuration["webhooks"]
    return dict(webhook)


@pytest.mark.parametrize("case", CASES)
def test_rules_name_pods_alone(case: ChartCase) -> None:
    """Creation of core/v1 pods and changes of their ephemeral containers; no wildcard, which GKE refuses."""
    webhook = webhook_of(case)

    assert [(rule["operations"], rule["resources"]) for rule in webhook["rules"]] == [
        (["CREATE"], ["pods"]),
        (["UPDATE"], ["pods/ephemeralcontainers"]),
    ]
    assert all(rule["apiGroups"] == [""] and rule["apiVersions"] == ["v1"] for rule in webhook["rules"])
    assert {rule["scope"] for rule in webhook["rules"]} == {"Namespaced"}
    assert webhook["name"] == "pods.admission.token-injector.io"
    assert webhook["admissionReviewVersions"] == ["v1"]
    assert (webhook["sideEffects"], webhook["reinvocationPolicy"], webhook["matchPolicy"]) == (
        "None",
        "IfNeeded",
        "Equivalent",
    )


def test_the_defaults_fail_closed_and_soon() -> None:
    """By default a labelled pod is refused when nobody answers, after 5 s."""
    webhook = webhook_of(case("defaults"))

    assert (webhook["failurePolicy"], webhook["timeoutSeconds"]) == ("Fail", 5)


@pytest.mark.parametrize("case", CASES)
def test_only_labelled_pods_are_sent(case: ChartCase) -> None:
    """Whatever is added, the label is asked for first, and it is the contract's."""
    first = webhook_of(case)["objectSelector"]["matchExpressions"][0]

    assert first == {"key": LABEL, "operator": "Exists"}
    assert annotations.ENABLED_LABEL == LABEL


@pytest.mark.parametrize("case", CASES)
def test_own_and_managed_namespaces_are_left_alone(case: ChartCase) -> None:
    """Autopilot's expression stands first, word for word; the second names the release's own namespace."""
    managed, own = webhook_of(case)["namespaceSelector"]["matchExpressions"][:2]
    release_namespace = case.command[case.command.index("--namespace") + 1]

    assert managed == {"key": NAMESPACE_NAME, "operator": "NotIn", "values": AUTOPILOT}
    assert (own["key"], own["operator"]) == (NAMESPACE_NAME, "NotIn")
    assert own["values"].count(release_namespace) == 1


def test_selectors_can_be_narrowed() -> None:
    """Values add expressions; they take none away."""
    webhook = webhook_of(case("everything"))

    assert webhook["namespaceSelector"]["matchExpressions"][1]["values"] == ["token-injector", "istio-system"]
    assert webhook["namespaceSelector"]["matchExpressions"][2]["key"] == "team"
    assert webhook["objectSelector"]["matchExpressions"][1]["key"] == "sandbox"


@pytest.mark.parametrize("case", CASES)
def test_reviews_go_to_the_service(case: ChartCase) -> None:
    """Service, namespace, port and path are those of the rendered Service and of the server."""
    (service,) = of_kind(of_component(case.expected, "webhook"), "Service")
    called = webhook_of(case)["clientConfig"]["service"]

    assert called == {
        "name": service["metadata"]["name"],
        "namespace": service["metadata"]["namespace"],
        "path": server.PODS_PATH,
        "port": service["spec"]["ports"][0]["port"],
    }
    assert len(service["spec"]["ports"]) == 1


@pytest.mark.parametrize("case", CASES)
def test_the_ca_bundle_is_its_writers(case: ChartCase) -> None:
    """Where a job or cert-manager writes it, the field is absent: applying even an empty one would take it over."""
    client = webhook_of(case)["clientConfig"]

    assert ("caBundle" in client) is (case.folder.name == "existing-secret")


def test_a_given_ca_is_written() -> None:
    """With a certificate of the operator's, caBundle is the PEM that was given."""
    bundle = base64.b64decode(webhook_of(case("existing-secret"))["clientConfig"]["caBundle"])

    assert bundle.startswith(b"-----BEGIN CERTIFICATE-----\n")
    assert bundle.endswith(b"-----END CERTIFICATE-----\n")


def test_cert_manager_is_told_where_the_ca_is() -> None:
    """The annotation names the Certificate, whose Secret is the one that the webhook mounts."""
    rendered = case("cert-manager").expected
    (configuration,) = of_kind(rendered, "MutatingWebhookConfiguration")
    (deployment,) = of_kind(rendered, "Deployment")
    namespace, _, name = configuration["metadata"]["annotations"]["cert-manager.io/inject-ca-from"].partition("/")
    (certificate,) = [found for found in of_kind(rendered, "Certificate") if found["metadata"]["name"] == name]

    assert namespace == certificate["metadata"]["namespace"]
    mounted = deployment["spec"]["template"]["spec"]["volumes"][0]["secret"]["secretName"]
    assert certificate["spec"]["secretName"] == mounted
    assert "token-injector-webhook.token-injector.svc" in certificate["spec"]["dnsNames"]


@pytest.mark.parametrize("case", CASES)
def test_the_configuration_comes_last_and_goes_first(case: ChartCase) -> None:
    """Helm 4 installs in the order it renders and uninstalls in the reverse: the server outlives what points to it."""
    kinds = [m["kind"] for m in case.expected if "helm.sh/hook" not in m["metadata"].get("annotations", {})]
    own = [kind for kind in kinds if kind not in {"Issuer", "Certificate"}]

    assert own[-1] == "MutatingWebhookConfiguration"


def test_the_seeds_names_can_be_kept() -> None:
    """A user of the seed finds the objects under the names that firewall rules and alerts know."""
    names = {(m["kind"], m["metadata"]["name"]) for m in case("seed-names").expected}

    assert names >= {
        ("Deployment", "admission-webhook-deployment"),
        ("Service", server.SERVICE),
        ("ServiceAccount", "webhook-sa"),
        ("ServiceAccount", "webhook-cert-sa"),
        ("MutatingWebhookConfiguration", "mutating-admission-webhook-cfg"),
    }
    assert (server.SERVICE, server.NAMESPACE, server.SECRET) == ("admission-webhook-svc", "webhook", "webhook-certs")


def test_long_names_fit() -> None:
    """Helm's longest release name still gives names that Kubernetes takes: 52 characters for a CronJob."""
    rendered = template({"fullnameOverride": "a" * 46})

    assert max(len(m["metadata"]["name"]) for m in of_kind(rendered, "CronJob")) == 52
