"""Certificates: a certification authority of one's own and the broker's certificate, by the openssl program.

Keys are P-256, made once and kept; the broker's certificate is made anew whenever the broker is set up.
"""

import shutil
import subprocess
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

from deploy.errors import MeltwinError

CA_DAYS = 3650
SERVER_DAYS = 825
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def make_authority(folder: Path) -> None:
    """`ca.crt` and `ca.key` in `folder`. Where they are already they stay: machines trust them."""
    if (folder / "ca.crt").exists() and (folder / "ca.key").exists():
        return
    uses = ("basicConstraints=critical,CA:TRUE,pathlen:0", "keyUsage=critical,keyCertSign,cRLSign")
    _openssl(
        folder, "req", "-x509", *_NEW_KEY, "-keyout", "ca.key", "-out", "ca.crt", "-days", str(CA_DAYS),
        "-subj", "/CN=Meltwin broker CA", *(part for use in uses for part in ("-addext", use)),
    )  # fmt: skip
    (folder / "ca.crt").chmod(0o644)


def make_server(folder: Path, names: Sequence[str]) -> None:
    """`server.crt` and `server.key` for a broker that is called by any of `names`, host names or addresses."""
    extensions = folder / "server.ext"
    extensions.write_text(
        f"subjectAltName={','.join(_alternative(name) for name in names)}\n"
        "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
        "authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n"
    )
    request = folder / "server.csr"
    try:
        _openssl(folder, "req", *_NEW_KEY, "-keyout", "server.key", "-out", request.name, "-subj", "/CN=Meltwin broker")
        _openssl(
            folder, "x509", "-req", "-in", request.name, "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", str(SERVER_DAYS), "-extfile", extensions.name, "-out", "server.crt",
        )  # fmt: skip
    finally:
        for spare in (extensions, request, folder / "ca.srl"):
            spare.unlink(missing_ok=True)
    (folder / "server.crt").chmod(0o644)


def _alternative(name: str) -> str:
    try:
        return f"IP:{ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"


def _openssl(folder: Path, *arguments: str) -> None:
    program = shutil.which("openssl")
    if program is None:
        raise MeltwinError("certificates need the openssl program: apt install openssl")
    done = subprocess.run(  # what it makes is for its owner only
        [program, *arguments], cwd=folder, umask=0o077, capture_output=True, text=True, check=False
    )
    if done.returncode:
        told = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise MeltwinError(f"openssl {arguments[0]} failed: {told[-1]}")
