"""Every request begins without any rows in sight; who asks decides which there are (``auth.identify``)."""

from litestar.types import ASGIApp, Receive, Scope, Send

from pictor.state import tenancy


def blindfolded(app: ASGIApp) -> ASGIApp:
    """Wrap an application so that no request inherits the sight of another."""

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        with tenancy.seeing_nothing():
            await app(scope, receive, send)

    return handle
