"""Every setting of Pictor, read once by the command line and passed down."""

import os
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Settings from the environment, prefix ``PICTOR_``; secrets may also be files in ``PICTOR_SECRETS_DIR``."""

    model_config = SettingsConfigDict(
        env_prefix="PICTOR_", extra="ignore", secrets_dir=os.environ.get("PICTOR_SECRETS_DIR"), frozen=True
    )

    nats_url: str = Field(default="nats://127.0.0.1:4222", description="Address of the NATS server")
    nats_user: str | None = Field(default=None, description="NATS user of this service")
    nats_password: SecretStr | None = Field(default=None, description="Password of the NATS user")
    nats_replicas: int = Field(default=1, ge=1, le=5, description="Replicas of every stream")
    nats_require_sync: bool = Field(default=True, description="Refuse a server that does not sync every write")
    nats_monitor_url: str | None = Field(default=None, description="Monitoring address of the NATS server")
    nats_max_work_bytes: int = Field(default=512 * 1024 * 1024, description="Bound of the work stream")
    nats_max_event_bytes: int = Field(default=1024**3, description="Bound of the event stream")

    postgres_dsn: SecretStr = Field(
        default=SecretStr("postgresql://127.0.0.1:5432/pictor"), description="Postgres connection string"
    )
    postgres_require_sync: bool = Field(
        default=True, description="Refuse a database that loses acknowledged frames in a power cut, by its own report"
    )
    postgres_pool: int = Field(default=8, ge=2, le=100, description="Connections per process")

    s3_endpoint: str | None = Field(default=None, description="host:port of the S3 store; without it files are used")
    s3_access_key: SecretStr | None = Field(default=None, description="Access key of the S3 store")
    s3_secret_key: SecretStr | None = Field(default=None, description="Secret key of the S3 store")
    s3_bucket: str = Field(default="pictor-frames", min_length=3, description="Bucket that keeps frames and products")
    s3_secure: bool = Field(default=False, description="Use TLS to the S3 store")
    store_dir: Path | None = Field(default=None, description="Folder of the file store, when no S3 store is used")
    store_sync_dir: Path | None = Field(
        default=None, description="Folder of an S3 store on this machine that does not sync all by itself: we do"
    )

    data_dir: Path = Field(default=Path("var/pictor"), description="State of the embedded stack")
    scratch_dir: Path | None = Field(default=None, description="Folder for scratch files; default below data_dir")
    cache_bytes: int = Field(default=2 * 1024**3, description="Bound of the node-local frame cache")
    index_dir: Path | None = Field(default=None, description="Folder of astrometry.net star indexes")
    astap_database: Path | None = Field(default=None, description="Folder of the ASTAP star database")
    solve_seconds: float = Field(default=30.0, ge=1, le=110, description="Time one frame may take to be solved")
    solvers: str = Field(default="engine", description="Back ends in the order they are tried, comma-separated")

    host: str = Field(default="127.0.0.1", description="Address the gateway listens on")
    port: int = Field(default=8080, ge=0, le=65535, description="Port of the gateway; 0 picks a free one")
    health_port: int = Field(default=0, ge=0, le=65535, description="Port of the health page; 0 for none")
    health_host: str | None = Field(default=None, description="Address the health page listens on; default: host")
    public_url: str | None = Field(default=None, description="Address under which users reach the gateway")
    allowed_hosts: str = Field(default="", description="Host names the gateway answers to, comma-separated")
    max_upload_bytes: int = Field(default=300 * 1024 * 1024, description="Largest frame accepted")

    max_connections: int = Field(default=2000, ge=4, description="Connections the gateway holds at once")
    head_seconds: float = Field(default=10.0, gt=0, description="Time a request's head may take to arrive")
    body_seconds: float = Field(default=900.0, gt=0, description="Time a request's body may take to arrive")
    body_silence_seconds: float = Field(default=30.0, gt=0, description="Time a body may stand still")
    body_grace_seconds: float = Field(default=10.0, gt=0, description="Time before a body must keep its least rate")
    body_rate: int = Field(default=16 * 1024, ge=0, description="Bytes per second a body must bring on average")
    answer_seconds: float = Field(default=60.0, gt=0, description="Time an answer may take once the request is there")
    stall_seconds: float = Field(default=30.0, gt=0, description="Time a client may leave its answer unread")
    keep_alive_seconds: int = Field(default=15, ge=1, description="Time a connection may stay open without a request")

    reads_per_minute: int = Field(default=6000, ge=1, description="Requests of one token per minute")
    uploads_per_minute: int = Field(default=600, ge=1, description="Uploads of one token per minute")
    uploads_at_once: int = Field(default=8, ge=1, description="Parallel uploads of one token")
    uploads_at_once_observatory: int = Field(default=16, ge=1, description="Parallel uploads of one observatory")
    reprocess_per_minute: int = Field(default=60, ge=1, description="Reprocess orders of one token per minute")
    quota_bytes_per_day: int = Field(
        default=0, ge=0, description="Bytes an observatory may send per UTC day; 0 for any"
    )
    quota_bytes_total: int = Field(default=0, ge=0, description="Bytes an observatory may keep; 0 for any number")
    min_free_bytes: int = Field(default=1024**3, ge=0, description="Room the store's disk must keep, where it is ours")

    slots: int = Field(default=1, ge=1, le=64, description="Frames one worker process computes at a time")
    child_memory_bytes: int = Field(default=6 * 1024**3, description="Address space of a pixel child")
    child_enclosed: bool = Field(default=True, description="Enclose pixel children as far as the kernel allows")
    child_recycle: int = Field(default=200, ge=1, description="Jobs after which a pixel child is replaced")
    max_attempts: int = Field(default=3, ge=1, le=5, description="Tries after which an order is parked")
    sweep_seconds: int = Field(default=300, ge=5, description="Time between two calibration sweeps")
    reconcile_seconds: float = Field(default=30.0, ge=1, description="Time between two looks for lost work")
    shutdown_seconds: float = Field(default=30.0, ge=1, description="Time for running work to end on SIGTERM")

    log_format: str = Field(default="console", pattern="^(console|json)$", description="How log lines look")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$", description="Lowest level logged")

    @property
    def scratch(self) -> Path:
        """Folder for scratch files."""
        return self.scratch_dir or self.data_dir / "scratch"

    @property
    def store_is_private(self) -> bool:
        """Whether nobody but Pictor reads the store: it belongs to the embedded stack, or is a folder of ours."""
        return self.s3_endpoint is None or self.store_sync_dir is not None

    @property
    def solver_order(self) -> tuple[str, ...]:
        """Solver back ends in the order they are tried."""
        return tuple(name.strip() for name in self.solvers.split(",") if name.strip())
