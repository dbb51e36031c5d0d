"""What does a valid value look like?

Pure: one parser per kind of value, used alike for annotations and settings. Each returns the typed value or raises
`ValueError` with the expected form, which the caller prefixes with the object and the key.
"""

import re
from decimal import Decimal
from typing import Literal, TypeVar, get_args

from contract.secrets import METRICS_PORT_FIRST, METRICS_PORT_LAST
from serving.values import whole_number

Mode = Literal["google", "cluster"]
Refresher = Literal["auto", "native", "sidecar", "none"]
RefresherProgram = Literal["launcher", "python"]
PullPolicy = Literal["Always", "IfNotPresent", "Never"]
MissingRole = Literal["allow", "deny"]
StsRegionalEndpoints = Literal["regional", "legacy"]
SecretsSwitch = Literal["true", "arns", "false"]
SecretDelivery = Literal["auto", "envfile", "launcher"]
SecretIdentity = Literal["direct", "broker"]
SecretUnresolved = Literal["fail", "keep"]

# Partitions: aws, aws-cn, aws-us-gov, aws-iso, aws-iso-b, aws-eusc, … Role names: IAM's CreateRole, 64 characters
# after a path of printable ASCII; without the colon that IAM would take, as it means two ARNs in one value.
_ROLE_ARN = re.compile(r"arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/([!-9;-~]{1,510}/)?[A-Za-z0-9_+=,.@-]{1,64}")
AUDIENCE = re.compile(r"[\x21-\x7e]{1,255}")
# eu-west-1, us-gov-east-1, cn-north-1, us-iso-east-1, eusc-de-east-1
REGION = re.compile(r"[a-z]{2,5}(-[a-z]+){1,3}-[0-9]{1,2}")
# Kubernetes' resource.Quantity without exponents, which nobody writes for these.
QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi)?")
_SUFFIXES = {"m": Decimal("0.001"), "": Decimal(1)} | {
    suffix: Decimal(size)
    for suffix, size in {"k": 10**3, "Ki": 2**10, "M": 10**6, "Mi": 2**20, "G": 10**9, "Gi": 2**30}.items()
}
DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
ORIGIN = re.compile(rf"https://{DNS_SUBDOMAIN.pattern}(:[0-9]{{1,5}})?")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
VERSION = re.compile(r"v?([0-9]{1,3})\.([0-9]{1,3})([.+-].*)?")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")

SESSION_NAME_PLACEHOLDERS = frozenset({"namespace", "serviceaccount", "cluster"})

# The kubelet refuses less than ten minutes; a day is EKS's cap and ours.
TOKEN_EXPIRATION_MIN = 600
TOKEN_EXPIRATION_MAX = 86_400
# Secrets Manager bills each look.
ROTATION_INTERVAL_MIN = 30
ROTATION_INTERVAL_MAX = 86_400

Choice = TypeVar("Choice", bound=str)


def role_arn(text: str) -> str:
    """An IAM role's ARN, in any partition."""
    if not _ROLE_ARN.fullmatch(text):
        raise ValueError(
            "expected arn:PARTITION:iam::ACCOUNT:role/NAME, for example arn:aws:iam::123456789012:role/reader"
        )
    return text


def audience(text: str) -> str:
    """A token's audience: Google and Kubernetes take any string; ours has to survive a query and a policy."""
    if not AUDIENCE.fullmatch(text):
        raise ValueError("expected 1 to 255 printable ASCII characters without spaces")
    return text


def token_expiration(text: str) -> int:
    """Seconds."""
    return whole_number(text, TOKEN_EXPIRATION_MIN, TOKEN_EXPIRATION_MAX, "seconds")


def region(text: str) -> str:
    """An AWS region's name by its form; new regions appear more often than releases of ours."""
    if not REGION.fullmatch(text):
        raise ValueError("expected an AWS region, for example eu-west-1")
    return text


def sts_regional_endpoints(text: str) -> StsRegionalEndpoints | None:
    """EKS writes true and false, the SDKs' variable regional and legacy; None leaves the variable unset."""
    match text:
        case "regional" | "true":
            return "regional"
        case "legacy":
            return "legacy"
        case "false":
            return None
    raise ValueError("expected regional, legacy, true or false")


def session_name_template(text: str) -> str:
    """A template of {namespace}, {serviceaccount}, {cluster}; rendering cleans and cuts it."""
    rest = _PLACEHOLDER.sub("", text)
    unknown = [name for name in _PLACEHOLDER.findall(text) if name not in SESSION_NAME_PLACEHOLDERS]
    if not text or unknown or "{" in rest or "}" in rest:
        raise ValueError(
            "expected a template of {namespace}, {serviceaccount}, {cluster} and A-Z a-z 0-9 _ + = , . @ -"
        )
    return text


def container_names(text: str) -> frozenset[str]:
    """Names separated by commas; blanks around them and an empty list are allowed, as EKS does."""
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    if not all(DNS_LABEL.fullmatch(name) for name in names):
        raise ValueError("expected container names, separated by commas")
    return names


def volume_path(text: str) -> str:
    """An absolute, normalised path that is not the root.

    Kubernetes forbids ':' in a mountPath; it expands '$' in a variable and not in a mountPath.
    """
    before, *parts = text.split("/")
    if before or not parts or any(part in {"", ".", ".."} for part in parts) or re.search(r"[:$\s\0]", text):
        raise ValueError("expected an absolute path without ., .., a colon, a $ or a blank, not / and not ending in /")
    return text


def token_file(text: str) -> str:
    """A file's name; a leading '..' is what the kubelet keeps for itself in projected volumes."""
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,253}", text) or text == "." or text.startswith(".."):
        raise ValueError("expected a file name of A-Z a-z 0-9 _ . - without /")
    return text


def quantity(text: str) -> str:
    """A Kubernetes quantity, kept as written."""
    if not QUANTITY.fullmatch(text):
        raise ValueError("expected a Kubernetes quantity, for example 5m or 16Mi")
    return text


def amount(text: str) -> Decimal:
    """How much a valid quantity is, to compare two of them."""
    number, suffix = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", text).groups()  # type: ignore[union-attr]  # it is valid
    return Decimal(number) * _SUFFIXES[suffix]


def quantity_or_none(text: str) -> str | None:
    """A limit: a quantity, or 'none' for no limit."""
    if text in {"none", ""}:
        return None
    try:
        return quantity(text)
    except ValueError:
        raise ValueError("expected a Kubernetes quantity, for example 100m or 64Mi, or none") from None


def volume_name(text: str) -> str:
    """A volume's name: a DNS label."""
    if not DNS_LABEL.fullmatch(text):
        raise ValueError("expected a volume name of lower case letters, digits and -, at most 63 characters")
    return text


def secret_name(text: str) -> str:
    """A Secret's name: a DNS subdomain."""
    if not DNS_SUBDOMAIN.fullmatch(text):
        raise ValueError("expected the name of a Secret")
    return text


def environment_entry(text: str) -> tuple[str, str]:
    """NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not equals or not _ENV_NAME.fullmatch(name):
        raise ValueError("expected NAME=VALUE")
    return name, value


def kubernetes_version(text: str) -> tuple[int, int]:
    """Major and minor of a Kubernetes version; 1.33, v1.33.4-gke.100."""
    found = VERSION.fullmatch(text)
    if not found:
        raise ValueError("expected a Kubernetes version, for example 1.33")
    return int(found[1]), int(found[2])


def mode(text: str) -> Mode:
    """Who issues the token."""
    return one_of(text, get_args(Mode))


def refresher(text: str) -> Refresher:
    """What keeps the token fresh."""
    return one_of(text, get_args(Refresher))


def refresher_program(text: str) -> RefresherProgram:
    """What sleeps between refreshes."""
    return one_of(text, get_args(RefresherProgram))


def pull_policy(text: str) -> PullPolicy:
    """Kubernetes' imagePullPolicy."""
    return one_of(text, get_args(PullPolicy))


def missing_role(text: str) -> MissingRole:
    """What happens to a labelled pod whose service account names no role."""
    return one_of(text, get_args(MissingRole))


def secrets_switch(text: str) -> SecretsSwitch:
    """Whether our references are references."""
    return one_of(text, get_args(SecretsSwitch))


def secret_delivery(text: str) -> SecretDelivery:
    """How variables reach a container."""
    return one_of(text, get_args(SecretDelivery))


def secret_identity(text: str) -> SecretIdentity:
    """Who reads secrets."""
    return one_of(text, get_args(SecretIdentity))


def secret_unresolved(text: str) -> SecretUnresolved:
    """What becomes of a reference that cannot be resolved."""
    return one_of(text, get_args(SecretUnresolved))


def rotation_interval(text: str) -> int:
    """Seconds between two looks for new versions."""
    return whole_number(text, ROTATION_INTERVAL_MIN, ROTATION_INTERVAL_MAX, "seconds")


def metrics_port(text: str) -> int:
    """A port that needs no privilege."""
    if not re.fullmatch(r"[0-9]{4,5}", text) or not METRICS_PORT_FIRST <= int(text) <= METRICS_PORT_LAST:
        raise ValueError(f"expected a port from {METRICS_PORT_FIRST} to {METRICS_PORT_LAST}")
    return int(text)


def origin(text: str) -> str:
    """Where a server is reached over TLS, without a path."""
    if not ORIGIN.fullmatch(text):
        raise ValueError("expected https://HOST or https://HOST:PORT, for example https://broker.webhook.svc")
    return text


def one_of(text: str, choices: tuple[Choice, ...]) -> Choice:
    """One of a closed set of words."""
    for choice in choices:
        if text == choice:
            return choice
    raise ValueError(f"expected {', '.join(choices[:-1])} or {choices[-1]}")
