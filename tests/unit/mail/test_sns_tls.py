"""Amazon's certificates are fetched from a host that proves who it is, over a chain that ends in a trusted root."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.mail.sns import MAX_CERTIFICATE_BYTES, NotGenuine, Verifier, fetch
from tests.unit.mail.test_sns import CERTIFICATE, NOW, TOPIC, Amazon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOST = "sns.eu-west-1.amazonaws.com"
DAY = timedelta(days=1)
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key."""

    made: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.made.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def certificate(
    name: str, issuer: Certificate | None = None, *, ca: bool = False, begins: timedelta = -DAY, ends: timedelta = DAY
) -> Certificate:
    """One for a host or an authority, signed by `issuer` or by itself, valid from and to these distances from now."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer.made.subject if issuer else subject)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now + begins).not_valid_after(now + ends)
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if not ca:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return Certificate(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


ROOT = certificate("Root", ca=True)
BETWEEN = certificate("Between", ROOT, ca=True)
SHOWN: dict[str, Callable[[], list[Certificate]]] = {
    "good": lambda: [certificate(HOST, BETWEEN), BETWEEN],
    "of another host": lambda: [certificate("sns.eu-west-2.amazonaws.com", BETWEEN), BETWEEN],
    "of a host that begins like it": lambda: [certificate(f"{HOST}.evil.example", BETWEEN), BETWEEN],
    "of a star that covers one label": lambda: [certificate("*.amazonaws.com", BETWEEN), BETWEEN],
    "expired": lambda: [certificate(HOST, BETWEEN, begins=-2 * DAY, ends=-DAY), BETWEEN],
    "not valid yet": lambda: [certificate(HOST, BETWEEN, begins=DAY, ends=2 * DAY), BETWEEN],
    "signed by itself": lambda: [certificate(HOST)],
    "of a root that nobody trusts": lambda: [certificate(HOST, certificate("Root", ca=True))],
    "without what stands between": lambda: [certificate(HOST, BETWEEN)],
    "signed by what expired": lambda: [
        certificate(HOST, old := certificate("Old", ROOT, ca=True, begins=-2 * DAY, ends=-DAY)), old,
    ],
    "signed by another host": lambda: [certificate(HOST, other := certificate("shop.example", ROOT)), other],
}  # fmt: skip


@dataclass
class Host:
    """A web server on this machine that claims to be Amazon's: what it shows, answers and was asked."""

    port: int
    asked: list[str]
    status: int = 200
    body: bytes = b"hello"

    def address(self, url: str = CERTIFICATE) -> str:
        return url.replace(f"https://{HOST}/", f"https://{HOST}:{self.port}/")


@pytest.fixture
def amazon(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """The host, behind the certificate that the test names; the root is the only one that is trusted."""
    (tmp_path / "root.pem").write_bytes(ROOT.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "root.pem"))
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *a, **k: resolve("127.0.0.1" if host == HOST else host, *a, **k)
    )
    told = Host(0, [])

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked.append(self.path)
            self.send_response(told.status)
            self.send_header("Location", "https://evil.example/")
            self.send_header("Content-Length", str(len(told.body)))
            self.end_headers()
            self.wfile.write(told.body)

        def log_message(self, *_: object) -> None: ...

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client that hangs up is what these tests want."""

    server = Server(("127.0.0.1", 0), Answer)
    shown = getattr(request, "param", "good")
    if shown != "no TLS at all":
        chain = SHOWN[shown]()
        (tmp_path / "chain.pem").write_bytes(b"".join(one.pem for one in chain) + chain[0].key_pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "chain.pem")
        # The handshake belongs to the thread that answers, not to the one that takes connections.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    told.port = server.server_address[1]
    thread = threading.Thread(target=partial(server.serve_forever, 0.05), daemon=True)
    thread.start()
    yield told
    server.shutdown()
    server.server_close()
    thread.join()


class TestTheHost:
    def test_with_a_chain_to_a_trusted_root_is_believed(self, amazon: Host) -> None:
        assert fetch(amazon.address()) == b"hello"

    @pytest.mark.parametrize("amazon", [*list(SHOWN)[1:], "no TLS at all"], indirect=True)
    def test_with_any_other_certificate_is_never_asked(self, amazon: Host) -> None:
        with pytest.raises(NotGenuine, match="did not answer"):
            fetch(amazon.address())
        assert amazon.asked == []

    @pytest.mark.parametrize("status", [301, 302, 307, 404, 500])
    def test_is_taken_at_its_word_only_for_a_200(self, amazon: Host, status: int) -> None:
        amazon.status = status
        with pytest.raises(NotGenuine, match=str(status)):
            fetch(amazon.address())
        assert len(amazon.asked) == 1

    def test_may_not_answer_without_end(self, amazon: Host) -> None:
        amazon.body = b"x" * (MAX_CERTIFICATE_BYTES + 1)
        with pytest.raises(NotGenuine, match="more than"):
            fetch(amazon.address())


class TestANotification:
    def opened(self, host: Host, signer: Amazon, now: datetime = NOW) -> Any:
        verifier = Verifier({TOPIC}, lambda url: fetch(host.address(url)))
        return verifier.open(json.dumps(signer.says(Message="hello")).encode(), now)

    def test_is_opened_with_the_certificate_that_the_host_gives(self, amazon: Host) -> None:
        signer = Amazon()
        amazon.body = signer.pem
        assert self.opened(amazon, signer).message == "hello"
        assert amazon.asked == [CERTIFICATE.removeprefix(f"https://{HOST}")]

    @pytest.mark.parametrize("amazon", ["of another host", "expired", "signed by itself"], indirect=True)
    def test_stays_shut_if_the_host_is_not_amazons(self, amazon: Host) -> None:
        signer = Amazon()
        amazon.body = signer.pem
        with pytest.raises(NotGenuine, match="did not answer"):
            self.opened(amazon, signer)

    @pytest.mark.parametrize(("begins", "ends"), [(-2 * DAY, -DAY), (DAY, 2 * DAY)])
    def test_stays_shut_if_the_signing_certificate_is_not_valid_now(
        self, amazon: Host, begins: timedelta, ends: timedelta
    ) -> None:
        signer = Amazon(begins, ends)
        amazon.body = signer.pem
        with pytest.raises(NotGenuine, match="not valid"):
            self.opened(amazon, signer)

    def test_stays_shut_if_the_signing_key_is_of_another_kind(self, amazon: Host) -> None:
        amazon.body = certificate("sns.amazonaws.com").pem
        with pytest.raises(NotGenuine, match="not valid"):
            self.opened(amazon, Amazon())

    def test_stays_shut_if_the_answer_is_no_certificate(self, amazon: Host) -> None:
        with pytest.raises(NotGenuine, match="none"):
            self.opened(amazon, Amazon())
