"""The data of commands and pages about the present and the past: queries and JSON forms."""
