"""The store the settings name."""

from pictor.runtime.settings import Settings
from pictor.runtime.store.file import FileStore
from pictor.runtime.store.protocol import FrameStore
from pictor.runtime.store.s3 import S3Store
from pictor.runtime.store.s3_requests import S3Config
from pictor.runtime.store.synced import Disk, SyncedStore


async def open_store(settings: Settings) -> FrameStore:
    """Open the S3 store, or the folder when there is none; raises ``StoreUnavailable`` until it answers."""
    store = _store(settings)
    try:
        await store.health()
    except BaseException:
        await store.close()
        raise
    return store


def _store(settings: Settings) -> FrameStore:
    if settings.s3_endpoint is None:
        return FileStore(settings.store_dir or settings.data_dir / "store")
    if settings.s3_access_key is None or settings.s3_secret_key is None:
        raise ValueError("PICTOR_S3_ENDPOINT needs PICTOR_S3_ACCESS_KEY and PICTOR_S3_SECRET_KEY")
    store = S3Store(
        S3Config(
            endpoint=settings.s3_endpoint,
            access_key=settings.s3_access_key.get_secret_value(),
            secret_key=settings.s3_secret_key.get_secret_value(),
            bucket=settings.s3_bucket,
            secure=settings.s3_secure,
        )
    )
    return store if settings.store_sync_dir is None else SyncedStore(store, Disk(settings.store_sync_dir))
