"""What the page says while a database's storage fills up, and what its owner can do about it."""

from syneudp.engines.contract import Engine
from syneudp.instances import Hold, InstanceView, Rung, room_from
from syneudp.web.console.figures import instant
from syneudp.web.console.views import StorageNotice, Tone

AHEAD = {
    Engine.POSTGRESQL: "Once it is full, it is suspended ten minutes later.",
    Engine.MYSQL: "Once it is full, inserting, updating and creating are refused.",
}
SHRINK = {
    Engine.POSTGRESQL: "Drop or truncate tables, or delete rows and run VACUUM FULL; or change to a larger plan.",
    Engine.MYSQL: "Drop or truncate tables, or delete rows and run OPTIMIZE TABLE; or change to a larger plan.",
}
CURBED_ON_MYSQL = (
    "Inserting, updating and creating are refused; reading, deleting, dropping and truncating work. Writing comes back"
    " by itself below 95 %."
)
REBUILD = (
    "Deleted rows free their space once their table is rebuilt, which needs writing: allow it for an hour, once a day."
)


def storage_notice(instance: InstanceView, *, now: int, going: bool) -> StorageNotice | None:
    """Say how far the storage has filled and what follows at `now` (epoch seconds); None for nothing to say."""
    ladder = instance.ladder
    if going or ladder.rung is Rung.CLEAR:
        return None
    if ladder.rung is Rung.NEAR:
        percent = instance.storage_bytes * 100 // max(instance.storage_limit_bytes, 1)
        return StorageNotice(
            Tone.HALT, f"Storage is {percent} % full.", f"{AHEAD[instance.engine]} {_shrink(instance)}"
        )
    again_at = room_from(ladder)
    later = f"The next hour to make room can begin on {instant(again_at)}." if again_at > now else ""
    if Hold.STORAGE in instance.holds:
        return StorageNotice(Tone.STOP, "The hour to make room is used up.", later) if later else None
    if ladder.curbed:
        act = "" if later or instance.holds else "Allow writing for an hour"
        return StorageNotice(Tone.STOP, "Storage is full.", f"{CURBED_ON_MYSQL} {later or REBUILD}", act)
    ends = f"on {instant(ladder.curb_at)}" if ladder.curb_at else "soon"
    consequence = "Writing is refused" if instance.engine is Engine.MYSQL else "It is suspended"
    until = f"{consequence} {ends} unless it uses less than 95 % by then, and at once if it grows much further."
    return StorageNotice(Tone.STOP, "Storage is full.", f"{until} {_shrink(instance)}")


def _shrink(instance: InstanceView) -> str:
    return SHRINK[instance.engine]
