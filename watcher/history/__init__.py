"""The past of a target, computed: rollups, incidents, uptime."""
