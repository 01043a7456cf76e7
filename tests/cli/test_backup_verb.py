"""`db backup`: a copy of the database, made beside whoever uses it."""

from tests.cli.conftest import Cli, Filled, two_incidents


def test_db_backup_says_what_it_has_written_and_never_writes_over_it(filled: Filled, cli: Cli) -> None:
    config = filled(two_incidents)
    copy = config.with_name("copy.db")

    done = cli("db", "backup", copy, "-c", config)
    again = cli("db", "backup", copy, "-c", config)

    assert (done.code, done.out.startswith(f"{copy}: ")) == (0, True)
    assert again.code == 2
    assert again.err == f"{copy}: is there already; name a file that is not\n"
    assert copy.read_bytes().startswith(b"SQLite format 3")
