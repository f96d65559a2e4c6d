"""Several places watch one target: one replica of all of them decides where it stands together."""
