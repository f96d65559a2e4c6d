"""Conditions of alerts beside checks: maintenance, this machine's network, certificates, the heartbeat call."""
