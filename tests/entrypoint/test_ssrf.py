"""Where requests may go: addresses, names that change their mind, lists."""

from collections.abc import Sequence

import pytest

from tests.entrypoint.asking import settings
from webhook.entrypoint.errors import UnreachableError
from webhook.entrypoint.ssrf import Guard, resolve, why_forbidden


@pytest.mark.parametrize(
    ("address", "forbidden", "forbidden_even_if_local"),
    [
        ("93.184.215.14", False, False),
        ("10.0.0.1", False, False),
        ("100.64.0.1", False, False),
        ("2606:4700::1", False, False),
        ("fd00::1", False, False),
        ("127.0.0.1", True, False),
        ("127.8.8.8", True, False),
        ("::1", True, False),
        ("::ffff:127.0.0.1", True, False),
        ("64:ff9b::7f00:1", True, False),
        ("2002:7f00:1::", True, False),
        ("169.254.1.1", True, False),
        ("fe80::1", True, False),
        ("fe80::1%eth0", True, False),
        ("169.254.169.254", True, True),
        ("::ffff:169.254.169.254", True, True),
        ("64:ff9b::a9fe:a9fe", True, True),
        ("2002:a9fe:a9fe::", True, True),
        ("fd00:ec2::254", True, True),
        ("fd20:ce::254", True, True),
        ("100.100.100.200", True, True),
        ("0.0.0.0", True, True),
        ("::", True, True),
        ("224.0.0.1", True, True),
        ("ff02::1", True, True),
        ("255.255.255.255", True, True),
        ("240.0.0.1", True, True),
    ],
)
def test_addresses(address: str, *, forbidden: bool, forbidden_even_if_local: bool) -> None:
    """Loopback and link-local need the operator's word; metadata servers and what is no host are never asked."""
    assert bool(why_forbidden(address, is_local_allowed=False)) is forbidden
    assert bool(why_forbidden(address, is_local_allowed=True)) is forbidden_even_if_local


class Names:
    """A resolver whose answers change."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)

    def __call__(self, name: str, port: int) -> Sequence[str]:
        """The next one."""
        del name, port
        return self.answers.pop(0)


def test_a_name_is_resolved_once() -> None:
    """The connection goes to the addresses that were looked at: a second answer (DNS rebinding) is never asked for."""
    names = Names(["93.184.215.14"], ["127.0.0.1"])
    guard = Guard(settings(), resolve=names)

    assert guard.admit("https://registry.example/v2/").addresses == ("93.184.215.14",)
    assert len(names.answers) == 1
    with pytest.raises(UnreachableError, match=r"registry\.example is at 127\.0\.0\.1, which is loopback"):
        guard.admit("https://registry.example/v2/")


def test_forbidden_addresses_among_others_are_left_out() -> None:
    """And no more than four are tried."""
    guard = Guard(settings(), resolve=Names(["127.0.0.1", *(f"10.0.0.{n}" for n in range(9))]))

    assert guard.admit("https://registry.example/").addresses == ("10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3")


def test_a_name_without_address() -> None:
    """The resolver's error is said."""

    def unknown(name: str, port: int) -> Sequence[str]:
        del name, port
        raise OSError(-2, "Name or service not known")

    with pytest.raises(UnreachableError, match=r"registry\.example: no address: Name or service not known"):
        Guard(settings(), resolve=unknown).admit("https://registry.example/")
    with pytest.raises(UnreachableError, match="no address: the name is not valid"):
        Guard(settings(), resolve=resolve).admit(f"https://{'a' * 70}.example/")


def test_lists() -> None:
    """Allowed, insecure and local registries are matched by HOST[:PORT]; the scheme's own port is left out."""
    some = settings(registry_allow=("*.example", "*.example:8443", "plain.test"), registry_insecure=("plain.test",))
    guard = Guard(some, resolve=lambda _, __: ["10.0.0.1"])

    assert guard.admit("https://registry.example:443/").registry == "registry.example"
    assert guard.admit("https://registry.example:8443/").registry == "registry.example:8443"
    assert guard.admit("http://plain.test/").port == 80
    assert (guard.scheme("plain.test"), guard.scheme("registry.example")) == ("http", "https")
    for url in ("https://other.test/", "https://registry.example:444/", "https://example/"):
        with pytest.raises(UnreachableError, match="not among the registries that --registry-allow names: add it"):
            guard.admit(url)


def test_whoever_owns_the_machine_may_reach_it() -> None:
    """A person at a terminal names registries on localhost; metadata servers stay out of reach."""
    answers = Names(["127.0.0.1"], ["169.254.169.254"])
    guard = Guard(settings(), resolve=answers, allow_local=True)

    assert guard.admit("https://localhost:5000/").addresses == ("127.0.0.1",)
    with pytest.raises(UnreachableError, match="metadata server"):
        guard.admit("https://registry.example/")
