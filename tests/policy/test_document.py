"""Policies as texts: the forms in which people have them, and the mistakes that a plain JSON reader hides."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from policy.trust import PolicyError, parse_policy


def test_every_form_of_a_policy_is_read(google_policy: dict[str, Any]) -> None:
    """Plain, URL-encoded as IAM's API returns it, and the whole answer of `aws iam get-role`."""
    plain = json.dumps(google_policy)

    assert parse_policy(plain) == google_policy
    assert parse_policy(quote(plain)) == google_policy
    assert parse_policy(json.dumps({"Role": {"AssumeRolePolicyDocument": google_policy}})) == google_policy
    assert parse_policy(json.dumps({"AssumeRolePolicyDocument": google_policy})) == google_policy


def test_a_syntax_error_has_line_and_column() -> None:
    """The place in the text is what helps."""
    with pytest.raises(PolicyError, match="line 2, column 15"):
        parse_policy('{\n "Statement": }')


def test_a_key_that_stands_twice_is_an_error() -> None:
    """Of two StringEquals in one Condition only one would count, and JSON readers do not say which."""
    with pytest.raises(PolicyError, match="StringEquals: it stands twice"):
        parse_policy('{"Condition": {"StringEquals": {"a:sub": "1"}, "StringEquals": {"a:aud": "2"}}}')


def test_another_document_is_an_error() -> None:
    """A list or a string is no policy."""
    with pytest.raises(PolicyError, match="found a list"):
        parse_policy("[]")
