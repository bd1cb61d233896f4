"""Tortoise finds its models in a module of their own."""

from __future__ import annotations

from tortoise import fields
from tortoise.models import Model


class TortoiseRow(Model):
    """The row of five columns."""

    id = fields.IntField(primary_key=True)
    name = fields.CharField(max_length=50)
    email = fields.CharField(max_length=50)
    age = fields.IntField()
    created = fields.DatetimeField()

    class Meta:
        table = "tortoise_row"
