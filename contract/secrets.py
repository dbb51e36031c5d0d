"""The secret env shim: on what webhook, injector, launcher and broker must agree.

The launcher (C) cannot import this; a test compares it with launcher.h.
"""

# Written by the webhook into the injected container. The plan (secretenv/plan.py) says what goes where, as JSON; it
# holds references, never values. The sockets' paths are separated by colons: the launcher listens, one for each
# container of the plan whose delivery is "socket", in the plan's order.
PLAN = "TOKEN_INJECTOR_SECRETS"
SOCKETS = "TOKEN_INJECTOR_SECRET_SOCKETS"
# The port at which the launcher tells everybody METRICS_FILE over HTTP; where it is absent there is none.
METRICS_PORT = "TOKEN_INJECTOR_METRICS_PORT"
METRICS_PORT_FIRST = 1024
METRICS_PORT_LAST = 65535
# These variables of the injected container hold what the application's container will have, which the kubelet alone
# knows: under this prefix, the container's index in the plan, and "_".
COPIED_PREFIX = "TOKEN_INJECTOR_COPIED_"

# Written by tests and the demo only; read by the injected container: where the state volume is mounted, and where the
# launcher lies that is copied into the volumes of containers (contract.pod.LAUNCHER where absent).
STATE_DIRECTORY = "TOKEN_INJECTOR_SECRET_STATE"
LAUNCHER_SOURCE = "TOKEN_INJECTOR_LAUNCHER"

# The Python command that delivers: `secrets [--report-fd=3 --sockets=N] [--deadline=S]`. Where the container fetches a
# token too it is the token's with the sockets' flag more, `--file=FILE … --report-fd=3 --sockets=N`: the first token is
# fetched while what reads secrets is imported.
SECRETS_COMMAND = "secrets"
SOCKETS_FLAG = "--sockets"
# The first socket that the child of the launcher inherits; the others follow.
SOCKET_FD = 4

# The word for the launcher in the application's container:
# `exec --from=… [--timeout=S] [--termination-log=…] [--expanded=NAME…] [--supervise=… [--stop-signal=…]] -- argv…`.
EXEC_COMMAND = "exec"
# A variable that may be a reference and that the kubelet expands, by $(NAME), before the launcher runs: where its text
# was one, the launcher does not start what has that text.
EXPANDED_FLAG = "--expanded"
# Where the kubelet reads the container's last words, if not where it does by default.
TERMINATION_LOG_FLAG = "--termination-log"

# Where the application's container sees the launcher and, beside it, its socket or its env file.
APPLICATION_PATH = "/var/run/token-injector"
# Where the injected container sees the volume of each container, by volume name.
INJECTOR_PATH = "/var/run/token-injector"
LAUNCHER_FILE = "launcher"
SOCKET_FILE = "socket"
ENV_FILE = "env"
# Content changes when a value of the container's has changed; a supervising launcher looks at it.
GENERATION_FILE = "generation"
# In the state volume, which the injected container alone has: everything is in its place, the hook may end.
READY_FILE = "ready"
# Beside it: numbers in Prometheus' text form, and what the port is called in the pod.
METRICS_FILE = "metrics"
METRICS_TYPE = "text/plain; version=0.0.4"
METRICS_PORT_NAME = "ti-metrics"
# Where files made of references appear (annotation secret-file.NAME).
FILES_PATH = "/var/run/secrets/token-injector"

# Names in the pod. A container's volume: the prefix and the container's name, or a hash of it where that is too long.
SECRETS_CONTAINER = "token-injector-secrets"
VOLUME_PREFIX = "token-injector-secrets-"
STATE_VOLUME = "token-injector-state"
FILES_VOLUME = "token-injector-files"
BROKER_TOKEN_VOLUME = "token-injector-broker-token"
BROKER_TOKEN_PATH = "/var/run/secrets/token-injector-broker"
BROKER_TOKEN_FILE = "token"
# The audience of the token that a pod shows the broker; no other service takes it.
BROKER_AUDIENCE = "token-injector-broker"

# An answer, on the socket and in the env file: MAGIC, then records that end with NUL: "S NAME=VALUE" sets, "U NAME"
# unsets, "E REASON" says no, and "." is the last one. A request: MAGIC, ASIDE where it is a probe, a hook or a person
# who asks, "NAME=VALUE" for each of the container's own variables that has one of MARKERS in its value, and an empty
# record. What is given aside is not what the container has: its rotation does not look at it.
MAGIC = "token-injector secrets 1\n"
ASIDE = "TOKEN_INJECTOR_ASIDE=1"
RECORD_SET, RECORD_UNSET, RECORD_ERROR, RECORD_END = "S ", "U ", "E ", "."
MARKERS = ("piggy:", "sm://", "ssm://", "ssm-path://", "ddb://", "arn:")
# Linux' MAX_ARG_STRLEN: the longest "NAME=VALUE" with its NUL. Longer values go into a file.
VARIABLE_LIMIT = 131072
# Of a whole answer; Linux gives a process's arguments and environment 6 MiB at most.
MESSAGE_LIMIT = 8 << 20
# Of a whole request, and of the references in it: how many, and the bytes of their text. The injected container has the
# memory of several at a time, and remembers in a small volume what was delivered.
REQUEST_LIMIT = 1 << 20
REFERENCES_LIMIT = 256
REFERENCES_BYTES = 64 << 10

# Exit codes of the launcher in an application's container, beside those of the application itself.
EXEC_UNREACHABLE = 120
EXEC_REFUSED = 121
EXEC_MALFORMED = 122
EXEC_ROTATED = 123
EXEC_USAGE = 124
EXEC_INTERNAL = 125
EXEC_NOT_EXECUTABLE = 126
EXEC_NOT_FOUND = 127

# Seconds before the time divisor: how long `exec` waits for its sidecar; how long the launcher's child tries to resolve
# before it reports, and how long an init container does; between two looks at GENERATION_FILE; until a
# served child ends when no container has asked it; between two polls of versions where no annotation says otherwise.
EXEC_TIMEOUT = 120
RESOLVE_DEADLINE = 30
INIT_DEADLINE = 120
GENERATION_POLL = 5
LINGER = 20
ROTATION_INTERVAL = 300
