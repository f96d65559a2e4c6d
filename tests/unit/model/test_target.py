"""A target's texts never show the secrets of its address."""

from watcher.model.target import DEFAULT_INTERVAL_SECONDS, DEFAULT_TIMEOUT_SECONDS, Target


def test_the_repr_leaves_out_the_address() -> None:
    target = Target(name="Shop", address="https://user:hunter2@shop.example/", shown_address="https://shop.example/")
    assert "hunter2" not in repr(target)
    assert "https://shop.example/" in repr(target)


def test_the_defaults_are_those_of_the_contract() -> None:
    assert (DEFAULT_INTERVAL_SECONDS, DEFAULT_TIMEOUT_SECONDS) == (10, 10)
