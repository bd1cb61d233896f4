"""A shop for lamps: what happens when something is ordered, said by receivers."""

from __future__ import annotations

import asyncio

from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import aldis
from aldis.signals import post_save, pre_delete, pre_save


class Base(aldis.Model, DeclarativeBase):
    database = aldis.Database("sqlite+aiosqlite:///shop.db")


class Lamp(Base):
    __tablename__ = "lamp"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    stock: Mapped[int] = mapped_column(default=0)


class Order(Base):
    __tablename__ = "lamp_order"
    id: Mapped[int] = mapped_column(primary_key=True)
    lamp_id: Mapped[int] = mapped_column(ForeignKey("lamp.id"))
    customer: Mapped[str]


class SoldOutError(Exception):
    """There is no such lamp left."""


@pre_save.connect_via(Order)
async def take_from_stock(sender: type[Order], model_instance: Order, is_update: bool) -> None:
    if is_update:
        return
    in_stock = Lamp.query.filter(Lamp.id == model_instance.lamp_id, Lamp.stock > 0)
    if not await in_stock.update(stock=Lamp.stock - 1):
        raise SoldOutError(f"lamp {model_instance.lamp_id}")


@post_save.connect_via(Order, after_commit=True, when=aldis.created)
async def thank(sender: type[Order], model_instance: Order) -> None:
    print(f"mail to {model_instance.customer}: thank you for order {model_instance.id}")


@pre_delete.connect_via(Order)
async def keep_orders(sender: type[Order]) -> None:
    raise aldis.SkipOperation


async def main() -> None:
    async with Base.database:
        async with Base.database.transaction() as connection:
            await connection.run_sync(Base.metadata.drop_all)
            await connection.run_sync(Base.metadata.create_all)

        (lamp,) = await Lamp.query.bulk_create([Lamp(name="Aldis", stock=1)])
        order = await Order.query.create(lamp_id=lamp.id, customer="ada@example.org")
        try:
            await Order.query.create(lamp_id=lamp.id, customer="bob@example.org")
        except SoldOutError as error:
            print(f"sold out: {error}")
        print("deleted:", await order.delete())
        print("orders:", await Order.query.count())


if __name__ == "__main__":
    asyncio.run(main())
