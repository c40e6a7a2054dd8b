"""`penstock --install-completion` and `penstock --show-completion`."""

import os
import sys
from pathlib import Path
from typing import NamedTuple

import click
from click.shell_completion import ShellComplete, get_completion_class

from penstock.cli._exits import DONE


class _Place(NamedTuple):
    """Where a shell finds a script."""

    script: Path
    profile: Path | None = None
    """What it reads when it starts, where it does not look for the script by itself."""

    line: str = ""
    """What the profile has to say."""


def show(*, shell: str) -> int:
    """Print the script."""
    sys.stdout.write(_script(_known(shell)))
    return DONE


def install(*, shell: str) -> int:
    """Write the script to where the shell looks for it, and say what was done."""
    known = _known(shell)
    text = _script(known)
    script, profile, line = _place(known.name)
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(text, encoding="utf-8")
    sys.stdout.write(f"wrote {script}\n")
    if profile is not None and _add_line(profile, line):
        sys.stdout.write(f"added to {profile}: {line}\n")
    sys.stdout.write(f"completion works in every {known.name} that is started from now on\n")
    return DONE


def _known(shell: str) -> type[ShellComplete]:
    """The shell of that name, or else the user's own."""
    name = shell or Path(os.environ.get("SHELL", "")).name
    found = get_completion_class("powershell" if name == "pwsh" else name)
    if found is None:
        raise click.BadParameter(
            f"expected bash, fish, powershell or zsh, got {name!r}; name one behind the option"
        )
    return found


def _script(shell: type[ShellComplete]) -> str:
    application = click.get_current_context().find_root().command
    return shell(application, {}, "penstock", "_PENSTOCK_COMPLETE").source()


def _place(name: str) -> _Place:
    home = Path.home()
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    match name:
        case "fish":
            return _Place(config / "fish" / "completions" / "penstock.fish")
        case "zsh":
            profile = Path(os.environ.get("ZDOTDIR") or home) / ".zshrc"
            line = "fpath+=~/.zfunc; autoload -Uz compinit; compinit"
            return _Place(home / ".zfunc" / "_penstock", profile, line)
        case "powershell":
            script = config / "powershell" / "penstock.ps1"
            return _Place(script, config / "powershell" / "profile.ps1", f". '{script}'")
        case _:
            script = home / ".bash_completions" / "penstock.sh"
            return _Place(script, home / ".bashrc", f"source '{script}'")


def _add_line(profile: Path, line: str) -> bool:
    """Whether the line was not there yet."""
    text = profile.read_text(encoding="utf-8") if profile.exists() else ""
    if line in text.splitlines():
        return False
    profile.parent.mkdir(parents=True, exist_ok=True)
    with profile.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n" if not text or text.endswith("\n") else f"\n{line}\n")
    return True
