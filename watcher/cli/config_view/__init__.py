"""Shows the configuration, with secrets masked: the lines with mistakes, and the effective values."""
