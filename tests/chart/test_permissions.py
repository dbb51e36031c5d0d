"""RBAC and NetworkPolicy: what each service account may do, word for word."""

from typing import Any

import pytest

from tests.chart.charts import CASES, ChartCase, case, of_component, of_kind, pod_templates, template

SERVICE_ACCOUNTS = {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get", "list", "watch"]}
CONFIG_MAPS = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}
NODES = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["list", "watch"]}


def rules(one: ChartCase, account: str) -> dict[str, list[dict[str, Any]]]:
    """What a service account may do: rules by the kind of the role."""
    found: dict[str, list[dict[str, Any]]] = {}
    for kind in ("Role", "ClusterRole"):
        roles = {role["metadata"]["name"]: role["rules"] for role in of_kind(one.expected, kind)}
        for binding in of_kind(one.expected, f"{kind}Binding"):
            if [subject["name"] for subject in binding["subjects"]] == [account]:
                assert binding["roleRef"]["kind"] == kind
                found.setdefault(kind, []).extend(roles[binding["roleRef"]["name"]])
    return found


def test_the_webhook_reads_service_accounts_nodes_and_config_maps() -> None:
    """Nothing else, and nothing in its own namespace: its certificate is mounted. ConfigMaps it reads one by one."""
    assert rules(case("defaults"), "token-injector-webhook") == {"ClusterRole": [SERVICE_ACCOUNTS, NODES, CONFIG_MAPS]}


def test_nodes_and_config_maps_can_be_withheld() -> None:
    """webhook.watchNodes and secrets.readConfigMaps take a rule away each."""
    assert rules(case("everything"), "aws-webhook") == {"ClusterRole": [SERVICE_ACCOUNTS]}


def test_the_cert_job_writes_two_secrets_and_one_configuration() -> None:
    """Each by name; only a creation cannot be restricted so."""
    assert rules(case("defaults"), "token-injector-certs") == {
        "Role": [
            {
                "apiGroups": [""],
                "resources": ["secrets"],
                "resourceNames": ["token-injector-webhook-certs", "token-injector-webhook-ca"],
                "verbs": ["get", "update"],
            },
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list"]},
        ],
        "ClusterRole": [
            {
                "apiGroups": ["admissionregistration.k8s.io"],
                "resources": ["mutatingwebhookconfigurations"],
                "resourceNames": ["token-injector"],
                "verbs": ["get", "patch"],
            }
        ],
    }


UNGRANTED = [param for param in CASES if param.id != "registries"]


@pytest.mark.parametrize("case", UNGRANTED)
def test_the_webhooks_account_has_no_secret(case: ChartCase) -> None:
    """In no mode and under no name may the webhook's service account read, list or write a Secret unasked."""
    (webhook,) = [
        pod["spec"]["serviceAccountName"]
        for kind, pod in pod_templates(of_component(case.expected, "webhook"))
        if kind == "Deployment"
    ]
    granted = [rule for found in rules(case, webhook).values() for rule in found]

    assert granted
    assert {resource for rule in granted for resource in rule["resources"]} <= {
        "serviceaccounts",
        "nodes",
        "configmaps",
    }


def test_pull_secrets_are_read_where_that_is_granted() -> None:
    """Get and nothing else: by name where names are given, in that namespace alone unless it is "*"."""
    rendered = case("registries").expected
    granted = {
        (role["kind"], role["metadata"].get("namespace")): role["rules"]
        for role in of_kind(rendered, "Role") + of_kind(rendered, "ClusterRole")
        if role["metadata"]["name"] == "token-injector-webhook-pull-secrets"
    }
    secrets = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}

    assert granted == {
        ("Role", "shop"): [{**secrets, "resourceNames": ["registry", "mirror"]}],
        ("Role", "bank"): [secrets],
        ("ClusterRole", None): [{**secrets, "resourceNames": ["platform-registry"]}],
    }


def test_a_look_up_passes_the_policies() -> None:
    """To registries on their ports, and to GKE's metadata server for ECR's role; not where no image is looked up."""
    (looks_up, *_) = of_kind(case("registries").expected, "NetworkPolicy")
    off = {"networkPolicy": {"enabled": True}, "webhook": {"settings": {"entrypoint-lookup": False}}}
    (never, *_) = of_kind(template(off), "NetworkPolicy")

    assert [[port["port"] for port in rule["ports"]] for rule in looks_up["spec"]["egress"]] == [
        [443, 6443],
        [53, 53],
        [443, 5000],
        [80, 988],
    ]
    assert len(never["spec"]["egress"]) == 2


ECR = {"arn": "arn:aws:iam::123456789012:role/webhook"}
GOOGLE = {"annotations": {"iam.gke.io/gcp-service-account": "webhook@project.iam.gserviceaccount.com"}}


@pytest.mark.parametrize(
    ("values", "is_open"),
    [
        ({}, False),
        ({"registries": {"pullSecret": "registry"}}, False),
        ({"registries": {"ecrRole": ECR | {"mode": "cluster"}}}, False),
        ({"registries": {"ecrRole": ECR}}, True),
        ({"webhook": {"serviceAccount": GOOGLE}}, True),
        ({"webhook": {"serviceAccount": {"annotations": {"team": "platform"}}}}, False),
        ({"webhook": {"serviceAccount": GOOGLE, "settings": {"registry-allow": ["ghcr.io", "*.example"]}}}, False),
        ({"webhook": {"serviceAccount": GOOGLE, "settings": {"registry-allow": ["a.example", "*.pkg.dev"]}}}, True),
        ({"webhook": {"settings": {"registry-allow": ["europe-docker.pkg.dev"]}}}, True),
        ({"webhook": {"settings": {"registry-allow": ["EU.GCR.io"]}}}, True),
        ({"webhook": {"settings": {"registry-allow": ["*.*.*"]}}}, True),
        ({"webhook": {"settings": {"registry-allow": ["notgcr.io", "gcr.io.example", "pkg.dev:5000"]}}}, False),
        ({"webhook": {"settings": {"registry-mirror": ["docker.io=europe-docker.pkg.dev/our/hub"]}}}, True),
        ({"webhook": {"settings": {"registry-mirror": ["gcr.io=mirror.example/pkg.dev"]}}}, False),
        ({"webhook": {"serviceAccount": GOOGLE, "settings": {"entrypoint-lookup": False}}}, False),
    ],
)
def test_the_metadata_server_is_open_where_a_setting_needs_it(values: dict[str, Any], *, is_open: bool) -> None:
    """For ECR's role by Google, and for Artifact Registry: its hosts are named, or any are and there is an account."""
    (policy, *_) = of_kind(template({"networkPolicy": {"enabled": True}, **values}), "NetworkPolicy")
    peers = [peer for rule in policy["spec"]["egress"] for peer in rule.get("to", ())]
    assert ({"ipBlock": {"cidr": "169.254.169.254/32"}} in peers) == is_open


@pytest.mark.parametrize("case", CASES)
def test_no_rule_has_a_wildcard(case: ChartCase) -> None:
    """No group, resource or verb is *."""
    for role in of_kind(case.expected, "Role") + of_kind(case.expected, "ClusterRole"):
        assert not [rule for rule in role["rules"] for values in rule.values() if "*" in values]


@pytest.mark.parametrize("name", ["cert-manager", "cert-manager-issuer", "existing-secret"])
def test_without_a_cert_job_nobody_writes_secrets(name: str) -> None:
    """Where another makes the certificate there is neither job nor service account nor role for it."""
    rendered = case(name).expected

    assert not [m for m in rendered if m["kind"] in {"Job", "CronJob", "Role", "RoleBinding"}]
    assert len(of_kind(rendered, "ServiceAccount")) == 1


def test_the_broker_asks_about_tokens_and_pods() -> None:
    """Nothing else: it reads no Secret, and holds no permission in its own namespace."""
    assert rules(case("broker"), "token-injector-broker") == {
        "ClusterRole": [
            {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
        ]
    }


def test_the_broker_is_reached_by_pods_of_the_cluster() -> None:
    """Of every namespace; it reaches the API server, DNS, AWS, and for its own role GKE's metadata server."""
    policies = {m["metadata"]["name"]: m["spec"] for m in of_kind(case("broker").expected, "NetworkPolicy")}
    asked, telemetry = policies["token-injector-broker"]["ingress"]
    egress = policies["token-injector-broker"]["egress"]

    assert asked == {"ports": [{"port": "https", "protocol": "TCP"}], "from": [{"namespaceSelector": {}}]}
    assert [port["port"] for port in telemetry["ports"]] == ["telemetry"]
    assert [[port["port"] for port in rule["ports"]] for rule in egress] == [[443, 6443], [53, 53], [443], [80, 988]]
    (_, _, replicas) = policies["token-injector-certs"]["egress"]
    components = [to["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for to in replicas["to"]]
    assert components == ["webhook", "broker"]


def test_network_policies_are_off_by_default() -> None:
    """A default that cannot name the API server protects little and can refuse every labelled pod."""
    assert of_kind(case("defaults").expected, "NetworkPolicy") == []


def test_telemetry_is_open_to_whom_it_is_given() -> None:
    """The webhook's port is open to all, the telemetry port to telemetryFrom, to nobody without."""
    policies = {m["metadata"]["name"]: m["spec"] for m in of_kind(case("everything").expected, "NetworkPolicy")}
    reviews, telemetry = policies["aws-webhook"]["ingress"]
    (alone,) = of_kind(
        template({"networkPolicy": {"enabled": True}, "certs": {"mode": "certManager"}}), "NetworkPolicy"
    )

    assert "from" not in reviews
    assert [port["port"] for port in reviews["ports"]] == ["https"]
    assert [port["port"] for port in telemetry["ports"]] == ["telemetry"]
    assert telemetry["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    assert [port["port"] for rule in alone["spec"]["ingress"] for port in rule["ports"]] == ["https"]


def test_the_cert_job_reaches_api_server_dns_and_replicas() -> None:
    """Nobody may connect to it; it may ask each replica which certificate it serves."""
    policies = {m["metadata"]["name"]: m["spec"] for m in of_kind(case("everything").expected, "NetworkPolicy")}
    policy = policies["aws-certs"]

    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policy
    assert [[port["port"] for port in rule["ports"]] for rule in policy["egress"]] == [[443], [53, 53], ["https"]]
    assert policy["egress"][2]["to"] == [{"podSelector": policies["aws-webhook"]["podSelector"]}]


@pytest.mark.parametrize("name", ["defaults", "everything", "seed-names"])
def test_network_policies_select_our_pods(name: str) -> None:
    """The labels that a policy, the Service and the Deployment select are those of the pods."""
    rendered = case(name).expected
    labels = [pod["metadata"]["labels"] for _, pod in pod_templates(rendered)]
    (service,) = of_kind(rendered, "Service")
    selectors = [m["spec"]["podSelector"]["matchLabels"] for m in of_kind(rendered, "NetworkPolicy")]

    for selector in [*selectors, service["spec"]["selector"]]:
        assert any(selector.items() <= found.items() for found in labels)
