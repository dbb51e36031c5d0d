"""Go's address forms."""

import socket

import pytest

from serving.listen import ListenError, listen, parse_address, shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (":8443", ("", 8443)),
        ("0.0.0.0:8443", ("0.0.0.0", 8443)),
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("[::]:8443", ("::", 8443)),
        ("[::1]:65535", ("::1", 65535)),
        ("localhost:80", ("localhost", 80)),
    ],
)
def test_forms(text: str, expected: tuple[str, int]) -> None:
    """The forms that Go's net.Listen takes."""
    assert parse_address("--listen-address", text) == expected


@pytest.mark.parametrize("text", ["", "8443", "x", ":", ":http", ":65536", ":-1", "::1:80", "[::1]"])
def test_bad_forms_name_setting_value_and_form(text: str) -> None:
    """A bad address says which setting it is, what was given and what is expected."""
    with pytest.raises(ListenError) as failed:
        parse_address("--listen-address", text)
    for part in ("--listen-address", repr(text), "[HOST]:PORT", "127.0.0.1:8443"):
        assert part in str(failed.value)


def test_every_address_is_ipv6_and_ipv4() -> None:
    """A port alone answers on both families where the machine has both."""
    with listen("--listen-address", ":0") as listener:
        port = listener.getsockname()[1]
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        if socket.has_dualstack_ipv6():
            socket.create_connection(("::1", port), timeout=5).close()


def test_taken_port_is_said() -> None:
    """A port in use is an error that names the address."""
    with listen("--listen-address", "127.0.0.1:0") as listener:
        taken = shown(listener.getsockname())
        with pytest.raises(ListenError, match=taken):
            listen("--listen-address", taken)
