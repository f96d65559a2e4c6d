"""YAML as text, to nodes that know their places."""
