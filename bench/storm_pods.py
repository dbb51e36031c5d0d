"""The storm's pods: `python -m bench.storm_pods HOST:PORT CA QUESTIONS` asks for all at once, until they have answers.

QUESTIONS is a file of JSON. Writes, for each pod, the seconds that it waited, or what it was told last.
"""

import http.client
import json
import ssl
import sys
import threading
import time
from pathlib import Path
from typing import Any

# A pod's start waits for its first token for so long (--token-wait); its secrets are no other matter.
PATIENCE = 120.0
_PAUSE = 1.0
_OK = 200


def main() -> int:
    """Ask for all of them; the exit code."""
    address, ca_file, file = sys.argv[1:]
    questions = json.loads(Path(file).read_text())
    context = ssl.create_default_context(cafile=ca_file)
    context.check_hostname = False  # the certificate is the Service's
    gate = threading.Barrier(len(questions))
    told: list[Any] = [None] * len(questions)

    def start(number: int) -> None:
        gate.wait()
        told[number] = _asked(address, context, questions[number])

    threads = [threading.Thread(target=start, args=(number,)) for number in range(len(questions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    json.dump(told, sys.stdout)
    return 0


def _asked(address: str, context: ssl.SSLContext, question: dict[str, Any]) -> float | str:
    started = time.monotonic()
    while True:
        try:
            said = _once(address, context, question)
        except (OSError, http.client.HTTPException, ValueError) as exc:
            said = type(exc).__name__
        seconds = time.monotonic() - started
        if not said:
            return seconds
        if seconds > PATIENCE or said.startswith("refused"):
            return said
        time.sleep(_PAUSE)


def _once(address: str, context: ssl.SSLContext, question: dict[str, Any]) -> str:
    """Empty when every value came; what begins with "refused" is not asked again."""
    connection = http.client.HTTPSConnection(address, timeout=30, context=context)
    try:
        headers = {"Authorization": f"Bearer {question['token']}", "Content-Type": "application/json"}
        connection.request("POST", "/v1/secrets", json.dumps(question["question"]), headers)
        response = connection.getresponse()
        body = json.loads(response.read())
    finally:
        connection.close()
    if response.status != _OK:
        return f"{'refused' if response.status in (400, 401, 403) else 'later'}: {response.status} {body}"
    reasons = {refusal["reason"] for refusal in body["refusals"].values()}
    if reasons - {"unavailable"}:
        return f"refused: {body['refusals']}"
    values = {reference: value["text"] for reference, value in body["values"].items()}
    expected = {
        text: f"of {text.removeprefix('sm://').partition('#')[0]}" for text in question["question"]["references"]
    }
    return "" if values == expected else "later: not every value"


if __name__ == "__main__":
    sys.exit(main())
