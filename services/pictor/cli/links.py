"""Links that log a browser in once, for whoever may read the administrator's token."""

from pathlib import Path

from pictor.cli.attach import read_settings
from pictor.state.database import open_pool

TOKEN_FILE = "admin.token"  # noqa: S105 - a file name


async def login_link(url: str, data: Path) -> str:
    """Make a link for the administrator of the installation in a folder; it works for ten minutes."""
    from pictor.gateway.signin import login_code

    token = (data / TOKEN_FILE).read_text(encoding="ascii").strip()
    pool = await open_pool(read_settings(data).postgres_dsn.get_secret_value(), size=2)
    try:
        return f"{url}/login?code={await login_code(pool, token)}"
    finally:
        await pool.close()
