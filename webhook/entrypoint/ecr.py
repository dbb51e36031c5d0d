"""A password for Amazon's registries, by the webhook's own federated role.

Only where the webhook has a web identity (AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE); botocore is imported when the
first image of such a registry is asked for. Its default chain is not used: its time limits are a minute long.
"""

import base64
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from contract.environ import AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE
from webhook.entrypoint.credential import Credential, Offers
from webhook.entrypoint.deadline import Deadline
from webhook.entrypoint.image_name import ImageName
from webhook.entrypoint.question import Wanted

# https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html; the region is the registry's.
_HOST = re.compile(
    r"[0-9]{12}\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws|sc2s\.sgov\.gov|c2s\.ic\.gov)"
)
_SESSION_NAME = "token-injector-webhook"
# A password holds twelve hours; the session behind it, one.
_HOLDS = 3000.0
_REST = 30.0


class EcrCredentials:
    """A `Source`."""

    def __init__(self, environ: Mapping[str, str], *, clock: Callable[[], float]) -> None:
        """`clock` is monotonic seconds."""
        self._role = environ.get(AWS_ROLE_ARN)
        self._token_file = environ.get(AWS_WEB_IDENTITY_TOKEN_FILE)
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[Offers, float]] = {}
        """By region, until when: a password opens every registry of the region that the role may read."""

    def __call__(self, name: ImageName, _: Wanted, deadline: Deadline) -> Offers:
        """The password."""
        found = _HOST.fullmatch(name.registry)
        if not found or not self._role or not self._token_file:
            return Offers()
        region = found[1]
        with self._lock:
            offers, until = self._known.get(region, (Offers(), float("-inf")))
            if self._clock() >= until:
                offers = self._ask(region, self._role, self._token_file, deadline.left())
                self._known[region] = offers, self._clock() + (_HOLDS if offers.credentials else _REST)
            return offers

    def _ask(self, region: str, role: str, token_file: str, timeout: float) -> Offers:
        origin = f"ECR by the webhook's role {role}"
        try:
            import botocore.exceptions  # noqa: PLC0415 - half a second, for those who need it
        except ModuleNotFoundError:
            return Offers(problems=[f"{origin}: botocore is not installed"])
        try:
            token = Path(token_file).read_text(encoding="ascii").strip()
            user, _, password = _password(region, role, token, timeout).partition(":")
        except (OSError, UnicodeDecodeError) as exc:
            return Offers(problems=[f"{origin}: {token_file}: {getattr(exc, 'strerror', None) or 'not a token'}"])
        except botocore.exceptions.ClientError as exc:
            code = exc.response.get("Error", {}).get("Code", "")
            remedy = "see its trust policy, and that it allows ecr:GetAuthorizationToken"
            return Offers(problems=[f"{origin}: {exc.operation_name} in {region}: {code}: {remedy}"])
        except botocore.exceptions.BotoCoreError as exc:
            return Offers(problems=[f"{origin}: {region}: {type(exc).__name__}"])
        return Offers(credentials=[Credential(origin=origin, username=user, password=password)])


def _password(region: str, role: str, token: str, timeout: float) -> str:
    """USER:PASSWORD. Raises botocore's ClientError and BotoCoreError."""
    import botocore.session  # noqa: PLC0415 - as above
    from botocore import UNSIGNED  # noqa: PLC0415 - as above
    from botocore.config import Config  # noqa: PLC0415 - as above

    session = botocore.session.Session()
    limits = Config(
        connect_timeout=min(timeout, 2.0),
        read_timeout=timeout / 2,
        retries={"total_max_attempts": 1, "mode": "standard"},
    )
    sts = session.create_client("sts", region_name=region, config=limits.merge(Config(signature_version=UNSIGNED)))
    assumed: dict[str, Any] = sts.assume_role_with_web_identity(
        RoleArn=role, RoleSessionName=_SESSION_NAME, WebIdentityToken=token
    )["Credentials"]
    ecr = session.create_client(
        "ecr",
        region_name=region,
        config=limits,
        aws_access_key_id=assumed["AccessKeyId"],
        aws_secret_access_key=assumed["SecretAccessKey"],
        aws_session_token=assumed["SessionToken"],
    )
    (data,) = ecr.get_authorization_token()["authorizationData"]
    return base64.b64decode(data["authorizationToken"]).decode()
