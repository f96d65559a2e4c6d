"""`watcher completion`: completes commands, options and names of targets in a shell."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    split_arg_string,
)

if TYPE_CHECKING:
    from typing import Any

PROGRAM = "watcher"
COMPLETION_VARIABLE = "_WATCHER_COMPLETE"

_END = "\0"  # marks the end of a line; no environment variable can contain it
# The quote that is open at the end of a line.
_OPEN_QUOTE = re.compile(r"""(?:[^'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")*+(['"]?)""", re.DOTALL)
_SPECIAL = re.compile(r"[^A-Za-z0-9_@%+=:,./\u0080-\U0010ffff-]")
_SPECIAL_IN_DOUBLE_QUOTES = re.compile(r'[\\"$`]')


class _WithOptions(ShellComplete):
    """Completes `--option=value` to the whole word; click returns the value alone, and shells would drop the option."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[Any]]:
        items = super().get_completions(args, incomplete)
        option, equals, _value = incomplete.partition("=")
        if not (equals and option.startswith("--")):
            return items
        return [CompletionItem(f"{option}={item.value}", help=item.help) if _is_text(item) else item for item in items]


class _Bash(_WithOptions, BashComplete):
    """Completes names with spaces and colons, which are common: the default name of a target is its address.

    click's own class offers names without escaping them, and completes only the part after a colon or `=`, since bash
    splits words there. So its script passes the line, and the text that bash will replace, too; and a `*` or a
    backslash in a name is kept.
    """

    source_template = (
        BashComplete.source_template.replace("local IFS", "local -; set -f; local IFS", 1)
        .replace("env COMP_WORDS", 'env COMP_LINE="${COMP_LINE:0:$COMP_POINT}" COMP_TEXT="$2" COMP_WORDS')
        .replace("read type", "read -r type")
    )

    def source(self) -> str:
        return ShellComplete.source(self)  # without click's check of the installed bash

    def get_completion_args(self) -> tuple[list[str], str]:
        words = split_arg_string(os.environ["COMP_LINE"] + _END)
        return words[1:-1], words[-1].removesuffix(_END)

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[Any]]:
        match = _OPEN_QUOTE.match(os.environ["COMP_LINE"])
        quote, text = match[1] if match else "", os.environ["COMP_TEXT"]
        replaced = text if quote == "'" else re.sub(r"\\(.)", r"\1", text)
        stays = len(incomplete.removesuffix(replaced))
        items = super().get_completions(args, incomplete)
        return [CompletionItem(_quoted(item.value[stays:], quote)) if _is_text(item) else item for item in items]


class _Zsh(_WithOptions, ZshComplete):
    pass


class _Fish(_WithOptions, FishComplete):
    """Completes names with commas, at which click's own script cuts them, and lines with a continuation."""

    source_template = FishComplete.source_template.replace('split ","', 'split --max 1 ","').replace(
        "commandline -cp", "commandline -cp | string collect"
    )


_CLASSES: dict[str, type[ShellComplete]] = {"bash": _Bash, "zsh": _Zsh, "fish": _Fish}
SHELLS = tuple(_CLASSES)


def _is_text(item: CompletionItem[Any]) -> bool:
    return item.type == "plain"  # not for the shell to complete, as paths are


def _quoted(value: str, quote: str) -> str:
    """Escape a value for bash, after an open quote or outside quotes."""
    if quote == "'":
        return value.replace("'", r"'\''")
    special = _SPECIAL_IN_DOUBLE_QUOTES if quote else _SPECIAL
    return special.sub(lambda match: f"\\{match[0]}", value)


@click.command(
    epilog="""\b
To install it:
  bash   eval "$(watcher completion bash)"     in ~/.bashrc (bash 4.4 or later)
  zsh    eval "$(watcher completion zsh)"      in ~/.zshrc, after compinit
  fish   watcher completion fish > ~/.config/fish/completions/watcher.fish
Then open a new shell."""
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.option(
    "--env-file",
    type=click.Path(dir_okay=False),
    expose_value=False,
    help="Accepted as for every command, but not read.",
)
def completion(shell: str) -> None:
    """Print the script that lets a shell complete commands, options and names of targets.

    SHELL is bash, zsh or fish.

    Example: watcher completion bash
    """
    group = click.get_current_context().find_root().command
    click.echo(_CLASSES[shell](group, {}, PROGRAM, COMPLETION_VARIABLE).source())


def install_shells() -> None:
    """Register these classes with click."""
    for kind in _CLASSES.values():
        add_completion_class(kind)
