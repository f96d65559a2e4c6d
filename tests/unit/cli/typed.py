"""Commands as a user types them, in this process, without any setting of the environment."""

from contextlib import chdir
from pathlib import Path

from click.testing import CliRunner, Result

from watcher.cli import main
from watcher.config.env.settings import DEFAULTS


def typed(folder: Path, *arguments: str, **variables: str) -> Result:
    """Run a command in a folder."""
    with chdir(folder):
        environment = {**dict.fromkeys(DEFAULTS), **variables}
        return CliRunner().invoke(main, arguments, env=environment, catch_exceptions=False, prog_name="watcher")


def write(folder: Path, config: str, env: str = "") -> None:
    """Write a configuration."""
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    (folder / ".env").write_text(f"CONFIG_FILE_PATH=config.yaml\n{env}", encoding="utf-8")
