"""Exit codes: stable, so that scripts, kubelet and launcher can tell who has to act."""

OK = 0
# A finding, not a failure: a denied pod, a trust policy that refuses, a certificate near its end.
DENIED = 1
# The command line or a setting is wrong; the message names it. As with 10 to 19, `await` fails at once.
USAGE = 2

# 10 to 19: no retry can mend it. The launcher's `await` fails at once.
NO_SERVICE_ACCOUNT = 10
AUDIENCE_REFUSED = 11
# The cert job: a Secret or a configuration is somebody else's, and was left alone.
NOT_OURS = 12
# A secret, a key in it, or a form of it that the delivery cannot hold; the author or the secret's owner has to act. So
# has he where nobody answered as often as he wanted to ask (piggy-number-of-retry).
SECRET_UNRESOLVED = 13
# AWS or the broker says no: the owner of the role has to act.
SECRET_REFUSED = 14
PERMANENT = range(10, 20)

# 20 to 39: retried with backoff.
SOURCE_UNAVAILABLE = 20
TOKEN_REFUSED = 21
SECRETS_UNAVAILABLE = 22
TOKEN_NOT_WRITTEN = 30
AWAIT_TIMEOUT = 31
# The cert job, when its time was over: run again, it goes on where it stopped.
CLUSTER_UNAVAILABLE = 32
REPLICAS_STALE = 33
# Neither the files nor the sockets of the secrets can be made: the volume is full, missing or read-only.
SECRETS_NOT_WRITTEN = 34
TRANSIENT = range(20, 40)

# A bug of ours: the traceback is in the log.
INTERNAL = 70
