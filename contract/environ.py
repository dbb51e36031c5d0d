"""Environment variables: who writes each, and who reads it."""

# Written by the webhook into the application's containers; read by every AWS SDK.
AWS_WEB_IDENTITY_TOKEN_FILE = "AWS_WEB_IDENTITY_TOKEN_FILE"
AWS_ROLE_ARN = "AWS_ROLE_ARN"
AWS_ROLE_SESSION_NAME = "AWS_ROLE_SESSION_NAME"
AWS_REGION = "AWS_REGION"
AWS_DEFAULT_REGION = "AWS_DEFAULT_REGION"
AWS_STS_REGIONAL_ENDPOINTS = "AWS_STS_REGIONAL_ENDPOINTS"

# Written by the pod's author; read by AWS SDKs before the web identity, so the webhook warns about them.
AWS_ACCESS_KEY_ID = "AWS_ACCESS_KEY_ID"
AWS_SECRET_ACCESS_KEY = "AWS_SECRET_ACCESS_KEY"
AWS_PROFILE = "AWS_PROFILE"
AWS_DEFAULT_PROFILE = "AWS_DEFAULT_PROFILE"
AWS_CONFIG_FILE = "AWS_CONFIG_FILE"

# Written by the operator (or by the webhook into the injected container); read by the token tool and by google-auth:
# the metadata server's host[:port], metadata.google.internal where absent.
GCE_METADATA_HOST = "GCE_METADATA_HOST"

# Written by the image (or the demo); read by the launcher: the command, separated by spaces, that does one refresh.
REFRESHER_COMMAND = "TOKEN_INJECTOR_REFRESH_COMMAND"
# Written by tests and the demo only; read by launcher and refresher: every wait is divided by this whole number.
TIME_DIVISOR = "TOKEN_INJECTOR_TIME_DIVISOR"
# Written by the webhook into the injected container; read by launcher and refresher: where the last reason goes.
TERMINATION_LOG = "TOKEN_INJECTOR_TERMINATION_LOG"

# Written by the operator; read by the webhook (the seed's two; every other setting is TOKEN_INJECTOR_ and its flag).
LOG_LEVEL = "LOG_LEVEL"
LOG_JSON = "LOG_JSON"
SETTING_PREFIX = "TOKEN_INJECTOR_"

# Written by gtoken, EKS and pfnet webhooks into pods that migrate; read by nobody of ours, listed for the migration.
AWS_CONTAINER_CREDENTIALS_FULL_URI = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
