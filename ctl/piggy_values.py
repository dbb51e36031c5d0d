"""What do the values of piggy's chart say in the values of ours?

Pure. Only what somebody wrote is looked at: piggy's defaults are no wishes. Source: charts/piggy-webhooks 0.7.5.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ctl.piggy_env import NAMES, environ_in_values
from ctl.piggy_shapes import value_at
from ctl.piggy_words import Difference
from secretenv.go_values import boolean
from secretenv.piggy import PiggyError, read


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertedValues:
    """Our values, and what differs."""

    values: Mapping[str, Any]
    differences: tuple[Difference, ...]


# Piggy's value to ours, where it means the same.
SAME: Mapping[str, str] = {
    "replicaCount": "webhook.replicas",
    "port": "webhook.port",
    "resources": "webhook.resources",
    "affinity": "webhook.affinity",
    "imagePullSecrets": "imagePullSecrets",
    "nodeSelector": "nodeSelector",
    "tolerations": "tolerations",
    "priorityClassName": "priorityClassName",
    "podAnnotations": "podAnnotations",
    "mutate.timeoutSeconds": "webhook.timeoutSeconds",
    "mutate.podsFailurePolicy": "webhook.failurePolicy",
    "mutate.excludeNamespaces": "selectors.excludedNamespaces",
    "mutate.objectSelector.matchExpressions": "selectors.objectExpressions",
}
# Those that have nothing like it here, and why.
DIFFERENT: Mapping[str, str] = {
    "image": "images are built and pushed by you: image.repository and image.tag",
    "mutate.image": "the injected image is injector.image.repository and injector.image.tag",
    "mutate.certificate": "the cert job makes and renews the certificate; certs.mode names the other ways",
    "mutate.reinvocationPolicy": "always IfNeeded",
    "mutate.matchConditions": "the chart writes them: pods with a source of piggy's, our label or annotation",
    "mutate.objectSelector.matchLabels": "write it as selectors.objectExpressions",
    "service": "always a ClusterIP on 443",
    "serviceAccount": "the chart makes one for each part; names.serviceAccount names the webhook's, and "
    "webhook.serviceAccount annotates it",
    "aws.roleArn": "pods read with their own roles, or by broker.sharedRole where a grant says so; images of "
    "ECR without a command need registries.ecrRole",
    "autoscaling": "webhook.replicas is fixed",
    "maxUnavailable": "the PodDisruptionBudget always leaves one webhook serving",
    "podSecurityContext": "the chart keeps to the restricted profile",
    "securityContext": "the chart keeps to the restricted profile",
    "debug": "webhook.settings.log-level: debug; it does not reach into pods",
    "nameOverride": "fullnameOverride",
    "fullnameOverride": "the Service's name is in PIGGY_ADDRESS of running pods: broker.legacyService, once piggy is "
    "gone",
}
_SKIPPED = ("env",)
# What of piggy's variables the broker heeds, and not the webhook. Each is about its shared role, without which it would
# not start with them.
_ENFORCES_ACCOUNTS, _ENFORCES_INTEGRITY = "PIGGY_ENFORCE_SERVICE_ACCOUNT", "PIGGY_ENFORCE_INTEGRITY"
_OF_BROKER: Mapping[str, str] = {
    _ENFORCES_ACCOUNTS: "broker.settings.enforce-service-account, beside broker.sharedRole; it is not taken over "
    "without that role",
    _ENFORCES_INTEGRITY: "broker.extraEnv, beside broker.settings.legacy-piggy: it is about piggy-env images that are "
    "still in pods",
}
# Of piggy's proxy: what POST /secret takes where the pod has no annotation (secretenv/broker/legacy.py).
_OF_LEGACY = frozenset(
    {
        *("AWS_SECRET_NAME", "AWS_SSM_PARAMETER_PATH", "AWS_REGION", "AWS_SECRET_VERSION", _ENFORCES_INTEGRITY),
        *("PIGGY_DEFAULT_SECRET_NAME_PREFIX", "PIGGY_DEFAULT_SECRET_NAME_SUFFIX"),
    }
)
# What is written as it is, and does nothing alone.
_NEEDS_MORE: Mapping[str, str] = {
    "IMAGE_PULL_SECRET": "read only where registries.podPullSecrets grants it; registries.pullSecret needs no grant",
}
_DEFAULT_NAMESPACES = "secrets.piggyDefaultNamespaces"
_EVERY_NAMESPACE = ({"key": "kubernetes.io/metadata.name", "operator": "Exists"},)
_TIMEOUT = "mutate.timeoutSeconds"
# The look-up of an image takes as long; the API server has to wait longer.
_LOOK_UP_SECONDS = 5


def convert_values(values: Mapping[str, Any]) -> ConvertedValues:
    """Our values for piggy's."""
    written: dict[str, Any] = {}
    for theirs, ours in SAME.items():
        value = value_at(values, theirs)
        if value is not None and not (theirs == _TIMEOUT and _is_short(value)):
            _put(written, ours, value)
    environ = environ_in_values(values)
    role = value_at(values, "aws.roleArn")
    differences = [*_differences(values, (), _known), *_variables(values, environ, has_role=bool(role))]
    if _is_short(value_at(values, _TIMEOUT)):
        differences.append(
            Difference(_TIMEOUT, "the look-up of an image may take 5 s (webhook.settings.entrypoint-timeout): left out")
        )
    if kept := [{"name": name, "value": value} for name, value in environ.items() if name not in _OF_BROKER]:
        _put(written, "webhook.extraEnv", kept)
    if _is_source(environ):
        _put(written, _DEFAULT_NAMESPACES, [dict(each) for each in _EVERY_NAMESPACE])
        differences.append(
            Difference(
                _DEFAULT_NAMESPACES,
                "every namespace: by the variables alone piggy:NAME is a reference, in pods without an annotation too, "
                "and each new pod is sent to the webhook; name the namespaces that need it",
            )
        )
    if environ.get("PIGGY_ADDRESS") or role:
        differences += _write_broker(written, environ, role)
    return ConvertedValues(values=written, differences=tuple(differences))


def _write_broker(written: dict[str, Any], environ: Mapping[str, str], role: str | None) -> Iterator[Difference]:
    """What stands in for piggy's proxy, for pods of ours and for those of piggy's that run on."""
    _put(written, "broker.enabled", True)  # noqa: FBT003 - a value, not a flag
    yield Difference(
        "broker.enabled",
        "on, for pods with piggy-address: it reads with each pod's own role, and with a shared one only for those that "
        "a rule names",
    )
    if not role:
        yield Difference(
            "broker.settings.legacy-piggy",
            "off: piggy-env images that are still in pods are answered by a shared role alone; set it, "
            "broker.sharedRole.arn to the role of piggy's webhook, and broker.sharedRole.grants to what they read; put "
            f"{', '.join(sorted(_OF_LEGACY & {*environ}) or ['no variable'])} into broker.extraEnv too",
        )
        return
    settings = {"legacy-piggy": True}
    if _is_true(environ.get(_ENFORCES_ACCOUNTS, "")):
        settings["enforce-service-account"] = True
    _put(written, "broker.settings", settings)
    _put(written, "broker.sharedRole", {"arn": role, "mode": "cluster"})
    if legacy := [{"name": name, "value": value} for name, value in environ.items() if name in _OF_LEGACY]:
        _put(written, "broker.extraEnv", legacy)
    yield Difference(
        "broker.sharedRole",
        "piggy's role, for service accounts without one and for piggy-env images that are still in pods "
        "(broker.settings.legacy-piggy): add broker.sharedRole.grants, for example [{name: shop, serviceAccounts: "
        '["shop:*"], secrets: ["sm://shop/*"]}], without which helm refuses these values, and the broker\'s service '
        "account to the role's trust policy; or take sharedRole, settings and extraEnv out",
    )


def _is_true(text: str) -> bool:
    """As piggy takes it: what is no boolean is false."""
    try:
        return boolean(text)
    except ValueError:
        return False


def _is_short(seconds: Any) -> bool:
    return isinstance(seconds, int) and seconds <= _LOOK_UP_SECONDS


def _is_source(environ: Mapping[str, str]) -> bool:
    """Whether a pod that says nothing has references. Wrong values deny it: it has to be sent for that."""
    try:
        return read({}, environ, namespace="namespace", service_account="account").source is not None
    except PiggyError:
        return True


def _differences(
    values: Mapping[str, Any], place: tuple[str, ...], known: Callable[[str], str | None]
) -> Iterator[Difference]:
    """What was written and is not taken over, each at the highest key that says it all."""
    for key, value in values.items():
        name = ".".join((*place, str(key)))
        text = known(name)
        if text is not None:
            if text and value not in (None, "", {}, []):
                yield Difference(name, text)
        elif isinstance(value, dict) and _has_known_below(name):
            yield from _differences(value, (*place, str(key)), known)
        else:
            yield Difference(name, "there is no such value here, or in piggy's chart: look what it was meant for")


def _known(name: str) -> str | None:
    return "" if name in SAME or name in _SKIPPED else DIFFERENT.get(name)


def _has_known_below(name: str) -> bool:
    return any(each.startswith(f"{name}.") for each in (*SAME, *DIFFERENT))


def _variables(values: Mapping[str, Any], environ: Mapping[str, str], *, has_role: bool) -> Iterator[Difference]:
    """Variables of piggy's webhook that no one here reads, or not alone."""
    needs_more = _NEEDS_MORE if has_role else {**_OF_BROKER, **_NEEDS_MORE}
    env = values.get("env")
    for name in env if isinstance(env, dict) else ():
        if said := needs_more.get(str(name).upper()) if str(name).upper() in environ else None:
            yield Difference(f"env.{name}", said)
        elif str(name).upper() not in environ:
            known = str(name).upper() in NAMES
            text = (
                "it is empty" if known else "it is none of piggy's variables: webhook.extraEnv, if the webhook needs it"
            )
            yield Difference(f"env.{name}", text)


def _put(values: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for key in parents:
        values = values.setdefault(key, {})
    values[last] = value
