"""What a valid value looks like: a table of good and bad forms for each kind."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from serving.values import boolean
from webhook import values

GOOD: dict[Callable[[str], Any], dict[str, Any]] = {
    values.role_arn: dict.fromkeys(
        (
            "arn:aws:iam::123456789012:role/reader",
            "arn:aws:iam::000000000000:role/a",
            "arn:aws:iam::123456789012:role/team/shop/reader",
            "arn:aws:iam::123456789012:role/aws-service-role/x.amazonaws.com/Reader_1+=,.@-",
            "arn:aws-cn:iam::123456789012:role/reader",
            "arn:aws-us-gov:iam::123456789012:role/reader",
            "arn:aws-iso-b:iam::123456789012:role/reader",
            "arn:aws-eusc:iam::123456789012:role/reader",
            f"arn:aws:iam::123456789012:role/{'r' * 64}",
            f"arn:aws:iam::123456789012:role/{'p' * 510}/{'r' * 64}",
        ),
        "the same",
    ),
    values.audience: dict.fromkeys(
        ("sts.amazonaws.com", "token-injector/sts/assume-role-with-web-identity", "a", "a" * 255, "$(A)&x=1#%"),
        "the same",
    ),
    values.token_expiration: {"600": 600, "3600": 3600, "86400": 86400, "0600": 600},
    values.region: dict.fromkeys(
        (
            "eu-west-1",
            "us-east-1",
            "ap-southeast-4",
            "us-gov-east-1",
            "cn-north-1",
            "us-iso-west-1",
            "us-isob-east-1",
            "eusc-de-east-1",
            "mx-central-1",
            "il-central-1",
            "eu-north-12",
        ),
        "the same",
    ),
    values.sts_regional_endpoints: {"regional": "regional", "true": "regional", "legacy": "legacy", "false": None},
    values.session_name_template: dict.fromkeys(
        ("{namespace}", "{namespace}.{serviceaccount}@{cluster}", "fixed", "ü is cleaned later", "x" * 500), "the same"
    ),
    values.container_names: {
        "app": frozenset({"app"}),
        "app,proxy": frozenset({"app", "proxy"}),
        " app , proxy ,": frozenset({"app", "proxy"}),
        "": frozenset(),
        " , ": frozenset(),
        "a" * 63: frozenset({"a" * 63}),
    },
    values.volume_path: dict.fromkeys(("/aws", "/var/run/secrets/aws/token", "/a.b/..c/d-e", "/ü"), "the same"),
    values.token_file: dict.fromkeys(("token", "gtoken", ".token", "web.identity_1-2", "t" * 253), "the same"),
    values.quantity: dict.fromkeys(("5m", "0", "1", "0.5", "16Mi", "64M", "1Gi", "1.5Gi", "128974848"), "the same"),
    values.quantity_or_none: {"none": None, "": None, "100m": "100m"},
    values.volume_name: dict.fromkeys(("token-injector-volume", "a", "0", "a" * 63), "the same"),
    values.secret_name: dict.fromkeys(("registry-key", "registry.key", "a" * 253), "the same"),
    values.environment_entry: {
        "A=b": ("A", "b"),
        "A=": ("A", ""),
        "A=b=c": ("A", "b=c"),
        "a.b-c_1= ": ("a.b-c_1", " "),
    },
    values.kubernetes_version: {
        "1.33": (1, 33),
        "v1.33.4-gke.100": (1, 33),
        "1.29+": (1, 29),
        "1.28.1": (1, 28),
    },
    boolean: {
        **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
        **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
    },
    values.mode: {"google": "google", "cluster": "cluster"},
    values.refresher: dict.fromkeys(("auto", "native", "sidecar", "none"), "the same"),
    values.refresher_program: dict.fromkeys(("launcher", "python"), "the same"),
    values.pull_policy: dict.fromkeys(("Always", "IfNotPresent", "Never"), "the same"),
    values.missing_role: dict.fromkeys(("allow", "deny"), "the same"),
}

BAD: dict[Callable[[str], Any], tuple[str, ...]] = {
    values.role_arn: (
        "",
        "reader",
        "arn:aws:iam::123456789012:user/reader",
        "arn:aws:sts::123456789012:assumed-role/reader/session",
        "arn:aws:iam::12345678901:role/reader",
        "arn:aws:iam::1234567890123:role/reader",
        "arn:aws:iam:eu-west-1:123456789012:role/reader",
        "arn:aws:iam::123456789012:role/",
        "arn:aws:iam::123456789012:role",
        "arn:aws:iam::123456789012:role/team/",
        "arn:gcp:iam::123456789012:role/reader",
        "arn:aws-CN:iam::123456789012:role/reader",
        "arn:aws-:iam::123456789012:role/reader",
        " arn:aws:iam::123456789012:role/reader",
        "arn:aws:iam::123456789012:role/reader\n",
        "arn:aws:iam::123456789012:role/read er",
        "arn:aws:iam::123456789012:role/rëader",
        "arn:aws:iam::１２３４５６７８９０１２:role/reader",  # noqa: RUF001 - fullwidth digits pass str.isdigit
        f"arn:aws:iam::123456789012:role/{'r' * 65}",
        "arn:aws:iam::123456789012:role/reader,arn:aws:iam::123456789012:role/writer",
    ),
    values.audience: ("", " ", "two words", "a\tb", "a\n", "ü", "a" * 256),
    values.token_expiration: ("", "599", "86401", "1h", "600.0", "6e2", "+600", "-600", " 600", "6_00", "６００"),  # noqa: RUF001 - fullwidth digits pass int()
    values.region: (
        "",
        "europe",
        "eu-west",
        "eu-west-1a",
        "EU-WEST-1",
        "eu_west_1",
        "eu-west-123",
        "aws-global",
        "eu-west-1\n",
    ),
    values.sts_regional_endpoints: ("", "True", "global", "yes"),
    values.session_name_template: ("", "{pod}", "{namespace", "namespace}", "{}", "{{namespace}}", "{Namespace}"),
    values.container_names: ("App", "a;b", "a b", "a.b", "-a", "a-", "a" * 64),
    values.volume_path: (
        "",
        "/",
        "aws",
        "./aws",
        "/aws/",
        "//aws",
        "/aws//token",
        "/aws/../etc",
        "/./aws",
        "/a b",
        "/a:b",
        "/a\nb",
        "/$(HOME)",
    ),
    values.token_file: ("", ".", "..", "..data", "a/b", "../token", "a b", "ü", "t" * 254, "token\n"),
    values.quantity: ("", "none", "5 m", "-5m", "+5m", "5mi", "16MB", "16mb", ".5", "5.", "1e3", "five", "٥m"),  # noqa: RUF001 - digits of another script pass \\d
    values.quantity_or_none: ("None", "unlimited", "-1", " "),
    values.volume_name: ("", "A", "a.b", "-a", "a_b", "a" * 64, "a\n"),
    values.secret_name: ("", "A", "a_b", "-a", "a/b", "a" * 254),
    values.environment_entry: ("", "A", "=b", "1A=b", "A B=c", "Ä=b"),
    values.kubernetes_version: ("", "1", "1.x", "auto", "1.33\n", "v.1.33", "1.2.3.4 or so \n"),
    boolean: ("", "yes", "no", "on", "2", "tRUE"),
    values.mode: ("", "Google", "aws"),
    values.refresher: ("", "Auto", "native-sidecar", "true"),
    values.refresher_program: ("", "c", "Python"),
    values.pull_policy: ("", "always", "ifnotpresent"),
    values.missing_role: ("", "warn"),
}


def table(rows: dict[Callable[[str], Any], Any]) -> list[Any]:
    """One case for each value, named for its kind and the value."""
    return [
        pytest.param(parse, text, id=f"{getattr(parse, '__name__', parse)}-{text[:40]!r}")
        for parse, texts in rows.items()
        for text in texts
    ]


@pytest.mark.parametrize(("parse", "text"), table(GOOD))
def test_good_values(parse: Callable[[str], Any], text: str) -> None:
    """The typed value; most are kept as written."""
    expected = GOOD[parse][text]

    assert parse(text) == (text if expected == "the same" else expected)


@pytest.mark.parametrize(("parse", "text"), table(BAD))
def test_bad_values(parse: Callable[[str], Any], text: str) -> None:
    """The error says the form; object, key and value are its caller's to say."""
    with pytest.raises(ValueError, match=r"^expected \S+"):
        parse(text)


def test_tables_are_whole() -> None:
    """Every kind has good and bad forms."""
    assert GOOD.keys() == BAD.keys()


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("5m", Decimal("0.005")),
        ("1", Decimal(1)),
        ("1.5k", Decimal(1500)),
        ("16Mi", Decimal(16 * 2**20)),
        ("16M", Decimal(16_000_000)),
        ("1Gi", Decimal(2**30)),
        ("1G", Decimal(10**9)),
        ("2Ki", Decimal(2048)),
    ],
)
def test_amounts(text: str, amount: Decimal) -> None:
    """A quantity is a number: 1Gi is more than 1G, 999m less than 1."""
    assert values.amount(values.quantity(text)) == amount
