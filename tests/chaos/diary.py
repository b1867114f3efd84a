"""What was done to whom, and when: a lease may be lost for a reason that stands here, and for no other."""

from dataclasses import dataclass
from datetime import datetime

DIED = "died by itself"


@dataclass(frozen=True)
class Entry:
    """One fault, until the house was whole again. `worker_id`: the registration that it hit; None: all or none."""

    fault: str
    begun: datetime
    ended: datetime
    worker_id: str | None = None

    def meets(self, begun: datetime, ended: datetime) -> bool:
        return self.begun <= ended and begun <= self.ended
