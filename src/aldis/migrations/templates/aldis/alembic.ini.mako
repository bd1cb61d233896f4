# Alembic's configuration; all it may hold: https://alembic.sqlalchemy.org/en/latest/tutorial.html#editing-the-ini-file

[alembic]
script_location = ${script_location}
prepend_sys_path = .
path_separator = os

# The declarative base whose models are migrated: package.module:Base. The modules of a package are all imported.
# Several, each with a database of its own: app = main=shop.models:Base logs=shop.logs:Base
app =

# The database, if it is not the base's own `database`. Of several, each has a section with its name: [logs]
# Write %% for a % in it, such as that of a password's %40.
# sqlalchemy.url = sqlite+aiosqlite:///app.db

# What is run on new revisions: https://alembic.sqlalchemy.org/en/latest/autogenerate.html#applying-post-processing-and-python-code-formatters-to-generated-revisions
[post_write_hooks]

[loggers]
keys = root,sqlalchemy,alembic

[handlers]
keys = console

[formatters]
keys = generic

[logger_root]
level = WARNING
handlers = console
qualname =

[logger_sqlalchemy]
level = WARNING
handlers =
qualname = sqlalchemy.engine

[logger_alembic]
level = INFO
handlers =
qualname = alembic

[handler_console]
class = StreamHandler
args = (sys.stderr,)
level = NOTSET
formatter = generic

[formatter_generic]
format = %(levelname)-5.5s [%(name)s] %(message)s
datefmt = %H:%M:%S
