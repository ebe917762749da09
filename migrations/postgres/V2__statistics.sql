-- What is counted beside the truth, so that nobody has to count deliveries. An empty text, and a webhook
-- of zeros, stand for all of them.

-- begin comes early in the key: what is added is at the end, and what is old goes from the front.
CREATE TABLE stats (
    begin   bigint NOT NULL,
    webhook uuid NOT NULL,
    span    integer NOT NULL, -- seconds
    tenant  text COLLATE "C" NOT NULL,
    type    text COLLATE "C" NOT NULL,
    counts  bytea NOT NULL,   -- model/src/stats.rs
    PRIMARY KEY (span, begin, tenant, webhook, type)
) WITH (
    -- A row is changed several times within minutes, and then never again.
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02
);

-- What attempts failed by, in spans of five minutes: a status, or the class of an error.
CREATE TABLE causes (
    begin    bigint NOT NULL,
    count    bigint NOT NULL,
    first_at bigint NOT NULL,
    last_at  bigint NOT NULL,
    tenant   text COLLATE "C" NOT NULL,
    cause    text COLLATE "C" NOT NULL,
    PRIMARY KEY (begin, tenant, cause)
) WITH (fillfactor = 70);

CREATE INDEX causes_tenant ON causes (tenant, begin);

-- Webhooks whose last attempt failed.
CREATE TABLE streaks (
    webhook  uuid PRIMARY KEY,
    failures bigint NOT NULL, -- in a row
    since    bigint NOT NULL,
    last_at  bigint NOT NULL,
    tenant   text COLLATE "C" NOT NULL,
    cause    text COLLATE "C" NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX streaks_failures ON streaks (failures);

-- Counting webhooks reads nothing else.
CREATE INDEX webhooks_status ON webhooks (tenant, status) WHERE deleted_at IS NULL;
-- A list of those that are not active reads nothing else.
CREATE INDEX webhooks_inactive ON webhooks (status, id)
    WHERE deleted_at IS NULL AND status <> 'active';

ALTER TABLE workers ADD COLUMN host text NOT NULL DEFAULT '';
ALTER TABLE workers ADD COLUMN pid bigint NOT NULL DEFAULT 0;
