"""Which role does the pod assume, and by which token?

Pure: annotations and settings in, one frozen `WebIdentity` out.
"""

from contract import annotations as keys
from webhook import session_name, values
from webhook.decision import WebIdentity
from webhook.precedence import AnnotationError, Annotations
from webhook.settings import Settings
from webhook.values import Mode, StsRegionalEndpoints

GOOGLE_TOKEN_LIFETIME = 3600


def web_identity(gathered: Annotations, role_arn: str, settings: Settings, seed: str) -> WebIdentity:
    """The identity by which this role is assumed. Raises `AnnotationError`."""
    mode = gathered.value(keys.MODE, values.mode, settings.mode)
    audience = settings.audience if mode == "google" else settings.cluster_audience
    name, drawn = _session_name(gathered, settings, seed)
    region = gathered.value(keys.REGION, values.region, settings.region)
    return WebIdentity(
        mode=mode,
        role_arn=role_arn,
        audience=gathered.value(keys.AUDIENCE, values.audience, audience),
        token_expiration=_token_expiration(gathered, mode, settings),
        region=region,
        sts_regional_endpoints=_sts_regional_endpoints(gathered, region, settings),
        session_name=name,
        session_name_drawn=drawn,
        volume_path=gathered.value(keys.VOLUME_PATH, values.volume_path, settings.volume_path),
        token_file=gathered.value(keys.TOKEN_FILE, values.token_file, settings.token_file),
    )


def _session_name(gathered: Annotations, settings: Settings, seed: str) -> tuple[str, bool]:
    """The name, and whether it was drawn."""

    def rendered(text: str) -> tuple[str, bool]:
        template = values.session_name_template(text)
        if "{cluster}" in template and not settings.cluster_name:
            raise ValueError(
                "the webhook knows no cluster name: leave {cluster} out, or ask its operator to set --cluster-name"
            )
        name, was_cut = session_name.render(
            template, namespace=gathered.namespace, service_account=gathered.account_name, cluster=settings.cluster_name
        )
        if len(name) < session_name.SHORTEST:
            raise ValueError(
                f"expected a template that gives at least 2 characters, as STS requires; it gives {name!r}"
            )
        return name, was_cut

    found = gathered.value(keys.SESSION_NAME, rendered, None)
    if found is None and settings.session_name is None:
        return session_name.default_session_name(seed), True
    try:
        name, was_cut = found or rendered(settings.session_name or "")
    except ValueError as exc:
        raise AnnotationError(
            f"{gathered.account_place}: the webhook's setting --session-name is not valid for it: {exc}; "
            f"set the annotation {keys.SESSION_NAME}"
        ) from exc
    if was_cut:
        gathered.warn(f"AWS_ROLE_SESSION_NAME is longer than 64 characters and was cut to {name}")
    return name, False


def _token_expiration(gathered: Annotations, mode: Mode, settings: Settings) -> int:
    seconds = gathered.value(keys.TOKEN_EXPIRATION, values.token_expiration, settings.token_expiration)
    if mode == "google" and gathered.has(keys.TOKEN_EXPIRATION) and seconds != GOOGLE_TOKEN_LIFETIME:
        gathered.warn(
            f"{keys.TOKEN_EXPIRATION} has no effect in google mode: Google fixes the life of its tokens at 3600 s"
        )
    return seconds


def _sts_regional_endpoints(
    gathered: Annotations, region: str | None, settings: Settings
) -> StsRegionalEndpoints | None:
    """The setting is meant for pods whose region is known; an annotation is meant as written."""
    default = settings.sts_regional_endpoints if region else None
    return gathered.value(keys.STS_REGIONAL_ENDPOINTS, values.sts_regional_endpoints, default)
