"""Who may see what, and who may write."""
