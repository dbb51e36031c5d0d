"""A thousand pods start at once and ask the broker for five shared secrets: how often is AWS asked, and does one fail?

One broker process as operators start it, real gunicorn and TLS; twenty identities; AWS throttles half of all requests.
piggy's proxy asks STS and Secrets Manager once for each pod.
"""

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.result import BenchError, Result
from bench.storm_cloud import Cloud

PODS, IDENTITIES, SECRETS = 1000, 20, 5
_CROWDS = 2
_START_SECONDS = 30.0
_ROOT = Path(__file__).parent.parent


def measure() -> list[Result]:
    """Counts of one storm."""
    with (
        tempfile.TemporaryDirectory() as name,
        Cloud(pods=PODS, identities=IDENTITIES, secrets=SECRETS) as cloud,
    ):
        folder = Path(name)
        certify = [sys.executable, "-m", "certjob", "certify", "--output-dir", name]
        subprocess.run(certify, check=True, capture_output=True, cwd=_ROOT)
        with _broker(cloud, folder) as address:
            told = _storm(cloud, folder, address)
        exchanges, reads, throttled = cloud.aws.exchanges(), dict(cloud.aws.reads), cloud.aws.throttled
    failed = [each for each in told if not isinstance(each, float)]
    for each in failed[:3]:
        print(f"  a pod failed: {each}", file=sys.stderr)
    if len(exchanges) < IDENTITIES or len(reads) < IDENTITIES * SECRETS or not throttled:
        raise BenchError(f"the storm did not reach AWS: {len(exchanges)} identities, {len(reads)} reads")
    return _results(max(exchanges.values()), max(reads.values()), len(failed), told)


def _results(exchanges: int, reads: int, failed: int, told: list[float | str]) -> list[Result]:
    per_identity = PODS / IDENTITIES
    each = "one for each pod, as piggy's proxy"
    seconds = max((wait for wait in told if isinstance(wait, float)), default=0.0)
    return [
        _count("STS calls that succeed, an identity", each, per_identity, exchanges, 1),
        _count("reads that succeed, an identity and secret", each, per_identity, reads, 1),
        _count("pods that fail, half of all calls throttled", "none", 0, failed, 0),
        Result(
            name="until the last of 1,000 pods has its secrets",
            floor="told only: pods, broker and AWS share this machine",
            floor_value=0.0,
            value=seconds,
            unit="s",
            bound=None,
            is_ratio=False,
        ),
    ]


def _count(name: str, floor: str, floor_value: float, value: int, bound: int) -> Result:
    return Result(
        name=name,
        floor=floor,
        floor_value=floor_value,
        value=float(value),
        unit="calls" if bound else "pods",
        bound=float(bound),
        is_ratio=False,
    )


@contextmanager
def _broker(cloud: Cloud, folder: Path) -> Iterator[str]:
    """HOST:PORT of a broker that serves."""
    files = [f"--tls-cert-file={folder}/tls.crt", f"--tls-private-key-file={folder}/tls.key"]
    line = [sys.executable, "-m", "secretenv.broker.cli", "broker", "--listen-address=127.0.0.1:0", *files]
    environ = {**os.environ, **cloud.aws.environment(), "PYTHONPATH": str(_ROOT)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*line, *cloud.flags(folder)], stdout=subprocess.PIPE, stderr=log, env=environ, cwd=_ROOT, text=True
        )
    said: queue.Queue[str] = queue.Queue()

    def read() -> None:
        assert process.stdout
        for text in process.stdout:
            if '"event":"listening"' in text:
                said.put(json.loads(text)["address"])

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield said.get(timeout=_START_SECONDS)
    except queue.Empty:
        raise BenchError(f"the broker does not start: {(folder / 'log').read_text()[-2000:]}") from None
    finally:
        process.terminate()
        process.wait(30)
        reader.join(10)
        assert process.stdout
        process.stdout.close()


def _storm(cloud: Cloud, folder: Path, address: str) -> list[float | str]:
    """What each pod says; in several processes, as one would be slower than the broker."""
    questions = cloud.questions()
    crowds = []
    for number in range(_CROWDS):
        file = folder / f"questions-{number}"
        file.write_text(json.dumps(questions[number::_CROWDS]))
        line = [sys.executable, "-m", "bench.storm_pods", address, f"{folder}/ca.crt", str(file)]
        crowds.append(subprocess.Popen(line, stdout=subprocess.PIPE, cwd=_ROOT, text=True))
    return [each for crowd in crowds for each in json.loads(crowd.communicate(timeout=300)[0])]
