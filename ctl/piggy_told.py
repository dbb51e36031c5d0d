"""What is not as it was with piggy, in one pod? Pure: words about its source, its reader and its texts."""

from collections.abc import Iterator, Mapping
from typing import Any

from contract import annotations as keys
from contract.environ import AWS_ROLE_ARN
from ctl.piggy_words import PREFIX, Difference
from secretenv.piggy import PiggyConfig
from secretenv.piggy_table import BY_KEY
from secretenv.references import MalformedReferenceError, Syntax, parse
from webhook import pod as pods
from webhook.secrets.piggy_variables import VERSION, names_version

_OURS = Syntax(ours=True, arns=False, piggy=None)


def source_differences(
    config: PiggyConfig, annotations: Mapping[str, str], environ: Mapping[str, str], *, is_namespaced: bool
) -> Iterator[Difference]:
    """About the source, and what its reader says of the annotations."""
    yield from (Difference("", warning) for warning in config.warnings)
    if config.source is None:
        yield Difference(
            "",
            "nothing names a secret or a path, so that piggy leaves it alone, and it stays: where variables of "
            "piggy's webhook do, give them with --piggy-env",
        )
        return
    written = annotations.get(keys.PIGGY_SECRET_NAME, environ.get(str(BY_KEY[keys.PIGGY_SECRET_NAME].environ), ""))
    if config.source.secret_name and not written and not is_namespaced:
        yield Difference(
            "",
            f"the secret's name is made of the namespace, which the manifest does not say: give it with -n, or "
            f"write {keys.PIGGY_SECRET_NAME}",
            blocks=True,
        )


def version_difference(config: PiggyConfig) -> Difference:
    """About the variable by which the author chose a version."""
    told = (
        "the references name its version now"
        if names_version(config)
        else "piggy does not look at it in this pod, nor does anybody here"
    )
    return Difference(f"variable {VERSION}", f"{told}; it is taken out")


def reader_differences(pod: Mapping[str, Any], config: PiggyConfig, namespace: str) -> Iterator[Difference]:
    """About who reads; what that is with piggy, and what has to be looked at."""
    account = f"{namespace}/{pods.service_account_name(pod)}"
    containers = [each for which in pods.CONTAINER_LISTS for each in pods.containers(pod, which)]
    role = f"service account {account} has to name its role with {keys.ROLE_ARN}"
    if config.standalone:
        place = f"annotation {keys.PIGGY_STANDALONE}"
        if any(entry.get("name") == AWS_ROLE_ARN for each in containers for entry in each.get("env") or ()):
            yield Difference(
                place,
                f"the container's own {AWS_ROLE_ARN} reads only if service account {account} names no role of "
                f"its own ({keys.ROLE_ARN}); look that it does not, or that its role may read",
            )
        else:
            yield Difference(place, f"the injected container reads with the pod's role: {role}, unless it does so")
    elif not config.address:
        yield Difference(
            "",
            f"it has neither an address nor standalone, so that piggy asks nobody and the pod fails; here the "
            f"injected container reads with the pod's role: {role}, unless it does so",
        )
    if config.region and keys.ENABLED_LABEL in pods.labels(pod):
        yield Difference(
            f"annotation {keys.PIGGY_REGION}",
            f"the pod has the label {keys.ENABLED_LABEL}, so that {keys.REGION} is the application's region too, where "
            "it sets none: write ARNs into the references if that must differ",
        )


def text_differences(text: str, *, is_ours: bool) -> Iterator[str]:
    """About a text that is no reference of piggy's."""
    if text.upper().startswith(PREFIX.upper()):
        yield "it begins with piggy: in capitals: piggy refuses to start the application, here it is a text"
        return
    try:
        template = None if is_ours else parse(text, _OURS)
    except MalformedReferenceError:
        yield "it looks like a reference of ours, and is none: write it otherwise, $${ for ${"
    else:
        if template and template.references:
            yield "it is a text with piggy, and a reference here: write it otherwise, $${ for ${"
