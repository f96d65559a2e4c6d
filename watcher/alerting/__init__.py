"""Alerting: turns changes of state into messages and delivers them."""
