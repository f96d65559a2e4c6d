"""How errors end a command: one line each and the right status, however they are wrapped; a bug keeps its traceback."""

import pytest

from watcher.cli.common import errors_on_one_line
from watcher.config.mistakes import ConfigurationError, Mistake, Place
from watcher.postgres.errors import DatabaseUnavailableError


def bad_configuration(*lines: int) -> ConfigurationError:
    """Return an error with mistakes in these lines."""
    return ConfigurationError([Mistake(Place("c.yaml", line, 1), "", "is bad") for line in lines])


@pytest.mark.parametrize(
    ("error", "status", "lines"),
    [
        (bad_configuration(1, 2), 2, ["c.yaml:1:1: is bad", "c.yaml:2:1: is bad"]),
        (DatabaseUnavailableError("it is gone"), 1, ["watcher: it is gone"]),
        (DatabaseUnavailableError("two\nlines\x1b[2J"), 1, [r"watcher: two\nlines\x1b[2J"]),
        (PermissionError(13, "Permission denied", "data"), 1, ["watcher: data: Permission denied"]),
        (OSError(28, "No space left on device"), 1, ["watcher: No space left on device"]),
        (OSError("all of it failed"), 1, ["watcher: all of it failed"]),
        (ExceptionGroup("", [ExceptionGroup("", [DatabaseUnavailableError("gone")])]), 1, ["watcher: gone"]),
        (
            ExceptionGroup("", [bad_configuration(1), bad_configuration(2)]),
            2,
            ["c.yaml:1:1: is bad", "c.yaml:2:1: is bad"],
        ),
        (
            ExceptionGroup("", [bad_configuration(1), ExceptionGroup("", [DatabaseUnavailableError("gone")])]),
            1,
            ["c.yaml:1:1: is bad", "watcher: gone"],
        ),
    ],
    ids=["configuration", "storage", "two_lines", "system", "full", "words", "nested", "configurations", "mixed"],
)
def test_an_error_that_a_user_can_mend_is_a_line(
    error: Exception, status: int, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught, errors_on_one_line():
        raise error
    assert caught.value.code == status
    out, err = capsys.readouterr()
    assert (out, err.splitlines()) == ("", lines)


def test_a_bug_is_not_dressed_up_as_an_error_of_the_user(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), errors_on_one_line():
        _ = 1 / 0
    assert capsys.readouterr() == ("", "")


def test_a_bug_beside_an_error_of_the_user_is_not_hidden() -> None:
    both = ExceptionGroup("", [DatabaseUnavailableError("gone"), ZeroDivisionError()])
    with pytest.RaisesGroup(DatabaseUnavailableError, ZeroDivisionError), errors_on_one_line():
        raise both


def test_success_passes_through(capsys: pytest.CaptureFixture[str]) -> None:
    with errors_on_one_line():
        pass
    assert capsys.readouterr() == ("", "")
