-- Ids are UUIDv7, so they sort by time; times are microseconds since the epoch (UTC), durations
-- microseconds. Every table names the tenant its rows belong to. What is compared is compared byte
-- by byte (COLLATE "C"), whatever the language of the database.
--
-- To a planner that believes a table to be empty all of its indexes are as good, and its plan is kept
-- when the table is not empty any more. So that one row is looked up by nothing but the primary key,
-- the other indexes of the large tables have a condition that always holds (seq > 0), and serve only
-- who states it.

-- A tenant is made by use. registry_version counts the changes of its webhooks.
CREATE TABLE tenants (
    tenant           text COLLATE "C" PRIMARY KEY,
    registry_version bigint NOT NULL
);

-- seq is the only definition of publish order. It keeps no numbers in reserve: a connection that
-- did would hand out older ones later.
CREATE SEQUENCE events_seq AS bigint CACHE 1;

-- events, finished_deliveries and attempts have a partition for each day of the event's id, made ahead
-- and dropped together. What fits into none is in the default one.
CREATE TABLE events (
    uid         uuid NOT NULL,
    seq         bigint NOT NULL,
    accepted_at bigint NOT NULL,
    tenant      text COLLATE "C" NOT NULL,
    type        text COLLATE "C" NOT NULL,
    id          text,              -- chosen by the publisher; NULL: evt_<uid>
    timestamp   text,              -- as the publisher wrote it; NULL: accepted_at
    data        bytea NOT NULL,    -- the published bytes
    PRIMARY KEY (uid)
) PARTITION BY RANGE (uid);
CREATE INDEX events_tenant ON events (tenant, uid) WHERE seq > 0;
CREATE INDEX events_type ON events (type, uid) WHERE seq > 0;
CREATE TABLE events_default PARTITION OF events DEFAULT;

-- What a publisher chose, its event id or its Idempotency-Key: `<tenant>/id/…` or `<tenant>/key/…`,
-- one text, since three columns cost more to compare.
CREATE TABLE event_keys (
    uid    uuid NOT NULL,
    digest bytea NOT NULL,
    key    text COLLATE "C" PRIMARY KEY
);
-- They go with their events.
CREATE INDEX event_keys_uid ON event_keys (uid) WHERE digest <> '';

-- Events still to fan out: a row for those of a tenant that were accepted together. It goes only
-- after the last delivery was pushed to the queue.
CREATE TABLE inbox (
    name             uuid PRIMARY KEY, -- one of the events
    seq              bigint NOT NULL,  -- the lowest of the events
    registry_version bigint NOT NULL,  -- the tenant's, when the events were accepted
    cursor_seq       bigint,           -- deliveries up to that of this event
    cursor           uuid,             -- to this webhook are made
    begun            boolean NOT NULL DEFAULT false, -- some of its deliveries may be there already
    only_webhook     uuid,             -- a test event goes to this one webhook
    tenant           text COLLATE "C" NOT NULL,
    events           uuid[] NOT NULL,
    seqs             bigint[] NOT NULL, -- of each event, like the next two
    accepted_at      bigint[] NOT NULL,
    types            text[] NOT NULL
) WITH (
    -- Every row is deleted soon: without these the dead ones would pile up.
    autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX inbox_tenant ON inbox (tenant, seq);

CREATE TABLE webhooks (
    id                 uuid PRIMARY KEY,
    tenant             text COLLATE "C" NOT NULL,
    url                text COLLATE "C" NOT NULL, -- normalised
    status             text NOT NULL
        CONSTRAINT status_is_known CHECK (status IN ('active', 'paused', 'disabled')),
    status_reason      text,
    registered_version bigint NOT NULL, -- the tenant's registry_version at registration
    version            bigint NOT NULL, -- the tenant's registry_version at the last change
    config             text NOT NULL,   -- JSON; not json, so that it stays as it was written
    secrets            text NOT NULL,   -- JSON of ciphertexts
    created_at         bigint NOT NULL,
    updated_at         bigint NOT NULL,
    deleted_at         bigint,
    -- Disabled or deleted: its unfinished deliveries need an end that no sending brings.
    stranding          boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX webhooks_tenant_url ON webhooks (tenant, url) WHERE deleted_at IS NULL;
CREATE INDEX webhooks_tenant ON webhooks (tenant, id) WHERE deleted_at IS NULL;
-- What was changed since a version, deleted ones too.
CREATE INDEX webhooks_version ON webhooks (tenant, version);
CREATE INDEX webhooks_stranding ON webhooks (id) WHERE stranding;

-- A delivery is in one of two tables, so that each is written to as little as can be: what is
-- unfinished in one that stays small, as a rule, and from there, once, in one that only grows.
CREATE TABLE unfinished_deliveries (
    event         uuid NOT NULL,
    webhook       uuid NOT NULL,
    seq           bigint NOT NULL,  -- of the event
    due           bigint NOT NULL,
    opened_at     bigint NOT NULL,  -- from when its age counts
    last_at       bigint,
    last_total_us bigint,
    attempts      integer NOT NULL, -- the fence of what comes back from sending
    late          integer NOT NULL, -- attempts recorded after another had decided: not of the fence
    planned       integer NOT NULL, -- attempts that count against the retry policy
    last_status   smallint,
    by_hand       boolean NOT NULL, -- one more attempt was asked for
    status        text NOT NULL,
    tenant        text COLLATE "C" NOT NULL,
    last_error    text,
    PRIMARY KEY (event, webhook),
    CONSTRAINT status_is_unfinished CHECK (status IN ('pending', 'retrying'))
) WITH (
    -- As in the inbox.
    autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_cost_delay = 0
);
-- What the queue is fed with, and what is stranded.
CREATE INDEX unfinished_due ON unfinished_deliveries (webhook, due, seq) WHERE seq > 0;
-- A few at most: those asked for by hand are fed first.
CREATE INDEX unfinished_by_hand ON unfinished_deliveries (webhook, seq) WHERE by_hand;
-- With unfinished_due, finds those that grew too old.
CREATE INDEX unfinished_retrying ON unfinished_deliveries (webhook, opened_at)
    WHERE status = 'retrying';
-- The lists, newest first: of all and of an event by the primary key, of a webhook, of a tenant.
CREATE INDEX unfinished_webhook ON unfinished_deliveries (webhook, event) WHERE seq > 0;
CREATE INDEX unfinished_tenant ON unfinished_deliveries (tenant, event, webhook) WHERE seq > 0;

CREATE TABLE finished_deliveries (
    event         uuid NOT NULL,
    webhook       uuid NOT NULL,
    seq           bigint NOT NULL,
    opened_at     bigint NOT NULL,
    ended_at      bigint NOT NULL,
    last_at       bigint,
    last_total_us bigint,
    -- The attempt that ended it, unless others came after: with the last_ columns it is the whole
    -- attempt, and costs no row of its own.
    dns_us        bigint,
    connect_us    bigint,
    first_byte_us bigint,
    body_us       bigint,
    n             integer,          -- NULL: all its attempts are in the table of those
    attempts      integer NOT NULL,
    late          integer NOT NULL,
    planned       integer NOT NULL,
    last_status   smallint,
    truncated     boolean,
    status        text NOT NULL,
    tenant        text COLLATE "C" NOT NULL,
    ended_by      text NOT NULL,
    last_error    text,
    trigger       text,
    detail        text,
    headers       text,
    body          bytea,
    PRIMARY KEY (event, webhook),
    CONSTRAINT status_is_finished CHECK (status IN ('delivered', 'failed', 'cancelled'))
) PARTITION BY RANGE (event);
-- The same lists, and those of what failed or was cancelled, which cost nothing for the rest.
CREATE INDEX finished_webhook ON finished_deliveries (webhook, event) WHERE seq > 0;
CREATE INDEX finished_tenant ON finished_deliveries (tenant, event, webhook) WHERE seq > 0;
CREATE INDEX finished_lost ON finished_deliveries (event, webhook)
    WHERE status IN ('failed', 'cancelled');
CREATE INDEX finished_webhook_lost ON finished_deliveries (webhook, event)
    WHERE status IN ('failed', 'cancelled');
CREATE INDEX finished_tenant_lost ON finished_deliveries (tenant, event, webhook)
    WHERE status IN ('failed', 'cancelled');
CREATE TABLE finished_deliveries_default PARTITION OF finished_deliveries DEFAULT;

-- To look at.
CREATE VIEW deliveries AS
SELECT event, webhook, tenant, seq, status, NULL::text AS ended_by, attempts, late, planned, by_hand,
       due, opened_at, NULL::bigint AS ended_at, last_at, last_total_us, last_status, last_error
FROM unfinished_deliveries
UNION ALL
SELECT event, webhook, tenant, seq, status, ended_by, attempts, late, planned, false, ended_at,
       opened_at, ended_at, last_at, last_total_us, last_status, last_error
FROM finished_deliveries;

-- All but the one that n of its finished delivery names.
CREATE TABLE attempts (
    event         uuid NOT NULL,
    webhook       uuid NOT NULL,
    started_at    bigint NOT NULL,
    dns_us        bigint,
    connect_us    bigint,
    first_byte_us bigint,
    body_us       bigint,
    total_us      bigint NOT NULL,
    n             integer NOT NULL,
    status        smallint,
    truncated     boolean,
    tenant        text COLLATE "C" NOT NULL,
    trigger       text NOT NULL,
    error         text,
    detail        text,
    headers       text,             -- JSON array of [name, value]
    body          bytea,
    PRIMARY KEY (event, webhook, n)
) PARTITION BY RANGE (event);
CREATE TABLE attempts_default PARTITION OF attempts DEFAULT;

CREATE TABLE keys (
    id         uuid PRIMARY KEY,
    name       text NOT NULL,
    role       text NOT NULL
        CONSTRAINT role_is_known CHECK (role IN ('admin', 'publisher', 'viewer', 'tenant')),
    tenant     text COLLATE "C",
    hash       bytea NOT NULL UNIQUE,
    created_at bigint NOT NULL,
    CONSTRAINT tenant_role_has_a_tenant CHECK ((role = 'tenant') = (tenant IS NOT NULL))
);

-- Processes that deliver, and when each last said so, by the clock of the database.
CREATE TABLE workers (
    id         uuid PRIMARY KEY,
    version    text NOT NULL,
    slots      integer NOT NULL,
    held       integer NOT NULL,
    started_at bigint NOT NULL,
    seen_at    bigint NOT NULL
);

-- What only one process does at a time, and who until when.
CREATE TABLE duties (
    duty   text COLLATE "C" PRIMARY KEY,
    worker uuid NOT NULL,
    until  bigint NOT NULL
);
