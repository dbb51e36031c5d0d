// On what the launcher and the other programs must agree: the contract's names and numbers, each as it stands there. A
// test compares the two, because C cannot import Python.
#ifndef CONTRACT_H
#define CONTRACT_H

// contract/environ.py
#define REFRESHER_COMMAND "TOKEN_INJECTOR_REFRESH_COMMAND"
#define TIME_DIVISOR "TOKEN_INJECTOR_TIME_DIVISOR"
#define TERMINATION_LOG_VARIABLE "TOKEN_INJECTOR_TERMINATION_LOG"

// contract/pod.py
#define AWAIT_COMMAND "await"
#define PYTHON_REFRESHER "/usr/bin/python3 -I -S /opt/token-injector"
#define TERMINATION_LOG "/dev/termination-log"
#define PERMANENT_PREFIX "permanent: "

// contract/refresh.py; waits are in seconds before the time divisor.
#define REPORT_FD_FLAG "--report-fd"
#define REPORT_FD 3
#define REPORT_NEXT "next"
#define REPORT_ERROR "error"
#define REPORT_LIMIT 1024
#define BACKOFF_FIRST 1
#define BACKOFF_CAP 60
#define CHILD_DEADLINE 60
#define AWAIT_TIMEOUT 120

// contract/exit_codes.py
#define EXIT_OK 0
#define EXIT_USAGE 2
#define EXIT_PERMANENT_FIRST 10
#define EXIT_PERMANENT_LAST 19
#define EXIT_SOURCE_UNAVAILABLE 20
#define EXIT_AWAIT_TIMEOUT 31
#define EXIT_SECRETS_NOT_WRITTEN 34
#define EXIT_INTERNAL 70

// contract/secrets.py; waits are in seconds before the time divisor.
#define PLAN "TOKEN_INJECTOR_SECRETS"
#define SOCKETS "TOKEN_INJECTOR_SECRET_SOCKETS"
#define METRICS_PORT "TOKEN_INJECTOR_METRICS_PORT"
#define METRICS_PORT_FIRST 1024
#define METRICS_PORT_LAST 65535
#define STATE_DIRECTORY "TOKEN_INJECTOR_SECRET_STATE"
#define INJECTOR_PATH "/var/run/token-injector"
#define STATE_VOLUME "token-injector-state"
#define READY_FILE "ready"
#define METRICS_FILE "metrics"
#define METRICS_TYPE "text/plain; version=0.0.4"
#define SECRETS_COMMAND "secrets"
#define SOCKETS_FLAG "--sockets"
#define SOCKET_FD 4
#define EXEC_COMMAND "exec"
#define EXPANDED_FLAG "--expanded"
#define TERMINATION_LOG_FLAG "--termination-log"
#define APPLICATION_PATH "/var/run/token-injector"
#define SOCKET_FILE "socket"
#define ENV_FILE "env"
#define GENERATION_FILE "generation"
#define MAGIC "token-injector secrets 1\n"
#define ASIDE "TOKEN_INJECTOR_ASIDE=1"
#define RECORD_SET "S "
#define RECORD_UNSET "U "
#define RECORD_ERROR "E "
#define RECORD_END "."
#define MARKERS {"piggy:", "sm://", "ssm://", "ssm-path://", "ddb://", "arn:"}
#define VARIABLE_LIMIT 131072
#define MESSAGE_LIMIT 8388608
#define EXEC_UNREACHABLE 120
#define EXEC_REFUSED 121
#define EXEC_MALFORMED 122
#define EXEC_ROTATED 123
#define EXEC_USAGE 124
#define EXEC_INTERNAL 125
#define EXEC_NOT_EXECUTABLE 126
#define EXEC_NOT_FOUND 127
#define EXEC_TIMEOUT 120
#define GENERATION_POLL 5

#endif
