-- Every statement of the driver, named after the method that uses it, or after what it does if
-- several use it. A batch comes as one array for each column; where one is looked up in a table
-- with partitions, the bounds of its ids say which of them are looked at.

-- Keeps the events that have no key here, and those whose key is new. Those of a part share an
-- inbox row. Their data is taken where it goes: every row that carries it on the way is a copy.
-- name: accept
WITH offered AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[],
                         $8::uuid[], $9::text[], $10::bytea[], $11::integer[])
        WITH ORDINALITY
        AS e (uid, tenant, id, type, timestamp, accepted_at, only_webhook, key, digest, part, n)
), own AS (
    INSERT INTO event_keys (key, uid, digest)
    SELECT key, uid, digest FROM offered WHERE key IS NOT NULL
    ORDER BY key COLLATE "C", n
    ON CONFLICT (key) DO NOTHING
    RETURNING uid
), given AS MATERIALIZED (
    SELECT nextval('events_seq') AS seq, o.* FROM offered o
    WHERE key IS NULL OR uid IN (SELECT uid FROM own)
), kept AS (
    INSERT INTO events (uid, seq, tenant, id, type, timestamp, accepted_at, data)
    SELECT uid, seq, tenant, id, type, timestamp, accepted_at, ($7::bytea[])[n] FROM given
), parts AS (
    SELECT tenant, only_webhook, min(seq) AS seq, array_agg(uid) AS events,
           array_agg(seq) AS seqs, array_agg(accepted_at) AS accepted_at, array_agg(type) AS types
    FROM given GROUP BY part, tenant, only_webhook
), queued AS (
    INSERT INTO inbox (name, seq, registry_version, only_webhook, tenant, events, seqs,
                       accepted_at, types)
    SELECT p.events[1], p.seq, coalesce(t.registry_version, 0), p.only_webhook, p.tenant, p.events,
           p.seqs, p.accepted_at, p.types
    FROM parts p LEFT JOIN tenants t ON t.tenant = p.tenant
    RETURNING name
)
SELECT uid, seq, uid IN (SELECT name FROM queued) FROM given

-- name: accept_known
SELECT uid, seq, EXISTS (SELECT FROM inbox WHERE name = uid) FROM events
WHERE uid = ANY($1) AND uid >= $2 AND uid <= $3

-- name: accept_keys_add
INSERT INTO event_keys (key, uid, digest)
SELECT key, uid, digest FROM unnest($1::text[], $2::uuid[], $3::bytea[]) AS k (key, uid, digest)
ON CONFLICT (key) DO NOTHING
RETURNING key, uid

-- name: accept_keys_drop
DELETE FROM event_keys WHERE key = ANY($1)

-- name: accept_keys_find
SELECT k.key, k.uid, k.digest, e.id
FROM event_keys k LEFT JOIN events e ON e.uid = k.uid WHERE k.key = ANY($1)

-- name: inbox
SELECT i.name, i.tenant, i.registry_version, coalesce(t.registry_version, 0), i.cursor_seq,
       i.cursor, i.only_webhook, i.events, i.seqs, i.accepted_at, i.types
FROM inbox i LEFT JOIN tenants t ON t.tenant = i.tenant
WHERE i.name = ANY($1)

-- Makes the deliveries of inbox rows whose fan-out nobody has begun: so there are none of them yet.
-- name: fan_out
WITH begun AS (
    UPDATE inbox SET begun = true WHERE name = ANY($1) AND NOT begun RETURNING name
)
INSERT INTO unfinished_deliveries
    (event, webhook, tenant, seq, status, attempts, late, planned, by_hand, due, opened_at)
SELECT event, webhook, tenant, seq, 'pending', 0, 0, 0, false, accepted_at, accepted_at
FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::bigint[], $7::bigint[])
    AS d (name, event, webhook, tenant, seq, accepted_at)
WHERE (name IN (SELECT name FROM begun)) IS TRUE -- so that it is hashed

-- name: fan_out_again
INSERT INTO unfinished_deliveries
    (event, webhook, tenant, seq, status, attempts, late, planned, by_hand, due, opened_at)
SELECT event, webhook, tenant, seq, 'pending', 0, 0, 0, false, accepted_at, accepted_at
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::bigint[])
    AS d (event, webhook, tenant, seq, accepted_at)
ON CONFLICT (event, webhook) DO NOTHING

-- Takes back those that were made before and are finished.
-- name: fan_out_finished
DELETE FROM unfinished_deliveries USING (
    SELECT u.place FROM unnest($1::uuid[], $2::uuid[]) AS d (event, webhook)
    CROSS JOIN LATERAL (
        SELECT FROM finished_deliveries
        WHERE event = d.event AND webhook = d.webhook AND event >= $3 AND event <= $4 LIMIT 1
    ) AS f
    CROSS JOIN LATERAL (
        SELECT ctid AS place FROM unfinished_deliveries
        WHERE event = d.event AND webhook = d.webhook LIMIT 1
    ) AS u
) AS back
WHERE unfinished_deliveries.ctid = back.place

-- name: fan_out_began
UPDATE inbox SET begun = true WHERE name = ANY($1)

-- name: fan_out_cursor
UPDATE inbox SET cursor_seq = c.seq, cursor = c.webhook
FROM unnest($1::uuid[], $2::bigint[], $3::uuid[]) AS c (name, seq, webhook)
WHERE inbox.name = c.name
  AND (cursor IS NULL OR (cursor_seq, cursor) < (c.seq, c.webhook))

-- name: fanned_out
DELETE FROM inbox WHERE name = ANY($1)

-- Much or nothing may be unfinished, and the planner believes what it was when it planned. So that each
-- item of a batch is looked up all the same, it is given a limit.
-- name: load
SELECT q.n, d.status, d.due, d.attempts, d.planned, d.opened_at, d.by_hand, w.status, w.version
FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS q (event, webhook, n)
CROSS JOIN LATERAL (
    SELECT * FROM unfinished_deliveries WHERE event = q.event AND webhook = q.webhook LIMIT 1
) AS d
LEFT JOIN webhooks w ON w.id = d.webhook AND w.deleted_at IS NULL

-- The same, whether they are finished or not.
-- name: load_all
SELECT q.n, d.status, d.due, d.attempts, d.planned, d.opened_at, d.by_hand, w.status, w.version
FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS q (event, webhook, n)
CROSS JOIN LATERAL (
    SELECT * FROM deliveries
    WHERE event = q.event AND webhook = q.webhook AND event >= $3 AND event <= $4
    OFFSET 0 -- each is looked up
) AS d
LEFT JOIN webhooks w ON w.id = d.webhook AND w.deleted_at IS NULL

-- name: load_events
SELECT uid, tenant, id, type, timestamp, accepted_at, data
FROM events WHERE uid = ANY($1) AND uid >= $2 AND uid <= $3

-- The next three make two statements: record_outcomes, then one of record_ends, of outcomes that end
-- their delivery, and record_plans, of those after which it goes on. Each delivery is looked up, as
-- in load.
-- name: record_outcomes
WITH outcomes AS (
    SELECT o.*, u.place
    FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::text[], $5::text[], $6::bigint[],
                $7::bigint[], $8::integer[], $9::integer[], $10::boolean[], $11::text[],
                $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[],
                $17::bigint[], $18::smallint[], $19::text[], $20::text[], $21::text[],
                $22::bytea[], $23::boolean[])
        AS o (event, webhook, attempts, status, ended_by, ended_at,
              due, sent, planned, not_by_hand, trigger,
              started_at, dns_us, connect_us, first_byte_us, body_us,
              total_us, answer, error, detail, headers,
              body, truncated)
    CROSS JOIN LATERAL (
        SELECT ctid AS place FROM unfinished_deliveries
        WHERE event = o.event AND webhook = o.webhook LIMIT 1
    ) AS u
),

-- name: record_ends
applied AS (
    DELETE FROM unfinished_deliveries d USING outcomes o
    WHERE d.ctid = o.place AND d.attempts = o.attempts
    RETURNING d.event, d.webhook, d.tenant, d.seq, d.opened_at, d.attempts + o.sent AS attempts,
              d.late, d.planned + o.planned AS planned,
              CASE WHEN o.sent > 0 THEN d.attempts + o.sent + d.late END AS n,
              coalesce(o.started_at, d.last_at) AS last_at,
              CASE WHEN o.sent = 0 THEN d.last_total_us ELSE o.total_us END AS last_total_us,
              CASE WHEN o.sent = 0 THEN d.last_status ELSE o.answer END AS last_status,
              CASE WHEN o.sent = 0 THEN d.last_error ELSE o.error END AS last_error,
              o.status, o.ended_by, o.ended_at, o.trigger, o.dns_us, o.connect_us,
              o.first_byte_us, o.body_us, o.detail, o.headers, o.body, o.truncated
)
INSERT INTO finished_deliveries
    (event, webhook, tenant, seq, opened_at, attempts, late, planned, n, last_at, last_total_us,
     last_status, last_error, status, ended_by, ended_at, trigger, dns_us, connect_us,
     first_byte_us, body_us, detail, headers, body, truncated)
SELECT event, webhook, tenant, seq, opened_at, attempts, late, planned, n, last_at, last_total_us,
       last_status, last_error, status, ended_by, ended_at, trigger, dns_us, connect_us,
       first_byte_us, body_us, detail, headers, body, truncated
FROM applied
RETURNING event, webhook, false, NULL::bigint, false

-- name: record_plans
applied AS (
    UPDATE unfinished_deliveries d SET
        status = o.status,
        due = o.due,
        attempts = d.attempts + o.sent,
        planned = d.planned + o.planned,
        by_hand = d.by_hand AND NOT o.not_by_hand,
        last_at = coalesce(o.started_at, d.last_at),
        last_total_us = CASE WHEN o.sent = 0 THEN d.last_total_us ELSE o.total_us END,
        last_status = CASE WHEN o.sent = 0 THEN d.last_status ELSE o.answer END,
        last_error = CASE WHEN o.sent = 0 THEN d.last_error ELSE o.error END
    FROM outcomes o
    WHERE d.ctid = o.place AND d.attempts = o.attempts
    RETURNING d.event, d.webhook, d.tenant, d.attempts + d.late AS n, d.due, d.by_hand, o.sent,
              o.trigger, o.started_at, o.dns_us, o.connect_us, o.first_byte_us, o.body_us,
              o.total_us, o.answer, o.error, o.detail, o.headers, o.body, o.truncated
), kept AS (
    INSERT INTO attempts
        (event, webhook, n, tenant, trigger, started_at, dns_us, connect_us, first_byte_us,
         body_us, total_us, status, error, detail, headers, body, truncated)
    SELECT event, webhook, n, tenant, trigger, started_at, dns_us, connect_us, first_byte_us,
           body_us, total_us, answer, error, detail, headers, body, truncated
    FROM applied WHERE sent > 0
)
SELECT event, webhook, true, due, by_hand FROM applied

-- name: record_late_unfinished
UPDATE unfinished_deliveries SET
    late = late + 1, last_at = $3, last_total_us = $4, last_status = $5, last_error = $6
WHERE event = $1 AND webhook = $2 RETURNING tenant, attempts + late

-- name: record_late_finished
UPDATE finished_deliveries SET
    late = late + 1, last_at = $3, last_total_us = $4, last_status = $5, last_error = $6
WHERE event = $1 AND webhook = $2 RETURNING tenant, attempts + late

-- name: record_late
INSERT INTO attempts
    (event, webhook, n, tenant, started_at, dns_us, connect_us, first_byte_us, body_us, total_us,
     status, error, trigger, detail, headers, body, truncated)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)

-- name: record_late_success
UPDATE finished_deliveries SET status = 'delivered', ended_by = 'delivered', ended_at = $3
WHERE event = $1 AND webhook = $2 AND status <> 'delivered'

-- name: record_standing
SELECT due, by_hand FROM unfinished_deliveries WHERE event = $1 AND webhook = $2

-- name: record_webhook
SELECT tenant FROM webhooks WHERE id = $1 AND status <> 'disabled' AND deleted_at IS NULL

-- name: record_disable_webhook
UPDATE webhooks SET status = 'disabled', status_reason = $2, version = $3, updated_at = $4,
    stranding = true
WHERE id = $1 AND status <> 'disabled' AND deleted_at IS NULL

-- name: lanes_fan_out
WITH RECURSIVE lanes AS (
    (SELECT tenant FROM inbox WHERE tenant > $1 ORDER BY tenant LIMIT 1)
    UNION ALL
    SELECT next.tenant FROM lanes CROSS JOIN LATERAL (
        SELECT i.tenant FROM inbox i WHERE i.tenant > lanes.tenant ORDER BY i.tenant LIMIT 1
    ) AS next
)
SELECT tenant FROM lanes LIMIT $2

-- name: lanes_deliver
WITH RECURSIVE lanes AS (
    (SELECT webhook, tenant FROM unfinished_deliveries
     WHERE webhook > $1 AND seq > 0 ORDER BY webhook, due, seq LIMIT 1)
    UNION ALL
    SELECT next.webhook, next.tenant FROM lanes CROSS JOIN LATERAL (
        SELECT d.webhook, d.tenant FROM unfinished_deliveries d
        WHERE d.webhook > lanes.webhook AND d.seq > 0 ORDER BY d.webhook, d.due, d.seq LIMIT 1
    ) AS next
)
SELECT webhook, tenant FROM lanes LIMIT $2

-- name: unfinished_fan_out
SELECT name, seq FROM inbox WHERE tenant = $1 ORDER BY seq LIMIT $2

-- name: unfinished_by_hand
SELECT event, seq, 0::bigint, attempts > 0 FROM unfinished_deliveries
WHERE webhook = $1 AND by_hand ORDER BY seq LIMIT $2

-- name: unfinished_deliver
SELECT event, seq, due, attempts > 0 FROM unfinished_deliveries
WHERE webhook = $1 AND NOT by_hand AND seq > 0 ORDER BY due, seq LIMIT $2

-- name: stranded
SELECT d.event, w.id, d.attempts, w.deleted_at IS NOT NULL
FROM webhooks w CROSS JOIN LATERAL (
    SELECT event, attempts FROM unfinished_deliveries
    WHERE webhook = w.id AND seq > 0 ORDER BY due, seq LIMIT $1
) AS d
WHERE w.stranding ORDER BY w.id LIMIT $1

-- name: stranded_over
UPDATE webhooks w SET stranding = false
WHERE stranding AND (
    SELECT event FROM unfinished_deliveries
    WHERE webhook = w.id AND seq > 0 ORDER BY due, seq LIMIT 1
) IS NULL

-- name: outlived_pending
SELECT event, attempts FROM unfinished_deliveries
WHERE webhook = $1 AND due < $2 AND status = 'pending' AND NOT by_hand AND seq > 0
ORDER BY due, seq LIMIT $3

-- name: outlived_retrying
SELECT event, attempts FROM unfinished_deliveries
WHERE webhook = $1 AND status = 'retrying' AND opened_at < $2 AND NOT by_hand
ORDER BY opened_at LIMIT $3

-- All of it: a statement of its own, so that a plan for any version passes the deleted ones by.
-- name: registry
SELECT w.id, w.tenant, w.status, w.status_reason, w.registered_version, w.version, w.config,
       w.secrets, w.created_at, w.updated_at,
       coalesce((SELECT registry_version FROM tenants WHERE tenant = $1), 0),
       w.deleted_at IS NOT NULL
FROM (SELECT) AS one
LEFT JOIN webhooks w ON w.tenant = $1 AND w.deleted_at IS NULL
ORDER BY w.id

-- name: registry_since
SELECT w.id, w.tenant, w.status, w.status_reason, w.registered_version, w.version, w.config,
       w.secrets, w.created_at, w.updated_at,
       coalesce((SELECT registry_version FROM tenants WHERE tenant = $1), 0),
       w.deleted_at IS NOT NULL
FROM (SELECT) AS one
LEFT JOIN webhooks w ON w.tenant = $1 AND w.version > $2
ORDER BY w.id

-- Also holds the tenant's registry until the transaction ends.
-- name: hold_registry
INSERT INTO tenants AS t (tenant, registry_version) VALUES ($1, 0)
ON CONFLICT (tenant) DO UPDATE SET registry_version = t.registry_version
RETURNING registry_version

-- name: change_registry
UPDATE tenants SET registry_version = $2 WHERE tenant = $1

-- name: webhooks
SELECT id, tenant, status, status_reason, registered_version, version, config, secrets,
       created_at, updated_at
FROM webhooks WHERE id = ANY($1) AND deleted_at IS NULL ORDER BY id

-- name: webhook_at
SELECT id, tenant, status, status_reason, registered_version, version, config, secrets,
       created_at, updated_at
FROM webhooks WHERE tenant = $1 AND url = $2 AND deleted_at IS NULL

-- name: list_webhooks
SELECT id, tenant, status, status_reason, registered_version, version, config, secrets,
       created_at, updated_at
FROM webhooks WHERE deleted_at IS NULL

-- name: insert_webhook
INSERT INTO webhooks (id, tenant, url, status, status_reason, registered_version, version, config,
    secrets, created_at, updated_at, stranding)
VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9, $10, $11)

-- name: update_webhook
UPDATE webhooks SET url = $3, status = $4, status_reason = $5, version = $6, config = $7,
    secrets = $8, updated_at = $9, stranding = $10
WHERE id = $1 AND version = $2 AND deleted_at IS NULL

-- name: delete_webhook
UPDATE webhooks SET deleted_at = $2, config = '{}', secrets = '[]', stranding = true, version = $3
WHERE id = $1 AND deleted_at IS NULL

-- name: event_by_uid
SELECT uid, tenant, id, type, timestamp, accepted_at, data FROM events WHERE uid = $1

-- name: event_by_id
SELECT e.uid, e.tenant, e.id, e.type, e.timestamp, e.accepted_at, e.data
FROM event_keys k JOIN events e ON e.uid = k.uid
WHERE k.key = $1

-- name: list_events
SELECT e.uid, e.tenant, e.id, e.type, e.timestamp, e.accepted_at, ''::bytea AS data
FROM events e WHERE true

-- name: list_deliveries
SELECT d.event, d.webhook, d.tenant, e.id, e.type, d.seq, d.status, d.ended_by,
       d.attempts + d.late AS attempts, d.by_hand, e.accepted_at, d.opened_at, d.due, d.ended_at,
       d.last_at, d.last_total_us, d.last_status, d.last_error
FROM deliveries d JOIN events e ON e.uid = d.event WHERE true

-- name: events_to_look_at
SELECT e.uid, e.id, e.type, e.accepted_at FROM events e WHERE true

-- name: deliveries
SELECT d.event, d.webhook, d.tenant, e.id, e.type, d.seq, d.status, d.ended_by,
       d.attempts + d.late, d.by_hand, e.accepted_at, d.opened_at, d.due, d.ended_at, d.last_at,
       d.last_total_us, d.last_status, d.last_error
FROM unnest($1::uuid[], $2::uuid[]) AS k (event, webhook)
JOIN deliveries d ON d.event = k.event AND d.webhook = k.webhook
    AND d.event >= $3 AND d.event <= $4
JOIN events e ON e.uid = d.event AND e.uid >= $3 AND e.uid <= $4

-- name: delivery
SELECT d.event, d.webhook, d.tenant, e.id, e.type, d.seq, d.status, d.ended_by,
       d.attempts + d.late, d.by_hand, e.accepted_at, d.opened_at, d.due, d.ended_at, d.last_at,
       d.last_total_us, d.last_status, d.last_error
FROM deliveries d JOIN events e ON e.uid = d.event
WHERE d.event = $1 AND d.webhook = $2 AND e.uid = $1

-- name: history
SELECT d.event, d.webhook, d.tenant, e.id, e.type, d.seq, d.status, d.ended_by,
       d.attempts + d.late, d.by_hand, e.accepted_at, d.opened_at, d.due, d.ended_at, d.last_at,
       d.last_total_us, d.last_status, d.last_error,
       a.n, a.trigger, a.started_at, a.dns_us, a.connect_us, a.first_byte_us, a.body_us,
       a.total_us, a.status, a.error, a.detail, a.headers, a.body, a.truncated
FROM deliveries d JOIN events e ON e.uid = d.event
LEFT JOIN LATERAL (
    SELECT n, trigger, started_at, dns_us, connect_us, first_byte_us, body_us, total_us, status,
           error, detail, headers, body, truncated
    FROM attempts WHERE event = $1 AND webhook = $2
    UNION ALL
    SELECT n, trigger, last_at, dns_us, connect_us, first_byte_us, body_us, last_total_us,
           last_status, last_error, detail, headers, body, truncated
    FROM finished_deliveries WHERE event = $1 AND webhook = $2 AND n IS NOT NULL
    ORDER BY n LIMIT $3
) AS a ON true
WHERE d.event = $1 AND d.webhook = $2 AND e.uid = $1 ORDER BY a.n

-- What was numbered, and which transactions are over.
-- name: follow_state
SELECT CASE WHEN is_called THEN last_value ELSE 0 END,
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
       (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
FROM events_seq

-- name: follow_recent
SELECT seq, uid, tenant, type FROM events WHERE uid >= $1 AND seq > $2 ORDER BY seq LIMIT $3

-- name: follow_doubted
SELECT seq, uid, tenant, type FROM events WHERE uid >= $1 AND seq = ANY($2) ORDER BY seq

-- name: since_of_tenant
SELECT seq, uid, tenant, type FROM events
WHERE tenant = $4 AND uid >= $1 AND seq > $2 AND seq > 0 ORDER BY seq LIMIT $3

-- name: events
SELECT uid, tenant, id, type, timestamp, accepted_at, data FROM events
WHERE uid = ANY($1) AND uid >= $2 AND uid <= $3

-- name: hold_unfinished
SELECT FROM unfinished_deliveries WHERE event = $1 AND webhook = $2 FOR UPDATE

-- name: hold_finished
SELECT FROM finished_deliveries WHERE event = $1 AND webhook = $2 FOR UPDATE

-- Adds the attempt that ended a delivery to the others, since more may follow.
-- name: keep_ending_attempt
WITH kept AS (
    INSERT INTO attempts
        (event, webhook, n, tenant, trigger, started_at, dns_us, connect_us, first_byte_us,
         body_us, total_us, status, error, detail, headers, body, truncated)
    SELECT event, webhook, n, tenant, trigger, last_at, dns_us, connect_us, first_byte_us,
           body_us, last_total_us, last_status, last_error, detail, headers, body, truncated
    FROM finished_deliveries WHERE event = $1 AND webhook = $2 AND n IS NOT NULL
)
UPDATE finished_deliveries SET
    n = NULL, trigger = NULL, dns_us = NULL, connect_us = NULL, first_byte_us = NULL,
    body_us = NULL, detail = NULL, headers = NULL, body = NULL, truncated = NULL
WHERE event = $1 AND webhook = $2 AND n IS NOT NULL

-- name: retry_unfinished
UPDATE unfinished_deliveries SET by_hand = true WHERE event = $1 AND webhook = $2

-- name: retry_finished
WITH anew AS (
    DELETE FROM finished_deliveries
    WHERE event = $1 AND webhook = $2 AND status IN ('failed', 'cancelled')
    RETURNING *
)
INSERT INTO unfinished_deliveries
    (event, webhook, tenant, seq, status, attempts, late, planned, by_hand, due, opened_at, last_at,
     last_total_us, last_status, last_error)
SELECT event, webhook, tenant, seq,
       CASE WHEN attempts + late = 0 THEN 'pending' ELSE 'retrying' END, attempts, late, 0, false, $3,
       $3, last_at, last_total_us, last_status, last_error
FROM anew

-- Ends an unfinished delivery in a way, at a time.
-- name: end
WITH ended AS (
    DELETE FROM unfinished_deliveries WHERE event = $1 AND webhook = $2 RETURNING *
)
INSERT INTO finished_deliveries
    (event, webhook, tenant, seq, opened_at, attempts, late, planned, last_at, last_total_us,
     last_status, last_error, status, ended_by, ended_at)
SELECT event, webhook, tenant, seq, opened_at, attempts, late, planned, last_at, last_total_us,
       last_status, last_error, $3, $4, $5
FROM ended

-- name: put_key
INSERT INTO keys (id, name, role, tenant, hash, created_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, role = excluded.role,
    tenant = excluded.tenant, hash = excluded.hash, created_at = excluded.created_at

-- name: key
SELECT id, name, role, tenant, hash, created_at FROM keys WHERE hash = $1

-- name: keys
SELECT id, name, role, tenant, hash, created_at FROM keys ORDER BY created_at, id

-- name: delete_key
DELETE FROM keys WHERE id = $1

-- name: check
SELECT pg_is_in_recovery()

-- name: partitions
SELECT p.relname, c.relname
FROM pg_inherits i
JOIN pg_class p ON p.oid = i.inhparent
JOIN pg_class c ON c.oid = i.inhrelid
WHERE p.oid = ANY (ARRAY[
    'events'::regclass, 'finished_deliveries'::regclass, 'attempts'::regclass])

-- name: forget_in_use
SELECT EXISTS (SELECT FROM inbox WHERE name >= $1 AND name < $2)
    OR EXISTS (SELECT FROM unfinished_deliveries WHERE event >= $1 AND event < $2)

-- name: forget_keys
DELETE FROM event_keys WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM event_keys WHERE uid >= $1 AND uid < $2 AND digest <> '' LIMIT $3))

-- name: forget_inbox
SELECT name FROM inbox ORDER BY name LIMIT 1

-- name: forget_events
SELECT uid FROM events_default e
WHERE uid < $1 AND NOT EXISTS (SELECT FROM unfinished_deliveries d WHERE d.event = e.uid)
ORDER BY uid LIMIT $2

-- name: forget_hold
SELECT event, webhook FROM finished_deliveries
WHERE event = ANY($1) AND event >= $2 AND event <= $3
ORDER BY event, webhook LIMIT $4 FOR UPDATE

-- name: forget_unfinished
SELECT event FROM unfinished_deliveries WHERE event = ANY($1)

-- name: forget_attempts
DELETE FROM attempts WHERE event >= $3 AND event <= $4 AND (event, webhook, n) IN (
    SELECT a.event, a.webhook, a.n FROM unnest($1::uuid[], $2::uuid[]) AS d (event, webhook)
    JOIN attempts a ON a.event = d.event AND a.webhook = d.webhook
    WHERE a.event >= $3 AND a.event <= $4 LIMIT $5)

-- name: forget_deliveries
DELETE FROM finished_deliveries USING unnest($1::uuid[], $2::uuid[]) AS d (gone, of)
WHERE event = gone AND webhook = of AND event >= $3 AND event <= $4

-- name: forget
WITH keys_gone AS (
    DELETE FROM event_keys WHERE uid = ANY($1) AND digest <> ''
)
DELETE FROM events_default WHERE uid = ANY($1)

-- name: announce
INSERT INTO workers (id, version, slots, held, started_at, host, pid, seen_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
ON CONFLICT (id) DO UPDATE SET held = excluded.held, seen_at = excluded.seen_at

-- name: announce_forget
DELETE FROM workers WHERE seen_at < (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - $1

-- name: announce_forget_duties
DELETE FROM duties WHERE until <= (extract(epoch FROM clock_timestamp()) * 1000000)::bigint

-- name: retire
DELETE FROM workers WHERE id = $1

-- name: retire_duties
DELETE FROM duties WHERE worker = $1

-- name: workers
SELECT id, version, slots, held, started_at, seen_at, host, pid FROM workers ORDER BY id

-- name: lead
INSERT INTO duties AS d (duty, worker, until)
VALUES ($1, $2, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + $3)
ON CONFLICT (duty) DO UPDATE SET worker = excluded.worker, until = excluded.until
WHERE d.worker = excluded.worker
   OR d.until <= (extract(epoch FROM clock_timestamp()) * 1000000)::bigint

-- name: stats_found
SELECT k.n, s.counts
FROM unnest($1::integer[], $2::bigint[], $3::text[], $4::uuid[], $5::text[])
     WITH ORDINALITY AS k (span, begin, tenant, webhook, type, n)
JOIN stats s ON s.span = k.span AND s.begin = k.begin AND s.tenant = k.tenant
    AND s.webhook = k.webhook AND s.type = k.type

-- name: put_stats
INSERT INTO stats (span, begin, tenant, webhook, type, counts)
SELECT * FROM unnest($1::integer[], $2::bigint[], $3::text[], $4::uuid[], $5::text[], $6::bytea[])
ON CONFLICT (span, begin, tenant, webhook, type) DO UPDATE SET counts = excluded.counts

-- name: stats
SELECT s.begin, s.type, s.counts
FROM generate_series($2::bigint, $3::bigint, $4::bigint) AS at
CROSS JOIN LATERAL (
    SELECT begin, type, counts FROM stats
    WHERE span = $1 AND begin = at AND tenant = $5 AND webhook = $6
      AND (type = $7 OR ($7::text IS NULL AND type <> ''))
    ORDER BY type DESC
) s
LIMIT $8

-- name: stats_of
SELECT s.begin, s.counts, k.n
FROM generate_series($2::bigint, $3::bigint, $4::bigint) AS at
CROSS JOIN unnest($5::text[], $6::uuid[]) WITH ORDINALITY AS k (tenant, webhook, n)
CROSS JOIN LATERAL (
    SELECT begin, counts FROM stats
    WHERE span = $1 AND begin = at AND tenant = k.tenant AND webhook = k.webhook AND type = '' LIMIT 1
) s

-- name: newest
SELECT d.event, d.webhook, d.tenant, e.id, e.type, d.seq, d.status, d.ended_by,
       d.attempts + d.late, d.by_hand, e.accepted_at, d.opened_at, d.due, d.ended_at, d.last_at,
       d.last_total_us, d.last_status, d.last_error
FROM unnest($1::uuid[]) AS k (webhook)
CROSS JOIN LATERAL (
    SELECT * FROM deliveries
    WHERE webhook >= k.webhook AND webhook <= k.webhook AND seq > 0
    ORDER BY webhook DESC, event DESC LIMIT 1
) d
JOIN events e ON e.uid = d.event

-- name: add_causes
INSERT INTO causes (begin, tenant, cause, count, first_at, last_at)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
ON CONFLICT (begin, tenant, cause) DO UPDATE SET count = causes.count + excluded.count,
    first_at = least(causes.first_at, excluded.first_at),
    last_at = greatest(causes.last_at, excluded.last_at)

-- name: causes
SELECT min(begin), cause, sum(count)::bigint, min(first_at), max(last_at) FROM causes
WHERE begin >= $1 AND tenant = $2 GROUP BY cause ORDER BY sum(count) DESC, cause LIMIT $3

-- name: streaks_over
DELETE FROM streaks WHERE webhook = ANY ($1::uuid[])

-- name: add_streaks
INSERT INTO streaks (webhook, tenant, failures, since, last_at, cause)
SELECT k.webhook, k.tenant, k.failures, k.since, k.last_at, k.cause
FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[])
     AS k (webhook, tenant, failures, since, last_at, cause)
WHERE EXISTS (SELECT 1 FROM webhooks w WHERE w.id = k.webhook AND w.deleted_at IS NULL)
ON CONFLICT (webhook) DO UPDATE SET
    failures = CASE WHEN excluded.webhook = ANY ($7::uuid[]) THEN excluded.failures
        ELSE streaks.failures + excluded.failures END,
    since = CASE WHEN excluded.webhook = ANY ($7::uuid[]) THEN excluded.since
        ELSE least(streaks.since, excluded.since) END,
    last_at = excluded.last_at, cause = excluded.cause

-- name: streaks
SELECT webhook, tenant, failures, since, last_at, cause FROM streaks WHERE webhook = ANY ($1::uuid[])

-- name: failing
SELECT webhook, tenant, failures, since, last_at, cause FROM streaks
WHERE $1::text IS NULL OR tenant = $1 ORDER BY failures DESC LIMIT $2

-- name: failing_total
SELECT count(*) FROM streaks s JOIN webhooks w ON w.id = s.webhook
WHERE w.deleted_at IS NULL AND w.status <> 'disabled' AND ($1::text IS NULL OR s.tenant = $1)

-- name: webhook_totals
SELECT status, count(*) FROM webhooks
WHERE deleted_at IS NULL AND ($1::text IS NULL OR tenant = $1) GROUP BY status

-- name: backlogs
SELECT (SELECT count(*) FROM (
            SELECT 1 FROM unfinished_deliveries u
            WHERE u.webhook = k.webhook AND u.seq > 0 LIMIT $2) AS counted),
       (SELECT u.due FROM unfinished_deliveries u
        WHERE u.webhook = k.webhook AND u.seq > 0 ORDER BY u.due LIMIT 1)
FROM unnest($1::uuid[]) WITH ORDINALITY AS k (webhook, n) ORDER BY k.n

-- name: unfinished_totals
SELECT (SELECT count(*) FROM (
            SELECT 1 FROM unfinished_deliveries LIMIT $1) AS counted),
       (SELECT count(*) FROM (
            SELECT 1 FROM unfinished_deliveries WHERE status = 'retrying' LIMIT $1) AS counted)

-- name: unfinished_totals_tenant
SELECT (SELECT count(*) FROM (
            SELECT 1 FROM unfinished_deliveries WHERE tenant = $2 AND seq > 0 LIMIT $1) AS counted),
       (SELECT count(*) FROM (
            SELECT 1 FROM unfinished_deliveries
            WHERE tenant = $2 AND seq > 0 AND status = 'retrying' LIMIT $1) AS counted)

-- name: forget_stats
DELETE FROM stats WHERE (span, begin, tenant, webhook, type) IN (
    SELECT span, begin, tenant, webhook, type FROM stats
    WHERE span = $1 AND begin < $2 ORDER BY begin LIMIT $3)

-- name: forget_causes
DELETE FROM causes WHERE (begin, tenant, cause) IN (
    SELECT begin, tenant, cause FROM causes WHERE begin < $1 ORDER BY begin LIMIT $2)

-- name: size_bytes
SELECT pg_database_size(current_database())

-- name: statuses
SELECT k.n, s.status, count(*)
FROM unnest($1::uuid[]) WITH ORDINALITY AS k (event, n)
CROSS JOIN LATERAL (
    SELECT d.status FROM deliveries d
    WHERE d.event = k.event AND d.event >= $2 AND d.event <= $3 LIMIT $4
) s
GROUP BY k.n, s.status

-- name: is_to_fan_out
SELECT 1 FROM events e JOIN inbox i ON i.tenant = e.tenant AND i.seq <= e.seq
    -- Those of a row are accepted together.
    AND i.seq > e.seq - 10000
WHERE e.uid = $1 AND $1 = ANY (i.events) LIMIT 1
