"""Shows the pad what the browser cannot open: HEIC, TIFF, each page of a PDF file."""

from __future__ import annotations

import io
from typing import Final

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from inputs import MAX_BYTES, RefusedError, open_page

COUNT: Final = "X-Pages"
"""Header: how many pages the file has."""
_AT_A_TIME: Final = CapacityLimiter(2)


async def show_page(request: Request) -> Response:
    """The page `page` of the picture in the body, 1 if none is asked for, as WebP."""
    number = request.query_params.get("page", "1")
    content = await request.body()
    if not number.isdecimal() or len(content) > MAX_BYTES:
        return _refusal(
            f"Give a page by its number, of a file with at most {MAX_BYTES // 2**20} MB."
        )
    try:
        shown, count = await to_thread.run_sync(
            _drawn, content, int(number[:9]), limiter=_AT_A_TIME
        )
    except RefusedError as error:
        return _refusal(str(error))
    return Response(shown, media_type="image/webp", headers={COUNT: str(count)})


def _drawn(content: bytes, page: int) -> tuple[bytes, int]:
    picture, count = open_page(content, page)
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=95, method=2)
    return file.getvalue(), count


def _refusal(message: str) -> JSONResponse:
    return JSONResponse({"error": message}, status_code=422)
