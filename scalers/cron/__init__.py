"""Schedules: a number of replicas from one minute to another, in a time zone.

Connection:
    None: the machine's own clock is the source.
Outages:
    There are none. A clock that is set, or a machine that was asleep, is noticed within a second.
"""
