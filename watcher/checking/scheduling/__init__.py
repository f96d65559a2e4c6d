"""When a target is checked, and whether now."""
