"""Completion: the script of each shell, and the place where the shell finds it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Penstock

_PROGRAM = f"#!/bin/sh\nexec {sys.executable} -c 'from penstock.cli import main; main()' \"$@\"\n"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/usr/bin/zsh")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("ZDOTDIR", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("shell", "said"),
    [
        ("bash", "_PENSTOCK_COMPLETE=bash_complete"),
        ("zsh", "#compdef"),
        ("fish", "complete --no-files --command"),
        ("powershell", "Register-ArgumentCompleter"),
        ("pwsh", "Register-ArgumentCompleter"),
    ],
)
def test_the_script_of_a_shell_is_shown(shell: str, said: str, penstock: Penstock) -> None:
    ended = penstock("--show-completion", shell)

    assert (ended.code, ended.err) == (0, "")
    assert said in ended.out


def test_without_a_name_it_is_the_shell_of_the_user(penstock: Penstock) -> None:
    assert penstock("--show-completion").out == penstock("--show-completion", "zsh").out


@pytest.mark.parametrize(
    ("shell", "script", "profile"),
    [
        ("bash", ".bash_completions/penstock.sh", ".bashrc"),
        ("zsh", ".zfunc/_penstock", ".zshrc"),
        ("fish", ".config/fish/completions/penstock.fish", None),
        ("powershell", ".config/powershell/penstock.ps1", ".config/powershell/profile.ps1"),
    ],
)
def test_it_is_installed_where_the_shell_looks_for_it_and_each_file_is_named(
    shell: str, script: str, profile: str | None, home: Path, penstock: Penstock
) -> None:
    ended = penstock("--install-completion", shell)

    touched = {script} | ({profile} if profile else set())
    assert ended.code == 0
    assert {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()} == touched
    assert (home / script).read_text() == penstock("--show-completion", shell).out
    assert all(str(home / path) in ended.out for path in touched)


def test_installed_again_it_leaves_what_is_there_as_it_is(home: Path, penstock: Penstock) -> None:
    """And what the user wrote stays, with a line of its own for ours."""
    (home / ".bashrc").write_text("alias ll='ls -l'")

    penstock("--install-completion", "bash")
    once = (home / ".bashrc").read_text()
    ended = penstock("--install-completion", "bash")

    script = home / ".bash_completions" / "penstock.sh"
    assert once == f"alias ll='ls -l'\nsource '{script}'\n"
    assert (home / ".bashrc").read_text() == once
    assert ".bashrc" not in ended.out


def test_a_user_who_keeps_settings_elsewhere_finds_it_there(
    home: Path, monkeypatch: pytest.MonkeyPatch, penstock: Penstock
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "settings"))
    monkeypatch.setenv("ZDOTDIR", str(home / "zsh"))

    penstock("--install-completion", "fish")
    penstock("--install-completion", "zsh")

    assert (home / "settings/fish/completions/penstock.fish").exists()
    assert "compinit" in (home / "zsh/.zshrc").read_text()


@pytest.mark.parametrize("option", ["--show-completion", "--install-completion"])
def test_of_a_shell_that_is_not_known_nothing_is_written(
    option: str, home: Path, penstock: Penstock
) -> None:
    ended = penstock(option, "tcsh")

    assert (ended.code, ended.out) == (2, "")
    assert "expected bash, fish, powershell or zsh, got 'tcsh'" in ended.err
    assert list(home.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("penstock sta", ["state"]),
        ("penstock state f", ["fsck"]),
        ("penstock version --output ", ["table", "json"]),
        ("penstock run --dry", ["--dry-run"]),
    ],
)
def test_bash_completes_what_is_typed(
    typed: str, offered: list[str], home: Path, penstock: Penstock
) -> None:
    """Commands, options and the words that an option takes."""
    penstock("--install-completion", "bash")
    program = home / "bin" / "penstock"
    program.parent.mkdir()
    program.write_text(_PROGRAM)
    program.chmod(0o755)
    words = " ".join(f"'{word}'" for word in typed.split(" "))
    script = (
        f"PATH={program.parent}:$PATH; source ~/.bashrc; COMP_WORDS=({words}); "
        "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _penstock_completion penstock; "
        "printf '%s\\n' \"${COMPREPLY[@]}\""
    )

    done = subprocess.run(
        ["bash", "--norc", "-c", script], check=True, capture_output=True, text=True
    )

    assert done.stdout.split() == offered
