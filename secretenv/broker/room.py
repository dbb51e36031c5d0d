"""How much does a worker process remember, and of what? Bytes; nothing else of what pods ask for is kept.

Each memory has its own share, so that what a pod can make many of (names that AWS refuses, tokens that STS denies) puts
out no value and no session. Together they leave the chart's limit of 512 Mi to Python, threads, and botocore's clients
of `--most-regions` regions.
"""

MOST = 96 << 20

VALUES = 48 << 20
VERSIONS = 6 << 20
REFUSALS = 10 << 20
"""Of secrets, parameters and items."""
SESSIONS = 16 << 20
SESSION = 8 << 10
"""One session: its credentials, and what asks with them in a few regions; measured 3 to 6 KiB."""
SESSION_REFUSALS = 6 << 20
DENIED_TOKENS = 6 << 20
DENIED_IDENTITIES = 2 << 20
ACCEPTED_IDENTITIES = 2 << 20
