"""The clipboard of the desktop: the picture on it, and text for it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from PIL import Image, ImageGrab, UnidentifiedImageError

_NO_DISPLAY: Final = (
    "There is no display, and so no clipboard: DISPLAY and WAYLAND_DISPLAY are not set."
)


def paste_picture() -> Image.Image | list[Path] | None:
    """The picture on the clipboard, or the files that were copied to it (Windows); None without.

    Pillow asks the system for it, on Linux through `wl-paste` or `xclip`.

    Raises:
        ValueError: if it cannot be read.
        OSError: if the clipboard cannot be reached.
    """
    try:
        found = ImageGrab.grabclipboard()
        if isinstance(found, Image.Image):
            found.load()
    except NotImplementedError as error:
        raise OSError(_missing_tool()) from error
    except UnidentifiedImageError as error:
        if _offers_picture():
            raise ValueError("The picture on the clipboard is broken: copy it anew.") from error
        return None  # xclip hands out its text to whoever asks for a picture
    except OSError as error:
        fault = f"The clipboard cannot be read ({error})." if _has_display() else _NO_DISPLAY
        raise OSError(f"{fault} Give inktex recognize the picture's file.") from error
    except Exception as error:  # Pillow's plugins raise many classes at broken or huge pictures
        raise ValueError(f"The picture on the clipboard cannot be read: {error}") from error
    if isinstance(found, Image.Image):
        return found
    return [Path(name) for name in found or ()] or None


def copy_text(text: str) -> None:
    """Put text on the clipboard, where it stays when this process has ended.

    Raises:
        OSError: if the tool that does this is missing, or cannot.
    """
    command, encoding = _copy_command()
    try:
        # X11 and Wayland have no place for what is copied: the tool stays behind and hands it out.
        # If it inherited our output, `text=$(inktex clip)` would wait for it; in our process group
        # Ctrl-C would end it. This is why pyperclip, which starts it so, does not do here.
        done = subprocess.run(
            command,
            input=text.encode(encoding),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "LC_CTYPE": "UTF-8"} if command[0] == "pbcopy" else None,
            start_new_session=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise OSError(_missing_tool()) from error
    if done.returncode and not _has_display():
        raise OSError(f"{_NO_DISPLAY} --no-copy prints the text alone.")
    if done.returncode:
        raise OSError(
            f"{command[0]} could not put the text on the clipboard (exit status "
            f"{done.returncode}). --no-copy prints it alone."
        )


def _copy_command() -> tuple[list[str], str]:
    """What copies its standard input, of the tools that Pillow pastes with; and the encoding."""
    if sys.platform == "darwin":
        return ["pbcopy"], "utf-8"
    if sys.platform == "win32":
        return ["clip"], "utf-16-le"
    if _is_wayland():
        return ["wl-copy", "--type", "text/plain"], "utf-8"  # or it would guess at MathML's
    return ["xclip", "-selection", "clipboard", "-in"], "utf-8"


def _offers_picture() -> bool:
    """Whether who owns the clipboard of X11 says that a picture is on it."""
    with contextlib.suppress(OSError):
        done = subprocess.run(
            ["xclip", "-selection", "clipboard", "-target", "TARGETS", "-out"],
            capture_output=True,
            check=False,
        )
        return b"image/" in done.stdout
    return False


def _has_display() -> bool:
    """Whether there can be a clipboard: elsewhere than on Windows and macOS a display has it."""
    variables = ("DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform in ("darwin", "win32") or any(map(os.environ.get, variables))


def _is_wayland() -> bool:
    return bool(os.environ.get("WAYLAND_DISPLAY"))


def _missing_tool() -> str:
    tool, package = ("wl-copy", "wl-clipboard") if _is_wayland() else ("xclip", "xclip")
    return (
        f"The clipboard needs {tool}: install the package {package} (apt install {package}), or "
        "give inktex recognize the file of the picture."
    )
