"""Make encrypted archives of page files, as a provider might have them: one corrupt, one missing."""

import csv
import io
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PASSPHRASE = "correct horse battery staple"
FIRST = 32101000000


def make_books(folder: Path, *, books: int = 12, pages: int = 8, page_bytes: int = 20_000) -> None:
    """Write the provider's archives, the catalogue and the passphrase's file below `folder`."""
    provider = folder / "provider"
    provider.mkdir(parents=True, exist_ok=True)
    barcodes = [str(FIRST + number) for number in range(books)]
    for barcode in barcodes:
        archive = encrypted(packed(barcode, pages, page_bytes))
        (provider / f"{barcode}.tar.gz.gpg").write_bytes(archive)
    corrupt = provider / f"{barcodes[2]}.tar.gz.gpg"
    corrupt.write_bytes(corrupt.read_bytes()[:-1000])
    (provider / f"{barcodes[5]}.tar.gz.gpg").unlink()
    secrets = folder / "secrets"
    secrets.mkdir(exist_ok=True)
    (secrets / "passphrase").write_text(PASSPHRASE + "\n")
    (secrets / "passphrase").chmod(0o600)
    with (folder / "catalogue.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["barcode", "converted"])
        rows.writerows((barcode, "") for barcode in barcodes)
        rows.writerow([str(FIRST + books), "yes"])  # was copied years ago


def packed(barcode: str, pages: int, page_bytes: int) -> bytes:
    """A tarball of page files, the same bytes whenever it is made."""
    chance = random.Random(barcode)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for page in range(1, pages + 1):
            content = chance.randbytes(page_bytes)
            info = tarfile.TarInfo(f"{barcode}/{page:08}.jp2")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def encrypted(data: bytes) -> bytes:
    """Encrypt with the passphrase, which goes through a pipe."""
    home = Path(tempfile.mkdtemp())
    plain = home / "plain"
    plain.write_bytes(data)
    command = ["gpg", "--batch", "--quiet", "--no-autostart", "--homedir", str(home)]
    command += ["--pinentry-mode", "loopback", "--passphrase-fd", "0"]
    command += ["--compress-algo", "none", "--s2k-count", "65536", "--output", "-", "--symmetric", str(plain)]
    # Without an agent gpg says that it could not remember the passphrase, and ends with code 2.
    done = subprocess.run(command, input=PASSPHRASE.encode(), capture_output=True, check=False)
    shutil.rmtree(home)
    if not done.stdout:
        raise SystemExit(done.stderr.decode())
    return done.stdout


if __name__ == "__main__":
    make_books(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
