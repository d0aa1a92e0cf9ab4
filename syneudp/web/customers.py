"""Who is asking: a signed-in user with the wallet that pays."""

from collections import OrderedDict
from dataclasses import dataclass, field
from uuid import UUID

from syneudp import identity, wallet
from syneudp.identity import User
from syneudp.kernel.database import Connection, transact
from syneudp.wallet import WalletRecord

KNOWN_CUSTOMERS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Customer:
    """A signed-in user, their wallet, and where the present request came from."""

    user: User
    wallet: WalletRecord
    access_token: str = field(repr=False)
    address: str
    user_agent: str


class CustomerRegister:
    """Remembers users and wallets at first sight, and which ones this process has seen.

    A user's id, first sight and wallet never change, so a process need not ask the database again; a changed e-mail
    address is a new sight. The least recently seen are forgotten beyond 10 000.
    """

    def __init__(self, *, currency: str) -> None:
        self._currency = currency
        self._known: OrderedDict[tuple[UUID, str], tuple[User, WalletRecord]] = OrderedDict()

    async def recognise(self, *, user_id: UUID, email: str) -> tuple[User, WalletRecord]:
        """Hand out the user and their wallet, made in one transaction where they are new."""
        seen = (user_id, email)
        if seen in self._known:
            self._known.move_to_end(seen)
            return self._known[seen]

        async def remember(tx: Connection) -> tuple[User, WalletRecord]:
            user = await identity.remember_user(tx, user_id=user_id, email=email)
            return user, await wallet.open_wallet(tx, user_id=user_id, currency=self._currency)

        known = await transact(remember)
        self._known[seen] = known
        while len(self._known) > KNOWN_CUSTOMERS_MAX:
            self._known.popitem(last=False)
        return known
