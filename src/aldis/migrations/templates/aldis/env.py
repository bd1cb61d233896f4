"""Alembic's environment: the migrations of the models that `app` in alembic.ini names, on the database of each app."""

from logging.config import fileConfig

from alembic import context
from sqlalchemy import Connection

from aldis import migrations

config = context.config

if config.config_file_name is not None:
    fileConfig(config.config_file_name, disable_existing_loggers=False)

apps = migrations.apps(config)

# Fires pre_migrate and post_migrate under plain `alembic` too.
migrations.configure(context)


def run_offline(app: migrations.App) -> None:
    """Write the SQL, without a connection."""
    context.configure(
        url=app.url,
        target_metadata=app.metadata,
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},
        **app.options,
    )
    with context.begin_transaction():
        context.run_migrations(**app.arguments)


def run_online(connection: Connection, app: migrations.App) -> None:
    """Run the migrations."""
    context.configure(
        connection=connection,
        target_metadata=app.metadata,
        # SQLite alters a table by copying it.
        render_as_batch=connection.dialect.name == "sqlite",
        # A revision that failed, or that fills columns, leaves those before it applied.
        transaction_per_migration=True,
        **app.options,
    )
    with context.begin_transaction():
        context.run_migrations(**app.arguments)


for app in apps:
    if context.is_offline_mode():
        run_offline(app)
    else:
        app.connected(run_online)
