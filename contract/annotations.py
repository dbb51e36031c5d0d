"""The label and the annotations: what users write, and which program reads it.

`ANNOTATIONS` is the table that the documentation prints; the constants above it are what the programs import.
"""

from dataclasses import dataclass
from typing import Literal

PREFIX = "admission.token-injector/"

# Written by the pod's author on the pod; read by the API server (objectSelector) and the webhook.
ENABLED_LABEL = "admission.token-injector/enabled"
# Written by EKS users on the pod; its presence, whatever the value, makes the webhook leave the pod alone.
EKS_SKIP_LABEL = "eks.amazonaws.com/skip-pod-identity-webhook"

# Written by the platform engineer on the service account (or the pod); read by the webhook.
ROLE_ARN = "amazonaws.com/role-arn"
EKS_ROLE_ARN = "eks.amazonaws.com/role-arn"

# Written on the service account or the pod; read by the webhook at admission.
MODE = PREFIX + "mode"
AUDIENCE = PREFIX + "audience"
TOKEN_EXPIRATION = PREFIX + "token-expiration"
REGION = PREFIX + "region"
STS_REGIONAL_ENDPOINTS = PREFIX + "sts-regional-endpoints"
SESSION_NAME = PREFIX + "session-name"
SKIP_CONTAINERS = PREFIX + "skip-containers"
REFRESHER = PREFIX + "refresher"
VOLUME_PATH = PREFIX + "volume-path"
TOKEN_FILE = PREFIX + "token-file"
CPU_REQUEST = PREFIX + "cpu-request"
CPU_LIMIT = PREFIX + "cpu-limit"
MEMORY_REQUEST = PREFIX + "memory-request"
MEMORY_LIMIT = PREFIX + "memory-limit"

# Written by the pod's author on the pod; read by the webhook at admission.
SECRETS = PREFIX + "secrets"
SECRET_DELIVERY = PREFIX + "secret-delivery"
SECRET_IDENTITY = PREFIX + "secret-identity"
SECRET_ROTATION = PREFIX + "secret-rotation"
SECRET_ROTATION_INTERVAL = PREFIX + "secret-rotation-interval"
SECRET_METRICS_PORT = PREFIX + "secret-metrics-port"
SECRET_FILES_PATH = PREFIX + "secret-files-path"
SECRET_UNRESOLVED = PREFIX + "secret-unresolved"
# A file's or a container's name follows.
SECRET_FILE_PREFIX = PREFIX + "secret-file."
ENTRYPOINT_PREFIX = PREFIX + "entrypoint."

# Written by EKS users on the service account or the pod; read by the webhook where our own key is absent.
EKS_AUDIENCE = "eks.amazonaws.com/audience"
EKS_TOKEN_EXPIRATION = "eks.amazonaws.com/token-expiration"
EKS_STS_REGIONAL_ENDPOINTS = "eks.amazonaws.com/sts-regional-endpoints"
EKS_SKIP_CONTAINERS = "eks.amazonaws.com/skip-containers"

# Written by the platform engineer on the service account; read by GKE's metadata server, not by us.
GOOGLE_SERVICE_ACCOUNT = "iam.gke.io/gcp-service-account"

# Written by gtoken's users; read only when their manifests are migrated, never at admission.
GTOKEN_IGNORE_NAMESPACE_LABEL = "admission.gtoken/ignore"
GTOKEN_REFRESH = "gtoken.doit-intl.com/tokenRefresh"
GTOKEN_GENERATE = "gtoken.doit-intl.com/tokenGenerate"
GTOKEN_AUDIENCE = "gtoken.doit-intl.com/tokenAudience"
GTOKEN_METHOD = "gtoken.doit-intl.com/tokenMethod"
GTOKEN_VOLUME_PATH = "gtoken.doit-intl.com/volumePath"
GTOKEN_TOKEN_FILENAME = "gtoken.doit-intl.com/tokenFilename"
GTOKEN_INJECT = "gtoken.kubernetes.io/inject"

# Written by piggy's users on the pod; read by the webhook at admission. secretenv/piggy_table.py says what each does.
PIGGY_PREFIX = "piggysec.com/"
PIGGY_SECRET_NAME = PIGGY_PREFIX + "aws-secret-name"
PIGGY_PARAMETER_PATH = PIGGY_PREFIX + "aws-ssm-parameter-path"
PIGGY_REGION = PIGGY_PREFIX + "aws-region"
PIGGY_SECRET_VERSION = PIGGY_PREFIX + "aws-secret-version"
PIGGY_ADDRESS = PIGGY_PREFIX + "piggy-address"
PIGGY_STANDALONE = PIGGY_PREFIX + "standalone"
PIGGY_IGNORE_NO_ENV = PIGGY_PREFIX + "piggy-ignore-no-env"
PIGGY_INITIAL_DELAY = PIGGY_PREFIX + "piggy-initial-delay"
PIGGY_NUMBER_OF_RETRY = PIGGY_PREFIX + "piggy-number-of-retry"
PIGGY_NAME_PREFIX = PIGGY_PREFIX + "piggy-default-secret-name-prefix"
PIGGY_NAME_SUFFIX = PIGGY_PREFIX + "piggy-default-secret-name-suffix"
PIGGY_ENFORCE_INTEGRITY = PIGGY_PREFIX + "piggy-enforce-integrity"
PIGGY_ENFORCE_SERVICE_ACCOUNT = PIGGY_PREFIX + "piggy-enforce-service-account"
PIGGY_CPU_REQUEST = PIGGY_PREFIX + "piggy-env-resource-cpu-request"
PIGGY_MEMORY_REQUEST = PIGGY_PREFIX + "piggy-env-resource-memory-request"
PIGGY_CPU_LIMIT = PIGGY_PREFIX + "piggy-env-resource-cpu-limit"
PIGGY_MEMORY_LIMIT = PIGGY_PREFIX + "piggy-env-resource-memory-limit"
PIGGY_IMAGE_PULL_SECRET = PIGGY_PREFIX + "image-pull-secret"
PIGGY_IMAGE_PULL_SECRET_NAMESPACE = PIGGY_PREFIX + "image-pull-secret-namespace"
PIGGY_DEBUG = PIGGY_PREFIX + "debug"
PIGGY_ENV_IMAGE = PIGGY_PREFIX + "piggy-env-image"
PIGGY_ENV_IMAGE_PULL_POLICY = PIGGY_PREFIX + "piggy-env-image-pull-policy"
PIGGY_ALLOW_PRIVILEGE_ESCALATION = PIGGY_PREFIX + "piggy-psp-allow-privilege-escalation"
PIGGY_DNS_RESOLVER = PIGGY_PREFIX + "piggy-dns-resolver"
PIGGY_SKIP_VERIFY_REGISTRY = PIGGY_PREFIX + "image-skip-verify-registry"
PIGGY_SKIP_VERIFY_TLS = PIGGY_PREFIX + "piggy-skip-verify-tls"
# Written by piggy's webhook, uid by uid the hash of a command; read by piggy-env's server.
PIGGY_UID = PIGGY_PREFIX + "piggy-uid"

Place = Literal["pod", "service account"]
BOTH: tuple[Place, ...] = ("pod", "service account")


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One row of the documentation's table: a key that the webhook reads at admission."""

    key: str
    """Our key, or the seed's; a prefix of keys where `named` is set."""
    named: str = ""
    """What the author writes behind a prefix."""
    alias: str | None = None
    """The matching EKS key; ours wins where both are written."""
    places: tuple[Place, ...] = BOTH
    """Where it is read. Of two places the pod wins."""
    form: str
    """What a valid value looks like; repeated in the denial of an invalid one."""
    default: str
    """What holds where it is absent; a flag's name where the operator decides."""
    about: str
    """What it does, in one sentence."""


ANNOTATIONS: tuple[Annotation, ...] = (
    Annotation(
        key=ROLE_ARN,
        alias=EKS_ROLE_ARN,
        form="arn:PARTITION:iam::ACCOUNT:role/NAME, for example arn:aws:iam::123456789012:role/reader",
        default="none: the pod is left alone, with a warning",
        about="The AWS role that the pod assumes.",
    ),
    Annotation(
        key=MODE,
        form="google or cluster",
        default="--mode (google)",
        about="Who issues the web identity token: Google for the bound Google service account, or the cluster itself.",
    ),
    Annotation(
        key=AUDIENCE,
        alias=EKS_AUDIENCE,
        form="1 to 255 printable ASCII characters without spaces",
        default="--audience in google mode, --cluster-audience in cluster mode",
        about="The audience of the token, which the trust policy can require.",
    ),
    Annotation(
        key=TOKEN_EXPIRATION,
        alias=EKS_TOKEN_EXPIRATION,
        form="a whole number of seconds from 600 to 86400",
        default="--token-expiration (3600)",
        about="The life of a cluster mode token. Google fixes its tokens' life at 3600 seconds.",
    ),
    Annotation(
        key=REGION,
        form="an AWS region, for example eu-west-1",
        default="--region (none)",
        about="Sets AWS_REGION and AWS_DEFAULT_REGION in containers that set neither.",
    ),
    Annotation(
        key=STS_REGIONAL_ENDPOINTS,
        alias=EKS_STS_REGIONAL_ENDPOINTS,
        form="regional, legacy, true (regional) or false (the variable is not set)",
        default="--sts-regional-endpoints (regional, where a region is set)",
        about="Sets AWS_STS_REGIONAL_ENDPOINTS, which older SDKs need to call STS in their region.",
    ),
    Annotation(
        key=SESSION_NAME,
        form="a template of {namespace}, {serviceaccount}, {cluster} and the characters A-Z a-z 0-9 _ + = , . @ -",
        default="--session-name (token-injector-webhook- and 16 letters)",
        about="AWS_ROLE_SESSION_NAME, which CloudTrail shows; cut to 64 characters with a hash.",
    ),
    Annotation(
        key=SKIP_CONTAINERS,
        alias=EKS_SKIP_CONTAINERS,
        places=("pod",),
        form="container names, separated by commas",
        default="none",
        about="Containers that get neither variables nor the token.",
    ),
    Annotation(
        key=REFRESHER,
        form="auto, native, sidecar or none",
        default="--refresher (auto: native where every kubelet knows native sidecars, else sidecar)",
        about="What keeps the token fresh: a native sidecar, an init container and a sidecar, or nobody.",
    ),
    Annotation(
        key=VOLUME_PATH,
        form="an absolute path without ., .., a colon, a $ or a blank; not / and not ending in /",
        default="--volume-path (/var/run/secrets/aws/token)",
        about="Where containers see the token's volume.",
    ),
    Annotation(
        key=TOKEN_FILE,
        form="a file name without /",
        default="--token-file (token)",
        about="The token's file in that volume.",
    ),
    Annotation(
        key=CPU_REQUEST,
        form="a Kubernetes quantity, for example 5m",
        default="--injector-cpu-request (5m)",
        about="CPU request of the injected container.",
    ),
    Annotation(
        key=CPU_LIMIT,
        form="a Kubernetes quantity, for example 100m, or none",
        default="--injector-cpu-limit (none)",
        about="CPU limit of the injected container, for namespaces whose ResourceQuota demands one.",
    ),
    Annotation(
        key=MEMORY_REQUEST,
        form="a Kubernetes quantity, for example 16Mi",
        default="--injector-memory-request (16Mi)",
        about="Memory request of the injected container.",
    ),
    Annotation(
        key=MEMORY_LIMIT,
        form="a Kubernetes quantity, for example 64Mi, or none",
        default="--injector-memory-limit (64Mi)",
        about="Memory limit of the injected container.",
    ),
    Annotation(
        key=SECRETS,
        places=("pod",),
        form="true, arns or false",
        default="none; with the label admission.token-injector/enabled, true for what the pod itself says: less than "
        '"true", as nobody looks into ConfigMaps and Secrets then',
        about="Which values are references: sm://, ssm://, ssm-path://, ddb:// and ${…}, in variables of the pod, of "
        "ConfigMaps and of Secrets; also whole values that are ARNs; none of these; piggy's hold by its annotations.",
    ),
    Annotation(
        key=SECRET_DELIVERY,
        places=("pod",),
        form="auto, envfile or launcher",
        default="auto: envfile where every kubelet knows env files and no variable comes from a Secret, else launcher",
        about="How values reach the containers: from files that the kubelet reads, or by a launcher that starts the "
        "application.",
    ),
    Annotation(
        key=SECRET_IDENTITY,
        places=("pod",),
        form="direct or broker",
        default="direct; broker where piggysec.com/piggy-address is set",
        about="Who reads: the injected container with the pod's own role, or the broker.",
    ),
    Annotation(
        key=SECRET_ROTATION,
        places=("pod",),
        form="none, file, signal:NAME or restart, for example signal:HUP",
        default="none",
        about="What happens when a secret has a new version: files change, the application gets a signal, or it is "
        "started again.",
    ),
    Annotation(
        key=SECRET_ROTATION_INTERVAL,
        places=("pod",),
        form="a whole number of seconds from 30 to 86400",
        default="300",
        about="Seconds between two looks for new versions.",
    ),
    Annotation(
        key=SECRET_METRICS_PORT,
        places=("pod",),
        form="a port from 1024 to 65535",
        default="none",
        about="Where the injected sidecar tells Prometheus whether the secrets are stale.",
    ),
    Annotation(
        key=SECRET_FILE_PREFIX,
        named="NAME",
        places=("pod",),
        form="text with references, for example sm://prod/tls#key",
        default="none",
        about="The content of the file NAME, which every container sees that is not skipped.",
    ),
    Annotation(
        key=SECRET_FILES_PATH,
        places=("pod",),
        form="an absolute path without ., .., a colon, a $ or a blank; not / and not ending in /",
        default="/var/run/secrets/token-injector",
        about="Where containers see these files.",
    ),
    Annotation(
        key=SECRET_UNRESOLVED,
        places=("pod",),
        form="fail or keep",
        default="fail; keep where piggysec.com/piggy-ignore-no-env is true",
        about="What becomes of a variable whose reference cannot be resolved: the application does not start, or it "
        "sees the text as it was written.",
    ),
    Annotation(
        key=ENTRYPOINT_PREFIX,
        named="CONTAINER",
        places=("pod",),
        form='a JSON array, for example ["/app", "serve"], or {"entrypoint": [...], "cmd": [...]}',
        default="the command, or else what the image's registry says",
        about="What the launcher starts in a container whose command is not in the manifest.",
    ),
)
