"""Connections, TLS, readiness and metrics of a running webhook."""

import contextlib
import datetime as dt
import http.client
import json
import socket
import ssl
import time
import warnings
from pathlib import Path

import pytest

from tests.serving.pki import Pki
from tests.webhook.server.conftest import Start
from tests.webhook.server.webhooks import JSON, Caller, RunningWebhook, review_of

pytestmark = pytest.mark.slow


def test_keep_alive(webhook: RunningWebhook) -> None:
    """Many reviews go over one connection."""
    with webhook.caller() as caller:
        first = caller.post(review_of("good"))
        sock = caller.connection.sock
        for _ in range(20):
            assert caller.post(review_of("good")) == first
        assert caller.connection.sock is sock


def test_two_requests_at_once(webhook: RunningWebhook) -> None:
    """Requests that come together are answered in turn."""
    with webhook.raw() as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 2 + b"GET /healthz HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: sock.recv(4096), b""))
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.count(b"HTTP/1.0 200 OK") == 1


def test_close_is_obeyed(webhook: RunningWebhook) -> None:
    """Who asks for the connection's end gets it with the answer."""
    with webhook.caller() as caller:
        caller.connection.request("POST", "/pods", body=review_of("good"), headers={**JSON, "Connection": "close"})
        response = caller.connection.getresponse()
        assert response.headers["Connection"] == "close"
        assert response.read()


@pytest.mark.parametrize("after", [0, 30, 120])
def test_deadline_is_for_the_whole_request(webhook: RunningWebhook, after: int) -> None:
    """One byte in a while keeps no connection: after the read deadline (2 s here) it ends, whatever was sent last."""
    body = review_of("good")
    head = f"POST /pods HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    request = head + body
    started = time.monotonic()
    with webhook.raw() as sock:
        sock.sendall(request[:after])
        sock.settimeout(0.2)
        answer = b""
        for byte in request[after:]:
            try:
                sock.sendall(bytes([byte]))
                answer = sock.recv(4096)
                break
            except TimeoutError:
                continue
            except OSError:
                break
    assert 1.8 < time.monotonic() - started < 8
    assert answer.startswith(b"HTTP/1.1 408") or not answer


def test_connection_ahead_of_its_request(webhook: RunningWebhook) -> None:
    """Go's client keeps connections that it opened and did not need: one without a byte outlives the read deadline."""
    with webhook.raw() as sock:
        time.sleep(3.5)  # the deadline is 2 s here, and looked at once a second
        sock.sendall(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert sock.recv(4096).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("framing", ["Content-Length: {size}", "Transfer-Encoding: chunked"])
def test_body_is_asked_for(webhook: RunningWebhook, framing: str) -> None:
    """A caller that waits for 100 Continue before it sends the body gets it, and then its answer."""
    body = review_of("good")
    sent = body if "{size}" in framing else f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    head = f"POST /pods HTTP/1.1\r\nContent-Type: application/json\r\n{framing.format(size=len(body))}\r\n"
    with webhook.raw() as sock:
        sock.sendall(f"{head}Expect: 100-continue\r\nConnection: close\r\n\r\n".encode())
        assert sock.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(sent)
        answer = b"".join(iter(lambda: sock.recv(4096), b""))
    assert b"HTTP/1.1 200 OK" in answer
    assert b'"allowed":true' in answer


def test_other_names_are_refused_by_callers(webhook: RunningWebhook) -> None:
    """A caller that looks for another name does not talk to us: the handshake is a real one."""
    context = webhook.pki.client_context()
    with (
        webhook.raw(tls=False) as sock,
        pytest.raises(ssl.SSLCertVerificationError, match=r"webhook\.example"),
    ):
        context.wrap_socket(sock, server_hostname="webhook.example")


def test_old_tls_is_refused(webhook: RunningWebhook) -> None:
    """TLS 1.1 gets an alert, 1.2 and 1.3 are served; ALPN offers HTTP/1.1 alone."""
    old = webhook.pki.client_context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it is the point
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")  # or this client would not even ask
    with webhook.raw(tls=False) as sock, pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
        old.wrap_socket(sock, server_hostname="localhost")

    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = webhook.pki.client_context()
        context.minimum_version = context.maximum_version = version
        context.set_alpn_protocols(["h2", "http/1.1"])
        with webhook.raw(tls=False) as sock, context.wrap_socket(sock, server_hostname="localhost") as secured:
            assert secured.selected_alpn_protocol() == "http/1.1"


def test_plain_http_on_the_tls_port_ends(webhook: RunningWebhook) -> None:
    """A caller without TLS is hung up on."""
    with webhook.raw(tls=False) as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        try:
            answer = sock.recv(4096)
        except ConnectionResetError:
            answer = b""
    assert b"HTTP" not in answer


def test_telemetry_listener(webhook: RunningWebhook) -> None:
    """It speaks plain HTTP, knows health, readiness and metrics, and takes no reviews."""
    caller = Caller(webhook.telemetry_port, None, timeout=5)
    with caller:
        assert caller.get("/healthz") == (200, b"ok\n")
        assert caller.get("/readyz")[0] == 200
        assert b"token_injector_build_info" in caller.get("/metrics")[1]
        caller.connection.request("POST", "/pods", body=review_of("good"), headers=JSON)
        assert caller.connection.getresponse().status == 404


def test_metrics_are_sums_over_processes(start: Start) -> None:
    """A scrape shows the reviews of all workers, the known reasons from the start, and the worst gauges."""
    running = start()
    running.wait_until_ready()
    injected = 'token_injector_reviews_total{outcome="injected",reason="native"}'
    assert running.metric('token_injector_reviews_total{outcome="denied",reason="accounts_unavailable"}') == 0
    assert running.metric(injected) == 0
    for _ in range(30):
        with running.caller() as caller:
            caller.post(review_of("good"))

    assert {running.metric(injected) for _ in range(4)} == {30.0}
    assert running.metric("token_injector_review_seconds_count") == 30
    assert running.metric('token_injector_review_seconds_bucket{le="5.0"}') == 30
    assert running.metric("token_injector_bugs_total") == 0
    assert running.metric("token_injector_service_accounts") == 3
    assert running.metric("token_injector_service_accounts_age_seconds") == 1.5
    deadline = time.monotonic() + 20
    while running.metric("token_injector_role_policy_reload_failures_total") != 4:  # two of each worker, from its start
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert running.metric("token_injector_role_policy_loaded_timestamp_seconds") == 100
    assert running.metric('token_injector_build_info{version="1.2.3"}') == 1
    assert 0 < running.metric("token_injector_certificate_not_after_seconds") - time.time() < 2 * 86400


def test_floor_is_a_label(start: Start) -> None:
    """The version that holds has the value 1, what held before 0: an alert looks for a version below its own."""
    running = start(workers=1)
    now, before = (
        f'token_injector_kubelet_version_floor_info{{source="nodes",version="{v}"}}' for v in ("1.28", "1.36")
    )
    assert running.metric(before) == 1
    running.unready_file.write_text("the floor falls")
    deadline = time.monotonic() + 10
    while running.metric(before):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert running.metric(now) == 1


def test_unready_until_service_accounts_are_there(start: Start) -> None:
    """/readyz follows what the reviews say, with their reason."""
    running = start()
    running.wait_until_ready()
    running.unready_file.write_text("not yet listed")
    with running.caller() as caller:
        status, body = caller.get("/readyz")
        assert (status, json.loads(body)) == (503, {"ready": False, "missing": {"service accounts": "not yet listed"}})
        assert caller.get("/healthz")[0] == 200
        running.unready_file.unlink()
        assert caller.get("/readyz")[0] == 200


def test_certificate_shows_its_end_from_the_start(start: Start) -> None:
    """No scrape, not even the first, sees the end that a new gauge has: 1970, which is an alert."""
    assert start().metric("token_injector_certificate_not_after_seconds") > time.time()


def test_expired_certificate_is_unready(start: Start, pki: Pki) -> None:
    """A certificate that has ended shows in /readyz, also where only the telemetry listener is asked."""
    running = start(telemetry_listen_address="127.0.0.1:0", workers=1)
    ended = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)
    with Caller(running.telemetry_port, None, timeout=5) as caller:
        assert caller.get("/readyz")[0] == 200
        running.volume.write(*pki.issue(not_after=ended)[:2])
        deadline = time.monotonic() + 10
        while (found := caller.get("/readyz"))[0] == 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert json.loads(found[1])["missing"]["certificate"].startswith("expired: renew")


def test_idle_connections_hold_no_thread(start: Start) -> None:
    """More idle connections than threads, before and after a request, leave room for reviews."""
    running = start(workers=1, threads=2)
    idle = [running.caller() for _ in range(20)]
    silent = [running.raw(tls=number % 2 == 0) for number in range(20)]
    for caller in idle:
        caller.get("/healthz")
    with running.caller() as caller:
        for _ in range(5):
            assert caller.post(review_of("good"))["response"]["allowed"]
    for caller in idle:
        assert caller.get("/healthz") == (200, b"ok\n")
        caller.connection.close()
    for sock in silent:
        sock.close()


def test_unread_answers_hold_no_thread_for_long(start: Start) -> None:
    """Callers that send on and read nothing lose their connection; others' reviews wait a deadline at most."""
    running = start(workers=1, threads=2, read_timeout=1.0, insecure_http=True)
    deaf = []
    for _ in range(4):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", running.port))
        sock.settimeout(0)
        with contextlib.suppress(OSError):
            for _ in range(200):
                sock.send(b"GET /metrics HTTP/1.1\r\n\r\n" * 20)
        deaf.append(sock)
    with Caller(running.port, None, timeout=10) as caller:
        for _ in range(40):  # the threads are held once the kernel's buffers are full, after some 2 s
            assert caller.post(review_of("good"))["response"]["allowed"]
            time.sleep(0.1)
    for sock in deaf:
        sock.close()


def test_unfinished_bodies_have_a_bound(start: Start) -> None:
    """Many large bodies that never end can't take all memory: one too many is refused, small reviews find room."""
    running = start(workers=1, read_timeout=60.0)  # or the first ones are thrown out before the last one comes
    size = 7 * 1024 * 1024
    senders = []
    for _ in range(11):
        sock = running.raw()
        sock.sendall(f"POST /pods HTTP/1.1\r\nContent-Length: {size}\r\n\r\n".encode())
        with contextlib.suppress(OSError):
            sock.sendall(b"x" * (size - 1))
        senders.append(sock)
    with running.caller() as caller:
        assert caller.post(review_of("good"))["response"]["allowed"]
    assert running.metric('token_injector_connections_refused_total{reason="memory"}') >= 1
    for sock in senders:
        sock.close()


def test_insecure_http_is_plain(start: Start) -> None:
    """--insecure-http serves without TLS."""
    running = start(insecure_http=True)
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
    connection.request("POST", "/pods", body=review_of("good"), headers=JSON)
    assert json.loads(connection.getresponse().read())["response"]["allowed"]
    connection.close()


def test_a_bug_in_the_gauges_ends_no_worker(start: Start) -> None:
    """It is counted and logged, second by second, and reviews are answered by the same processes."""
    webhook = start()
    webhook.wait_until_ready()
    before = webhook.workers()
    webhook.unready_file.write_text("bug")
    deadline = time.monotonic() + 10
    while not webhook.metric("token_injector_bugs_total") and time.monotonic() < deadline:
        time.sleep(0.1)

    assert webhook.metric("token_injector_bugs_total") > 0
    with webhook.caller() as caller:
        assert caller.post(review_of("good"))["response"]["allowed"]
    assert webhook.workers() == before
    assert "the gauges are not up to date" in webhook.log()


def test_a_bug_in_the_gauges_stops_no_start(start: Start, tmp_path: Path) -> None:
    """A worker that is born with it answers reviews: gunicorn ends a whole server for one worker that can't start."""
    bug = tmp_path / "bug"
    bug.write_text("bug")
    webhook = start(unready_file=str(bug))

    with webhook.caller(timeout=30) as caller:
        assert caller.post(review_of("good"))["response"]["allowed"]
    assert webhook.metric("token_injector_bugs_total") >= 1
    assert "the gauges are not up to date" in webhook.log()
