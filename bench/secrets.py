"""20 references in 5 secrets, read with the pod's own role, the injected program whole: instructions, and milliseconds.

Against a plain botocore script that reads one secret with the same role, on the same interpreter. Once with botocore as
pip installs it, and once with what the image has of it (images/aws_data.py).
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import botocore
import botocore.session

from bench.result import BenchError, Result
from bench.token import instructions
from contract import environ, secrets
from demo.fakes.google import GoogleSigner
from demo.fakes.sts import ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY, Role, StsServer
from images.aws_data import OPERATIONS, cut
from secretenv.plan import ContainerPlan, Plan, Variable, to_json
from secretenv.references import Syntax

BOUND = 1.3
_SECRETS, _KEYS = 5, 4
_ROUNDS = 7
_ROOT = Path(__file__).parent.parent
_AUDIENCE = "sts.amazonaws.com"
_ROLE = "arn:aws:iam::123456789012:role/reader"

# Each gets the folders of its modules as arguments, as -I takes no other way.
PLAIN = """
import sys; sys.path[:0] = sys.argv[1:]
import json
import botocore.session
client = botocore.session.Session().create_client("secretsmanager", region_name="eu-west-1")
print(len(json.loads(client.get_secret_value(SecretId="app/0")["SecretString"])))
"""
# The injected program itself, as the init container of a pod: from its settings to the files that the kubelet reads.
OURS = """
import sys
folders = sys.argv[1:]
sys.path[:0], sys.argv = folders, ["injector", "secrets"]
from injector.cli import leave, main
leave(main())
"""


def measure() -> list[Result]:
    """The ratio of instructions, and of the medians of interleaved runs."""
    installed = Path(botocore.__file__).parent.parent
    signer = GoogleSigner()
    with StsServer(google_jwks=signer.jwks) as aws, tempfile.TemporaryDirectory() as folder:
        delivered = Path(folder) / "delivered"
        delivered.mkdir()
        environment = _environment(aws, signer, Path(folder)) | _asked(delivered)
        plain = [sys.executable, "-I", "-S", "-c", PLAIN, str(installed)]
        ours = [sys.executable, "-I", "-S", "-c", OURS, str(_ROOT)]
        whole = [*ours, str(installed)]
        image = [*ours, str(_cut(installed, Path(folder))), str(installed)]
        if _output(plain, environment).strip() != str(_KEYS):
            raise BenchError("the plain script read no secret")
        for command in (whole, image):
            _check(command, environment, delivered)
        floor = instructions(plain, environment)
        rows = [
            _row(name, floor, instructions(command, environment), BOUND)
            for name, command in (("20 references, whole botocore", whole), ("20 references, as in the image", image))
        ]
        runs = [[_milliseconds(command, environment) for command in (plain, image)] for _ in range(_ROUNDS)]
    plain_ms, image_ms = (statistics.median(column) for column in zip(*runs, strict=True))
    told = _row("20 references, as in the image, wall clock", plain_ms, image_ms, None)
    return [*rows, told]


def _row(name: str, floor: float, value: float, bound: float | None) -> Result:
    counted = bound is not None
    return Result(
        name=name,
        floor="plain botocore script: assume the role, GetSecretValue of one secret",
        floor_value=floor / 1e6 if counted else floor,
        value=value / 1e6 if counted else value,
        unit="M instr" if counted else "ms",
        bound=bound,
    )


def _environment(aws: StsServer, signer: GoogleSigner, folder: Path) -> dict[str, str]:
    condition = {"accounts.google.com:sub": signer.unique_id, "accounts.google.com:oaud": _AUDIENCE}
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": "accounts.google.com"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": condition},
    }
    aws.roles[_ROLE] = Role(trust_policy={"Version": "2012-10-17", "Statement": [statement]})
    session = botocore.session.Session()
    session.set_credentials(ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY)
    owner = session.create_client("secretsmanager", region_name="eu-west-1", endpoint_url=aws.url)
    for number in range(_SECRETS):
        content = {f"key{key}": f"value {key} of {number}" for key in range(_KEYS)}
        owner.create_secret(Name=f"app/{number}", SecretString=json.dumps(content))
    token = folder / "token"
    token.write_text(signer.id_token(_AUDIENCE))
    return {
        **aws.environment(),
        "PATH": os.defpath,
        "AWS_ROLE_ARN": _ROLE,
        "AWS_ROLE_SESSION_NAME": "shop.app",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
    }


def _asked(delivered: Path) -> dict[str, str]:
    """What the webhook writes into the injected container: a plan of one container, by env files."""
    variables = tuple(
        Variable(name=f"V{secret}_{key}", text=f"sm://app/{secret}#key{key}")
        for secret in range(_SECRETS)
        for key in range(_KEYS)
    )
    container = ContainerPlan(name="app", delivery="envfile", directory=str(delivered), variables=variables)
    plan = Plan(syntax=Syntax(ours=True, arns=False, piggy=None), containers=(container,))
    return {
        secrets.PLAN: to_json(plan),
        environ.AWS_REGION: "eu-west-1",
        environ.TERMINATION_LOG: str(delivered.parent / "termination-log"),
    }


def _cut(installed: Path, folder: Path) -> Path:
    """A botocore with the data of the image, and everything else as installed."""
    place = folder / "image/botocore"
    (place / "data").mkdir(parents=True)
    for part in (installed / "botocore").iterdir():
        if part.name != "data":
            (place / part.name).symlink_to(part)
    data = installed / "botocore/data"
    for source in [*data.glob("*.json"), *(path for service in OPERATIONS for path in data.glob(f"{service}/*/*"))]:
        target = place / "data" / source.relative_to(data)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    cut(place / "data")
    return place.parent


def _check(command: list[str], environment: dict[str, str], delivered: Path) -> None:
    """Every variable has its file, with its value in it. Takes them away again."""
    said = _output(command, environment)
    for secret in range(_SECRETS):
        for key in range(_KEYS):
            file = delivered / f"V{secret}_{key}.env"
            if not file.is_file() or f"value {key} of {secret}" not in file.read_text():
                raise BenchError(f"{file.name} was not delivered: {said[-300:]}")
            file.unlink()


def _output(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise BenchError(f"exit code {done.returncode}: {done.stderr[-300:] or done.stdout[-300:]}")
    return done.stdout


def _milliseconds(command: list[str], environment: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)
    return (time.perf_counter() - started) * 1000
