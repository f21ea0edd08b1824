-- The kill switch of the whole engine: one row. Tenants are held one by one, those to come by it.
-- Of its turns the latest counts: what an earlier one still has to tell, it does not tell any more.
CREATE TABLE engine_switch (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    held BIGINT NOT NULL CHECK (held IN (0, 1)),
    turn BIGINT NOT NULL
);
INSERT INTO engine_switch (id, held, turn) VALUES (1, 0, 0);

-- Settings: who sends, how, under which rules.

CREATE TABLE tenants (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    document TEXT,
    address TEXT,
    zone TEXT NOT NULL,
    shard BIGINT NOT NULL,
    status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'paused')),
    -- The engine's kill switch is on (1), for this tenant as for all.
    held BIGINT NOT NULL DEFAULT 0 CHECK (held IN (0, 1)),
    -- The channels that its own kill switch holds, as bits.
    channels_paused BIGINT NOT NULL DEFAULT 0,
    rules TEXT NOT NULL,
    rules_version BIGINT NOT NULL,
    calendar TEXT NOT NULL,
    charges TEXT,
    retry TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- The edit that made it; made again under its id, it makes no other.
    made_by TEXT UNIQUE
);
CREATE INDEX tenants_by_shard ON tenants (shard);

-- Apart from the tenant's row, so that a payment event never waits for a commit that pins it.
CREATE TABLE feeds (
    tenant_id BIGINT PRIMARY KEY REFERENCES tenants (id),
    silence_max_ms BIGINT,
    heard_at BIGINT NOT NULL
);

-- No row: the tenant is not metered.
CREATE TABLE credits (
    tenant_id BIGINT PRIMARY KEY REFERENCES tenants (id),
    balance BIGINT NOT NULL CHECK (balance >= 0),
    held BIGINT NOT NULL CHECK (held >= 0),
    CHECK (balance - held >= 0)
);

-- One row a tenant; imports and parking facts meet here, so that neither misses the other.
CREATE TABLE import_gates (
    tenant_id BIGINT PRIMARY KEY REFERENCES tenants (id)
);

CREATE TABLE senders (
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    channel TEXT NOT NULL CHECK (channel IN ('whatsapp', 'sms', 'email')),
    provider TEXT NOT NULL,
    pace_per_second BIGINT NOT NULL CHECK (pace_per_second > 0),
    pace_burst BIGINT NOT NULL CHECK (pace_burst > 0),
    PRIMARY KEY (tenant_id, channel)
);

CREATE TABLE templates (
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    code TEXT NOT NULL,
    channel TEXT NOT NULL CHECK (channel IN ('whatsapp', 'sms', 'email')),
    version BIGINT NOT NULL,
    content TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, code, channel, version)
);

CREATE TABLE campaigns (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    version BIGINT NOT NULL,
    name TEXT NOT NULL,
    cadence TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'draft'
        CHECK (status IN ('draft', 'running', 'paused', 'archived')),
    created_at BIGINT NOT NULL
);
CREATE INDEX campaigns_by_tenant ON campaigns (tenant_id, id);

CREATE TABLE campaign_versions (
    campaign_id BIGINT NOT NULL REFERENCES campaigns (id),
    version BIGINT NOT NULL,
    tenant_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    cadence TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    made_by TEXT NOT NULL,
    PRIMARY KEY (campaign_id, version),
    UNIQUE (tenant_id, made_by)
);

-- What a launch confirms: the estimate's hash, and what of the audit it has seen (the first batch
-- that could be added to, and the rows that were visible from it on). It is good until the tenant's
-- day ends.
CREATE TABLE estimates (
    tenant_id BIGINT NOT NULL,
    campaign_id BIGINT NOT NULL,
    hash TEXT NOT NULL,
    campaign_version BIGINT NOT NULL,
    seen_batch BIGINT NOT NULL,
    seen_rows BIGINT NOT NULL,
    made_at BIGINT NOT NULL,
    good_until BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, campaign_id, hash)
);

-- Who may call the API. Of a secret only its SHA-256 is here; no tenant: of the whole engine.
CREATE TABLE service_tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id BIGINT REFERENCES tenants (id),
    prefix TEXT NOT NULL UNIQUE,
    secret_hash TEXT NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    replaced_by BIGINT REFERENCES service_tokens (id),
    made_by TEXT UNIQUE
);
CREATE INDEX service_tokens_by_tenant ON service_tokens (tenant_id, id);

-- What every node of the engine has to know and nobody else may.
CREATE TABLE secrets (
    name TEXT PRIMARY KEY,
    secret TEXT NOT NULL
);

-- Whom and what: contacts, boletos, enrollments. No foreign keys from here on: the statements that
-- write these rows read their parents in the same transaction, and imports run at full speed.

CREATE TABLE contacts (
    tenant_id BIGINT NOT NULL,
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    phone TEXT,
    phone_canonical TEXT,
    email TEXT,
    email_canonical TEXT,
    zones TEXT NOT NULL,
    opted_out_at BIGINT,
    replied_at BIGINT,
    promised_at BIGINT,
    -- Since when it is known that whoever reads is who is meant: its first reply or promise.
    confirmed_at BIGINT,
    created_at BIGINT NOT NULL,
    -- How often it was changed, from 1: a claim is refused that was addressed by another.
    version BIGINT NOT NULL DEFAULT 1
);
CREATE INDEX contacts_by_tenant ON contacts (tenant_id, id);
CREATE UNIQUE INDEX contacts_by_phone ON contacts (tenant_id, phone_canonical)
    WHERE phone_canonical IS NOT NULL;
-- An address may be that of several people with phones of their own (a couple's, an accountant's).
CREATE INDEX contacts_by_email ON contacts (tenant_id, email_canonical)
    WHERE email_canonical IS NOT NULL;
CREATE UNIQUE INDEX contacts_by_email_alone ON contacts (tenant_id, email_canonical)
    WHERE email_canonical IS NOT NULL AND phone_canonical IS NULL;

CREATE TABLE suppressions (
    tenant_id BIGINT NOT NULL,
    contact_id BIGINT NOT NULL,
    channel TEXT NOT NULL CHECK (channel IN ('whatsapp', 'sms', 'email')),
    -- When it was last said, by the source of the fact.
    since_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, contact_id, channel)
);

CREATE TABLE boletos (
    tenant_id BIGINT NOT NULL,
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    contact_id BIGINT NOT NULL,
    import_id BIGINT NOT NULL,
    reference TEXT NOT NULL,
    amount_centavos BIGINT NOT NULL CHECK (amount_centavos >= 0),
    due_on TEXT NOT NULL,
    digitable_line TEXT,
    pix_code TEXT,
    payment_link TEXT,
    status TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'paid', 'cancelled')),
    -- When it got there, by the source of the fact.
    status_at BIGINT NOT NULL,
    -- When amount and due date last changed, by the source of the fact.
    changed_at BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX boletos_by_tenant ON boletos (tenant_id, id);
CREATE UNIQUE INDEX boletos_by_reference ON boletos (tenant_id, reference);
CREATE INDEX boletos_by_contact ON boletos (tenant_id, contact_id, id);
CREATE INDEX boletos_by_due ON boletos (tenant_id, due_on, id);

-- One row a chunk; its boletos' ids lie between first_id and last_id.
CREATE TABLE imports (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id BIGINT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    outcome TEXT NOT NULL,
    first_id BIGINT NOT NULL,
    last_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (tenant_id, key)
);

-- One row a file or request of boletos, which is taken chunk by chunk; its chunks' keys are its id
-- and their number.
CREATE TABLE import_jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id BIGINT NOT NULL,
    source TEXT NOT NULL,
    key TEXT NOT NULL,
    -- The day by which the due dates of lines are read, also when it goes on later.
    read_on TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'done', 'broke_off')),
    broke_off TEXT,
    lines BIGINT NOT NULL,
    accepted BIGINT NOT NULL,
    unchanged BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    begun_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    UNIQUE (tenant_id, source, key)
);
CREATE INDEX import_jobs_by_tenant ON import_jobs (tenant_id, id);
CREATE INDEX import_jobs_by_age ON import_jobs (changed_at);

-- What was refused of a job, without its content; the first 10,000 of each.
CREATE TABLE import_refusals (
    tenant_id BIGINT NOT NULL,
    job_id BIGINT NOT NULL,
    no BIGINT NOT NULL,
    line BIGINT NOT NULL,
    field TEXT,
    error TEXT NOT NULL,
    PRIMARY KEY (tenant_id, job_id, no)
);

-- Rule + cursor. A stop and a claim update the same row, `WHERE state = 'active'`.
CREATE TABLE enrollments (
    tenant_id BIGINT NOT NULL,
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    campaign_id BIGINT NOT NULL,
    boleto_id BIGINT NOT NULL,
    contact_id BIGINT NOT NULL,
    state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'stopped', 'finished')),
    stopped_by BIGINT,
    stop_reason TEXT CHECK (stop_reason IN ('paid', 'cancelled', 'opted_out', 'campaign_paused',
        'campaign_archived', 'tenant_paused', 'set_aside')),
    done BIGINT NOT NULL,
    occurrence BIGINT NOT NULL,
    reminders BIGINT NOT NULL,
    after_at BIGINT NOT NULL,
    step_no BIGINT,
    touch_occurrence BIGINT,
    slot_at BIGINT,
    expires_at BIGINT,
    try_no BIGINT NOT NULL,
    channel_tries BIGINT NOT NULL,
    channel_from BIGINT NOT NULL,
    next_at BIGINT,
    -- The contact's suppressed channels: 1 WhatsApp, 2 SMS, 4 e-mail. A claim and an opt-out from
    -- one channel meet here as a claim and a stop meet at `state`.
    barred BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX enrollments_by_tenant ON enrollments (tenant_id, id);
CREATE UNIQUE INDEX enrollments_by_boleto ON enrollments (tenant_id, boleto_id, campaign_id);
CREATE INDEX enrollments_due ON enrollments (tenant_id, campaign_id, next_at, id)
    WHERE state = 'active' AND next_at IS NOT NULL;
CREATE INDEX enrollments_stopped ON enrollments (tenant_id, stopped_by)
    WHERE stopped_by IS NOT NULL;

-- What was decided and done: append-only.

-- The intent before the wire; also the decision record of a send.
CREATE TABLE attempts (
    tenant_id BIGINT NOT NULL,
    enrollment_id BIGINT NOT NULL,
    step_no BIGINT NOT NULL,
    occurrence BIGINT NOT NULL,
    try_no BIGINT NOT NULL,
    boleto_id BIGINT NOT NULL,
    contact_id BIGINT NOT NULL,
    campaign_id BIGINT NOT NULL,
    campaign_version BIGINT NOT NULL,
    rules_version BIGINT NOT NULL,
    template TEXT NOT NULL,
    template_version BIGINT NOT NULL,
    channel TEXT NOT NULL CHECK (channel IN ('whatsapp', 'sms', 'email')),
    claimed_at BIGINT NOT NULL,
    deadline_at BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    cursors TEXT NOT NULL,
    -- The attempt in whose message this one goes out, where that is another's.
    lead TEXT,
    PRIMARY KEY (tenant_id, enrollment_id, step_no, occurrence, try_no)
);
CREATE INDEX attempts_by_contact ON attempts (tenant_id, contact_id, claimed_at);
CREATE INDEX attempts_by_time ON attempts (tenant_id, claimed_at);

CREATE TABLE outcomes (
    tenant_id BIGINT NOT NULL,
    enrollment_id BIGINT NOT NULL,
    step_no BIGINT NOT NULL,
    occurrence BIGINT NOT NULL,
    try_no BIGINT NOT NULL,
    known_at BIGINT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('accepted', 'rejected', 'throttled', 'held',
        'unavailable', 'unknown', 'abandoned')),
    counts BIGINT NOT NULL CHECK (counts IN (0, 1)),
    detail TEXT NOT NULL,
    PRIMARY KEY (tenant_id, enrollment_id, step_no, occurrence, try_no)
);

-- Decisions that are no attempt.
CREATE TABLE decisions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id BIGINT NOT NULL,
    enrollment_id BIGINT NOT NULL,
    step_no BIGINT NOT NULL,
    occurrence BIGINT NOT NULL,
    try_no BIGINT NOT NULL,
    campaign_version BIGINT NOT NULL,
    rules_version BIGINT NOT NULL,
    decided_at BIGINT NOT NULL,
    slot_at BIGINT NOT NULL,
    ruling TEXT NOT NULL CHECK (ruling IN ('hold', 'skip', 'cancel')),
    reason TEXT NOT NULL,
    hold_until BIGINT,
    rule_code TEXT,
    rule_version BIGINT
);
CREATE INDEX decisions_by_enrollment ON decisions (tenant_id, enrollment_id);

-- What came in.

-- `parked` names the subject of a fact that nobody knows yet, for example `boleto:NF-1`.
CREATE TABLE inbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id BIGINT NOT NULL,
    event_id TEXT NOT NULL,
    source TEXT NOT NULL,
    occurred_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    parked TEXT,
    applied_at BIGINT,
    dead_reason TEXT,
    -- An id is unique for its source (CloudEvents 1.0).
    UNIQUE (tenant_id, source, event_id)
);
CREATE INDEX inbox_unapplied ON inbox (tenant_id, seq)
    WHERE applied_at IS NULL AND parked IS NULL;
CREATE INDEX inbox_parked ON inbox (tenant_id, parked) WHERE parked IS NOT NULL;

CREATE TABLE sweeps (
    tenant_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    after_id BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, seq)
);

CREATE TABLE idempotency_keys (
    -- 0: about no tenant.
    tenant_id BIGINT NOT NULL,
    token_id BIGINT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    -- Whoever does the work now; when nobody answers until then, the same request may be made anew.
    claim TEXT NOT NULL,
    claimed_until BIGINT NOT NULL,
    status BIGINT,
    content_type TEXT,
    body TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, token_id, key),
    CHECK ((status IS NULL) = (body IS NULL))
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

-- What goes out.

CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id BIGINT NOT NULL,
    topic TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    published_at BIGINT
);
CREATE INDEX outbox_unpublished ON outbox (id) WHERE published_at IS NULL;

-- Who may say what on the bus. The keys themselves are derived, and stand nowhere.
CREATE TABLE publisher_keys (
    id TEXT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX publisher_keys_by_tenant ON publisher_keys (tenant_id, id);

-- Messages of the bus that are no fact, until somebody deals with them.
CREATE TABLE dead_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- SHA-256 of the message: what comes again is the same.
    digest TEXT NOT NULL UNIQUE,
    code TEXT NOT NULL,
    -- The message as JSON; its body in base64, where it was not too long to be kept.
    content TEXT NOT NULL,
    first_seen_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    times BIGINT NOT NULL
);

-- Up to when all that was published is known to have been taken.
CREATE TABLE bus_heard (
    name TEXT PRIMARY KEY,
    at BIGINT NOT NULL
);

-- What the mailbox provider keeps instead of sending it.
CREATE TABLE mailbox (
    tenant_id BIGINT NOT NULL,
    enrollment_id BIGINT NOT NULL,
    step_no BIGINT NOT NULL,
    occurrence BIGINT NOT NULL,
    try_no BIGINT NOT NULL,
    boleto_id BIGINT NOT NULL,
    channel TEXT NOT NULL CHECK (channel IN ('whatsapp', 'sms', 'email')),
    handed_over_at BIGINT NOT NULL,
    to_masked TEXT NOT NULL,
    subject TEXT,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant_id, enrollment_id, step_no, occurrence, try_no)
);
CREATE INDEX mailbox_by_time ON mailbox (tenant_id, handed_over_at);

-- Who did what. A seal covers the rows whose `batch` lies in [from_batch, to_batch).
-- It is their id: one writer commits them in this order.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    batch BIGINT GENERATED ALWAYS AS (id) VIRTUAL,
    tenant_id BIGINT NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX audit_by_batch ON audit (tenant_id, batch, id);
CREATE INDEX audit_by_time ON audit (tenant_id, at, id);

CREATE TABLE audit_seals (
    tenant_id BIGINT NOT NULL,
    no BIGINT NOT NULL,
    from_batch BIGINT NOT NULL,
    to_batch BIGINT NOT NULL,
    rows_count BIGINT NOT NULL,
    hash TEXT NOT NULL,
    sealed_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, no)
);
CREATE INDEX audit_seals_by_batch ON audit_seals (tenant_id, to_batch);

-- Who owns which shard.
-- (shard, epoch) is a key as in the other dialect, where it matters to locks.
CREATE TABLE leases (
    shard BIGINT PRIMARY KEY,
    owner TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    UNIQUE (shard, epoch)
);

-- The planner's statistics, as they are in a large installation: what it would guess for a tenant
-- is ten rows, and a stop would walk through all of the tenant's enrollments.
ANALYZE;
DELETE FROM sqlite_stat1;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('tenants', 'tenants_by_shard', '1000 16'),
    ('campaigns', 'campaigns_by_tenant', '2000 2 1'),
    ('contacts', 'contacts_by_tenant', '1000000 10000 1'),
    ('contacts', 'contacts_by_phone', '1000000 10000 1'),
    ('contacts', 'contacts_by_email', '1000000 10000 1'),
    ('boletos', 'boletos_by_tenant', '1000000 10000 1'),
    ('boletos', 'boletos_by_reference', '1000000 10000 1'),
    ('boletos', 'boletos_by_contact', '1000000 10000 3 1'),
    ('boletos', 'boletos_by_due', '1000000 10000 30 1'),
    ('enrollments', 'enrollments_by_tenant', '1000000 10000 1'),
    ('enrollments', 'enrollments_by_boleto', '1000000 10000 1 1'),
    ('enrollments', 'enrollments_due', '500000 5000 2500 2 1'),
    ('enrollments', 'enrollments_stopped', '300000 3000 1'),
    ('attempts', 'sqlite_autoindex_attempts_1', '3000000 30000 3 2 2 1'),
    ('attempts', 'attempts_by_contact', '3000000 30000 6 1'),
    ('attempts', 'attempts_by_time', '3000000 30000 2'),
    ('outcomes', 'sqlite_autoindex_outcomes_1', '3000000 30000 3 2 2 1'),
    ('decisions', 'decisions_by_enrollment', '1000000 10000 3'),
    ('inbox', 'sqlite_autoindex_inbox_1', '1000000 10000 1'),
    ('inbox', 'inbox_unapplied', '100 10 1'),
    ('inbox', 'inbox_parked', '100 10 1'),
    ('outbox', 'outbox_unpublished', '100 1'),
    ('audit', 'audit_by_batch', '2000000 20000 1 1'),
    ('audit', 'audit_by_time', '2000000 20000 2 1'),
    ('audit_seals', 'audit_seals_by_batch', '20000 200 1'),
    ('audit_seals', 'sqlite_autoindex_audit_seals_1', '20000 200 1');
ANALYZE sqlite_schema;
