"""How many tokens the model has read for whom in the last hours, so that a restart does not give a day's share back.

Holds digests of names, never an address, and forgets them with the hours. Does not know what a share is.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert
from sqlmodel import col

from storage.connections import Connections
from storage.schema import UsageRow


class UsageStore:
    """The tokens of one database."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def add(self, spent: Mapping[tuple[str, int], int], forget: int) -> None:
        """Add tokens by (digest of a name, hour since 1970), and forget the hours up to `forget`. Raises Busy, and
        UserError where the disk is full; nothing is added then."""
        rows = [{"who": who, "hour": hour, "tokens": tokens} for (who, hour), tokens in spent.items()]
        statement = insert(UsageRow)
        more = statement.on_conflict_do_update(
            index_elements=["who", "hour"],
            set_={"tokens": col(UsageRow.tokens) + statement.excluded.tokens},
        )
        with self._connections.write() as session:
            if rows:
                session.execute(more, rows)
            session.execute(delete(UsageRow).where(col(UsageRow.hour) <= forget))

    def since(self, hour: int) -> list[tuple[str, int, int]]:
        """(who, hour, tokens) from this hour on, the earliest first."""
        query = select(col(UsageRow.who), col(UsageRow.hour), col(UsageRow.tokens)).where(col(UsageRow.hour) >= hour)
        with self._connections.read() as session:
            return [(str(who), int(at), int(tokens)) for who, at, tokens in session.execute(query.order_by("hour"))]
