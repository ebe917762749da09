-- Every statement of the driver, named after the method that uses it, or after what it does if
-- several use it.

-- name: accept_event
INSERT INTO events (uid, tenant, id, type, timestamp, accepted_at, data)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)

-- name: accept_key_find
SELECT k.uid, k.digest, e.id
FROM event_keys k LEFT JOIN events e ON e.uid = k.uid
WHERE k.tenant = ?1 AND k.kind = ?2 AND k.key = ?3

-- name: accept_key_add
INSERT OR IGNORE INTO event_keys (tenant, kind, key, uid, digest) VALUES (?1, ?2, ?3, ?4, ?5)

-- name: accept_key_drop
DELETE FROM event_keys WHERE tenant = ?1 AND kind = ?2 AND key = ?3

-- name: accept_inbox
INSERT INTO inbox (tenant, seq, event, registry_version, only_webhook)
VALUES (?1, ?2, ?3, ?4, ?5)

-- name: inbox
SELECT e.uid, e.tenant, e.id, e.type, e.timestamp, e.accepted_at, e.data,
       i.seq, i.registry_version, coalesce(t.registry_version, 0), i.cursor, i.only_webhook
FROM events e JOIN inbox i ON i.tenant = e.tenant AND i.seq = e.seq
LEFT JOIN tenants t ON t.tenant = e.tenant
WHERE e.uid = ?1

-- name: fan_out_delivery
INSERT OR IGNORE INTO deliveries
    (event, webhook, tenant, seq, status, attempts, late, planned, by_hand, due, opened_at)
VALUES (?1, ?2, ?3, ?4, 'pending', 0, 0, 0, 0, ?5, ?5)

-- name: fan_out_cursor
UPDATE inbox SET cursor = ?3
WHERE tenant = ?1 AND seq = ?2 AND (cursor IS NULL OR cursor < ?3)

-- name: fanned_out
DELETE FROM inbox WHERE (tenant, seq) = (SELECT tenant, seq FROM events WHERE uid = ?1)

-- name: fanned_out_known
DELETE FROM inbox WHERE tenant = ?1 AND seq = ?2

-- name: load
SELECT d.status, d.due, d.attempts, d.planned, d.opened_at, d.by_hand,
       w.status, w.version,
       e.tenant, e.id, e.type, e.timestamp, e.accepted_at, e.data
FROM deliveries d
JOIN events e ON e.seq = d.seq
LEFT JOIN webhooks w ON w.id = d.webhook AND w.deleted_at IS NULL
WHERE d.event = ?1 AND d.webhook = ?2

-- name: record
UPDATE deliveries SET
    status = ?4, ended_by = ?5, ended_at = ?6,
    due = coalesce(?7, due),
    attempts = attempts + ?8,
    planned = planned + ?9,
    by_hand = CASE WHEN ?10 THEN 0 ELSE by_hand END,
    last_at = coalesce(?11, last_at),
    last_total_us = CASE WHEN ?11 IS NULL THEN last_total_us ELSE ?12 END,
    last_status = CASE WHEN ?11 IS NULL THEN last_status ELSE ?13 END,
    last_error = CASE WHEN ?11 IS NULL THEN last_error ELSE ?14 END
WHERE event = ?1 AND webhook = ?2 AND attempts = ?3 AND ended_at IS NULL

-- name: record_late
UPDATE deliveries SET
    late = late + 1, last_at = ?3, last_total_us = ?4, last_status = ?5, last_error = ?6
WHERE event = ?1 AND webhook = ?2
RETURNING attempts + late

-- name: record_late_success
UPDATE deliveries SET status = 'delivered', ended_by = 'delivered', ended_at = ?3, by_hand = 0
WHERE event = ?1 AND webhook = ?2 AND status <> 'delivered'

-- name: record_standing
SELECT due, by_hand FROM deliveries WHERE event = ?1 AND webhook = ?2 AND ended_at IS NULL

-- name: record_number
SELECT attempts + late FROM deliveries WHERE event = ?1 AND webhook = ?2

-- name: record_attempt
INSERT OR IGNORE INTO attempts
    (event, webhook, n, tenant, trigger, started_at, dns_us, connect_us, first_byte_us, body_us,
     total_us, status, error, detail, headers, body, truncated)
VALUES (?1, ?2, ?3, (SELECT tenant FROM deliveries WHERE event = ?1 AND webhook = ?2), ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)

-- name: record_disable_webhook
UPDATE webhooks SET status = 'disabled', status_reason = ?2, version = ?3, updated_at = ?4,
    stranding = 1
WHERE id = ?1 AND status <> 'disabled' AND deleted_at IS NULL

-- name: webhook_tenant
SELECT tenant FROM webhooks WHERE id = ?1 AND status <> 'disabled' AND deleted_at IS NULL

-- name: bump_registry
INSERT INTO tenants (tenant, registry_version) VALUES (?1, 1)
ON CONFLICT (tenant) DO UPDATE SET registry_version = registry_version + 1
RETURNING registry_version

-- name: webhook_state
SELECT status, version FROM webhooks WHERE id = ?1 AND deleted_at IS NULL

-- name: lanes_fan_out
SELECT tenant FROM inbox WHERE tenant > ?1 ORDER BY tenant LIMIT 1

-- name: lanes_deliver
SELECT webhook, tenant FROM deliveries
WHERE ended_at IS NULL AND webhook > ?1 ORDER BY webhook LIMIT 1

-- name: unfinished_fan_out
SELECT event, seq FROM inbox WHERE tenant = ?1 ORDER BY seq LIMIT ?2

-- name: unfinished_by_hand
SELECT event, seq, 0, attempts > 0 FROM deliveries INDEXED BY deliveries_by_hand
WHERE webhook = ?1 AND by_hand AND ended_at IS NULL ORDER BY seq LIMIT ?2

-- name: unfinished_deliver
SELECT event, seq, due, attempts > 0 FROM deliveries INDEXED BY deliveries_unfinished
WHERE webhook = ?1 AND ended_at IS NULL AND NOT by_hand ORDER BY due, seq LIMIT ?2

-- name: stranded_webhooks
SELECT id, deleted_at IS NOT NULL FROM webhooks WHERE stranding ORDER BY id

-- name: stranded_deliveries
SELECT event, attempts FROM deliveries
WHERE webhook = ?1 AND ended_at IS NULL ORDER BY due LIMIT ?2

-- name: outlived_pending
SELECT event, attempts FROM deliveries
WHERE webhook = ?1 AND ended_at IS NULL AND due < ?2 AND status = 'pending' AND NOT by_hand
ORDER BY due LIMIT ?3

-- name: outlived_retrying
SELECT event, attempts FROM deliveries INDEXED BY deliveries_retrying
WHERE webhook = ?1 AND status = 'retrying' AND opened_at < ?2 AND NOT by_hand
ORDER BY opened_at LIMIT ?3

-- name: stranded_over
UPDATE webhooks SET stranding = 0
WHERE stranding AND NOT EXISTS (
      SELECT 1 FROM deliveries d INDEXED BY deliveries_unfinished
      WHERE d.webhook = webhooks.id AND d.ended_at IS NULL)

-- name: registry_version
SELECT registry_version FROM tenants WHERE tenant = ?1

-- name: registry
SELECT id, tenant, status, status_reason, registered_version, version, config, secrets,
       created_at, updated_at, deleted_at IS NOT NULL
FROM webhooks WHERE tenant = ?1 AND version > ?2 AND (?2 > 0 OR deleted_at IS NULL)

-- name: webhook
SELECT id, tenant, status, status_reason, registered_version, version, config, secrets,
       created_at, updated_at
FROM webhooks WHERE id = ?1 AND deleted_at IS NULL

-- name: webhook_at
SELECT id, tenant, status, status_reason, registered_version, version, config, secrets,
       created_at, updated_at
FROM webhooks WHERE tenant = ?1 AND url = ?2 AND deleted_at IS NULL

-- name: list_webhooks
SELECT id, tenant, status, status_reason, registered_version, version, config, secrets,
       created_at, updated_at
FROM webhooks WHERE deleted_at IS NULL

-- name: webhook_urls
SELECT id, url FROM webhooks INDEXED BY webhooks_part WHERE deleted_at IS NULL

-- name: webhook_urls_tenant
SELECT id, url FROM webhooks INDEXED BY webhooks_part WHERE deleted_at IS NULL AND tenant = ?1

-- name: insert_webhook
INSERT INTO webhooks (id, tenant, url, status, status_reason, registered_version, version, config,
    secrets, created_at, updated_at, stranding)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8, ?9, ?10, ?4 = 'disabled')

-- name: update_webhook
UPDATE webhooks SET url = ?3, status = ?4, status_reason = ?5, version = ?6, config = ?7,
    secrets = ?8, updated_at = ?9, stranding = ?4 = 'disabled'
WHERE id = ?1 AND version = ?2 AND deleted_at IS NULL

-- name: delete_webhook
UPDATE webhooks SET deleted_at = ?2, config = '{}', secrets = '[]', stranding = 1, version = ?3
WHERE id = ?1 AND deleted_at IS NULL

-- name: event_by_uid
SELECT uid, tenant, id, type, timestamp, accepted_at, data FROM events WHERE uid = ?1

-- name: event_by_id
SELECT e.uid, e.tenant, e.id, e.type, e.timestamp, e.accepted_at, e.data
FROM event_keys k JOIN events e ON e.uid = k.uid
WHERE k.tenant = ?1 AND k.kind = 'id' AND k.key = ?2

-- name: list_events
SELECT uid, tenant, id, type, timestamp, accepted_at, x'' FROM events

-- name: follow_last
SELECT seq FROM sqlite_sequence WHERE name = 'events'

-- name: follow_old
SELECT seq FROM events WHERE uid < ?1 ORDER BY uid DESC LIMIT 1

-- name: since
SELECT seq, uid, tenant, type FROM events
WHERE seq > ?1 AND (?2 IS NULL OR tenant = ?2) ORDER BY seq LIMIT ?3

-- name: list_deliveries
SELECT d.event, d.webhook, d.tenant, e.id, e.type, d.seq, d.status, d.ended_by,
       d.attempts + d.late, d.by_hand, e.accepted_at, d.opened_at, d.due, d.ended_at, d.last_at, d.last_total_us,
       d.last_status, d.last_error, e.uid

-- name: attempts
SELECT n, trigger, started_at, dns_us, connect_us, first_byte_us, body_us, total_us, status, error,
       detail, headers, body, truncated
FROM attempts WHERE event = ?1 AND webhook = ?2 ORDER BY n LIMIT ?3

-- name: retry_waiting
UPDATE deliveries SET by_hand = 1 WHERE event = ?1 AND webhook = ?2 AND ended_at IS NULL

-- name: retry_ended
UPDATE deliveries SET
    status = CASE WHEN attempts + late = 0 THEN 'pending' ELSE 'retrying' END,
    ended_by = NULL, ended_at = NULL, planned = 0, by_hand = 0, due = ?3, opened_at = ?3
WHERE event = ?1 AND webhook = ?2 AND status IN ('failed', 'cancelled')

-- name: cancel
UPDATE deliveries SET status = 'cancelled', ended_by = 'cancelled', ended_at = ?3, by_hand = 0
WHERE event = ?1 AND webhook = ?2 AND ended_at IS NULL

-- name: put_key
INSERT INTO keys (id, name, role, tenant, hash, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, role = excluded.role,
    tenant = excluded.tenant, hash = excluded.hash, created_at = excluded.created_at

-- name: key
SELECT id, name, role, tenant, hash, created_at FROM keys WHERE hash = ?1

-- name: keys
SELECT id, name, role, tenant, hash, created_at FROM keys ORDER BY created_at, id

-- name: delete_key
DELETE FROM keys WHERE id = ?1

-- name: retain_old
SELECT uid, seq FROM events e
WHERE uid > ?1 AND uid < ?2
  AND NOT EXISTS (SELECT 1 FROM inbox i WHERE i.tenant = e.tenant AND i.seq = e.seq)
  AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.event = e.uid AND d.ended_at IS NULL)
ORDER BY uid LIMIT 1

-- name: retain_attempts
DELETE FROM attempts WHERE event = ?1 AND (webhook, n) IN
    (SELECT a.webhook, a.n FROM attempts a
     WHERE a.event = ?1
       AND NOT EXISTS (SELECT 1 FROM deliveries d
           WHERE d.event = a.event AND d.webhook = a.webhook AND d.ended_at IS NULL)
     LIMIT ?2)

-- name: retain_deliveries
DELETE FROM deliveries WHERE event = ?1 AND webhook IN
    (SELECT webhook FROM deliveries WHERE event = ?1 AND ended_at IS NOT NULL LIMIT ?2)

-- name: retain_any_delivery
SELECT 1 FROM deliveries WHERE event = ?1 LIMIT 1

-- name: retain_keys
DELETE FROM event_keys WHERE uid = ?1

-- name: retain_event
DELETE FROM events WHERE seq = ?1

-- name: announce
INSERT INTO workers (id, version, slots, held, started_at, seen_at, host, pid)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (id) DO UPDATE SET held = excluded.held, seen_at = excluded.seen_at

-- name: announce_forget
DELETE FROM workers WHERE seen_at < ?1

-- name: announce_forget_duties
DELETE FROM duties WHERE until <= ?1

-- name: retire
DELETE FROM workers WHERE id = ?1

-- name: retire_duties
DELETE FROM duties WHERE worker = ?1

-- name: workers
SELECT id, version, slots, held, started_at, seen_at, host, pid FROM workers ORDER BY id

-- name: lead
INSERT INTO duties (duty, worker, until) VALUES (?1, ?2, ?3)
ON CONFLICT (duty) DO UPDATE SET worker = excluded.worker, until = excluded.until
WHERE worker = excluded.worker OR until <= ?4

-- name: stats_one
SELECT counts FROM stats
WHERE span = ?1 AND begin = ?2 AND tenant = ?3 AND webhook = ?4 AND type = ?5

-- name: stats_types
SELECT counts, type FROM stats
WHERE span = ?1 AND begin = ?2 AND tenant = ?3 AND webhook = ?4 ORDER BY type DESC

-- name: put_stats
INSERT OR REPLACE INTO stats (span, begin, tenant, webhook, type, counts)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)

-- name: add_cause
INSERT INTO causes (begin, tenant, cause, count, first_at, last_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (begin, tenant, cause) DO UPDATE SET count = count + excluded.count,
    first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at)

-- name: causes
SELECT min(begin), cause, sum(count), min(first_at), max(last_at) FROM causes
WHERE begin >= ?1 AND tenant = ?2 GROUP BY cause ORDER BY sum(count) DESC, cause LIMIT ?3

-- name: streak_over
DELETE FROM streaks WHERE webhook = ?1

-- name: add_streak
INSERT INTO streaks (webhook, tenant, failures, since, last_at, cause)
SELECT ?1, ?2, ?3, ?4, ?5, ?6
WHERE EXISTS (SELECT 1 FROM webhooks WHERE id = ?1 AND deleted_at IS NULL)
ON CONFLICT (webhook) DO UPDATE SET
    failures = CASE WHEN ?7 THEN excluded.failures ELSE failures + excluded.failures END,
    since = CASE WHEN ?7 THEN excluded.since ELSE min(since, excluded.since) END,
    last_at = excluded.last_at, cause = excluded.cause

-- name: streak
SELECT webhook, tenant, failures, since, last_at, cause FROM streaks WHERE webhook = ?1

-- name: failing
SELECT webhook, tenant, failures, since, last_at, cause FROM streaks INDEXED BY streaks_failures
WHERE ?1 IS NULL OR tenant = ?1 ORDER BY failures DESC LIMIT ?2

-- name: failing_total
SELECT count(*) FROM streaks s JOIN webhooks w ON w.id = s.webhook
WHERE w.deleted_at IS NULL AND w.status <> 'disabled' AND (?1 IS NULL OR s.tenant = ?1)

-- name: webhook_totals
SELECT status, count(*) FROM webhooks INDEXED BY webhooks_status
WHERE deleted_at IS NULL AND (?1 IS NULL OR tenant = ?1) GROUP BY status

-- name: backlog
SELECT count(*) FROM (
    SELECT 1 FROM deliveries INDEXED BY deliveries_unfinished
    WHERE webhook = ?1 AND ended_at IS NULL LIMIT ?2)

-- name: backlog_first
SELECT due FROM deliveries INDEXED BY deliveries_unfinished
WHERE webhook = ?1 AND ended_at IS NULL ORDER BY due LIMIT 1

-- name: unfinished_total
SELECT count(*) FROM (
    SELECT 1 FROM deliveries INDEXED BY deliveries_unfinished WHERE ended_at IS NULL LIMIT ?1)

-- name: unfinished_total_tenant
SELECT count(*) FROM (
    SELECT 1 FROM webhooks w JOIN deliveries d INDEXED BY deliveries_unfinished ON d.webhook = w.id
    WHERE w.tenant = ?2 AND d.ended_at IS NULL LIMIT ?1)

-- name: retrying_total
SELECT count(*) FROM (
    SELECT 1 FROM deliveries INDEXED BY deliveries_retrying WHERE status = 'retrying' LIMIT ?1)

-- name: retrying_total_tenant
SELECT count(*) FROM (
    SELECT 1 FROM webhooks w JOIN deliveries d INDEXED BY deliveries_retrying ON d.webhook = w.id
    WHERE w.tenant = ?2 AND d.status = 'retrying' LIMIT ?1)

-- name: forget_stats
DELETE FROM stats WHERE (span, begin, tenant, webhook, type) IN (
    SELECT span, begin, tenant, webhook, type FROM stats WHERE span = ?1 AND begin < ?2 LIMIT ?3)

-- name: forget_causes
DELETE FROM causes WHERE (begin, tenant, cause) IN (
    SELECT begin, tenant, cause FROM causes WHERE begin < ?1 LIMIT ?2)

-- name: statuses
SELECT status, count(*) FROM (SELECT status FROM deliveries WHERE event = ?1 LIMIT ?2)
GROUP BY status

-- name: is_to_fan_out
SELECT 1 FROM events e JOIN inbox i ON i.tenant = e.tenant AND i.seq = e.seq WHERE e.uid = ?1
