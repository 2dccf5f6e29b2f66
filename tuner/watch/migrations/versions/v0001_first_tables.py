"""The first tables of the service: repositories, specs, the queue, leases and fences."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "watch_campaigns",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("repository", sa.String(length=63), nullable=False),
        sa.Column("spec_path", sa.String(length=1024), nullable=False),
        sa.Column("revision", sa.String(length=64), nullable=False),
        sa.Column("occasion", sa.String(length=32), nullable=False),
        sa.Column("service", sa.String(length=63), nullable=False),
        sa.Column("team", sa.String(length=63), nullable=False),
        sa.Column("backend", sa.String(length=63), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.Double(), nullable=False),
        sa.Column("wanted_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.Double(), nullable=False),
        sa.Column("used", sa.Double(), nullable=False),
        sa.Column("campaign", sa.String(length=128), nullable=False),
        sa.Column("result", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_watch_campaigns")),
        sa.UniqueConstraint(
            "repository",
            "spec_path",
            "revision",
            "occasion",
            name=op.f("uq_watch_campaigns_repository_spec_path_revision_occasion"),
        ),
    )
    op.create_index(
        op.f("ix_watch_campaigns_repository_spec_path"), "watch_campaigns", ["repository", "spec_path"], unique=False
    )
    op.create_index(op.f("ix_watch_campaigns_state"), "watch_campaigns", ["state"], unique=False)
    op.create_table(
        "watch_fences",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_watch_fences")),
    )
    op.create_table(
        "watch_leases",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("holder", sa.String(length=128), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_watch_leases")),
    )
    op.create_table(
        "watch_repositories",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("branch", sa.Text(), nullable=False),
        sa.Column("revision", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("wanted", sa.BigInteger(), nullable=False),
        sa.Column("followed_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_watch_repositories")),
    )
    op.create_table(
        "watch_specs",
        sa.Column("repository", sa.String(length=63), nullable=False),
        sa.Column("path", sa.String(length=1024), nullable=False),
        sa.Column("blob", sa.String(length=64), nullable=False),
        sa.Column("service", sa.String(length=63), nullable=False),
        sa.Column("schedule", sa.String(length=200), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=True),
        sa.Column("reserved", sa.Double(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository"],
            ["watch_repositories.name"],
            name=op.f("fk_watch_specs_watch_repositories"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repository", "path", name=op.f("pk_watch_specs")),
    )
    op.create_index(op.f("ix_watch_specs_due_at"), "watch_specs", ["due_at"], unique=False)


def downgrade() -> None:
    """Drop the tables; what they hold is in Git and on the forge, or is found again by looking."""
    op.drop_index(op.f("ix_watch_specs_due_at"), table_name="watch_specs")
    op.drop_table("watch_specs")
    op.drop_table("watch_repositories")
    op.drop_table("watch_leases")
    op.drop_table("watch_fences")
    op.drop_index(op.f("ix_watch_campaigns_state"), table_name="watch_campaigns")
    op.drop_index(op.f("ix_watch_campaigns_repository_spec_path"), table_name="watch_campaigns")
    op.drop_table("watch_campaigns")
