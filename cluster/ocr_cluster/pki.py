"""The cluster's certificates: one authority signs everything, into one folder that only root reads.

Certificates that exist are kept, so that a node started again knows its own pods' tokens.
"""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = timedelta(days=3650)
SERVICE_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)


class Authority:
    """A certificate authority in a folder, made on first use."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self.folder = folder
        self.certificate_path = folder / "ca.crt"
        self.key_path = folder / "ca.key"
        if not self.certificate_path.exists():
            self._create()
        self._certificate = x509.load_pem_x509_certificate(self.certificate_path.read_bytes())
        key = serialization.load_pem_private_key(self.key_path.read_bytes(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key

    def issue(
        self, name: str, common_name: str, *, group: str = "", hosts: tuple[str, ...] = ()
    ) -> tuple[Path, Path]:
        """The paths of a certificate, for servers and clients, and its key; hosts are addresses or names."""
        certificate_path, key_path = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        if certificate_path.exists():
            return certificate_path, key_path
        key = ec.generate_private_key(ec.SECP256R1())
        subject = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
        if group:
            subject.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = (
            _builder(x509.Name(subject), self._certificate.subject)
            .public_key(key.public_key())
            .add_extension(_key_usage(signs=False), critical=True)
            .add_extension(usage, critical=False)
        )
        if hosts:
            names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        _write_key(key_path, key)
        certificate = builder.sign(self._key, hashes.SHA256())
        certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return certificate_path, key_path

    def write_kubeconfig(self, name: str, server: str, common_name: str, *, group: str = "") -> Path:
        """A kubeconfig that names a client certificate for that user.

        Names, because Python's client writes keys that lie inside into files of their own, for every process
        that is killed to leave behind.
        """
        certificate, key = self.issue(name, common_name, group=group)
        path = self.folder / f"{name}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(f"""apiVersion: v1
kind: Config
current-context: embedded
contexts: [{{name: embedded, context: {{cluster: embedded, user: embedded}}}}]
clusters:
- name: embedded
  cluster: {{server: "{server}", certificate-authority: "{self.certificate_path.resolve()}"}}
users:
- name: embedded
  user: {{client-certificate: "{certificate.resolve()}", client-key: "{key.resolve()}"}}
""")
        return path

    def service_account_keys(self) -> tuple[Path, Path]:
        """The private and the public key that sign and check the tokens of pods."""
        private, public = self.folder / "sa.key", self.folder / "sa.pub"
        if not public.exists():
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            _write_key(private, key)
            public.write_bytes(
                key.public_key().public_bytes(
                    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
                )
            )
        return private, public

    def _create(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ocr-cluster")])
        certificate = (
            _builder(name, name)
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_key_usage(signs=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        _write_key(self.key_path, key)
        self.certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def open_kubeconfig(path: Path) -> tuple[str, ssl.SSLContext]:
    """The address of the API server in a kubeconfig of ours, and TLS with the user's certificate."""
    document = yaml.safe_load(path.read_text())
    cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
    tls = ssl.create_default_context(cafile=cluster["certificate-authority"])
    tls.load_cert_chain(user["client-certificate"], user["client-key"])
    return cluster["server"], tls


def _builder(subject: x509.Name, issuer: x509.Name) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))  # clocks of containers may lag
        .not_valid_after(now + LIFETIME)
    )


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, key_cert_sign=signs, crl_sign=signs, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
