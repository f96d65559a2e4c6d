"""Text made safe to show, log and store."""
