"""One bad file per mistake in channels and alerts, in bad_alerts/: each has the lines below, and no others."""
# ruff: noqa: E501  # lines as their readers see them

from pathlib import Path

from tests.unit.config.error_lines import lines_of
from watcher.config.env.settings import Settings

BAD = Path(__file__).parent / "bad_alerts"
FILES = sorted(path.stem for path in BAD.glob("*.yaml"))

EMPTY = "is empty; write a value, or remove the key"
ONE_OF = "a channel has one of url, webhook, exec, alertmanager"
NO_MOMENT = 'is neither a time of day nor a date and time; write one, as in "22:00" or "2026-12-01T22:00"'
NO_TIME = 'is not a time of day; write one, as in "22:00"'
NO_HTTP = "is not an http or https URL; write it as in https://example.com/"
CRON = 'write minute, hour, day, month and weekday, as in "0 3 1 * *"'
NO_CHOICE = "; write one of these"

# Each line starts with `NAME.yaml:`.
LINES = {
    "alertmanager_no_http": [
        f"3:37: channels[0].alertmanager.url: {NO_HTTP}",
    ],
    "alerts_after_negative": [
        "3:94: urls[0].alerts[0].after: -1 is not 0 or more; write a duration, as in 10s",
        f"3:123: urls[0].alerts[1].after: {EMPTY}",
    ],
    "alerts_forgotten": [
        f"3:71: urls[0].alerts: {EMPTY}",
    ],
    "alerts_text": [
        "3:71: urls[0].alerts: 'ops' is not a list; write it as in `alerts: [ops, {channel: page-me, after: 15m}]`",
    ],
    "alerts_twice": [
        "3:87: urls[0].alerts[1].channel: 'ops' is written twice; remove one",
    ],
    "alerts_unknown_channel": [
        "3:72: urls[0].alerts[0].channel: no channel is called 'opps'; did you mean ops?",
        "3:88: urls[0].alerts[1].channel: no channel is called 'pager'; known are ops",
    ],
    "alerts_unknown_key": [
        "3:87: urls[0].alerts[0].afer: unknown key; did you mean after?",
    ],
    "channel_all_kinds": [
        f"3:52: channels[0].webhook: is written besides url; {ONE_OF}",
        f"3:86: channels[0].exec: is written besides url; {ONE_OF}",
    ],
    "channel_body_too_long": [
        "3:38: channels[0].title: has 10001 characters; 10000 is the limit",
    ],
    "channel_empty": [
        f"3:23: channels[0].exec: {EMPTY}",
        f"3:35: channels[0].events: {EMPTY}",
        f"3:46: channels[0].title: {EMPTY}",
        f"3:63: channels[0].quiet_hours: {EMPTY}",
    ],
    "channel_exec_empty": [
        "3:24: channels[0].exec[0]: is empty; write the path of a program",
    ],
    "channel_exec_text": [
        "3:23: channels[0].exec: this is not a list; write it as in `exec: [/usr/local/bin/page, --urgent]`",
    ],
    "channel_file_missing": [
        "3:27: channels[0].url_file: 'no such file' cannot be read: No such file or directory; correct the path, or make the file",
    ],
    "channel_group_by": [
        "3:41: channels[0].group_by: has more than one word; write [], [group] or [target]",
    ],
    "channel_group_by_unknown": [
        f"3:42: channels[0].group_by[0]: 'team' is not one of 'group' or 'target'{NO_CHOICE}",
    ],
    "channel_name_blank": [
        "3:12: channels[0].name: ' ' is not a name; write one line of 1 to 200 printable characters",
    ],
    "channel_name_twice": [
        "4:12: channels[1].name: 'ops' is the name of the channel at channel_name_twice.yaml:3:12 too; rename one",
    ],
    "channel_nowhere": [
        "3:5: channels[0]: has nowhere to send to; write one of url, webhook, exec, alertmanager",
    ],
    "channel_of_text": [
        '3:5: channels[0]: this is not a mapping; write it as in `channels: [{name: ops, url: "ntfys://ntfy.example/ops"}]`',
    ],
    "channel_timeout_too_long": [
        "3:57: channels[0].group_wait: 'soon' is not a duration; write seconds, as in 10, or with a unit, as in 500ms, 60s, 5m or 24h",
    ],
    "channel_times": [
        "3:43: channels[0].group_wait: -1 is not 0 or more; write a duration, as in 10s",
        "3:63: channels[0].group_interval: nan is not 0 or more; write a duration, as in 10s",
        "3:88: channels[0].reminder_interval: -0.5 is not 0 or more; write a duration, as in 10s",
        "3:103: channels[0].timeout: 0 is not above zero; write a duration, as in 10s",
        "3:121: channels[0].give_up_after: 500 days is above 400 days, the maximum; write a shorter one",
    ],
    "channel_unknown_event": [
        f"3:46: channels[0].events[1]: 'upp' is not one of 'down', 'up', 'degraded', 'unknown', 'certificate' or 'flapping'{NO_CHOICE}",
    ],
    "channel_unknown_key": [
        "3:31: channels[0].grup_wait: unknown key; did you mean group_wait?",
    ],
    "channel_url_and_file": [
        "3:53: channels[0].url_file: is written besides url; remove one",
    ],
    "channel_url_without_scheme": [
        "3:22: channels[0].url: is not an Apprise URL; write one, as in ntfys://ntfy.example/ops",
    ],
    "channel_without_name": [
        "3:5: channels[0].name: is missing; add it",
    ],
    "channels_empty": [
        f"2:11: channels: {EMPTY}",
    ],
    "channels_mapping": [
        '2:11: channels: this is not a list; write it as in `channels: [{name: ops, url: "ntfys://ntfy.example/ops"}]`',
    ],
    "connectivity_empty": [
        f"2:25: connectivity.targets: {EMPTY}",
        "2:39: connectivity.interval: 0.5 is not 1 or more; write a duration, as in 10s",
    ],
    "connectivity_no_http": [
        f"2:50: connectivity.targets[1]: '1.1.1.1' {NO_HTTP}",
    ],
    "connectivity_nothing": [
        "2:15: connectivity.targets: is missing; add it",
    ],
    "defaults_forgotten": [
        f"1:20: defaults.alerts: {EMPTY}",
        f"1:30: defaults.labels: {EMPTY}",
        f"1:45: defaults.description: {EMPTY}",
    ],
    "depends_on_both": [
        "3:76: urls[0].depends_on[0]: needs exactly one of target and group; write the name of a target, or one group",
        "3:105: urls[0].depends_on[1]: needs exactly one of target and group; write the name of a target, or one group",
        "3:109: urls[0].depends_on[2]: needs exactly one of target and group; write the name of a target, or one group",
        "3:113: urls[0].depends_on[3]: needs exactly one of target and group; write the name of a target, or one group",
    ],
    "depends_on_circle": [
        "2:51: urls[0].depends_on[0]: forms a circle: 'A' -> the group 'core' -> 'B' -> 'C' -> 'A'; remove one of these dependencies",
    ],
    "depends_on_its_group": [
        "3:76: urls[0].depends_on[0]: is the target's own group; name another, or targets",
    ],
    "depends_on_itself": [
        "3:76: urls[0].depends_on[0]: is the target itself; remove it",
    ],
    "depends_on_text": [
        "3:75: urls[0].depends_on: 'Router' is not a list; write it as in `depends_on: [Router, {group: core}]`",
    ],
    "depends_on_unknown": [
        "3:76: urls[0].depends_on[0].target: no target is called 'Shopp'; did you mean Shop?",
        "3:91: urls[0].depends_on[1].group: no target is in the group 'shops'; did you mean shop?",
    ],
    "depends_on_unknown_default": [
        "1:25: defaults.depends_on[0].target: no target is called 'Router'",
    ],
    "description_too_long": [
        "3:76: urls[0].description: 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx… is not a text of 1 to 1000 characters",
    ],
    "heartbeat_no_http": [
        f"2:18: heartbeat.url: {NO_HTTP}",
    ],
    "heartbeat_nothing": [
        "2:12: heartbeat: has neither url nor url_file; write one",
        "2:23: heartbeat.interval: 0 is not 1 or more; write a duration, as in 10s",
    ],
    "heartbeat_text": [
        '2:12: heartbeat: this is not a mapping; write it as in `heartbeat: {url: "https://hc-ping.example/uuid"}`',
    ],
    "labels_bad": [
        "3:72: urls[0].labels.team-a: 'team-a' is not a label name; write letters, digits and _, as in team",
        "3:83: urls[0].labels.__name: '__name' is not a label name; write letters, digits and _, as in team",
        "3:97: urls[0].labels.x: 'a\\nb' is not one line of 1 to 200 printable characters",
    ],
    "labels_number": [
        "3:78: urls[0].labels.tier: 1 is not text; put it in quotes",
    ],
    "maintenance_cron_and_start": [
        "3:32: maintenance[0].start: is written besides cron; remove one",
        "3:51: maintenance[0].weekdays: is written besides cron; remove one",
    ],
    "maintenance_cron_bad": [
        f"3:12: maintenance[0].cron: '0 25 * * *' is not a cron expression: bad hour; {CRON}",
        f"4:12: maintenance[1].cron: '@daily' does not have five fields; {CRON}",
    ],
    "maintenance_duration": [
        "3:32: maintenance[0].duration: 0 is not above zero; write a duration, as in 10s",
        "4:32: maintenance[1].duration: 401 days is above 400 days, the maximum; write a shorter one",
        "5:5: maintenance[2].duration: is missing; add it",
        f"6:32: maintenance[3].duration: {EMPTY}",
    ],
    "maintenance_group_and_targets": [
        "3:58: maintenance[0].targets: is written besides group; remove one",
    ],
    "maintenance_never": [
        "3:12: maintenance[0].cron: '0 0 30 2 *' never comes: none of its months has that day; write another",
        "4:12: maintenance[1].cron: '0 0 31 4,6 *' never comes: none of its months has that day; write another",
        "5:12: maintenance[2].cron: '0 0 */31 * 1#5' never comes in the next 50 years; write another",
    ],
    "maintenance_of_an_entry": [
        "3:115: urls[0].maintenance[0].group: is only for the `maintenance` of the file; this one holds for its own entry, so remove it",
        f"3:144: urls[0].maintenance[1].start: '25:00' {NO_MOMENT}",
    ],
    "maintenance_skipped_time": [
        "3:13: maintenance[0].start: '2027-03-28T02:30' never comes in Europe/Berlin, where the clocks are put forward over it; write a later time",
    ],
    "maintenance_start_bad": [
        f"3:13: maintenance[0].start: '24:00' {NO_MOMENT}",
        f"4:13: maintenance[1].start: '2026-02-30T00:00' {NO_MOMENT}",
        f"5:13: maintenance[2].start: '2026-12-01' {NO_MOMENT}",
        "6:5: maintenance[3]: has neither start nor cron; write one",
    ],
    "maintenance_timezone": [
        "3:46: maintenance[0].timezone: 'Europe/Berln' is not a time zone; did you mean Europe/Berlin?",
        "4:46: maintenance[1].timezone: '../UTC' is not a time zone; write one, as in Europe/Berlin",
        "5:58: maintenance[2].timezone: is written besides a start that has an offset; remove one",
    ],
    "maintenance_unknown_group": [
        "3:43: maintenance[0].group: no target is in the group 'shops'; did you mean shop?",
        "4:52: maintenance[1].targets[1]: no target is called 'Shopp'; did you mean Shop?",
    ],
    "maintenance_weekday": [
        f"3:47: maintenance[0].weekdays[0]: 'monday' is not one of 'mon', 'tue', 'wed', 'thu', 'fri', 'sat' or 'sun'{NO_CHOICE}",
    ],
    "maintenance_weekday_of_a_date": [
        "3:13: maintenance[0].start: '2026-12-01T22:00' is not a time of day; write one besides weekdays, as in \"22:00\"",
    ],
    "maintenance_why": [
        "3:41: maintenance[0].why: 'a\\nb' is not one line of text; write one line of 1 to 200 printable characters",
    ],
    "quiet_hours_bad": [
        f"3:53: channels[0].quiet_hours[0].start: '22:60' {NO_TIME}",
        f"3:67: channels[0].quiet_hours[0].end: '7am' {NO_TIME}",
        "3:82: channels[0].quiet_hours[0].timezone: 'CETT' is not a time zone; did you mean CET?",
        f"3:98: channels[0].quiet_hours[0].weekdays: {EMPTY}",
    ],
    "quiet_hours_without_end": [
        "3:45: channels[0].quiet_hours[0].end: is missing; add it",
    ],
    "webhook_headers": [
        "3:63: channels[0].webhook.headers.Host ***: 'Host ***' is not a header name; write one as in Accept",
    ],
    "webhook_no_http": [
        f"3:32: channels[0].webhook.url: {NO_HTTP}",
        "4:30: channels[1].webhook.url: has an invalid host; write it as in https://example.com/",
    ],
    "webhook_nothing": [
        "3:26: channels[0].webhook: has neither url nor url_file; write one",
        f"4:24: channels[1].webhook: {EMPTY}",
        '5:24: channels[2].webhook: this is not a mapping; write it as in `webhook: {url: "https://hooks.example/x"}`',
    ],
}


def test_every_bad_file_has_its_lines_here() -> None:
    assert list(LINES) == FILES


def test_the_lines_of_each_bad_file(settings: Settings) -> None:
    lines = {name: lines_of(f"{name}.yaml", (BAD / f"{name}.yaml").read_bytes(), settings) for name in FILES}
    assert lines == LINES
    assert "hunter" not in str(lines)
