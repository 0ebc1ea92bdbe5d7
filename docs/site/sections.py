"""Docstrings here have no empty lines between their sections; the parser asks for them."""

import re
from typing import Any

import griffe

SECTION = re.compile(r"\n(Args|Returns|Raises):\n")
SOURCE = re.compile(r"\n(Source|Sources): ")


class Sections(griffe.Extension):
    """Sets sections, and the sentence about the source, apart."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        del kwargs
        if obj.docstring:
            apart = SECTION.sub(r"\n\n\1:\n", obj.docstring.value)
            obj.docstring.value = SOURCE.sub(r"\n\n**\1**: ", apart)
