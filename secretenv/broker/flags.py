"""Which settings has the broker? One table, for `--help`, the environment and the documentation."""

import re

from secretenv.wire import QUESTION_LIMIT
from serving import values
from serving.flags import (
    Setting,
    as_written,
    capacity_settings,
    global_settings,
    listening_settings,
    number,
)

# Google's, of the tokens that GKE's metadata server gives: https://accounts.google.com/.well-known/openid-configuration
GOOGLE_KEYS = "https://accounts.google.com=https://www.googleapis.com/oauth2/v3/certs"


def region(text: str) -> str:
    """The name of one."""
    if not re.fullmatch(r"[a-z]{2,}(-[a-z]+)+-[0-9]+", text):
        raise ValueError("expected an AWS region, for example eu-west-1")
    return text


def key_url(text: str) -> tuple[str, str]:
    """An issuer, and where its keys are."""
    issuer, equals, url = text.partition("=")
    is_local = url.startswith(("http://127.0.0.1:", "http://localhost:"))
    if not equals or not issuer.startswith("https://") or not (url.startswith("https://") or is_local):
        raise ValueError(f"expected ISSUER=URL, both https://, for example {GOOGLE_KEYS}")
    return issuer, url


GLOBAL_SETTINGS = global_settings("requests for secrets")

_ROLE = (
    Setting(
        "shared-role-arn",
        "",
        as_written,
        "ARN",
        "a role of the broker's own, for pods without one; needs --grants and AWS_WEB_IDENTITY_TOKEN_FILE",
    ),
    Setting(
        "grants",
        "",
        as_written,
        "FILE",
        "YAML grants that say which service accounts may read which secrets by that role; reloaded when it changes",
    ),
    Setting(
        "enforce-service-account",
        "false",
        values.boolean,
        "BOOL",
        "refuse by that role secrets that do not name their service accounts in PIGGY_ALLOWED_SA",
        env="PIGGY_ENFORCE_SERVICE_ACCOUNT",
    ),
    Setting("legacy-piggy", "false", values.boolean, "BOOL", "take piggy-env's POST /secret too, by that role"),
)
_READING = (
    Setting("region", "", as_written, "REGION", "where a secret is looked for when neither it nor the pod names one"),
    Setting(
        "regions",
        "",
        region,
        "REGION",
        "the only regions that are asked, STS's among them; where none is named, any that AWS has",
        repeatable=True,
    ),
    Setting(
        "most-regions",
        "8",
        number(1, 100, "regions"),
        "NUMBER",
        "for so many regions clients are at hand at once, some megabytes each; the least recently used go",
    ),
    Setting(
        "regions-per-request",
        "4",
        number(1, 100, "regions"),
        "NUMBER",
        "of so many regions one request of a pod may ask; one for more is refused",
    ),
    Setting("cache-seconds", "60", number(1, 3600, "seconds"), "SECONDS", "how long what was read is given again"),
    Setting(
        "stale-seconds",
        "3600",
        number(0, 86_400, "seconds"),
        "SECONDS",
        "how long it is given while AWS cannot answer",
    ),
    Setting("request-timeout", "8", number(1, 60, "seconds"), "SECONDS", "for AWS to answer one request of a pod"),
    Setting(
        "web-identity-keys",
        "",
        key_url,
        "ISSUER=URL",
        "where the keys of an issuer of web identity tokens are, so that pods of one service account share a session; "
        "Google's are known",
        repeatable=True,
    ),
)

BROKER_SETTINGS: dict[str, tuple[Setting, ...]] = {
    "listening": listening_settings("requests for secrets", "for tests: tokens and secrets go over the wire in clear"),
    "the shared role": _ROLE,
    "reading": _READING,
    "the API server": (
        Setting(
            "kubeconfig", "", as_written, "FILE", "reach the API server by this kubeconfig; where empty, as a pod does"
        ),
    ),
    "capacity": capacity_settings("request", workers="1", threads="64", max_body_bytes=QUESTION_LIMIT),
}

SETTINGS = (*GLOBAL_SETTINGS, *(setting for group in BROKER_SETTINGS.values() for setting in group))
