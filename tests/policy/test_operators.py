"""Operators whose keys a Google token rarely fills: each on one value of the policy and one of the request."""

import pytest

from policy.operators import OPERATORS


@pytest.mark.parametrize(
    ("name", "policy_value", "request_value", "matches"),
    [
        ("Bool", "true", "TRUE", True),
        ("Bool", "false", "true", False),
        ("NumericEquals", "1.0", "1", True),
        ("NumericLessThan", "10", "9", True),
        ("NumericLessThanEquals", "10", "10", True),
        ("NumericGreaterThan", "10", "9", False),
        ("NumericGreaterThanEquals", "9", "10", True),
        ("NumericEquals", "1", "one", False),
        ("DateEquals", "2020-01-01T00:00:00Z", "1577836800", True),
        ("DateEquals", "2020-01-01", "2020-01-01T01:00:00+01:00", True),
        ("DateGreaterThan", "2020-01-01T00:00:00Z", "2019-12-31T23:59:59Z", False),
        ("DateLessThan", "2020-01-01T00:00:00Z", "never", False),
        ("IpAddress", "192.0.2.0/24", "192.0.2.255", True),
        ("IpAddress", "192.0.2.1", "192.0.2.2", False),
        ("IpAddress", "2001:db8::/32", "2001:db8::1", True),
        ("IpAddress", "192.0.2.0/24", "nowhere", False),
        ("ArnLike", "arn:aws:iam::*:role/shop*", "arn:aws:iam::123456789012:role/shop-reader", True),
        ("ArnEquals", "arn:aws:iam::*:role/*", "arn:aws:sts::123456789012:role/shop", False),
        ("ArnLike", "arn:aws:s:*:111122223333:finance/*", "arn:aws:s:us:999:store/abc:111122223333:finance/doc", False),
        ("ArnLike", "arn:aws:iam::*:role/*", "no-arn", False),
        ("StringLike", "a.b*", "a.bc", True),
        ("StringLike", "a.b*", "axbc", False),
        ("StringLike", "a\\*", "a\\b", True),
        ("StringLike", "*", "two\nlines", True),
    ],
)
def test_an_operator_matches_as_aws_documents(name: str, policy_value: str, request_value: str, matches: bool) -> None:  # noqa: FBT001  # a column of the table
    """One row of AWS's page on condition operators."""
    assert OPERATORS[name].test(policy_value, None)(request_value) is matches


def test_every_negated_operator_has_its_counterpart() -> None:
    """NotX is X with the answer turned round: both read values alike."""
    for name, operator in OPERATORS.items():
        counterpart = name.replace("Not", "", 1)

        assert operator.negated == (counterpart != name)
        assert counterpart in OPERATORS
