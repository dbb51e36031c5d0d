"""20 references in 5 secrets, read with the pod's own role, whole process: instructions, and milliseconds to compare.

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
from demo.fakes.google import GoogleSigner
from demo.fakes.sts import ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY, Role, StsServer
from images.aws_data import OPERATIONS, cut

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
OURS = """
import sys; sys.path[:0] = sys.argv[1:]
import json, time
from secretenv.references import Secret
from secretenv.stores.aws import Aws
from secretenv.stores.clients import Clients
references = [(Secret(f"app/{secret}"), f"key{key}") for secret in range(5) for key in range(4)]
store = Aws(Clients(region="eu-west-1"), clock=time.monotonic)
found = store.fetch({source for source, _ in references}, timeout=60)
objects = {source: json.loads(outcome.value) for source, outcome in found.items()}
print(len([objects[source][key] for source, key in references]))
"""


def measure() -> list[Result]:
    """The ratio of instructions, and of the medians of interleaved runs."""
    installed = Path(botocore.__file__).parent.parent
    signer = GoogleSigner()
    with StsServer(google_jwks=signer.jwks) as aws, tempfile.TemporaryDirectory() as folder:
        environment = _environment(aws, signer, Path(folder))
        plain = [sys.executable, "-I", "-S", "-c", PLAIN, str(installed)]
        ours = [sys.executable, "-I", "-S", "-c", OURS, str(_ROOT)]
        whole = [*ours, str(installed)]
        image = [*ours, str(_cut(installed, Path(folder))), str(installed)]
        _check(plain, environment, _KEYS)
        for command in (whole, image):
            _check(command, environment, _SECRETS * _KEYS)
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


def _check(command: list[str], environment: dict[str, str], values: int) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    if done.stdout.strip() != str(values):
        raise BenchError(f"expected {values} values, got {done.stdout.strip() or done.stderr[-300:]}")


def _milliseconds(command: list[str], environment: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)
    return (time.perf_counter() - started) * 1000
