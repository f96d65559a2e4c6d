"""Frozen values of alerting: channels, messages, silences and windows."""
