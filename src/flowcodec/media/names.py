"""Names of files as they are shown."""

import re

# Control characters, what turns the direction of writing, and bytes of names that are not UTF-8.
_UNSHOWN = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(name: object) -> str:
    """A file's name, or a text with names in it, as one line that can be shown anywhere.

    Control characters and bytes that are not UTF-8 are written as in Python: \\n, \\x1b, \\xff.
    """
    return _UNSHOWN.sub(_escaped, str(name))


def _escaped(match: re.Match[str]) -> str:
    character = match.group()
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode()
