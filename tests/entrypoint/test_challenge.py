"""The header WWW-Authenticate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.entrypoint.challenge import Challenge, parse_challenge

BEARER = Challenge(scheme="bearer", realm="https://auth.example/token", service="registry.example")
BASIC = Challenge(scheme="basic")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (['Bearer realm="https://auth.example/token",service="registry.example",scope="x"'], BEARER),
        (['bearer service = registry.example , realm="https://auth.example/token"'], BEARER),
        (['Basic realm="a, Bearer b", Bearer realm="https://auth.example/token",service="registry.example"'], BEARER),
        (['Basic realm="x"', 'Bearer realm="https://auth.example/token",service=registry.example'], BEARER),
        (['Negotiate, Basic realm="x"'], BASIC),
        (["Basic"], BASIC),
        (['Bearer realm="https://a.example/t\\"oken"'], Challenge(scheme="bearer", realm='https://a.example/t"oken')),
        (["Bearer service=x"], None),
        (["Negotiate"], None),
        ([""], None),
        ([], None),
    ],
)
def test_challenges(headers: list[str], expected: Challenge | None) -> None:
    """Bearer before Basic; what is neither is passed over."""
    assert parse_challenge(headers) == expected


def test_the_scope_is_ours() -> None:
    """Never more than to pull this repository."""
    assert BEARER.token_query("shop/web") == "service=registry.example&scope=repository%3Ashop%2Fweb%3Apull"


@given(st.text(alphabet='Bearer basic="\\,; \t', max_size=60))
def test_any_header(text: str) -> None:
    """No text makes it fail or hang."""
    assert parse_challenge([text]) is None or isinstance(parse_challenge([text]), Challenge)
