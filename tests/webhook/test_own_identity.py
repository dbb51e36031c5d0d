"""The web identity that a container's author brings, where it is long."""

from webhook.secrets.own_identity import read_brought
from webhook.settings import parse_settings

ROLE = "AWS_ROLE_ARN"
SETTINGS = parse_settings({"image": ["registry.example/token-injector:1.0"]}, {})[0]


def test_a_text_that_grows_is_not_put_together() -> None:
    """A short pod must not become gigabytes here: what no role and no path has is not known."""
    variables = [
        {"name": "A", "value": "x" * 4000},
        {"name": "TWICE", "value": "$(A)$(A)"},
        {"name": ROLE, "value": "$(A)" * 100_000},
        {"name": "AWS_REGION", "value": "$(TWICE)"},
    ]

    found = read_brought({"name": "app", "env": variables}, None, SETTINGS)

    assert found.unknown == {ROLE: "A", "AWS_REGION": "TWICE"}
    assert sum(map(len, found.texts.values())) == 4000
