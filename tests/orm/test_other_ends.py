"""A receiver links an instance with others, and the call is refused: the others are as they were before, too.

Their next save must not write the link (``back_populates`` has set their ends of it).
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager

import pytest
from sqlalchemy import Column, ForeignKey, Table, inspect, literal_column, select
from sqlalchemy.exc import InvalidRequestError, OperationalError, SAWarning, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, WriteOnlyMapped, mapped_column, relationship
from sqlalchemy.orm.base import PASSIVE_NO_INITIALIZE

import aldis
from aldis.signals import post_save, post_update, pre_delete, pre_save, pre_update


class Refused(Exception):
    """Raised by a receiver."""


class Base(aldis.Model, DeclarativeBase):
    pass


worn = Table(
    "worn",
    Base.metadata,
    Column("user_id", ForeignKey("user.id"), primary_key=True),
    Column("tag_id", ForeignKey("tag.id"), primary_key=True),
)


class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(default=0)
    boss_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    profile: Mapped[Profile | None] = relationship(back_populates="user")
    posts: Mapped[list[Post]] = relationship(back_populates="user", order_by="Post.id")
    tags: Mapped[set[Tag]] = relationship(secondary=worn, back_populates="users")
    boss: Mapped[User | None] = relationship(remote_side="User.id", back_populates="staff")
    staff: Mapped[list[User]] = relationship(back_populates="boss")


class Profile(Base):
    __tablename__ = "profile"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(default=0)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    user: Mapped[User | None] = relationship(back_populates="profile")


class Post(Base):
    __tablename__ = "post"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(default=0)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    user: Mapped[User | None] = relationship(back_populates="posts")


class Tag(Base):
    __tablename__ = "tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(default=0)
    users: Mapped[list[User]] = relationship(secondary=worn, back_populates="tags")


class Shop:
    """A user with a boss, a profile, posts and a tag; and a second one, with what belongs to it."""

    def __init__(self) -> None:
        self.user, self.user2 = User(), User()
        self.profile, self.profile2 = Profile(), Profile()
        self.post, self.post2, self.post3 = Post(), Post(), Post()
        self.tag, self.tag2 = Tag(), Tag()

    def link(self) -> None:
        self.user.profile, self.user2.profile = self.profile, self.profile2
        self.user.posts, self.user2.posts = [self.post, self.post2], [self.post3]
        self.user.tags, self.user2.tags = {self.tag}, {self.tag2}
        self.user.boss = self.user2

    def shown(self) -> dict[str, object]:
        """Return what each relationship shows, and what of it would be written."""
        names = {id(each): name for name, each in vars(self).items()}

        def named(others) -> list[str]:
            return [names[id(other)] for other in others or () if other is not None]

        found: dict[str, object] = {}
        for name, each in vars(self).items():
            state = inspect(each)
            for relation in [each.key for each in state.mapper.relationships]:
                value = each.__dict__.get(relation)
                shown = named(value if isinstance(value, (list, set)) else [value])
                added, deleted = [], []
                if relation in state.committed_state:
                    history = state.get_history(relation, PASSIVE_NO_INITIALIZE)
                    added, deleted = sorted(named(history.added)), sorted(named(history.deleted))
                if added or isinstance(value, set):  # no order that anybody knows
                    shown.sort()
                found[f"{name}.{relation}"] = (shown, added, deleted)
        return found


async def rows() -> list[object]:
    """Return the keys and the foreign keys of all rows."""
    found = []
    async with Base.database.engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            columns = [each for each in table.c if each.primary_key or each.foreign_keys]
            found.append((await connection.execute(select(*columns).order_by(*columns))).all())
    return found


CHANGES = {
    "user.profile = profile2": lambda shop: setattr(shop.user, "profile", shop.profile2),
    "user.profile = None": lambda shop: setattr(shop.user, "profile", None),
    "profile.user = user": lambda shop: setattr(shop.profile, "user", shop.user),
    "profile.user = user2": lambda shop: setattr(shop.profile, "user", shop.user2),
    "profile.user = None": lambda shop: setattr(shop.profile, "user", None),
    "post.user = user": lambda shop: setattr(shop.post, "user", shop.user),
    "post.user = user2": lambda shop: setattr(shop.post, "user", shop.user2),
    "post.user = None": lambda shop: setattr(shop.post, "user", None),
    "user.posts.append(post3)": lambda shop: shop.user.posts.append(shop.post3),
    "user.posts.pop()": lambda shop: shop.user.posts.pop(),
    "user.posts = [post3]": lambda shop: setattr(shop.user, "posts", [shop.post3]),
    "user.posts = []": lambda shop: setattr(shop.user, "posts", []),
    "user.tags.add(tag2)": lambda shop: shop.user.tags.add(shop.tag2),
    "user.tags = {tag2}": lambda shop: setattr(shop.user, "tags", {shop.tag2}),
    "tag.users.append(user2)": lambda shop: shop.tag.users.append(shop.user2),
    "tag.users = []": lambda shop: setattr(shop.tag, "users", []),
    "user.boss = user2": lambda shop: setattr(shop.user, "boss", shop.user2),
    "user.boss = None": lambda shop: setattr(shop.user, "boss", None),
    "user2.staff.append(user)": lambda shop: shop.user2.staff.append(shop.user),
    "user2.staff = []": lambda shop: setattr(shop.user2, "staff", []),
    "user, by post3.user = user": lambda shop: setattr(shop.post3, "user", shop.user),
    "user, by tag2.users.append(user)": lambda shop: shop.tag2.users.append(shop.user),
}

CONDITIONS = ("new", "new and linked", "stored and linked", "stored and loaded", "stored and not loaded")

OF_STRANGERS = {
    "user.profile = profile2",
    "profile.user = user2",
    "user.posts.append(post3)",
    "user.posts = [post3]",
    "user, by post3.user = user",
}
"""They take a new instance from another new one; nobody knows its link with that any more."""


async def shop_in(condition) -> Shop:
    """Return a shop whose instances are in a condition."""
    shop = Shop()
    if condition.endswith("and linked"):
        shop.link()
    if condition.startswith("stored"):
        async with AsyncSession(Base.database.engine, expire_on_commit=False) as session:
            session.add_all(vars(shop).values())
            await session.commit()
            for each in vars(shop).values():
                if condition == "stored and loaded":
                    await session.refresh(each, [relation.key for relation in inspect(each).mapper.relationships])
                elif condition == "stored and not loaded":
                    session.expire(each)
                    await session.refresh(each)
    return shop


async def save(instance) -> None:
    await instance.save()


async def update(instance) -> None:
    await instance.update(number=5)


async def bulk(instance) -> None:
    if inspect(instance).key is None:
        await type(instance).query.bulk_create([instance])
    else:
        instance.number = 5
        await type(instance).query.bulk_update([instance])


NOT_IN_SESSION = pytest.mark.filterwarnings("ignore:.*not in session, add operation along:sqlalchemy.exc.SAWarning")
"""What SQLAlchemy says of an instance that waits in a collection that is not loaded."""

CASES = [
    (condition, call)
    for condition in ("new", "new and linked", "stored and linked", "stored and loaded", "stored and not loaded")
    for call in (save, update, bulk)
    if call is not update or condition == "stored and linked"
]


REFUSALS = ["a receiver before", "a receiver after", "the database", "the block"]


@NOT_IN_SESSION
@pytest.mark.parametrize("refused_by", REFUSALS)
@pytest.mark.parametrize(("condition", "call"), CASES)
async def test_the_other_ends_of_a_refused_call_are_as_before(database, condition, call, refused_by) -> None:
    wrong = {}
    for name, change in CHANGES.items():
        if condition == "new and linked" and name in OF_STRANGERS:
            continue
        shop = await shop_in(condition)
        owner = getattr(shop, name.partition(",")[0].partition(".")[0])
        stored, before = await rows(), shop.shown()
        with linked_and_refused(shop, owner, change, refused_by):
            async with database.transaction():
                await call(owner)
                raise Refused
        after = shop.shown()
        if after != before:
            wrong[name] = {each: (before[each], after[each]) for each in before if before[each] != after[each]}
        elif condition.startswith("stored") and call is save:
            for each in vars(shop).values():
                if each is not owner:
                    each.number = 7
                    await each.save()
            if await rows() != stored:
                wrong[name] = "the next saves of the others have linked them"
    assert not wrong


@contextmanager
def linked_and_refused(shop, owner, change, refused_by):
    """Let a receiver change relationships of an instance in the block, whose call is refused."""
    told = []

    def link(sender, **parameters) -> None:
        if told:
            return
        told.append(sender)
        try:
            change(shop)
        except (IndexError, SQLAlchemyError) as error:  # there is none to take out; it is not loaded
            raise Refused from error
        if refused_by == "a receiver before":
            raise Refused
        if refused_by == "the database":
            owner.number = literal_column("no_such_column")

    def refuse(sender, **parameters) -> None:
        if refused_by == "a receiver after":
            raise Refused

    with ExitStack() as stack:
        for signal in (pre_save, pre_update):
            stack.enter_context(signal.connected_to(link, type(owner)))
        for signal in (post_save, post_update):
            stack.enter_context(signal.connected_to(refuse, type(owner)))
        with pytest.raises((Refused, OperationalError)):
            yield
    assert told


async def create(user) -> None:
    await Post.query.create(user=user)


async def create_many(user) -> None:
    await Post.query.bulk_create([{"user": user}, {"number": 2}])


async def get_or_create(user) -> None:
    await Post.query.get_or_create(number=7, defaults={"user": user})


async def update_or_create(user) -> None:
    await Post.query.update_or_create(number=7, defaults={"user": user})


async def get_or_create_many(user) -> None:
    await Post.query.bulk_get_or_create([{"number": 7}], unique_fields=["number"], create_params={"user": user})


async def get_or_create_given(user) -> None:
    await Post.query.bulk_get_or_create([Post(number=7)], unique_fields=["number"], create_params={"user": user})


MAKERS = [create, create_many, get_or_create, update_or_create, get_or_create_many, get_or_create_given]


@pytest.mark.parametrize("refused_by", [*REFUSALS, "a receiver that skips it"])
@pytest.mark.parametrize("call", MAKERS)
@pytest.mark.parametrize("condition", ["new", "stored and loaded", "stored and not loaded"])
async def test_what_a_refused_call_has_made_is_linked_with_nothing(database, condition, call, refused_by) -> None:
    shop = await shop_in(condition)
    before, stored = shop.shown(), await rows()

    def refuse(sender, model_instance) -> None:
        if refused_by == "a receiver before":
            raise Refused
        if refused_by == "a receiver that skips it":
            raise aldis.SkipOperation
        if refused_by == "the database":
            model_instance.number = literal_column("no_such_column")

    def refuse_after(sender) -> None:
        if refused_by == "a receiver after":
            raise Refused

    with pre_save.connected_to(refuse, Post), post_save.connected_to(refuse_after, Post):
        with pytest.raises((Refused, OperationalError, aldis.SkipOperation)):
            async with database.transaction():
                await call(shop.user)
                raise Refused
        assert shop.shown() == before
    await shop.user.save()
    if condition != "new":
        assert await rows() == stored
    assert await Post.query.filter(user_id=shop.user.id).count() == 0


@pytest.mark.parametrize("make", [Post.query.bulk_get_or_create, Post.query.bulk_update_or_create])
async def test_a_skipped_instance_does_not_keep_what_the_call_has_set(database, make) -> None:
    def skip(sender) -> None:
        raise aldis.SkipOperation

    post = Post(id=5)
    with pre_save.connected_to(skip, Post):
        assert await make([post], create_params={"number": 9, "user": User()}) == []
    assert (post.__dict__.get("number"), post.__dict__.get("user")) == (None, None)


async def test_a_skipped_delete_leaves_the_instance_as_it_was(database) -> None:
    shop = await shop_in("stored and linked")
    before = shop.shown()

    def skip(sender, instance) -> None:
        instance.number, instance.profile, instance.posts = 99, None, []
        raise aldis.SkipOperation

    with pre_delete.connected_to(skip, User):
        await shop.user.delete()
    assert shop.shown() == before
    assert (shop.user.number, inspect(shop.user).modified) == (0, False)


class Shelf(Base):
    __tablename__ = "shelf"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(default=0)
    books: Mapped[list[Book]] = relationship(back_populates="shelf", cascade="all, delete-orphan")
    boxes: WriteOnlyMapped[Box] = relationship(back_populates="shelf")


class Book(Base):
    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(default=0)
    shelf_id: Mapped[int | None] = mapped_column(ForeignKey("shelf.id"))
    shelf: Mapped[Shelf | None] = relationship(back_populates="books")


class Box(Base):
    __tablename__ = "box"
    id: Mapped[int] = mapped_column(primary_key=True)
    shelf_id: Mapped[int | None] = mapped_column(ForeignKey("shelf.id"))
    shelf: Mapped[Shelf | None] = relationship(back_populates="boxes")


@pytest.mark.parametrize("call", [save, update, bulk])
async def test_an_orphan_whose_deletion_is_undone_has_its_key_again(database, call) -> None:
    book = Book(shelf=Shelf())
    await book.shelf.save()
    key = inspect(book).key
    book.shelf = None

    def refuse(sender) -> None:
        raise Refused

    with post_save.connected_to(refuse, Book), post_update.connected_to(refuse, Book), pytest.raises(Refused):
        await call(book)
    assert inspect(book).key == key
    assert await Book.query.count() == 1


@pytest.mark.parametrize("refused_by", ["a receiver before", "a receiver after"])
@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("by", ["shelf", "box"])
async def test_a_write_only_collection_forgets_what_was_refused(database, by, is_new, refused_by) -> None:
    shelf, known, box = Shelf(), Box(), Box()
    shelf.boxes.add(known)
    if not is_new:
        await shelf.save()
    await box.save()

    def link(sender, instance) -> None:
        if by == "shelf":
            instance.boxes.add(box)
        else:
            box.shelf = instance
        if refused_by == "a receiver before":
            raise Refused

    def refuse(sender) -> None:
        raise Refused

    with pre_save.connected_to(link, Shelf), post_save.connected_to(refuse, Shelf), pytest.raises(Refused):
        await shelf.save()
    await box.save()
    assert await Shelf.query.count() == (0 if is_new else 1)
    await shelf.save()
    assert [each.id for each in await Box.query.filter(shelf_id=shelf.id)] == [known.id]


async def update_other_object(user, post) -> None:
    other = await Post.query.get(id=post.id)
    await other.update(user=user)


async def save_other_object(user, post) -> None:
    other = await Post.query.get(id=post.id)
    await other.save(values={"user": user})


async def update_or_create_row(user, post) -> None:
    await Post.query.update_or_create({"user": user}, id=post.id)


async def update_or_create_rows(user, post) -> None:
    await Post.query.bulk_update_or_create([{"id": post.id, "user": user}], unique_fields=["id"])


async def update_mapping(user, post) -> None:
    await Post.query.bulk_update([{"id": post.id, "user": user}])


async def update_with_the_same_user(user, post) -> None:
    del post.__dict__["user"]
    await post.update(user=user)


OF_ROWS = [
    update_other_object,
    save_other_object,
    update_or_create_row,
    update_or_create_rows,
    update_mapping,
    update_with_the_same_user,
]


@pytest.mark.parametrize("refused_by", ["a receiver before", "a receiver after", "the block"])
@pytest.mark.parametrize("call", OF_ROWS)
@pytest.mark.parametrize("is_linked", [True, False])
async def test_a_refused_call_on_another_object_of_the_row_leaves_the_link(
    database, call, refused_by, is_linked
) -> None:
    """The collection has one object of the row, or none, and the call links another one."""
    if call is update_with_the_same_user and not is_linked:
        pytest.skip("of a stored link")
    shop = await shop_in("stored and linked" if is_linked else "stored and loaded")
    if is_linked:
        shop.link()
        async with AsyncSession(database.engine, expire_on_commit=False) as session:
            session.add_all(vars(shop).values())
            await session.commit()
    before, stored = [*shop.user.posts], await rows()
    assert bool(before) == is_linked

    def refuse(sender) -> None:
        raise Refused

    when = {"a receiver before": (pre_save, pre_update), "a receiver after": (post_save, post_update)}
    with ExitStack() as stack:
        for signal in when.get(refused_by, ()):
            stack.enter_context(signal.connected_to(refuse, Post))
        # SQLAlchemy refuses two objects of one row in a session.
        with pytest.raises((Refused, InvalidRequestError)):
            async with database.transaction():
                await call(shop.user, shop.post)
                raise Refused
    assert [*map(id, shop.user.posts)] == [*map(id, before)]
    shop.user.number = 7
    await shop.user.save()
    assert await rows() == stored


async def test_a_refused_flush_leaves_what_waits_in_a_related_instance(database) -> None:
    """The collection of the related instance is not loaded, and another instance waits in it."""
    shop = await shop_in("stored and not loaded")
    await shop.post2.update(user=shop.user)
    async with AsyncSession(database.engine, expire_on_commit=False) as session:
        post, waiting = await session.get_one(Post, shop.post2.id), await session.get_one(Post, shop.post.id)
        user = await session.run_sync(lambda _: post.user)
    waiting.user = user
    post.number = user.number = 5

    def refuse(sender) -> None:
        raise Refused

    with post_save.connected_to(refuse, Post), pytest.warns(SAWarning, match="not in session"):
        with pytest.raises(Refused):
            await post.save()
    assert waiting.user_id is None
    waiting.user = None
    await waiting.save()
    assert await Post.query.filter(user_id=None).count() == 2


@pytest.mark.parametrize("later", [{"nmber": 1}, {"number": 1}, 5, {"id": 2, "user": "no user"}])
@pytest.mark.parametrize("call", ["bulk_create", "bulk_update"])
async def test_mappings_before_one_that_is_refused_are_linked_with_nothing(database, call, later) -> None:
    if call == "bulk_create" and later == {"number": 1}:
        pytest.skip("it is no wrong row")
    shop = await shop_in("stored and loaded")
    before, stored = shop.shown(), await rows()
    first = {"user": shop.user} if call == "bulk_create" else {"id": shop.post.id, "user": shop.user}
    with pytest.raises((TypeError, AttributeError, aldis.AldisError)):
        await getattr(Post.query, call)([first, later])
    assert shop.shown() == before
    shop.user.number = 7
    await shop.user.save()
    assert await rows() == stored
