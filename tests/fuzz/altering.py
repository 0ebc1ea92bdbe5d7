"""Whole files, damaged: bytes changed, cut out, doubled, moved, or a number made extreme."""

import struct
from typing import NamedTuple

from hypothesis import strategies as st

EXTREME = [
    struct.pack(form, value)
    for form, values in {
        "<B": (0, 1, 127, 128, 255),
        "<I": (0, 2**31 - 1, 2**31, 2**32 - 1),
        "<Q": (2**31, 2**63 - 1, 2**64 - 1),
        ">I": (1, 2**31 - 1, 2**32 - 1),
    }.items()
    for value in values
]
WORDS = [b"", b"\n", b'"', b",", b"\x00", b"-1", b"1e999", b"NaN", b"null", b"[" * 2000, b"9" * 400]
WORDS += [b"\xff\xfe", b"\xed\xb3\xbf", b"{}", b"../", b"=cmd", b"true", b"torch.load", b"'"]


class Edit(NamedTuple):
    """At a fraction of the length: so many bytes out, these in."""

    where: float
    out: int
    inside: bytes

    def of(self, content: bytes) -> bytes:
        """The edited content."""
        place = int(self.where * len(content))
        return content[:place] + self.inside + content[place + self.out :]


def overwrite(where: float, inside: bytes) -> Edit:
    """An edit that leaves the length as it is."""
    return Edit(where, len(inside), inside)


PLACES = st.floats(0, 1, allow_nan=False)
INSIDES = st.sampled_from([*EXTREME, *WORDS]) | st.binary(max_size=6)
EDITS = (
    st.builds(overwrite, PLACES, INSIDES)
    | st.builds(Edit, PLACES, st.integers(0, 40), INSIDES)
    | st.builds(Edit, PLACES, st.just(1 << 30), st.just(b""))
)


@st.composite
def altered(draw: st.DrawFn, content: bytes) -> bytes:
    """A file with one to six edits."""
    for edit in draw(st.lists(EDITS, min_size=1, max_size=6)):
        content = edit.of(content)
    return content
