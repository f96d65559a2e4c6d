"""Delivers one notification to one receiver: a webhook, a program, a service of Apprise, or Alertmanager."""
