"""TLS contexts for both sides, made from files named in the settings. A file that cannot be used is one clear error.

Towards providers: the system's certificate authorities (SSL_CERT_FILE and SSL_CERT_DIR move them, as usual), and
besides them those in PROVIDER_CA_FILE. Verification cannot be switched off. Towards clients: the certificate chain
and key of the listening side.
"""

import ssl
from pathlib import Path


class CertificateError(ValueError):
    """A certificate file cannot be used; the message names setting and file."""


def provider_context(ca_file: Path | None) -> ssl.SSLContext:
    """Raises CertificateError."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            raise CertificateError(
                f"PROVIDER_CA_FILE={str(ca_file)!r} holds no usable certificates: {error}."
            ) from None
    return context


def listening_context(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """Raises CertificateError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ssl.SSLError) as error:
        files = f"GATEWAY_TLS_CERT={str(certificate)!r}, GATEWAY_TLS_KEY={str(key or '')!r}"
        raise CertificateError(f"{files}: these are no usable certificate and key: {error}.") from None
    return context


def _no_password() -> str:
    """Without this, a key with a password would make OpenSSL ask on the terminal."""
    return ""
