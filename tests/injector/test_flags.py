"""Go's flag grammar, which the seed's pods are written in."""

import pytest

from injector.errors import UsageError
from injector.flags import split_flags, split_host

SWITCHES = {"refresh", "print"}
OPTIONS = {"file"}


@pytest.mark.parametrize("dash", ["-", "--"])
@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("refresh", True),
        *((f"refresh={word}", True) for word in ("1", "t", "T", "TRUE", "true", "True")),
        *((f"refresh={word}", False) for word in ("0", "f", "F", "FALSE", "false", "False")),
    ],
)
def test_switch_forms(dash: str, written: str, value: bool) -> None:  # noqa: FBT001 - a table's column
    """A switch is read in every form that Go accepts, with one dash or two."""
    assert split_flags([dash + written], switches=SWITCHES, options=OPTIONS) == ({"refresh": value}, {}, [])


@pytest.mark.parametrize("word", ["", "yes", "tRUE", "2", "on"])
def test_switch_refuses_other_words(word: str) -> None:
    """A word that Go's ParseBool refuses is refused, and the accepted ones are named."""
    with pytest.raises(UsageError, match=r"--refresh=.*expected true or false"):
        split_flags([f"--refresh={word}"], switches=SWITCHES, options=OPTIONS)


@pytest.mark.parametrize("arguments", [["--file=/a=b"], ["-file=/a=b"], ["--file", "/a=b"], ["-file", "/a=b"]])
def test_option_forms(arguments: list[str]) -> None:
    """An option's value stands after = or in the next argument."""
    assert split_flags(arguments, switches=SWITCHES, options=OPTIONS) == ({}, {"file": "/a=b"}, [])


def test_switch_does_not_take_the_next_argument() -> None:
    """`--refresh false` is the switch and an argument, as in Go."""
    found = split_flags(["--refresh", "false"], switches=SWITCHES, options=OPTIONS)
    assert found == ({"refresh": True}, {}, ["false"])


def test_last_flag_counts() -> None:
    """The launcher appends --refresh=false to whatever it was given."""
    on, values, _ = split_flags(
        ["--refresh=true", "--file=a", "--file=b", "--refresh=false"], switches=SWITCHES, options=OPTIONS
    )
    assert (on, values) == ({"refresh": False}, {"file": "b"})


@pytest.mark.parametrize("end", ["--", "word", "-"])
def test_flags_end(end: str) -> None:
    """Flags end at the first argument that is none, and after `--`."""
    _, _, rest = split_flags(["--print", end, "--file=a"], switches=SWITCHES, options=OPTIONS)
    assert rest == (["--file=a"] if end == "--" else [end, "--file=a"])


@pytest.mark.parametrize("argument", ["--fil=a", "---file=a", "-=a", "--=a", "-p", "--FILE=a"])
def test_unknown_flag(argument: str) -> None:
    """An unknown or malformed flag is refused by its name, without its value."""
    with pytest.raises(UsageError, match=r"unknown flag .*; --help lists the flags"):
        split_flags([argument], switches=SWITCHES, options=OPTIONS)


def test_option_without_value() -> None:
    """The last option without a value is refused."""
    with pytest.raises(UsageError, match="--file=VALUE"):
        split_flags(["--file"], switches=SWITCHES, options=OPTIONS)


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("metadata.google.internal", ("metadata.google.internal", 80)),
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("8080:8080", ("8080", 8080)),
        ("[::1]", ("::1", 80)),
        ("[::1]:8080", ("::1", 8080)),
    ],
)
def test_host(host: str, found: tuple[str, int]) -> None:
    """GCE_METADATA_HOST is a host with or without a port."""
    assert split_host(host) == found


@pytest.mark.parametrize(
    "host",
    ["", ":80", "a:", "a:b", "a:0", "a:65536", "a:123456", "a b", "a/b", "a\r\nX: y", "::1", "[::1", "[]", "[a]b", "é"],
)
def test_malformed_host(host: str) -> None:
    """What is no host is refused; nothing of it can become a header of its own."""
    with pytest.raises(ValueError, match="expected"):
        split_host(host)
