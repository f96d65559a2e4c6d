"""The examples of docs/alerts.md are valid configurations."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from watcher.alerting.channels.templates import complaint_about_template
from watcher.config import load_configuration

if TYPE_CHECKING:
    from watcher.model.alerts.channel import Channel

PAGE = Path(__file__).resolve().parents[3] / "docs" / "alerts.md"
VARIABLES = {
    "PAGERDUTY_URL": "pagerduty://A1BRTD4JD@TIiajkdnlazkcOXrIdevi7FQ?action=map",
    "MAIL_URL": "mailtos://USER:PASSWORD@mail.example?to=ops@shop.example",
}


def test_every_example_is_good(tmp_path: Path) -> None:
    """Each is a whole file, except for targets that some leave out; the templates compile."""
    secret = tmp_path / "hook"
    secret.write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", encoding="utf-8")
    config = tmp_path / "config.yaml"
    channels: list[Channel] = []
    for example in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        text = example.replace("/run/secrets/hook", str(secret))
        config.write_text(text if "urls:" in text else f'{text}urls: [{{address: "https://example.com/"}}]\n', "utf-8")
        variables = {"CONFIG_FILE_PATH": str(config), **VARIABLES}
        channels += load_configuration(tmp_path / ".env", variables).alerting.channels
    templates = [text for channel in channels for text in (channel.title, channel.body) if text is not None]
    assert len(channels) >= 6
    assert [complaint_about_template(text) for text in templates] == [None] * len(templates)
    assert len(templates) >= 3
