"""Env files as the kubelet's parser reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretenv.envfile import EnvfileError, envfile, is_name


def kubelet(data: bytes, key: str) -> str:
    """What Kubernetes' parser gives for a key, as far as our files go: lines, a name, and a text in single quotes."""
    lines = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    assert all(len(line) < 65536 for line in lines)
    name, equals, rest = b"\n".join(lines).partition(b"=")
    assert (name, equals, rest[:1]) == (key.encode(), b"=", b"'")
    value, quote, behind = rest[1:].partition(b"'")
    assert (quote, behind) == (b"'", b"\n")
    return value.decode()


@pytest.mark.parametrize(
    "value", ["x", " x ", 'a"b\\n$HOME `c` # d', "one\ntwo\n", "\n", "é\t", "\r", "a\rb", "=", "x" * 65531]
)
def test_what_it_holds(value: str) -> None:
    """Anything between single quotes is literal, over several lines too."""
    assert kubelet(envfile("A", value), "A") == value


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("it's", "the value has a ' in it"),
        ("", "the value is empty"),
        ("a\r\nb", "the value has a line that ends with CR LF"),
        ("x" * 65532, "the value has a line of 64 KiB or more"),
        ("a\n" + "x" * 65536, "the value has a line of 64 KiB or more"),
        ("a\udcff", "the value is no UTF-8"),
    ],
)
def test_what_it_does_not_hold(value: str, what: str) -> None:
    """The message says why and names the other delivery."""
    with pytest.raises(EnvfileError, match=rf"^{what}.*: an env file cannot hold it; .*secret-delivery: launcher$"):
        envfile("A", value)


LINES = "\n".join(["x" * 1000] * 200)


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (LINES, "the variable has 200202 bytes with its name, and Linux takes 131072"),
        ("x\n" * 65535, "the variable has 131073 bytes with its name, and Linux takes 131072"),
        (f"'{LINES}\r\n{'x' * 65536}", "the variable has 265741 bytes"),
        ("a\0b", "the value has a NUL in it, which no variable can hold"),
        ("'\0", "the value has a NUL in it"),
    ],
)
def test_what_no_variable_holds(value: str, what: str) -> None:
    """The kubelet could not create the container, and the launcher could not start it: a file is the way out."""
    with pytest.raises(EnvfileError, match=rf"^{what}.*: use an annotation secret-file.NAME$"):
        envfile("A", value)


def test_the_longest_variable() -> None:
    """One byte less than Linux refuses."""
    assert kubelet(envfile("A", "xy\n" * 43689 + "xy"), "A").count("\n") == 43689


@pytest.mark.parametrize("name", ["", "1A", "A B", "A=B", "#A", "a/b", "..", ".", "A\n", "é", "A'"])
def test_names(name: str) -> None:
    """Relaxed names of variables are for the launcher; a file's name is made of it, too."""
    assert not is_name(name)
    with pytest.raises(EnvfileError, match="the name has other characters"):
        envfile(name, "x")


@given(value=st.text(st.sampled_from("a'\r\n\0é\udcff \"\\#=")))
def test_any_value(value: str) -> None:
    """Either the kubelet reads the value back, or it is refused."""
    try:
        data = envfile("A.b-C", value)
    except EnvfileError:
        assert not value or any(mark in value for mark in ("'", "\r\n", "\0", "\udcff"))
    else:
        assert kubelet(data, "A.b-C") == value
