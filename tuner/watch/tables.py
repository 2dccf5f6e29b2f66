"""The state's tables. Times are seconds since 1970 (UTC); an empty text stands for nothing."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

__all__ = ["campaigns", "fences", "leases", "metadata", "repositories", "specs"]

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

repositories = Table(
    "watch_repositories",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("url", Text, nullable=False),
    Column("branch", Text, nullable=False, default=""),
    Column("revision", String(64), nullable=False, default=""),
    Column("failures", Integer, nullable=False, default=0),
    Column("error", Text, nullable=False, default=""),
    Column("wanted", BigInteger, nullable=False, default=0),
    Column("followed_at", Double, nullable=False, default=0.0),
)
"""What was last seen. ``wanted`` counts requests for a look, so that one that comes during a look is not lost."""

specs = Table(
    "watch_specs",
    metadata,
    Column("repository", String(63), primary_key=True),
    Column("path", String(1024), primary_key=True),
    Column("blob", String(64), nullable=False),
    Column("service", String(63), nullable=False, default=""),
    Column("schedule", String(200), nullable=False, default=""),
    Column("due_at", Double, nullable=True),
    Column("reserved", Double, nullable=False, default=0.0),
    Column("error", Text, nullable=False, default=""),
    ForeignKeyConstraint(["repository"], ["watch_repositories.name"], ondelete="CASCADE"),
)
"""Every spec of the protected branch as it was last seen. ``reserved``: core-hours that a campaign may use."""
Index(None, specs.c.due_at)

campaigns = Table(
    "watch_campaigns",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("repository", String(63), nullable=False),
    Column("spec_path", String(1024), nullable=False),
    Column("revision", String(64), nullable=False),
    Column("occasion", String(32), nullable=False, default=""),
    Column("service", String(63), nullable=False),
    Column("team", String(63), nullable=False, default=""),
    Column("backend", String(63), nullable=False),
    Column("priority", Integer, nullable=False, default=0),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("not_before", Double, nullable=False, default=0.0),
    Column("wanted_at", Double, nullable=False),
    Column("started_at", Double, nullable=True),
    Column("ended_at", Double, nullable=True),
    Column("fence", BigInteger, nullable=False, default=0),
    Column("reserved", Double, nullable=False, default=0.0),
    Column("used", Double, nullable=False, default=0.0),
    Column("campaign", String(128), nullable=False, default=""),
    Column("result", String(32), nullable=False, default=""),
    Column("reason", Text, nullable=False, default=""),
    UniqueConstraint("repository", "spec_path", "revision", "occasion"),
)
"""The queue: one row for each campaign that is or was wanted."""
Index(None, campaigns.c.state)
Index(None, campaigns.c.repository, campaigns.c.spec_path)

leases = Table(
    "watch_leases",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("holder", String(128), nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("beat", BigInteger, nullable=False),
    Column("seconds", Double, nullable=False),
)

fences = Table(
    "watch_fences",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("fence", BigInteger, nullable=False),
)
"""The highest fence that has written: a leader of an earlier term is refused, wherever its lease was kept."""
