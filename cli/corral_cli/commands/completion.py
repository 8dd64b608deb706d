"""`completion`: a script for the shell that knows the commands and their options."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from corral_cli.commands import COMMANDS
from corral_cli.errors import ExitCode
from corral_cli.program import command_parser, load_command
from corral_cli.session import CliCommand, CliSession

SHELLS = ("bash", "zsh", "fish")


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="for which shell")


def options_of(name: str) -> list[tuple[str, str]]:
    """The long options of a command, with what they say."""
    parser = command_parser(name, load_command(name))
    return [
        (text, str(action.help or ""))
        for action in parser._actions  # noqa: SLF001 - argparse shows its options nowhere else
        for text in action.option_strings
        if text.startswith("--")
    ]


def script(shell: str) -> str:
    """The completion script."""
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell]()


_BASH = """\
_corral() {
  local current="${COMP_WORDS[COMP_CWORD]}" command="" word words
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) command="$word"; break ;; esac
  done
  case "$command" in
    "") COMPREPLY=($(compgen -W "@names" -- "$current")); return ;;
@cases
    *) words="" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current") $(compgen -f -- "$current"))
}
complete -o filenames -F _corral corral"""


def _bash() -> str:
    cases = [f'    {name}) words="{" ".join(text for text, _about in options_of(name))}" ;;' for name in COMMANDS]
    return _BASH.replace("@names", " ".join([*COMMANDS, "compose"])).replace("@cases", "\n".join(cases))


def _zsh() -> str:
    described = [f"    '{name}:{_quoted(entry.summary).replace(':', ' -')}'" for name, entry in COMMANDS.items()]
    cases = [
        f"    {name}) _values -w option {' '.join(text for text, _about in options_of(name))} ;;" for name in COMMANDS
    ]
    return "\n".join(
        [
            "#compdef corral",
            "_corral() {",
            "  local -a commands",
            "  commands=(",
            *described,
            "  )",
            "  if (( CURRENT == 2 )); then _describe command commands; return; fi",
            "  if [[ $words[CURRENT] != -* ]]; then _files; return; fi",
            '  case "$words[2]" in',
            *cases,
            "  esac",
            "}",
            "compdef _corral corral",
        ]
    )


def _fish() -> str:
    lines = []
    for name, entry in COMMANDS.items():
        lines.append(f"complete -c corral -n __fish_use_subcommand -a {name} -d '{_quoted(entry.summary)}'")
        condition = f"'__fish_seen_subcommand_from {name}'"
        lines += [
            f"complete -c corral -n {condition} -l {text[2:]} -d '{_quoted(about)}'" for text, about in options_of(name)
        ]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """For single quotes of a shell."""
    return text.replace("'", "").replace("`", "")


def _run(session: CliSession, options: Namespace) -> int:
    session.terminal.print(script(options.shell))
    return ExitCode.OK


PROVIDES = {"completion": CliCommand(_arguments, _run)}
