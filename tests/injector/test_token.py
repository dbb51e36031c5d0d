"""What an unverified token claims."""

import base64
import contextlib
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from injector.token import LAST_SECOND, MalformedTokenError, UnverifiedToken, read_unverified


def encoded(payload: bytes) -> str:
    """Put a payload between a header and a signature."""
    return f"e30.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}.c2ln"


def test_claims(token: Callable[..., str]) -> None:
    """The four claims are read as the issuer wrote them."""
    text = token(exp=1_700_003_600, iat=1_700_000_000, sub="1122", aud="a")
    assert read_unverified(text) == UnverifiedToken(
        text=text,
        unverified_audiences=("a",),
        unverified_sub="1122",
        unverified_iat=1_700_000_000,
        unverified_exp=1_700_003_600,
    )


def test_several_audiences(token: Callable[..., str]) -> None:
    """`aud` may be a list (RFC 7519 §4.1.3)."""
    assert read_unverified(token(exp=1, aud=["a", "b", 3])).unverified_audiences == ("a", "b")


@pytest.mark.parametrize("written", [b"1.7e9", b"1700000000.0", b"1700000000", b"17E8", b"1700000000.9"])
def test_dates_as_any_json_number(written: bytes) -> None:
    """JSON knows one kind of number: an exp in another notation is not an error (T5)."""
    assert read_unverified(encoded(b'{"exp": %s}' % written)).unverified_exp == 1_700_000_000


@pytest.mark.parametrize(
    "written",
    [b'"1700000000"', b"true", b"null", b"[]", b"{}", b"0", b"-1", b"1e309", b"NaN", b"Infinity", b"1e18", b"9" * 400],
)
def test_what_is_no_date(written: bytes) -> None:
    """Anything else is a malformed token, never a crash (T5, T6)."""
    with pytest.raises(MalformedTokenError, match="exp is not a date"):
        read_unverified(encoded(b'{"exp": %s}' % written))


def test_last_second() -> None:
    """The last date that exists is still one."""
    assert read_unverified(encoded(b'{"exp": %d}' % LAST_SECOND)).unverified_exp == LAST_SECOND


def test_issue_time_after_the_end(token: Callable[..., str]) -> None:
    """An iat that cannot be is as good as none."""
    assert read_unverified(token(exp=10, iat=10)).unverified_iat is None
    assert read_unverified(token(exp=10)).unverified_iat is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b",
        "a.b.c.d",
        "..",
        "a..c",
        "a.b.c",
        "a.e30.c\n",
        " a.e30.c",
        "a.e30=.c",
        "a.é.c",
        encoded(b"[]"),
        encoded(b"not json"),
        encoded(b"\xff"),
        encoded(b"[" * 10_000),
        encoded(b"{}"),
        encoded(b'{"exp": %s}' % (b"9" * 5000)),
        "<!DOCTYPE html>",
    ],
)
def test_malformed(text: str) -> None:
    """What is no token is refused without being quoted."""
    with pytest.raises(MalformedTokenError) as caught:
        read_unverified(text)
    assert not text or text not in str(caught.value)


def test_longer_than_sts_takes() -> None:
    """A token that STS would not take is refused here, with the limit."""
    with pytest.raises(MalformedTokenError, match="20000"):
        read_unverified("a." + "b" * 20_000 + ".c")


def test_repr_hides_the_token(token: Callable[..., str]) -> None:
    """No repr shows the token or a claim."""
    text = token(exp=1_700_000_000)
    assert repr(read_unverified(text)) == str(read_unverified(text)) == "<UnverifiedToken>"


@given(st.text() | st.binary().map(encoded) | st.binary().map(lambda data: data.decode("latin-1")))
def test_never_crashes_on_text(text: str) -> None:
    """Whatever the text is, it is a token or MalformedTokenError."""
    with contextlib.suppress(MalformedTokenError):
        assert read_unverified(text).text == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["exp", "iat", "sub", "aud", "azp"]), JSON))
def test_never_crashes_on_claims(claims: dict[str, object]) -> None:
    """Whatever the claims are, a token that is read has an end that is a date."""
    try:
        found = read_unverified(encoded(json.dumps(claims).encode()))
    except MalformedTokenError:
        return
    assert 0 < found.unverified_exp <= LAST_SECOND
    assert found.unverified_iat is None or 0 < found.unverified_iat < found.unverified_exp
