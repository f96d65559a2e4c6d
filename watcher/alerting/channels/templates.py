"""Renders templates of titles and texts: Jinja2 in its sandbox.

Compiling is harmless and happens when the configuration is read. Rendering may take any time and memory, so only the
helper process does it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from watcher.text.escaping import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2.sandbox import SandboxedEnvironment

MAX_TITLE_CHARS = 500
MAX_TEXT_CHARS = 64 * 1024


class TemplateError(Exception):
    """A template cannot be rendered; the message is for people."""


def complaint_about_template(text: str) -> tuple[int, str] | None:
    """Return what is wrong with a template, without rendering it.

    Args:
        text: the template.

    Returns:
        the line, from 1, and the error; None for a template that compiles.
    """
    from jinja2 import TemplateSyntaxError  # a daemon without templates starts faster without it

    try:
        _environment().from_string(text)
    except TemplateSyntaxError as error:
        return error.lineno, one_line(error.message or "is not a template")
    except (RecursionError, SyntaxError, MemoryError):  # by Python's own compiler, which runs last
        return 1, "is nested too deeply"
    except ValueError as error:  # for example for a number with thousands of digits
        return 1, one_line(str(error))
    return None


def rendered(text: str, payload: Mapping[str, Any], limit_chars: int) -> str:
    """Render a template with the JSON of a notification.

    Args:
        text: the template.
        payload: its keys are the variables.
        limit_chars: the longest result in characters; a longer one ends in an ellipsis.

    Raises:
        TemplateError: it cannot be rendered.
    """
    pieces: list[str] = []
    length = 0
    try:
        for piece in _environment().from_string(text).generate(payload):
            pieces.append(piece[: limit_chars + 1 - length])
            length += len(pieces[-1])
            if length > limit_chars:
                break
    except Exception as error:  # a template raises whatever its expressions raise, such as a division by zero
        line = _line_of(error)
        where = "" if line is None else f"line {line}: "
        raise TemplateError(one_line(f"{where}{str(error) or type(error).__name__}")) from error
    whole = "".join(pieces).strip()
    return whole if length <= limit_chars else whole[: limit_chars - 1] + "…"


def _environment() -> SandboxedEnvironment:
    from jinja2 import StrictUndefined, pass_context
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    @pass_context
    def as_it_is(_context: object, value: object) -> object:
        return value

    # Constant expressions must not be evaluated while a template is compiled: neither by the optimizer, nor as output,
    # which a function with the context prevents.
    return ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        optimized=False,
        finalize=as_it_is,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )


def _line_of(error: BaseException) -> int | None:
    """Return the line of a template in which an exception was raised."""
    line, trace = getattr(error, "lineno", None), error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
