"""The configuration: found, checked as a whole, and without secrets in it."""

from pathlib import Path

import pytest

from penstock.base import ConfigError
from penstock.kanban import Operator

WORKS = """
global:
  temp_dir: scratch
  gpg_passphrase: ${file:secrets/passphrase}     # also ${env:NAME}, ${cmd:pass show books}
  all_books: catalogue.csv
  processing_bucket: var/processing
  storage_bucket: var/done
filters:
  - {name: downloader, class: Downloader, input_pipe: pipeline/00_to_download, output_pipe: pipeline/01_incoming, args: {source: "file://HERE/books/{barcode}.tar.gz.gpg"}}
  - {name: decryptor,  class: Decryptor,  input_pipe: pipeline/01_incoming,    output_pipe: pipeline/02_decrypted, workers: 2, retry: {maximum_attempts: 3}}
  - {name: extractor,  class: Extractor,  input_pipe: pipeline/02_decrypted,   output_pipe: pipeline/03_extracted, wip_limit: 20}
  - {name: modifier,   class: my_kanban_library.modify:AddManifest, input_pipe: pipeline/03_extracted, output_pipe: pipeline/04_modified, timeout: 10m}
  - {name: uploader,   class: Uploader,   input_pipe: pipeline/04_modified,    output_pipe: pipeline/05_uploaded, args: {target: "s3://archive/books/{barcode}.tar.zst"}}
"""


def write(folder: Path, text: str) -> Path:
    """A configuration, and what it refers to."""
    for name in ("secrets", "books", "my_kanban_library"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "secrets" / "passphrase").write_text("sesame\n")
    (folder / "catalogue.csv").write_text("barcode,converted\n1,\n2,yes\n")
    (folder / "my_kanban_library" / "__init__.py").touch()
    (folder / "my_kanban_library" / "modify.py").write_text(
        "from penstock.kanban import Modifier\nclass AddManifest(Modifier):\n    pass\n"
    )
    path = folder / "penstock.kanban.yaml"
    path.write_text(text.replace("HERE", str(folder)))
    return path


def problems(folder: Path, text: str) -> str:
    """What is wrong with a configuration."""
    with pytest.raises(ConfigError) as raised:
        Operator(write(folder, text), {})
    return str(raised.value)


def test_the_configuration_of_a_library_works_as_it_stands(tmp_path: Path) -> None:
    board = Operator(write(tmp_path, WORKS), {}).board

    assert [config.workers for config in board.config.filters] == [1, 2, 1, 1, 1]
    assert board.settings.done_bucket == "var/done"
    assert board.bucket("pipeline/02_decrypted").limit.tokens == 20
    assert "sesame" not in repr(board.config)


def test_it_is_found_here_and_then_in_the_users_own_directory(tmp_path: Path) -> None:
    here, home = tmp_path / "here", tmp_path / "home" / "penstock"
    here.mkdir()
    home.mkdir(parents=True)
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "home")}

    with pytest.raises(ConfigError, match="there is no such file"):
        Operator(None, environ, here=here)
    write(home, WORKS).rename(home / "kanban.yaml")
    assert Operator(None, environ, here=here).board.root == home
    write(here, WORKS)
    assert Operator(None, environ, here=here).board.root == here


@pytest.mark.parametrize(
    "line",
    ["  gpg_passphrase: sesame\n", "  gpg_passphrase: x${env:HOME}\n"],
)
@pytest.mark.case("b12")
def test_a_secret_in_plain_text_is_refused_with_the_three_ways(tmp_path: Path, line: str) -> None:
    """Wherever it stands."""
    found = problems(tmp_path, WORKS.replace("  gpg_passphrase: ${file:secrets/passphrase}", line))

    for way in ("${file:PATH}", "${env:NAME}", "${cmd:COMMAND}", "penstock.kanban.yaml:4"):
        assert way in found


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    text = """
global: {gpg_passphrase: "${file:nowhere}", all_books: absent.csv}
filters:
  - {name: a, class: Downlaoder, input_pipe: p/0, output_pipe: p/1}
  - {name: b, class: Downloader, input_pipe: p/1, output_pipe: p/0, args: {source: "file:///no/where/{barcode}"}}
  - {name: b, class: Uploader, input_pipe: p/1, output_pipe: p/2, args: {targte: x}}
  - {name: c, class: "absent_module:X", input_pipe: p/2, output_pipe: p/3}
  - {name: d, class: "json:loads", input_pipe: p/3, output_pipe: p/4}
"""
    found = problems(tmp_path, text)

    for part in (
        "the file 'nowhere' cannot be read",
        "'absent.csv' does not exist",
        "unknown class 'Downlaoder'; did you mean 'Downloader'?",
        "a cycle: what 'a' puts out comes back to it",
        "the directory /no/where does not exist",
        "two filters are named 'b'",
        "both take from 'p/1'; write one filter with `workers: 2`",
        "args.targte: unknown key 'targte'; did you mean 'target'?",
        "absent_module:X cannot be imported",
        "'json:loads' is no filter",
    ):
        assert part in found, found


def test_a_mistyped_key_is_named_with_its_line(tmp_path: Path) -> None:
    found = problems(tmp_path, WORKS.replace("wip_limit", "wip_limt"))

    assert (
        "penstock.kanban.yaml:11: filters[2].wip_limt: unknown key 'wip_limt'; did you mean 'wip_limit'?"
        in found
    )


def test_done_and_storage_bucket_are_one_key(tmp_path: Path) -> None:
    assert "keep one of them" in problems(
        tmp_path, WORKS.replace("  temp_dir: scratch", "  done_bucket: x")
    )
