"""The objects that all sockets and requests share."""

from dataclasses import dataclass

from worker.local.realtime.authorization import Authorization
from worker.local.realtime.capture import Capture
from worker.local.realtime.changes import Changes
from worker.local.realtime.cold_start import ColdStart
from worker.local.realtime.database import Database
from worker.local.realtime.faults import Faults
from worker.local.realtime.limits import Limits
from worker.local.realtime.partitions import Partitions
from worker.local.realtime.presence import Presence
from worker.local.realtime.rooms import Rooms
from worker.local.realtime.settings import Settings


@dataclass(frozen=True)
class Services:
    settings: Settings
    database: Database
    limits: Limits
    authorization: Authorization
    rooms: Rooms
    presence: Presence
    changes: Changes
    capture: Capture
    cold_start: ColdStart
    partitions: Partitions
    faults: Faults
