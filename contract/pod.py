"""What stands in an injected pod: names and paths.

Written by the webhook; read by the injected container and by people.
"""

# Defaults of the webhook's flags --volume-name, --volume-path and --token-file, as the seed has them.
VOLUME_NAME = "token-injector-volume"
VOLUME_PATH = "/var/run/secrets/aws/token"
TOKEN_FILE = "token"

# The init container of the pair; the refresher, native sidecar or ordinary container.
GENERATE_CONTAINER = "generate-gcp-id-token"
UPDATE_CONTAINER = "update-gcp-id-token"

# The launcher in the injected container's image, and its word for the postStart hook.
LAUNCHER = "/token-injector"
AWAIT_COMMAND = "await"
# The refresher without the launcher, in the same image.
PYTHON_REFRESHER = ("/usr/bin/python3", "-I", "-S", "/opt/token-injector")
# The numeric user of the image, as restricted pods need one.
USER_ID = 65532

# Kubernetes' default terminationMessagePath: written by the launcher, read by `await`, the kubelet and people.
TERMINATION_LOG = "/dev/termination-log"
# First words of that file's line after an error that no retry can mend; `await` fails at once on them.
PERMANENT_PREFIX = "permanent: "

# The audience of the seed's tokens, which existing trust policies may require as accounts.google.com:oaud.
GOOGLE_AUDIENCE = "token-injector/sts/assume-role-with-web-identity"
# The audience of EKS's tokens, the client ID of the IAM OIDC provider.
CLUSTER_AUDIENCE = "sts.amazonaws.com"
# Before 16 letters a-z: the seed's session name, which operators look for in CloudTrail.
SESSION_NAME_PREFIX = "token-injector-webhook-"

# What gtoken and EKS leave in a pod; read only by the migration.
GTOKEN_VOLUME_NAME = "gtoken-volume"
GTOKEN_TOKEN_FILE = "gtoken"
GTOKEN_AUDIENCE = "gtoken/sts/assume-role-with-web-identity"
GTOKEN_SESSION_NAME_PREFIX = "gtoken-webhook-"
EKS_VOLUME_NAME = "aws-iam-token"
EKS_VOLUME_PATH = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
