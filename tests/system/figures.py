"""What the tests measured, said once at the end of the run whether or not they passed."""

from collections.abc import Callable, Mapping

Figure = Callable[[str, object], None]


def line(name: str, value: object) -> str:
    """Return a figure as a line; seconds by tier are shortened."""
    if isinstance(value, Mapping):
        value = ", ".join(
            f"{key} {each:.2f}" if isinstance(each, float) else f"{key} {each}" for key, each in value.items()
        )
    return f"{name}: {value}"
