-- Ids are 16 bytes (UUIDv7, so they sort by time), times are microseconds since the epoch (UTC),
-- durations microseconds. Every table names the tenant its rows belong to.

-- A tenant is made by use. registry_version counts the changes of its webhooks.
CREATE TABLE tenants (
    tenant           TEXT NOT NULL PRIMARY KEY,
    registry_version INTEGER NOT NULL
) WITHOUT ROWID;

-- seq is the only definition of publish order.
CREATE TABLE events (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again, whatever is forgotten
    uid         BLOB NOT NULL UNIQUE,
    tenant      TEXT NOT NULL,
    id          TEXT,              -- chosen by the publisher; NULL: evt_<uid>
    type        TEXT NOT NULL,
    timestamp   TEXT,              -- as the publisher wrote it; NULL: accepted_at
    accepted_at INTEGER NOT NULL,
    data        BLOB NOT NULL      -- the published bytes
);

-- What a publisher chose: its event id ('id') or its Idempotency-Key ('key').
CREATE TABLE event_keys (
    tenant TEXT NOT NULL,
    kind   TEXT NOT NULL CHECK (kind IN ('id', 'key')),
    key    TEXT NOT NULL,
    uid    BLOB NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (tenant, kind, key)
) WITHOUT ROWID;
CREATE INDEX event_keys_uid ON event_keys (uid);

-- Events still to fan out. A row goes only after the last delivery was pushed to the queue.
CREATE TABLE inbox (
    tenant           TEXT NOT NULL,
    seq              INTEGER NOT NULL, -- of the event
    event            BLOB NOT NULL,
    registry_version INTEGER NOT NULL, -- the tenant's, when the event was accepted
    cursor           BLOB,             -- webhooks up to this one have their deliveries
    only_webhook     BLOB,             -- a test event goes to this one webhook
    PRIMARY KEY (tenant, seq)
) WITHOUT ROWID;

CREATE TABLE webhooks (
    id                 BLOB NOT NULL PRIMARY KEY,
    tenant             TEXT NOT NULL,
    url                TEXT NOT NULL,    -- normalised
    status             TEXT NOT NULL CHECK (status IN ('active', 'paused', 'disabled')),
    status_reason      TEXT,
    registered_version INTEGER NOT NULL, -- the tenant's registry_version at registration
    version            INTEGER NOT NULL, -- the tenant's registry_version at the last change
    config             TEXT NOT NULL,    -- JSON
    secrets            TEXT NOT NULL,    -- JSON of ciphertexts
    created_at         INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL,
    deleted_at         INTEGER,
    -- Disabled or deleted: its unfinished deliveries need an end that no sending brings.
    stranding          INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE UNIQUE INDEX webhooks_tenant_url ON webhooks (tenant, url) WHERE deleted_at IS NULL;
-- What was changed since a version, deleted ones too.
CREATE INDEX webhooks_version ON webhooks (tenant, version);
CREATE INDEX webhooks_stranding ON webhooks (id) WHERE stranding;

CREATE TABLE deliveries (
    event         BLOB NOT NULL,
    webhook       BLOB NOT NULL,
    tenant        TEXT NOT NULL,
    seq           INTEGER NOT NULL, -- of the event
    -- Not IN: SQLite would build a table of the words for every row it writes.
    status        TEXT NOT NULL
        CHECK (status = 'pending' OR status = 'retrying'
            OR status = 'delivered' OR status = 'failed' OR status = 'cancelled'),
    ended_by      TEXT,
    attempts      INTEGER NOT NULL, -- the fence of what comes back from sending
    late          INTEGER NOT NULL, -- attempts recorded after another had decided: not of the fence
    planned       INTEGER NOT NULL, -- attempts that count against the retry policy
    by_hand       INTEGER NOT NULL, -- one more attempt was asked for
    due           INTEGER NOT NULL,
    opened_at     INTEGER NOT NULL, -- from when its age counts
    ended_at      INTEGER,
    last_at       INTEGER,
    last_total_us INTEGER,
    last_status   INTEGER,
    last_error    TEXT,
    PRIMARY KEY (event, webhook),
    CONSTRAINT finished_says_what_ended_it CHECK (
        (ended_at IS NULL) = (ended_by IS NULL)
        AND (ended_at IS NULL) = (status IN ('pending', 'retrying'))
    )
) WITHOUT ROWID;
CREATE INDEX deliveries_unfinished ON deliveries (webhook, due, seq) WHERE ended_at IS NULL;
-- A few at most: those asked for by hand are fed first.
CREATE INDEX deliveries_by_hand ON deliveries (webhook, seq) WHERE by_hand AND ended_at IS NULL;
-- With deliveries_unfinished, finds those that grew too old.
CREATE INDEX deliveries_retrying ON deliveries (webhook, opened_at) WHERE status = 'retrying';
CREATE INDEX deliveries_webhook ON deliveries (webhook, event);
CREATE INDEX deliveries_failed ON deliveries (event) WHERE status = 'failed';

CREATE TABLE attempts (
    event         BLOB NOT NULL,
    webhook       BLOB NOT NULL,
    n             INTEGER NOT NULL,
    tenant        TEXT NOT NULL,
    trigger       TEXT NOT NULL,
    started_at    INTEGER NOT NULL,
    dns_us        INTEGER,
    connect_us    INTEGER,
    first_byte_us INTEGER,
    body_us       INTEGER,
    total_us      INTEGER NOT NULL,
    status        INTEGER,
    error         TEXT,
    detail        TEXT,
    headers       TEXT,             -- JSON array of [name, value]
    body          BLOB,
    truncated     INTEGER,
    PRIMARY KEY (event, webhook, n)
) WITHOUT ROWID;

CREATE TABLE keys (
    id         BLOB NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL,
    role       TEXT NOT NULL CHECK (role IN ('admin', 'publisher', 'viewer', 'tenant')),
    tenant     TEXT,
    hash       BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    CONSTRAINT tenant_role_has_a_tenant CHECK ((role = 'tenant') = (tenant IS NOT NULL))
) WITHOUT ROWID;

-- Processes that deliver, and when each last said so.
CREATE TABLE workers (
    id         BLOB NOT NULL PRIMARY KEY,
    version    TEXT NOT NULL,
    slots      INTEGER NOT NULL,
    held       INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL
) WITHOUT ROWID;

-- What only one process does at a time, and who until when.
CREATE TABLE duties (
    duty   TEXT NOT NULL PRIMARY KEY,
    worker BLOB NOT NULL,
    until  INTEGER NOT NULL
) WITHOUT ROWID;
