"""The application of the cluster's tests: asks STS who it is, again and again. It knows nothing of us.

First it says whether the token was there when it began. Each call is made on a fresh session, as a new process would
make it, so each one reads the token's file and assumes the role. On SIGTERM it ends at once with the sum.
"""

import argparse
import base64
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn


def first_words() -> dict[str, object]:
    """Written before anything is imported that takes time."""
    path = Path(os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere"))
    return {"began": time.time(), "token_was_there": path.exists(), "role": os.environ.get("AWS_ROLE_ARN")}


def token_ends_in() -> float | None:
    """Seconds until the token that lies there ends; None if there is none that can be read."""
    try:
        payload = Path(os.environ["AWS_WEB_IDENTITY_TOKEN_FILE"]).read_text().split(".")[1]
        return round(float(json.loads(base64.urlsafe_b64decode(payload + "=="))["exp"]) - time.time(), 1)
    except (OSError, KeyError, IndexError, ValueError):
        return None


def call() -> dict[str, object]:
    """One line about one call."""
    import boto3  # noqa: PLC0415 - takes half a second, and the first words come before it
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as boto3

    try:
        return {"arn": boto3.session.Session().client("sts").get_caller_identity()["Arn"]}
    except (ClientError, BotoCoreError, OSError) as exc:
        return {"error": f"{type(exc).__name__}: {exc}"}


def main() -> int:
    """Call --calls times (0: until SIGTERM), --every seconds; 1 if a call failed."""
    print(json.dumps(first_words()), flush=True)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1)
    parser.add_argument("--every", type=float, default=0.5)
    chosen = parser.parse_args()
    made = failed = 0

    def end(*_: object) -> NoReturn:
        print(json.dumps({"calls": made, "failed": failed}), flush=True)
        sys.exit(1 if failed else 0)

    signal.signal(signal.SIGTERM, end)
    while not chosen.calls or made < chosen.calls:
        if made:
            time.sleep(chosen.every)
        line = call()
        made += 1
        failed += "error" in line
        print(json.dumps({"at": round(time.time(), 3), "token_ends_in": token_ends_in(), **line}), flush=True)
    end()


if __name__ == "__main__":
    main()
