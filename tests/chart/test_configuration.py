"""The webhook configuration: which pods it names, and who owns which of its fields."""

import base64
import re
from typing import Any

import pytest

from contract import annotations, server
from tests.chart.charts import CASES, LABEL, ChartCase, case, of_component, of_kind, template
from webhook.secrets.asked import may_ask
from webhook.settings import parse_settings

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
SETTINGS = parse_settings({}, {})[0]
# By which an entry names its pods.
NAMES_PODS = {"name", "rules", "objectSelector", "namespaceSelector", "matchConditions"}
NAMESPACE_NAME = "kubernetes.io/metadata.name"


def entries_of(one: ChartCase) -> list[dict[str, Any]]:
    """Every entry."""
    (configuration,) = of_kind(one.expected, "MutatingWebhookConfiguration")
    return list(configuration["webhooks"])


def webhook_of(one: ChartCase) -> dict[str, Any]:
    """The first entry: labelled pods."""
    return dict(entries_of(one)[0])


def conditions(entry: dict[str, Any]) -> list[str]:
    """What the API server looks at itself, without its line breaks."""
    return [" ".join(each["expression"].split()) for each in entry.get("matchConditions") or ()]


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
    """By default a pod is refused when nobody answers, after 10 s: registries may be asked for 5."""
    for entry in entries_of(case("defaults")):
        assert (entry["failurePolicy"], entry["timeoutSeconds"]) == ("Fail", 10)


@pytest.mark.parametrize(
    ("webhook", "seconds"),
    [
        ({"settings": {"entrypoint-lookup": False}}, 5),
        ({"settings": {"entrypoint-lookup": True}}, 10),
        ({"settings": {"entrypoint-timeout": 8}}, 13),
        ({"timeoutSeconds": 6}, 6),
        ({"timeoutSeconds": 7, "settings": {"entrypoint-lookup": False}}, 7),
    ],
)
def test_the_look_up_of_an_entrypoint_fits_into_the_wait(webhook: dict[str, Any], seconds: int) -> None:
    """What the operator says holds; else it is as long as what the webhook may be waiting for."""
    (configuration,) = of_kind(template({"webhook": webhook}), "MutatingWebhookConfiguration")

    assert {entry["timeoutSeconds"] for entry in configuration["webhooks"]} == {seconds}


@pytest.mark.parametrize("case", CASES)
def test_every_entry_is_called_alike(case: ChartCase) -> None:
    """One server, one policy, one time limit, one CA: they differ in which pods they name."""
    first, *others = [{key: each for key, each in entry.items() if key not in NAMES_PODS} for entry in entries_of(case)]

    assert all(other == first for other in others)


@pytest.mark.parametrize("case", CASES)
def test_a_pod_is_sent_by_one_entry(case: ChartCase) -> None:
    """The label's entry sees labelled pods; of the others the second sees those that ask, the third the rest."""
    first, *others = entries_of(case)
    own = first["namespaceSelector"]["matchExpressions"]

    for entry in others:
        assert entry["rules"] == first["rules"][:1]
        assert entry["objectSelector"]["matchExpressions"][0] == {"key": LABEL, "operator": "DoesNotExist"}
        assert entry["objectSelector"]["matchExpressions"][1:] == first["objectSelector"]["matchExpressions"][1:]
        assert entry["namespaceSelector"]["matchExpressions"][: len(own)] == own
    asked = [conditions(entry) for entry in others]
    if len(asked) > 1:
        ((question,), (rest,)) = asked
        assert "".join(rest.split()) == "".join(f"!({question})".split())


def test_pods_that_ask_are_sent() -> None:
    """Those whose annotations the webhook's own question takes for one; secrets: "false" and empty sources are none."""
    entry = entries_of(case("defaults"))[1]
    (question,) = conditions(entry)

    assert entry["name"] == "secrets.admission.token-injector.io"
    assert set(re.findall(r"'([a-z0-9.-]+/[a-z-]+)'", question)) == {
        annotations.SECRETS,
        annotations.PIGGY_SECRET_NAME,
        annotations.PIGGY_PARAMETER_PATH,
        annotations.PIGGY_ADDRESS,
        annotations.PIGGY_STANDALONE,
    }


def test_namespaces_that_rely_on_the_webhooks_environment() -> None:
    """The operator names them; every pod of theirs is sent, by an entry of its own."""
    third = entries_of(case("everything"))[2]

    assert third["name"] == "piggy-defaults.admission.token-injector.io"
    assert third["namespaceSelector"]["matchExpressions"][-1] == {"key": "piggy", "operator": "Exists"}
    assert len(entries_of(case("defaults"))) == 2


def test_an_old_api_server_gets_the_label_alone() -> None:
    """Below 1.28 it would drop matchConditions and send every pod; and who wants no secrets gets none."""
    assert len(entries_of(case("oldest-kubernetes"))) == 1
    (configuration,) = of_kind(template({"secrets": {"enabled": False}}), "MutatingWebhookConfiguration")
    assert [entry["name"] for entry in configuration["webhooks"]] == ["pods.admission.token-injector.io"]


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


@pytest.mark.parametrize("present", [None, {}, {"other": "x"}])
@pytest.mark.parametrize(
    "asked",
    [
        {},
        {annotations.SECRETS: "true"},
        {annotations.SECRETS: "arns"},
        {annotations.SECRETS: "yes"},
        {annotations.PIGGY_SECRET_NAME: "prod/db"},
        {annotations.PIGGY_PARAMETER_PATH: "/prod"},
        {annotations.PIGGY_ADDRESS: "https://x", annotations.SECRETS: "false"},
        {annotations.PIGGY_STANDALONE: "true"},
    ],
)
def test_no_pod_that_asks_is_left_out(present: dict[str, str] | None, asked: dict[str, str]) -> None:
    """Where the webhook would look at a pod without label, the API server's condition holds. CEL reads as Python."""
    (question,) = conditions(entries_of(case("defaults"))[1])
    pod = {"metadata": {} if present is None and not asked else {"annotations": {**(present or {}), **asked}}}
    python = question.replace("&&", "and").replace("||", "or").replace("has(object.metadata.annotations)", "found")
    found = pod["metadata"].get("annotations")

    is_sent = bool(eval(python.replace("object.metadata.annotations", "found"), {"found": found}))

    assert is_sent is bool(asked)
    assert may_ask(pod, SETTINGS) is bool(asked)
