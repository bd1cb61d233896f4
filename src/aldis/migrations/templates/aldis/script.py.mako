<%!
    from aldis.migrations.docstrings import docstring_text
%>"""${message | n,docstring_text}

Revision ID: ${up_revision | n,docstring_text}
Revises: ${down_revision | comma,n,docstring_text}
Create Date: ${create_date}

"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}

revision: str = ${repr(up_revision)}
down_revision: str | Sequence[str] | None = ${repr(down_revision)}
branch_labels: str | Sequence[str] | None = ${repr(branch_labels)}
depends_on: str | Sequence[str] | None = ${repr(depends_on)}
<%
    from aldis.migrations.apps import split

    names = [name for name, _ in split((config.get_main_option("app") or "").split()) if name]
%>
% if not names:

def upgrade() -> None:
    """Upgrade the schema."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Downgrade the schema."""
    ${downgrades if downgrades else "pass"}
% else:

def upgrade(engine_name: str) -> None:
    """Upgrade the schema of one database."""
    globals()[f"upgrade_{engine_name}"]()


def downgrade(engine_name: str) -> None:
    """Downgrade the schema of one database."""
    globals()[f"downgrade_{engine_name}"]()
% for name in names:


def upgrade_${name}() -> None:
    """Upgrade the schema of ${name}."""
    ${context.get(f"{name}_upgrades", "pass")}


def downgrade_${name}() -> None:
    """Downgrade the schema of ${name}."""
    ${context.get(f"{name}_downgrades", "pass")}
% endfor
% endif
