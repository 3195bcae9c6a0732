"""The outbox's SQLite file: schema, opening, older schemas, and what happens when the file is damaged.

What wears an SD card is how many pages a transaction touches, since each goes to the write-ahead log as a whole. So a
window is one row of one table that is ordered by its key, ``boot number << SEQ_BITS | seq``; pages are small; and a
row holds the window compressed. The newest row of a boot stays when its window has been stored elsewhere, without its
payload: it alone remembers the last number given out. See docs/decisions/0017-the-outbox-spares-the-card.md.
"""

import contextlib
import sqlite3
import zlib
from pathlib import Path
from typing import Final, Literal

import structlog

from edge_agent.wire.errors import ConfigurationError

SCHEMA_VERSION: Final = 2
PAGE_BYTES: Final = 1024
LOG_BYTES: Final = 1024 * 1024
"""From this length on the log is copied to the file, whatever the size of its pages."""
SEQ_BITS: Final = 40
MAX_SEQ: Final = 2**SEQ_BITS - 1
REPACK_WINDOWS: Final = 10_000
"""A file of an older schema that holds more keeps its large pages: to rewrite it would hold up the agent's start."""

_WINDOWS: Final = """
CREATE TABLE windows (key INTEGER PRIMARY KEY, trusted_unix_ns INTEGER, payload BLOB);
"""
_REST: Final = """
CREATE TABLE boots (number INTEGER PRIMARY KEY, boot_id TEXT NOT NULL UNIQUE, not_before_unix_ns INTEGER);
CREATE TABLE drops (first_key INTEGER PRIMARY KEY, last_key INTEGER NOT NULL, reason TEXT NOT NULL);
CREATE TABLE placings (
  number INTEGER NOT NULL, first_seq INTEGER NOT NULL, offset_ns INTEGER NOT NULL, source TEXT NOT NULL,
  bound_s REAL, PRIMARY KEY (number, first_seq)) WITHOUT ROWID;
"""
_STATE: Final = "CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL);"

_LIKELY_TEXT: Final = (
    b'"clock_state":"rebased","sync_method":"serial_marker","gpio_marker","step_correlation","host_clock","boundary":'
    b'"ac_wall","dc_input","rail","runtime":"tflite-runtime","onnxruntime","application","delegate":"none",'
    b'"t_start_early_s":0.0,"flags":["net_negative","baseline_old","throttled","gap","clock_step"],"throttled":true,'
    b'"governor":"performance","powersave","schedutil","ondemand","simulated":false,'
    b'{"seq":1,"t_start_unix_ns":17,"clock_state":"unsynchronised","synchronised","duration_s":10.0,"energy_j":41.0,'
    b'"energy_u_j":0.1,"energy_u_systematic_j":0.1,"gap_s":0.0,"inference_count":410,"busy_s":5.0,"model_id":'
    b'"digits_mlp_int8","model_sha256":"","runtime":{"runtime":"litert","version":"2.1.0","delegate":"xnnpack",'
    b'"threads":1},"meter_id":"tc66c","meter_driver":"tc66c","boundary":"usb_dc","sync_method":"arrival_fit",'
    b'"sync_residual_s":0.00,"simulated":true,"idle_power_w":2.,"idle_power_u_w":0.0,"latency_p50_s":0.00,'
    b'"latency_p95_s":0.00,"latency_max_s":0.00,"sample_count":100.0,"lost_count":1.0,"frame_error_count":1,'
    b'"soc_temp_c":5,"freq_mhz":1500.0,"throttled":false,"systematic_id":"tc66c","net_energy_j":1,"net_energy_u_j":0.1'
    b',"governor":"ondemand","freq_min_mhz":600.0,"freq_max_mhz":1500.0,"soc_temp_max_c":5,"agent_cpu_ratio":0.5,'
    b'"overhead_cpu_ratio":0.0,"other_cpu_ratio":0.0,"t_start_boot_ns":1'
)
"""What windows have in common. It is part of the schema: a changed text could not read what the former one packed."""

_LOG = structlog.get_logger()


def pack(text: bytes) -> bytes:
    """Return a window's JSON compressed to a third, with a checksum (RFC 1950)."""
    packer = zlib.compressobj(level=9, zdict=_LIKELY_TEXT)
    return packer.compress(text) + packer.flush()


def unpack(payload: bytes) -> bytes:
    """Return what ``pack`` was given. Raises ValueError for damaged bytes."""
    unpacker = zlib.decompressobj(zdict=_LIKELY_TEXT)
    try:
        text = unpacker.decompress(payload)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not unpacker.eof:
        raise ValueError("cut short")
    return text


def open_or_replace(path: Path, synchronous: Literal["FULL", "NORMAL"]) -> sqlite3.Connection:
    """Return a connection to the file at ``path``; a damaged file is moved aside and a new one started.

    Raises ConfigurationError when the directory or the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{path.parent}: cannot create the outbox directory: {error.strerror}") from error
    try:
        return _open(path, synchronous)
    except sqlite3.DatabaseError as error:
        aside = _move_aside(path)
        _LOG.error("outbox_damaged", file=str(path), fault=str(error), moved_to=str(aside))
        return _open(path, synchronous)


def _open(path: Path, synchronous: str) -> sqlite3.Connection:
    try:
        return _connect(path, synchronous)
    except sqlite3.OperationalError as error:
        raise ConfigurationError(f"{path}: cannot open the outbox: {error}; check owner and free space") from error


def _connect(path: Path, synchronous: str) -> sqlite3.Connection:
    with contextlib.ExitStack() as on_failure:
        db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10.0)
        on_failure.callback(db.close)
        _prepare(db, path, synchronous)
        on_failure.pop_all()
    return db


def _prepare(db: sqlite3.Connection, path: Path, synchronous: str) -> None:
    db.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # of a new file: an old one keeps its own
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA synchronous = {synchronous}")
    (page_bytes,) = db.execute("PRAGMA page_size").fetchone()
    db.execute(f"PRAGMA wal_autocheckpoint = {LOG_BYTES // page_bytes}")
    db.execute(f"PRAGMA journal_size_limit = {2 * LOG_BYTES}")
    (fault,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if fault != "ok":
        raise sqlite3.DatabaseError(fault)
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == 0:
        script = _WINDOWS + _REST + _STATE
        db.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    elif version == 1:
        _upgrade_from_1(db)
    elif version != SCHEMA_VERSION:
        raise ConfigurationError(
            f"{path}: outbox of schema {version}, this agent knows {SCHEMA_VERSION}; "
            "run the agent version that wrote it until it is empty, or move the file away"
        )


def _upgrade_from_1(db: sqlite3.Connection) -> None:
    """Carry everything over in one transaction, so that a power cut leaves the one schema or the other."""
    db.create_function("pack", 1, pack, deterministic=True)
    db.executescript(
        f"""
        BEGIN IMMEDIATE;
        ALTER TABLE windows RENAME TO windows_1;
        ALTER TABLE boots RENAME TO boots_1;
        ALTER TABLE drops RENAME TO drops_1;
        {_WINDOWS} {_REST}
        INSERT INTO boots SELECT position, boot_id, NULL FROM boots_1;
        INSERT INTO windows SELECT (position << {SEQ_BITS}) + seq, t_unix_ns, pack(CAST(payload AS BLOB))
          FROM windows_1 JOIN boots_1 USING (boot_id) ORDER BY position, seq;
        INSERT OR IGNORE INTO windows SELECT (position << {SEQ_BITS}) + last_seq, NULL, NULL
          FROM boots_1 WHERE last_seq > 0;
        INSERT OR REPLACE INTO drops
          SELECT (position << {SEQ_BITS}) + first_seq, (position << {SEQ_BITS}) + d.last_seq, reason
          FROM drops_1 AS d JOIN boots_1 USING (boot_id) ORDER BY d.last_seq;
        DROP TABLE windows_1; DROP TABLE boots_1; DROP TABLE drops_1;
        PRAGMA user_version = {SCHEMA_VERSION};
        COMMIT;
        """  # noqa: S608  nothing in it comes from outside
    )
    (windows,) = db.execute("SELECT count(*) FROM windows").fetchone()
    if windows <= REPACK_WINDOWS:
        _repack(db)
    _LOG.info("outbox_upgraded", schema=SCHEMA_VERSION, windows=windows)


def _repack(db: sqlite3.Connection) -> None:
    """Give the file the small pages of a new one; without room for a copy it stays as it is."""
    db.execute("PRAGMA journal_mode = DELETE")
    db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    with contextlib.suppress(sqlite3.OperationalError):
        db.execute("VACUUM")
    db.execute("PRAGMA journal_mode = WAL")


def _move_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        companion = path.with_name(path.name + suffix)
        if companion.exists():
            companion.rename(aside.with_name(aside.name + suffix))
    return aside
