"""The names of a serving certificate."""

import ipaddress

import pytest

from certjob.errors import NameFormError
from certjob.names import common_name, serving_names


def test_a_service_has_four_names_in_the_cluster() -> None:
    """The short one, with the namespace, the one the API server calls, and the fully qualified one."""
    assert serving_names(service="svc", namespace="ns").dns == (
        "svc",
        "svc.ns",
        "svc.ns.svc",
        "svc.ns.svc.cluster.local",
    )


def test_extra_names_are_dns_names_or_addresses_and_stand_once() -> None:
    """Addresses of both families, wildcards; upper case and repetitions do not matter."""
    sans = ["Webhook.Example.com", "*.example.com", "127.0.0.1", "::1", "0:0:0:0:0:0:0:1", "svc.ns", "localhost"]

    names = serving_names(service="svc", namespace="ns", sans=sans)

    assert names.dns[4:] == ("webhook.example.com", "*.example.com", "localhost")
    assert names.ips == (ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1"))


@pytest.mark.parametrize(
    "san",
    [
        "",
        "https://a.example",
        "a_b",
        "a..b",
        "-a",
        "a.*.b",
        "*",
        "300.1.1.1",
        "10.0.0.0/8",
        "a:8443",
        "bücher.example",
        "a" * 64,
    ],
)
def test_a_bad_san_is_named_with_its_form(san: str) -> None:
    """What no certificate can carry stops the run before anything is made."""
    with pytest.raises(NameFormError, match=r"--san .* expected an IP address, or a DNS name"):
        serving_names(service="svc", namespace="ns", sans=[san])


@pytest.mark.parametrize(("service", "namespace", "flag"), [("a.b", "ns", "--service"), ("svc", "Ns", "--namespace")])
def test_service_and_namespace_are_labels(service: str, namespace: str, flag: str) -> None:
    """Kubernetes has no other; the error names the flag."""
    with pytest.raises(NameFormError, match=flag):
        serving_names(service=service, namespace=namespace)


def test_the_common_name_is_cut_to_what_x509_takes() -> None:
    """64 characters, not ending in a dot or hyphen; the SANs have the whole name."""
    assert common_name(service="svc", namespace="ns") == "svc.ns.svc"
    assert common_name(service="s" * 63, namespace="ns") == "s" * 63
    assert len(common_name(service="s" * 63, namespace="n" * 63)) <= 64
