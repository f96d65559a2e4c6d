"""Settings, from .env and the environment."""
