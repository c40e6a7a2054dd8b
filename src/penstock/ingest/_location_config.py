"""Where files, tables and dead letters are: paths and URLs in one normal form."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, ValidationInfo

_LATER = {"gs": "Google Cloud Storage", "abfs": "Azure", "abfss": "Azure", "az": "Azure"}


def locate(text: str, directory: Path) -> str:
    """The one way to write a place: an absolute path, or `s3://bucket/prefix`; no slash at the end.

    Args:
        text: A path, absolute or relative, or a URL `file://`, `s3://` or `s3a://`.
        directory: What a relative path starts from.

    Raises:
        ValueError: The place is empty, or of a kind that cannot be read or written.
    """
    if not text.strip():
        raise ValueError("expected a directory or s3://bucket/prefix, got an empty text")
    scheme, separator, rest = text.partition("://")
    if not separator:
        return os.path.normpath(directory.absolute() / Path(text).expanduser())
    if scheme == "file":
        return os.path.normpath(unquote(urlsplit(text).path))
    if scheme in {"s3", "s3a"}:
        bucket, *names = [name for name in rest.split("/") if name]
        return "/".join([f"s3://{bucket}", *names])
    raise ValueError(_refusal(scheme, text))


def _refusal(scheme: str, text: str) -> str:
    if scheme in _LATER:
        return f"{_LATER[scheme]} cannot be read or written yet, got {text!r}; write a path or s3://bucket/prefix"
    return (
        f"expected a path or s3://bucket/prefix, got {text!r}; for a server of your own write "
        "s3://bucket/prefix and its address in storage_options: {aws_endpoint: 'http://host:port'}"
    )


def _located(text: str, info: ValidationInfo) -> str:
    context: Mapping[str, Any] = info.context or {}
    return locate(text, context.get("directory", Path()))


Location = Annotated[str, AfterValidator(_located)]
"""A place in its normal form; a relative path starts from the directory of its configuration file."""
