"""Delivers a notification to its receiver: a webhook, a program, an Apprise service, or Alertmanager."""
