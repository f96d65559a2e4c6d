"""`watcher completion`: completes commands, options and names of targets in a shell."""

from __future__ import annotations

import os
import re

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

PROGRAM = "watcher"
COMPLETION_VARIABLE = "_WATCHER_COMPLETE"
LINE_VARIABLE = "WATCHER_COMPLETE_LINE"
SHELLS = ("bash", "zsh", "fish")

# Unlike click's own script, it passes the whole line: bash splits words at colons and equals signs.
_BASH_SCRIPT = """\
%(complete_func)s() {
    local IFS=$'\\n' response completion type value
    local line="${COMP_LINE:0:$COMP_POINT}"
    response=$(WATCHER_COMPLETE_LINE="$line" %(complete_var)s=bash_complete "$1" 2>/dev/null)
    COMPREPLY=()
    while IFS= read -r completion; do
        type="${completion%%%%,*}"
        value="${completion#*,}"
        case "$type" in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done <<< "$response"
    return 0
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""
# Unlike click's own script, it splits an answer at the first comma only, since names and help may have commas.
_FISH_SCRIPT = """\
function %(complete_func)s
    set -l line (commandline -cp | string collect)
    set -l response (env %(complete_var)s=fish_complete COMP_WORDS=$line COMP_CWORD=(commandline -t) %(prog_name)s)
    for completion in $response
        set -l answer (string split --max 1 "," -- $completion)
        switch $answer[1]
            case dir
                __fish_complete_directories $answer[2]
            case file
                __fish_complete_path $answer[2]
            case plain
                echo $answer[2]
        end
    end
end
complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""
_WORD_AT_THE_END = re.compile(r"""(?:\\.|"(?:\\.|[^"\\])*"|'[^']*'|[^\s'"\\])*(?:"[^"]*|'[^']*|\\)?$""")
_IN_OPEN_QUOTES = re.compile(r"""'[^']*|"(?:\\.|[^"\\])*\\?""")
_SPECIAL = re.compile(r"[^A-Za-z0-9_@%+=:,./\u0080-\U0010ffff-]")
_SPECIAL_IN_DOUBLE_QUOTES = re.compile(r'[\\"$`]')


class _Bash(BashComplete):
    """Completes names with spaces and colons, which are common: the default name of a target is its address."""

    source_template = _BASH_SCRIPT

    def source(self) -> str:
        return ShellComplete.source(self)  # without click's check of the installed bash

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ.get(LINE_VARIABLE)
        if line is None:  # called by click's own script
            return super().get_completion_args()
        words = split_arg_string(line)[1:]
        return (words[:-1], words[-1]) if _word_at_the_end(line) and words else (words, "")

    def format_completion(self, item: CompletionItem[str]) -> str:
        line = os.environ.get(LINE_VARIABLE)
        if line is None:
            return super().format_completion(item)
        word = _without_option(_word_at_the_end(line))
        value = item.value[_chars_that_stay(word) :]
        return f"{item.type},{_quoted(value, word[0] if _IN_OPEN_QUOTES.fullmatch(word) else '')}"


class _Zsh(ZshComplete):
    """Completes `--option=value`, too: zsh replaces the whole word with the completion."""

    def format_completion(self, item: CompletionItem[str]) -> str:
        return super().format_completion(_with_option(item, self.get_completion_args()[1]))


class _Fish(FishComplete):
    """Completes names with commas, and `--option=value`: fish needs the same start as the whole word."""

    source_template = _FISH_SCRIPT

    def format_completion(self, item: CompletionItem[str]) -> str:
        return super().format_completion(_with_option(item, self.get_completion_args()[1]))


def _with_option(item: CompletionItem[str], word: str) -> CompletionItem[str]:
    """Add the option of the word at the cursor, such as `--target=`, in front of a value."""
    option = word.removesuffix(_without_option(word))
    return CompletionItem(option + item.value, item.type, item.help) if item.type == "plain" else item


def _without_option(word: str) -> str:
    return word.partition("=")[2] if word.startswith("--") and "=" in word else word


def _word_at_the_end(line: str) -> str:
    """Return the word at the cursor as typed, with quotes; empty after a space."""
    match = _WORD_AT_THE_END.search(line)
    return match[0] if match else ""


def _chars_that_stay(word: str) -> int:
    """Return the length of a value's part that stays on the line; bash replaces only what follows a colon or `=`."""
    if word.startswith(("'", '"')):
        return 0
    stays = word[: max(word.rfind(":"), word.rfind("=")) + 1]
    return len(re.sub(r"\\(.)", r"\1", stays))


def _quoted(value: str, quote: str) -> str:
    """Escape a value for the line, after an open quote or outside quotes."""
    if quote == "'":
        return value.replace("'", r"'\''")
    if quote:
        return _SPECIAL_IN_DOUBLE_QUOTES.sub(lambda match: f"\\{match[0]}", value)
    return _SPECIAL.sub(lambda match: f"\\{match[0]}", value)


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
    install_shells()
    kind = get_completion_class(shell)
    assert kind is not None  # click has all three
    group = click.get_current_context().find_root().command
    click.echo(kind(group, {}, PROGRAM, COMPLETION_VARIABLE).source())


def install_shells() -> None:
    """Register these classes with click."""
    for kind in (_Bash, _Zsh, _Fish):
        add_completion_class(kind)
