"""How often each kind of disaster is tried, in one place, so that what is promised in all can be added up.

Kills: SIGKILL to a process in the middle of writing, at a random moment. Damage: copies of a sound library with bits
flipped, pages blanked, swapped or scribbled on, ends cut off or zeroed.
"""

KILLED_WRITERS = 70
KILLED_GROWERS = 70
KILLED_ANNOTATORS = 60
KILLED_SAVERS = 12
PROMISED_KILLS = 212

DAMAGED_LIBRARIES = 120
DAMAGED_SESSIONS = 80
PROMISED_COPIES = 200

DAMAGED_SHOWN = 40
TORN_LOGS = 20
