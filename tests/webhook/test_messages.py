"""Words for the author: each denial names object, key, value, form and what to do; each warning fits its place."""

import re
from collections.abc import Callable

import pytest

from contract.annotations import (
    ANNOTATIONS,
    EKS_ROLE_ARN,
    ENABLED_LABEL,
    ENTRYPOINT_PREFIX,
    REFRESHER,
    ROLE_ARN,
    SECRET_FILE_PREFIX,
    SESSION_NAME,
    VOLUME_PATH,
)
from tests.webhook.cases import GoldenCase, golden_cases
from webhook.decide import decide
from webhook.decision import Deny
from webhook.precedence import Annotations
from webhook.settings import Settings

# Kubernetes: the API server may cut a warning at 256 characters, and all of a response's at 4096.
# https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#response
LONGEST_WARNING = 256

DENIED = [pytest.param(case, id=case.folder.name) for case in golden_cases() if (case.folder / "denied.txt").exists()]
WARNED = [pytest.param(case, id=case.folder.name) for case in golden_cases() if (case.folder / "warnings.txt").exists()]
POD, ACCOUNT = "pod shop/orders", "service account shop/orders"

REMEDIES = ("command:", "entrypoint.app", "imagePullSecret", "envfile", "skip-containers")
# What a denial of each case that is no malformed annotation must say: object, key, value, and the way out.
WORDS: dict[str, tuple[str, ...]] = {
    "host-network": (POD, "spec.hostNetwork", "true", "set hostNetwork to false", "admission.token-injector/mode"),
    "windows-by-os": (POD, "spec.os", "Windows", "remove the label admission.token-injector/enabled"),
    "windows-by-node-selector": (POD, "nodeSelector", "Windows", "remove the label admission.token-injector/enabled"),
    "mount-taken": (POD, "'app'", "'secrets'", "'/var/run/secrets/aws/token/'", "mount it elsewhere", VOLUME_PATH),
    "mount-taken-within": (POD, "'app'", "'secrets'", "token/extra'", "mount it elsewhere", VOLUME_PATH),
    "copied-from-gtoken": (POD, "'app'", "'gtoken-volume'", "copied", "remove this mount, its volume and its AWS_"),
    "refresher-native-below-1-29": (POD, REFRESHER, "'native'", "1.29", "1.28", "auto or sidecar"),
    "role-missing-is-denied": (ACCOUNT, ROLE_ARN, "annotate it", "admission.token-injector/enabled"),
    "mode-google-against-setting": (ACCOUNT, "admission.token-injector/mode", "--image", "operator", "cluster"),
    "resources-limit-below-request": (
        POD,
        "memory-limit",
        "'8Mi'",
        "'16Mi'",
        "admission.token-injector/memory-request",
    ),
    "session-name-without-cluster-name": (ACCOUNT, "session-name", "'{cluster}.{namespace}'", "--cluster-name"),
    "role-policy-covers-no-namespace": (ACCOUNT, ROLE_ARN, "role/shop/orders", "namespace shop", "no rule", "operator"),
    "role-policy-refuses": (
        *(ACCOUNT, EKS_ROLE_ARN, "role/payments/admin", "namespace shop", "operator"),
        *("rule 'shop' allows", "role/shop/*", "rule 'everyone' allows", "role/guest"),
    ),
    "role-policy-refuses-own-variable": (POD, "'app'", "AWS_ROLE_ARN", "namespace shop", "rule 'shop'", "operator"),
    "session-name-too-short": (ACCOUNT, "session-name", "'x'", "2 characters"),
    "piggy-standalone-region-empty": (POD, "'app'", "DB_PASSWORD", "admission.token-injector/region", "ARN"),
    "piggy-standalone-malformed-role": (POD, "'app'", "AWS_ROLE_ARN", "'role/own'", "for example arn:aws:iam::"),
    "piggy-standalone-unknown-role": (POD, "'app'", "AWS_ROLE_ARN", "'$(ROLE)'", "write its text"),
    "piggy-standalone-unknown-sub-path": (POD, "'app'", "token file", "'$(POD)' in subPathExpr", "write a subPath"),
    "piggy-standalone-unknown-token-file": (POD, "'app'", "AWS_WEB_IDENTITY_TOKEN_FILE", "'$(DIR)'", "write its text"),
    "piggy-standalone-roles-different": (POD, "'app'", "'other'", "AWS_ROLE_ARN", "one role", "give them one that may"),
    "secrets-broker-not-configured": (POD, "secret-identity", "--broker-address", "operator", "direct"),
    "secrets-copied-reference-lost": (POD, "'app'", "variable A", "copied", "write the reference itself"),
    "secrets-delivery-envfile-below-1-35": (POD, "secret-delivery", "'envfile'", "1.35", "1.34", "auto or launcher"),
    "secrets-entrypoint-empty": (POD, "'app'", "'registry.example/orders:1'", "neither ENTRYPOINT nor CMD", *REMEDIES),
    "secrets-entrypoint-offline": (POD, "'app'", "'registry.example/orders:1'", "offline", *REMEDIES),
    "secrets-entrypoint-unknown": (POD, "'app'", "registry.example: 401 Unauthorized", *REMEDIES),
    "secrets-expansion-by-launcher": (POD, "'app'", "args", "$(DB_PASSWORD)", "${…}", "secret-delivery to envfile"),
    "secrets-expansion-by-launcher-in-a-variable": (POD, "'app'", "variable URL", "$(DB_PASSWORD)", "${…}", "envfile"),
    "secrets-escaped-beside-a-secret-unknown": (POD, "'app'", "variable E", "$(A)", "write two variables"),
    "secrets-expansion-replaced": (POD, "'app'", "variable B", "$(A)", "different names"),
    "secrets-expansion-replaced-by-another": (POD, "'app'", "variable B", "$(A)", "different names"),
    "secrets-files-path-above-the-token": (POD, "secret-files-path", "'/var/run/secrets/aws/token'", "of its own"),
    "secrets-files-path-of-the-launcher": (POD, "secret-files-path", "'/var/run/token-injector'", "of its own"),
    "secrets-later-entry-optional": (POD, "'app'", "variable A", "optional", "different names"),
    "secrets-sub-path-expr": (POD, "'app'", "subPathExpr", "$(A)", "envfile"),
    "secrets-files-malformed": (POD, "secret-file.key", "character 6", "sm://prod/db#user"),
    "secrets-files-mount-taken": (POD, "'app'", "'data'", "'/var/run/secrets/token-injector'", "secret-files-path"),
    "secrets-files-name": (POD, "secret-file...data", "expected a name of"),
    "secrets-files-refer-to-nothing": (POD, "secret-file.key", "expected a reference"),
    "secrets-host-network": (POD, "spec.hostNetwork", "set hostNetwork to false", "mode to cluster"),
    "secrets-launcher-mount-taken": (POD, "'app'", "'data'", "'/var/run/token-injector/data'", "mount it elsewhere"),
    "secrets-malformed": (POD, "'app'", "variable A", "character 14", "expected a key"),
    "secrets-malformed-filter": (POD, "'app'", "variable A", "character 19", "urlencode"),
    "secrets-metrics-init": (POD, "secret-metrics-port", "9464", "1.29", REFRESHER, "leave the annotation out"),
    "secrets-metrics-host-network": (
        POD,
        "secret-metrics-port",
        "spec.hostNetwork",
        "port 9464",
        "leave the annotation out",
    ),
    "secrets-metrics-port-taken": (POD, "secret-metrics-port", "'app'", "port 9464", "choose another"),
    "secrets-no-image": (POD, "--image", "operator"),
    "secrets-no-region": (POD, "'app'", "DB_PASSWORD", "admission.token-injector/region", "ARN"),
    "secrets-no-role": (POD, ACCOUNT, ROLE_ARN, "secret-identity to broker"),
    "secrets-python-refresher": (POD, "--refresher-program=python", "operator", "--refresher-program=launcher"),
    "secrets-reference-with-unknown-name": (POD, "'app'", "variable A", "$(NODE)", "write its value"),
    "secrets-rotation-envfile": (POD, "secret-rotation", "secret-delivery", "'envfile'", "set one of the two"),
    "secrets-rotation-init": (POD, "secret-rotation", "'file'", "1.29", REFRESHER, "secret-rotation to none"),
    "secrets-rotation-restart-never-of-a-container": (
        POD,
        "'restart'",
        "restartPolicy of container 'other'",
        "OnFailure",
    ),
    "secrets-rotation-restart-never": (POD, "secret-rotation", "'restart'", "restartPolicy", "OnFailure or Always"),
    "secrets-variable-name-envfile-asked": (POD, "'app'", "variable a b", "rename it", "launcher"),
    "secrets-windows": (POD, "spec.os", "Windows", "in another way"),
    "piggy-malformed-boolean": (POD, "piggysec.com/standalone", "'yes'", "expected true or false"),
    "piggy-malformed-region": (POD, "annotation piggysec.com/aws-region", "'Mars'", "expected an AWS region"),
    "piggy-malformed-quantity": (
        POD,
        "annotation piggysec.com/piggy-env-resource-cpu-request",
        "'1E'",
        "expected a Kubernetes quantity",
    ),
    "piggy-limit-below-request": (
        f"{POD}, annotation piggysec.com/piggy-env-resource-cpu-limit: the limit '2m'",
        "'5m' of the webhook's setting",
        "admission.token-injector/cpu-request",
    ),
    "piggy-standalone-version-differs": (
        *(POD, "'app'", "'other'", "PIGGY_AWS_SECRET_VERSION", "take it out"),
        "write the annotation piggysec.com/aws-secret-version",
    ),
    "piggy-standalone-version-unknown": (
        *(POD, "'app'", "PIGGY_AWS_SECRET_VERSION"),
        "write the annotation piggysec.com/aws-secret-version",
    ),
    "piggy-proxy-no-broker": (POD, "piggysec.com/piggy-address", "--broker-address", "operator"),
    "piggy-second-line": (POD, "'app'", "variable A", "expected no second line"),
    "piggy-standalone-nobody": (POD, ACCOUNT, ROLE_ARN, "AWS_WEB_IDENTITY_TOKEN_FILE", "mount"),
}


@pytest.mark.parametrize("case", DENIED)
def test_denials_say_who_what_and_how(case: GoldenCase) -> None:
    """One line; of a malformed annotation the object, the key as it was written, the value and the form."""
    text = (case.folder / "denied.txt").read_text().rstrip("\n")

    assert "\n" not in text
    for words in WORDS.get(case.folder.name, ()):
        assert words in text
    if case.folder.name not in WORDS:
        assert re.match(rf"({POD}|{ACCOUNT}), annotation (\S+): '.*' is not valid: expected \S+ ", text)


def test_every_key_has_a_malformed_case() -> None:
    """The denial of each annotation is a golden case."""
    denied = " ".join((case.folder / "denied.txt").read_text() for case in golden_cases() if case.folder.name in NAMES)
    keys = {row.key: re.escape(row.key) + (r"\S+" if row.named else "") for row in ANNOTATIONS}

    assert [key for key, pattern in keys.items() if not re.search(f"annotation {pattern}: ", denied)] == []


def test_keys_with_a_name_in_them() -> None:
    """They are known with any name on the pod, each by itself; without a name, or elsewhere, they are told."""
    written = {f"{ENTRYPOINT_PREFIX}app": "[]", f"{ENTRYPOINT_PREFIX}job": "[]", SECRET_FILE_PREFIX: "sm://db"}
    pod = {"metadata": {"name": "orders", "annotations": written}, "spec": {"serviceAccountName": "orders"}}

    gathered = Annotations(pod, "shop", {f"{SECRET_FILE_PREFIX}tls.key": "sm://tls"})

    assert gathered.value(f"{ENTRYPOINT_PREFIX}app", str, "") == "[]"
    assert gathered.has(f"{ENTRYPOINT_PREFIX}job")
    assert not gathered.has(ENTRYPOINT_PREFIX)
    assert gathered.warnings == [
        f"{POD}: there is no annotation {SECRET_FILE_PREFIX}: did you mean {SECRET_FILE_PREFIX}NAME?",
        f"{ACCOUNT}: the annotation {SECRET_FILE_PREFIX}tls.key is read on the pod only: move it there",
    ]


NAMES = {str(parameter.id) for parameter in DENIED}


@pytest.mark.parametrize("case", WARNED)
def test_warnings_fit(case: GoldenCase) -> None:
    """A cut warning would lose what to do about it, which stands at its end."""
    for line in (case.folder / "warnings.txt").read_text().splitlines():
        assert 20 < len(line) <= LONGEST_WARNING


def test_setting_that_gives_a_short_session_name(make_settings: Callable[..., Settings]) -> None:
    """A template that is right for every namespace but those of one letter: the setting is named, and the way out."""
    pod = {"metadata": {"labels": {ENABLED_LABEL: "true"}}, "spec": {"containers": [{"name": "app"}]}}
    account = {ROLE_ARN: "arn:aws:iam::123456789012:role/orders"}

    decision = decide(pod, "a", account, make_settings(session_name="{namespace}"), seed="uid")

    assert isinstance(decision, Deny)
    for words in ("service account a/default", "--session-name", "2 characters", "'a'", f"annotation {SESSION_NAME}"):
        assert words in decision.message


def test_long_values_are_cut() -> None:
    """An annotation may hold 256 KiB; a message shows its beginning."""
    pod = {"metadata": {"name": "orders", "annotations": {}}, "spec": {}}
    gathered = Annotations(pod, "shop", {ROLE_ARN: "x" * 200_000, EKS_ROLE_ARN: "y"})

    def refuse(text: str) -> str:
        raise ValueError(f"expected less than {len(text)} characters")

    with pytest.raises(Exception, match="expected less than 200000 characters") as error:
        gathered.value(ROLE_ARN, refuse, "")

    assert len(str(error.value)) < 300
    assert "'xxxxx" in str(error.value)
    [warning] = gathered.warnings
    assert len(warning) <= LONGEST_WARNING
