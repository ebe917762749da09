-- What is counted beside the truth, so that nobody has to count deliveries. An empty text, and a webhook
-- of sixteen zeros, stand for all of them.

-- begin comes early in the key: what is added is at the end, and what is old goes from the front.
CREATE TABLE stats (
    span    INTEGER NOT NULL, -- seconds
    begin   INTEGER NOT NULL,
    tenant  TEXT NOT NULL,
    webhook BLOB NOT NULL,
    type    TEXT NOT NULL,
    counts  BLOB NOT NULL,    -- model/src/stats.rs
    PRIMARY KEY (span, begin, tenant, webhook, type)
) WITHOUT ROWID;

-- What attempts failed by, in spans of five minutes: a status, or the class of an error.
CREATE TABLE causes (
    begin    INTEGER NOT NULL,
    tenant   TEXT NOT NULL,
    cause    TEXT NOT NULL,
    count    INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    PRIMARY KEY (begin, tenant, cause)
) WITHOUT ROWID;

CREATE INDEX causes_tenant ON causes (tenant, begin);

-- Webhooks whose last attempt failed.
CREATE TABLE streaks (
    webhook  BLOB NOT NULL PRIMARY KEY,
    tenant   TEXT NOT NULL,
    failures INTEGER NOT NULL, -- in a row
    since    INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    cause    TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX streaks_failures ON streaks (failures);

-- Counting webhooks reads nothing else, nor does looking for a part of a URL. They name deleted_at, since
-- the table would be read for it otherwise.
CREATE INDEX webhooks_status ON webhooks (tenant, status, deleted_at) WHERE deleted_at IS NULL;
CREATE INDEX webhooks_part ON webhooks (tenant, deleted_at, url) WHERE deleted_at IS NULL;
-- A list of those that are not active reads nothing else.
CREATE INDEX webhooks_inactive ON webhooks (status, id)
    WHERE deleted_at IS NULL AND status <> 'active';

-- A tenant's list, newest first.
CREATE INDEX webhooks_tenant ON webhooks (tenant, id) WHERE deleted_at IS NULL;
-- The lists of a tenant and of a type, and by their events those of deliveries: 1 to 2 us an event, however
-- many deliveries it has.
CREATE UNIQUE INDEX events_tenant ON events (tenant, uid);
CREATE UNIQUE INDEX events_type ON events (type, uid);
-- The lists of what failed, was cancelled or is tried again: nothing for a delivery that succeeds at once.
CREATE INDEX deliveries_lost ON deliveries (status, event)
    WHERE status <> 'delivered' AND status <> 'pending';
CREATE INDEX deliveries_tenant_lost ON deliveries (tenant, status, event)
    WHERE status <> 'delivered' AND status <> 'pending';
DROP INDEX deliveries_failed;

ALTER TABLE workers ADD COLUMN host TEXT NOT NULL DEFAULT '';
ALTER TABLE workers ADD COLUMN pid INTEGER NOT NULL DEFAULT 0;
