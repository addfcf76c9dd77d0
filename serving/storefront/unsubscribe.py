"""Unsubscribing over HTTP: the signed link of a message, without a key or a login.

Opening the link asks, since mail scanners open every link; the button, and mail programs that know one-click
unsubscribing (RFC 8058), send the POST.
"""

from __future__ import annotations

from fastapi import APIRouter, Path, Request, Response

from engine.storage.consents import Word, refused, say_consent
from engine.storage.ledger import LedgerPool
from engine.storage.shop_secrets import LINKS, shop_secret
from engine.targeting.consents import UNSUBSCRIBE_PATH, read_token
from serving.runtime import Runtime
from serving.schemas import problems

_PAGE = """<!doctype html><html lang="{language}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex"><title>{title}</title></head>
<body style="font-family:sans-serif;max-width:32em;margin:4em auto;padding:0 1em"><p>{text}</p>{form}</body></html>"""
_FORM = '<form method="post"><button name="List-Unsubscribe" value="One-Click">{button}</button></form>'
_WORDS = {
    "en": ("Unsubscribe", "No more messages of this kind on this channel?", "Unsubscribe", "You are unsubscribed."),
    "zh": ("退订", "确定不再通过此渠道接收此类消息吗？", "退订", "您已退订。"),
}
_HEADERS = {"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
_ANSWERS = {200: {"content": {"text/html": {}}, "description": "A page."}} | problems(
    (404, "No such link."), (422, "Not a link of ours."), (503, "A store does not answer.")
)


def routes(runtime: Runtime) -> APIRouter:
    router = APIRouter(tags=["unsubscribe"])
    ask = runtime.doors.ledger.ask

    @router.get(f"{UNSUBSCRIBE_PATH}{{token}}", response_class=Response, responses=_ANSWERS)
    async def look(request: Request, token: str = Path(max_length=2_000)) -> Response:
        """Ask whether messages shall end; nothing changes yet."""
        await ask(lambda ledger: read_token(shop_secret(ledger, LINKS), token))
        title, question, button, _ = _words(request)
        return _page(request, title, question, _FORM.format(button=button))

    @router.post(f"{UNSUBSCRIBE_PATH}{{token}}", response_class=Response, responses=_ANSWERS)
    async def end(request: Request, token: str = Path(max_length=2_000)) -> Response:
        """No more messages for this purpose on this channel, from now on; again changes nothing."""
        now = runtime.now()

        def withdraw(ledger: LedgerPool) -> None:
            about = read_token(shop_secret(ledger, LINKS), token)
            if about.user_id not in refused(ledger, [about.user_id], about.purpose, about.channel):
                proof = {"campaign_id": about.campaign_id} if about.campaign_id else {}
                word = Word(about.purpose, about.channel, granted=False, source="link", proof=proof)
                say_consent(ledger, about.user_id, word, now=now)

        await ask(withdraw)
        title, _, _, done = _words(request)
        return _page(request, title, done, "")

    return router


def _words(request: Request) -> tuple[str, str, str, str]:
    return _WORDS[_language(request)]


def _language(request: Request) -> str:
    return "zh" if request.headers.get("accept-language", "").lower().startswith("zh") else "en"


def _page(request: Request, title: str, text: str, form: str) -> Response:
    page = _PAGE.format(language=_language(request), title=title, text=text, form=form)
    return Response(page, media_type="text/html; charset=utf-8", headers=_HEADERS)
