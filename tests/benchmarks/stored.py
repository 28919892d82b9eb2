"""Stores with many messages in them, written by SQL: what matters is what they hold, not how it came there."""

import os
import sqlite3
import struct
import time


def uuid_v7(ms):
    random = os.urandom(10)
    return struct.pack(">Q", ms)[2:] + bytes([0x70 | random[0] & 0x0F, random[1], 0x80 | random[2] & 0x3F]) + random[3:]


def rows(done, pending, queue):
    """Finished conversations of the last hour, a few each millisecond, then messages that are due."""
    now = time.time_ns() // 1_000_000
    for i in range(done):
        at = now - 3_600_000 + i * 3_000_000 // done
        yield uuid_v7(at), 3, "done", "", at + 5, 2, at, at + 5, "Hi, Bram. Bye!"
    for i in range(pending):
        at = now - 60_000 + i * 50_000 // pending
        yield uuid_v7(at), 1, "pending", queue, at, 0, at, at, "Hi, "


COLUMNS = "id, revision, status, queue, due, claim, created_at, updated_at, text, held, unanswered, failures"


def fill_sqlite(path, done, pending=0, queue="topic-a"):
    with sqlite3.connect(path) as store:
        store.execute("PRAGMA synchronous = OFF")
        store.executemany(f"INSERT INTO message ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,0,0,0)",
                          rows(done, pending, queue))
        store.commit()
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()


def fill_postgresql(servers, database, done, pending=0, queue="topic-a"):
    # A version 7 id out of a time and a random one.
    new_id = ("overlay(overlay(gen_random_uuid()::text placing lpad(to_hex(at >> 16), 8, '0') || '-' || "
              "lpad(to_hex(at & 65535), 4, '0') from 1 for 13) placing '7' from 15 for 1)::uuid")
    now = "(extract(epoch from clock_timestamp()) * 1000)::bigint"
    servers.sql(f"""
        INSERT INTO amc_message ({COLUMNS})
        SELECT {new_id}, 3, 'done', '', at + 5, 2, at, at + 5, 'Hi, Bram. Bye!', false, 0, 0
        FROM (SELECT {now} - 3600000 + i * 3000000 / {max(done, 1)} AS at FROM generate_series(1, {done}::bigint) i) t;
        INSERT INTO amc_message ({COLUMNS})
        SELECT {new_id}, 1, 'pending', '{queue}', at, 0, at, at, 'Hi, ', false, 0, 0
        FROM (SELECT {now} - 60000 + i * 5 AS at FROM generate_series(1, {pending}::bigint) i) t""", database)
    if done:  # as autovacuum would have
        servers.sql("VACUUM ANALYZE amc_message", database)
    servers.sql("CHECKPOINT", database)
