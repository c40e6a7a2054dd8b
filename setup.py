"""The one thing that pyproject.toml cannot say: how the compiled decoder is built.

It is optional: where it cannot be compiled the installation succeeds, and
`penstock.ingest.open_decoder` says what is missing. `PENSTOCK_STRICT_BUILD=1` turns warnings
into errors and an error into a failed build; the project's own gate sets it.
"""

import os
from pathlib import Path

from setuptools import Extension, setup

NATIVE = Path("src/penstock/ingest/_native")
STRICT = os.environ.get("PENSTOCK_STRICT_BUILD") == "1"

setup(
    ext_modules=[
        Extension(
            "penstock.ingest._decoder_native",
            sources=[path.as_posix() for path in sorted(NATIVE.glob("*.c"))],
            depends=[path.as_posix() for path in sorted(NATIVE.glob("*.h"))],
            extra_compile_args=[
                "-std=c11",
                "-O2",
                "-fvisibility=hidden",
                *(["-Wall", "-Wextra", "-Werror"] if STRICT else []),
            ],
            extra_link_args=["-pthread"],
            py_limited_api=True,
            optional=not STRICT,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
