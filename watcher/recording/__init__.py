"""Where outcomes go: successes to monitor.log, failures to storage."""
