"""What `--help` prints; a test compares it with the flags that exist."""

from __future__ import annotations

HELP = """\
usage: token-injector --file=PATH [--refresh] [FLAGS]
       token-injector secrets [--deadline=120]
       token-injector await FILE... [--timeout=120]

Fetches a web identity token for AWS and writes it to a file, whole or not at all.
Flags are Go's: one or two dashes, --flag=value or --flag value, switches as --refresh, --refresh=true|1|t.

  --file=PATH             where the token goes (AWS_WEB_IDENTITY_TOKEN_FILE); its folder must exist
  --refresh[=true|false]  true: stay, and refresh at 50 to 80 % of the token's life; failures are retried for ever
                          (default false: one token, then end)
  --audience=TEXT         the token's aud (default token-injector/sts/assume-role-with-web-identity)
  --once-if-stale         if the file's token is for this audience and before half its life, fetch none
  --min-lifetime=SECONDS  a token with less left is written, but counts as near its end: a better one is asked for,
                          with --refresh every 30 s, without it until --deadline (default 60)
  --deadline=SECONDS      how long one token may take, retries included (default 60); no effect with --refresh
  --print                 write the token to stdout; nothing else ever does
  --log-level=LEVEL       debug, info, warning or error; JSON lines on stderr (default info)
  --report-fd=N           the launcher's: one try, and the result as a line on this descriptor
  -h, --help              this text
  -v, --version           the version

where the token comes from:
  --source=gke-metadata   GKE's metadata server; needs no role but workloadIdentityUser (default)
  --source=iam-credentials --impersonate-service-account=EMAIL
                          IAM Credentials' generateIdToken with the ambient Google credentials; azp stays numeric
  --source=adc [--impersonate-service-account=EMAIL]
                          google-auth's application default credentials, outside GKE; with a service account's key
                          azp is its e-mail, with --impersonate-service-account the number
  --source=file --source-file=PATH
                          a token that something else writes

secrets: reads the secrets of the plan in TOKEN_INJECTOR_SECRETS from AWS or the broker, and puts them where the
application's containers look; unavailable ones are asked for again until --deadline. With a plan in its environment
the token's command above does the same after the token, where it does not --refresh; the launcher's with --sockets.

  --deadline=SECONDS      how long that may take (default 120; with --report-fd 30)
  --sockets=N             the launcher's, with --report-fd: so many sockets to answer, from descriptor 4

await: ends when each FILE has something in it, a token for example; fails at once if the refresher's reason is
permanent, or after --timeout seconds.

environment:
  GCE_METADATA_HOST               HOST[:PORT] of the metadata server (default metadata.google.internal)
  TOKEN_INJECTOR_TERMINATION_LOG  where the last reason goes (default /dev/termination-log)
  TOKEN_INJECTOR_SECRETS          what to deliver where, as JSON; the webhook writes it
  TOKEN_INJECTOR_TIME_DIVISOR     tests only: every wait is divided by this whole number

exit codes: 0 a token is there; 2 wrong flag or variable; 10 no Google service account, 11 audience refused, 13 a
secret or key is not there, 14 a secret refused (somebody has to act); 20 source unavailable, 21 token refused,
22 secrets unavailable, 30 token not written, 31 await timed out, 34 secrets not written; 70 a bug.

example:
  token-injector --file=/var/run/secrets/aws/token/token --refresh=true
"""
