"""Where the webhook answers.

Written into the MutatingWebhookConfiguration, probes and scrapers; served by the webhook.
"""

PODS_PATH = "/pods"
LIVE_PATH = "/healthz"
READY_PATH = "/readyz"
METRICS_PATH = "/metrics"

# kubewebhook's ID of the seed, kept in our review log lines.
WEBHOOK_ID = "init-token-injector-pods"

# Defaults of the cert job: the Service whose names the certificate carries, its namespace, the Secret, what trusts it,
# the folder.
SERVICE = "admission-webhook-svc"
NAMESPACE = "webhook"
SECRET = "webhook-certs"
CONFIGURATION = "mutating-admission-webhook-cfg"
CERTIFICATE_DIR = "/etc/webhook/certs"
TLS_CERT = "tls.crt"
TLS_KEY = "tls.key"
CA_CERT = "ca.crt"
CA_KEY = "ca.key"
