"""The application of the demo: plain boto3, no line about tokens. It knows nothing of us.

Every half second it asks AWS who it is, writes an object and reads it back, and prints a line of JSON about it. The
token's issue time is read only to show which token was there; the SDK reads the file by itself.
"""

import argparse
import base64
import json
import os
import time
from pathlib import Path

import boto3
from botocore.exceptions import ClientError

PAUSE_SECONDS = 0.5


def issued_at() -> int:
    """When the token that lies there now was issued."""
    payload = Path(os.environ["AWS_WEB_IDENTITY_TOKEN_FILE"]).read_text().split(".")[1]
    return int(json.loads(base64.urlsafe_b64decode(payload + "=="))["iat"])


def round_trip(bucket: str, number: int) -> dict[str, object]:
    """One line's worth of AWS calls, on fresh clients, as a new process would make them."""
    session = boto3.session.Session()
    try:
        identity = session.client("sts").get_caller_identity()["Arn"]
        s3 = session.client("s3")
        s3.put_object(Bucket=bucket, Key=f"order-{number}", Body=f"order {number}".encode())
        body = s3.get_object(Bucket=bucket, Key=f"order-{number}")["Body"].read().decode()
    except ClientError as exc:
        return {"error": exc.response["Error"]["Code"], "message": exc.response["Error"]["Message"]}
    return {"arn": identity, "read": body, "token_issued_at": issued_at()}


def main() -> int:
    """Call AWS for --seconds, or once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.0, help="how long to go on (0: once)")
    end = time.monotonic() + parser.parse_args().seconds
    number = 0
    failed = False
    while True:
        number += 1
        line = round_trip(os.environ["BUCKET"], number)
        failed = failed or "error" in line
        print(json.dumps(line), flush=True)
        if time.monotonic() >= end:
            return 1 if failed else 0
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    raise SystemExit(main())
