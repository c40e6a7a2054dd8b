"""Decryptor: OpenPGP, by passphrase or by key; no secret is ever on a command line."""

import shutil
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from penstock.kanban._data import only_data, part_of, publish, reference, remove
from penstock.kanban._errors import PermanentError, RetryableError
from penstock.kanban._filter import Arguments, Filter, FilterContext, Outcome
from penstock.kanban._gpg import SUFFIXES, Gpg
from penstock.kanban._token import Token

_MISSING = "pip install 'penstock[openpgp]'"


class DecryptorArguments(Arguments):
    """What to decrypt with; without, the passphrase is the `gpg_passphrase` of the board."""

    key: str = ""
    """A file with a secret key; needs the extra `openpgp`."""

    passphrase: SecretStr | None = None
    """Of the archive, or of the key. Only by reference."""

    keep: bool = False
    """Keep the encrypted file."""


class Decryptor(Filter):
    """Makes `x` of `x.gpg`, and removes that once `x` is whole and durable.

    By passphrase with the program `gpg`, three times as fast, or else with pysequoia; by key
    with pysequoia, which needs no agent. What was tampered with is an error.
    """

    arguments = DecryptorArguments
    takes_data = True
    counts_data = False  # what it makes tells that it was done

    @classmethod
    def problems(cls, context: FilterContext) -> Iterable[str]:
        args = DecryptorArguments.model_validate(dict(context.args))
        library = find_spec("pysequoia") is not None
        if args.key and not library:
            yield f"a key needs pysequoia: {_MISSING}"
        if args.key and not (context.root / args.key).is_file():
            yield f"the key file {args.key!r} does not exist"
        if not args.key and not (args.passphrase or context.settings.gpg_passphrase):
            yield "expected `key`, or `gpg_passphrase` under `global`"
        if not (args.key or library or shutil.which("gpg")):
            yield f"expected the program gpg, or pysequoia: {_MISSING}"

    def process(self, token: Token) -> Outcome:
        source = only_data(token, self.context)
        target = source.with_suffix("") if source.suffix in SUFFIXES else source
        if target == source:
            raise PermanentError(
                f"expected a name that ends in .gpg, .pgp or .asc, got {source.name}"
            )
        if source.exists():
            part = part_of(target)
            remove(part)
            self._decrypt(source, part)
            self.context.failpoints.cross("decrypt.written")
            publish(part, target)
            self.context.failpoints.cross("decrypt.published")
        elif not target.exists():
            raise PermanentError(f"the data file {source} is gone")
        if not self.args.keep:
            remove(source)
            self.context.failpoints.cross("decrypt.removed")
        return token.with_data(reference(target.parent, target))

    def _decrypt(self, source: Path, part: Path) -> None:
        if not self.args.key and shutil.which("gpg"):
            Gpg(self._passphrase(), self.context.temporary / "gnupg").into(source, part)
        else:
            self._with_library(source, part)

    def _passphrase(self) -> str:
        ours = None if self.args.key else self.context.settings.gpg_passphrase
        secret = self.args.passphrase or ours
        return secret.get_secret_value() if secret else ""

    def _with_library(self, source: Path, part: Path) -> None:
        sequoia: Any = import_module("pysequoia")
        try:
            if self.args.key:
                key = sequoia.Tsk.from_file(str(self.context.root / self.args.key))
                password = self._passphrase() or None
                sequoia.decrypt_file(str(source), str(part), decryptor=key.decryptor(password))
            else:
                sequoia.decrypt_file(str(source), str(part), passwords=[self._passphrase()])
        except Exception as error:
            remove(part)
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
            if isinstance(error, OSError) and error.errno is not None:
                raise RetryableError(f"{source.name}: {said}") from error
            raise PermanentError(f"{source.name} cannot be decrypted: {said}") from error
