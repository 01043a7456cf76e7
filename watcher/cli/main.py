"""The command line: which verbs there are, and what every way of ending means to a shell.

Verbs are named here and imported only when they run, so that `watcher --help` answers at once.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from importlib.metadata import version
from typing import Final

from cyclopts import App, CycloptsError, UnknownCommandError

from watcher.cli.leaving import leave
from watcher.cli.plain import printable
from watcher.errors import ConfigurationError, SecretUnavailable, UserError, WatcherError

DONE: Final = 0
WRONG_USE: Final = 2
UNAVAILABLE: Final = 69
"""What was asked for is all right, and something it needs is away (BSD's EX_UNAVAILABLE)."""
BUG: Final = 70
"""A bug in watcher (EX_SOFTWARE)."""
INTERRUPTED: Final = 130
DEBUG: Final = "WATCHER_DEBUG"

GROUPS: Final = {
    "sources": "What is read, and whether it answers.",
    "rules": "What is looked for.",
    "incidents": "What was found.",
    "silences": "What nobody is told of for a time.",
    "notify": "Who is told.",
    "routes": "Who is told of what.",
    "db": "The database.",
}
VERBS: Final = (
    ("init", "watcher.cli.init:init", "Write a commented watcher.yaml to start from."),
    ("check", "watcher.cli.check:check", "Read the configuration and say what it sets up."),
    ("run", "watcher.cli.run:run", "Watch: the daemon."),
    ("status", "watcher.cli.status:status", "Say whether the daemon lives and what it sees."),
    ("demo", "watcher.cli.demo:demo", "Watch the daemon find problems in a simulated CDN."),
    ("simulate", "watcher.cli.simulate:simulate", "Serve simulated vendors to try a configuration on."),
    ("schema", "watcher.cli.schema:schema", "Print the JSON Schema of the configuration."),
    ("sources list", "watcher.cli.sources:list_sources", "List what is configured to be read."),
    ("sources test", "watcher.cli.sources:try_sources", "Make one real call for each stream."),
    (
        "sources inventory",
        "watcher.cli.inventory:show_inventory",
        "List what vendors know, and what no rule looks at.",
    ),
    ("sources backfill", "watcher.cli.backfill:backfill", "Read a span of one source once more."),
    ("sources export", "watcher.cli.export:export", "Write what was recorded in the long format."),
    ("rules list", "watcher.cli.rules:list_rules", "List the rules that judge."),
    ("rules lint", "watcher.cli.rules:lint_rules", "Say what is wrong with rules."),
    ("rules test", "watcher.cli.rules:prove_rules", "Run the cases of the *.test.yaml beside rules."),
    ("rules why", "watcher.cli.why:why", "Show the bins, baseline and gates behind an incident."),
    ("rules why-not", "watcher.cli.why:why_not", "Show which gate kept a rule quiet at a time."),
    ("backtest", "watcher.cli.backtest:backtest", "Say which incidents rules would have raised."),
    ("incidents list", "watcher.cli.incidents:list_incidents", "List incidents, the newest first."),
    ("incidents show", "watcher.cli.incident:show_incident", "Show one incident with its whole story."),
    (
        "incidents stats",
        "watcher.cli.figures:show_figures",
        "Say how many there were, how long they took, and which rules are noise.",
    ),
    (
        "incidents export",
        "watcher.cli.incident_export:export",
        "Write incidents with their timelines as JSON Lines or CSV.",
    ),
    ("incidents ack", "watcher.cli.acting:acknowledge", "Say that somebody is at it."),
    ("incidents unack", "watcher.cli.acting:unacknowledge", "Take an acknowledgement back."),
    ("incidents note", "watcher.cli.acting:note", "Write a line into the timeline."),
    ("incidents assign", "watcher.cli.acting:assign", "Say whose it is."),
    ("incidents snooze", "watcher.cli.acting:snooze", "Tell nothing of it for a while."),
    ("incidents resolve", "watcher.cli.acting:resolve", "End it by hand."),
    ("silences add", "watcher.cli.silences:add", "Tell nobody of what matches for a time."),
    ("silences list", "watcher.cli.silences:list_silences", "List silences and maintenance windows."),
    ("silences end", "watcher.cli.silences:end", "End a silence now."),
    ("silences preview", "watcher.cli.silences:preview", "Show what a silence would hide."),
    ("notify test", "watcher.cli.notify:try_receiver", "Send a test message to one receiver."),
    ("notify preview", "watcher.cli.notify:preview", "Show what a receiver would be told of an incident."),
    ("drill", "watcher.cli.drill:drill", "Play an incident, and see that everybody is told."),
    (
        "routes test",
        "watcher.cli.routes:try_routes",
        "Say who would be told of an incident, when, and who would not.",
    ),
    ("db backup", "watcher.cli.database:backup", "Copy the database while the daemon runs."),
    ("db upgrade", "watcher.cli.database:upgrade", "Bring the database's schema up to date."),
)


def build() -> App:
    """The tree of verbs; nothing behind them is imported."""
    root = _app("watcher", "Watches traffic served through several CDNs and clouds, and tells people.")
    groups = {name: _app(name, text) for name, text in GROUPS.items()}
    for name, path, text in VERBS:
        group, _, verb = name.rpartition(" ")
        parent = groups[group] if group else root
        parent.command(path, name=verb, help=text)
    for group_app in groups.values():
        root.command(group_app)
    return root


def main(tokens: Sequence[str] | None = None) -> int:
    """Run one command; the answer is the process's exit code. Never raises, but for a signal's own exit.

    Without `tokens` it is the process's own: that ends, whatever a thread still waits for.
    """
    code = _run(tokens)
    if tokens is None:
        leave(code)
    return code


def _run(tokens: Sequence[str] | None) -> int:
    try:
        code = build()(tokens)
        sys.stdout.flush()
    except CycloptsError as error:
        return _complain([_misuse(error)], WRONG_USE)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _nobody_reads()
    except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - the process's rim: told below, by kind
        return _ended(error)
    return code if isinstance(code, int) else DONE


def _app(name: str, text: str) -> App:
    return App(
        name=name,
        help=text,
        version=lambda: version("watcher"),
        version_flags=["--version"] if name == "watcher" else [],
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,
    )


def _misuse(error: CycloptsError) -> str:
    """What is wrong with the words of the command, and where the right ones are."""
    chain = " ".join(error.command_chain or ())
    said = str(error).rstrip(".") if not isinstance(error, UnknownCommandError) else _unknown(error, chain)
    return f"{said}; see `{' '.join(['watcher', *chain.split()])} --help`"


def _unknown(error: UnknownCommandError, group: str) -> str:
    """Cyclopts would import every verb to name those there are."""
    word = (error.unused_tokens or [""])[0]
    names = [*GROUPS, *(name for name, _, _ in VERBS)]
    verbs = [name.removeprefix(f"{group} ") for name in names if name.rpartition(" ")[0] == group]
    close = get_close_matches(word, verbs, n=1)
    hint = f"did you mean `{close[0]}`?" if close else f"there are {', '.join(verbs)}"
    return f"unknown command `{word}`; {hint}"


def _ended(error: BaseException) -> int:
    """Say what stopped the command; a task group's errors are told one by one."""
    causes = list(_leaves(error))
    if any(isinstance(cause, KeyboardInterrupt) for cause in causes):
        return INTERRUPTED
    if DEBUG in os.environ:
        sys.excepthook(type(error), error, error.__traceback__)
    if all(isinstance(cause, UserError) for cause in causes):
        return _complain([line for cause in causes for line in _lines(cause)], WRONG_USE)
    if all(isinstance(cause, WatcherError) for cause in causes):
        return _complain(map(str, causes), UNAVAILABLE)
    bugs = [cause for cause in causes if not isinstance(cause, WatcherError)]
    told = [f"bug in watcher: {type(bug).__name__}: {bug}" for bug in bugs]
    return _complain([*told, f"please report it with the traceback that {DEBUG}=1 shows"], BUG)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _lines(error: BaseException) -> Iterator[str]:
    match error:
        case ConfigurationError(problems=problems):
            yield from map(str, problems)
        case SecretUnavailable(hint=hint):
            yield f"{error}; {hint}"
        case _:
            yield from str(error).splitlines()


def _complain(lines: Sequence[str] | Iterator[str], code: int) -> int:
    """One line each on stderr, whatever a vendor or a file put into it."""
    for line in lines:
        sys.stderr.write(printable(" ".join(line.splitlines())) + "\n")
    return code


def _nobody_reads() -> int:
    """The reader of a pipe has gone, as `head` does: an end like any other.

    Python would complain once more when it flushes stdout at exit, so stdout leads nowhere from here on.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return DONE
