-- Ids are UUIDv7, so they sort by time; times are microseconds since the epoch (UTC), durations
-- microseconds. Every table names the tenant its rows belong to. What is compared is compared byte
-- by byte (COLLATE "C"), whatever the language of the database.

-- A tenant is made by use. registry_version counts the changes of its webhooks.
CREATE TABLE tenants (
    tenant           text COLLATE "C" PRIMARY KEY,
    registry_version bigint NOT NULL
);

-- seq is the only definition of publish order. It keeps no numbers in reserve: a connection that
-- did would hand out older ones later.
CREATE SEQUENCE events_seq AS bigint CACHE 1;

-- events, deliveries and attempts have a partition for each day of the event's id, made ahead and
-- dropped together. What fits into none is in the default one.
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
CREATE INDEX events_tenant ON events (tenant, uid);
CREATE INDEX events_type ON events (type, uid);
CREATE TABLE events_default PARTITION OF events DEFAULT;

-- What a publisher chose: its event id ('id') or its Idempotency-Key ('key').
CREATE TABLE event_keys (
    tenant text COLLATE "C" NOT NULL,
    kind   text COLLATE "C" NOT NULL CONSTRAINT kind_is_known CHECK (kind IN ('id', 'key')),
    key    text COLLATE "C" NOT NULL,
    uid    uuid NOT NULL,
    digest bytea NOT NULL,
    PRIMARY KEY (tenant, kind, key)
);
-- They go with their events.
CREATE INDEX event_keys_uid ON event_keys (uid);

-- Events still to fan out. A row goes only after the last delivery was pushed to the queue.
CREATE TABLE inbox (
    event            uuid PRIMARY KEY,
    seq              bigint NOT NULL,  -- of the event, like type and accepted_at
    accepted_at      bigint NOT NULL,
    registry_version bigint NOT NULL,  -- the tenant's, when the event was accepted
    cursor           uuid,             -- webhooks up to this one have their deliveries
    only_webhook     uuid,             -- a test event goes to this one webhook
    tenant           text COLLATE "C" NOT NULL,
    type             text COLLATE "C" NOT NULL
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
CREATE INDEX webhooks_stranding ON webhooks (id) WHERE stranding;

CREATE TABLE deliveries (
    event         uuid NOT NULL,
    webhook       uuid NOT NULL,
    seq           bigint NOT NULL,  -- of the event
    due           bigint NOT NULL,
    opened_at     bigint NOT NULL,  -- from when its age counts
    ended_at      bigint,
    last_at       bigint,
    last_total_us bigint,
    attempts      integer NOT NULL, -- the fence of what comes back from sending
    late          integer NOT NULL, -- attempts recorded after another had decided: not of the fence
    planned       integer NOT NULL, -- attempts that count against the retry policy
    last_status   smallint,
    by_hand       boolean NOT NULL, -- one more attempt was asked for
    status        text NOT NULL,
    tenant        text COLLATE "C" NOT NULL,
    ended_by      text,
    last_error    text,
    PRIMARY KEY (event, webhook),
    CONSTRAINT status_is_known
        CHECK (status IN ('pending', 'retrying', 'delivered', 'failed', 'cancelled')),
    CONSTRAINT finished_says_what_ended_it CHECK (
        (ended_at IS NULL) = (ended_by IS NULL)
        AND (ended_at IS NULL) = (status IN ('pending', 'retrying'))
    )
) PARTITION BY RANGE (event);
-- What the queue is fed with, and what is stranded.
CREATE INDEX deliveries_unfinished ON deliveries (webhook, due, seq) WHERE ended_at IS NULL;
-- A few at most: those asked for by hand are fed first.
CREATE INDEX deliveries_by_hand ON deliveries (webhook, seq) WHERE by_hand AND ended_at IS NULL;
-- With deliveries_unfinished, finds those that grew too old.
CREATE INDEX deliveries_retrying ON deliveries (webhook, opened_at) WHERE status = 'retrying';
-- The lists, newest first: of all and of an event by the primary key, of a webhook and of a tenant
-- by the first two, of what failed or was cancelled by the others, which cost nothing for the rest.
-- Lists of what is unfinished have deliveries_unfinished if it is little, else one of the above.
CREATE INDEX deliveries_webhook ON deliveries (webhook, event);
CREATE INDEX deliveries_tenant ON deliveries (tenant, event, webhook);
CREATE INDEX deliveries_lost ON deliveries (event, webhook)
    WHERE status IN ('failed', 'cancelled');
CREATE INDEX deliveries_webhook_lost ON deliveries (webhook, event)
    WHERE status IN ('failed', 'cancelled');
CREATE INDEX deliveries_tenant_lost ON deliveries (tenant, event, webhook)
    WHERE status IN ('failed', 'cancelled');
CREATE TABLE deliveries_default PARTITION OF deliveries DEFAULT;

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
