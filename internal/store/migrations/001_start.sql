-- The tables of the gateway, one text for SQLite and PostgreSQL.
--
-- Two words in capitals, identity and binary, are replaced by what the engine calls them (migrate.go); the rest is SQL that both
-- understand. Times are Unix milliseconds. A text that may be missing is NOT NULL DEFAULT '' unless NULL has a meaning of
-- its own, which is then said. A released file is never changed: what comes later is a new file.
--
-- PostgreSQL keeps no NUL byte (\x00) and no invalid UTF-8 in TEXT: refuse or replace them before they get here.

-- What this store remembers about itself: 'epoch' is a random id made with the store.
CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
);

-- Keys sealed under the master key; written and read only by Store.Ring.
CREATE TABLE key_ring (
  purpose     TEXT   NOT NULL,
  id          TEXT   NOT NULL,
  sealed      BINARY NOT NULL,
  created_at  BIGINT NOT NULL,
  active_from BIGINT NOT NULL,          -- announced before, used from here on
  PRIMARY KEY (purpose, id)
);

-- One row per signed-in browser. The id is a hash, so that a copy of the table signs nobody in.
CREATE TABLE session (
  id         TEXT   PRIMARY KEY,        -- hex of SHA-256 of the session id
  route      TEXT   NOT NULL,
  team       TEXT   NOT NULL,
  user_id    TEXT   NOT NULL,
  email      TEXT   NOT NULL DEFAULT '',
  device     TEXT   NOT NULL DEFAULT '',
  address    TEXT   NOT NULL DEFAULT '',
  created_at BIGINT NOT NULL,
  seen_at    BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX session_person ON session (user_id, team);
CREATE INDEX session_email  ON session (lower(email));
CREATE INDEX session_route  ON session (route, created_at);
CREATE INDEX session_begun  ON session (created_at);
CREATE INDEX session_prune  ON session (expires_at);

-- Sessions begun before not_before no longer count. Replicas ask every second for what is new: seq is the number of the change
-- that wrote the row, and the latest number stands in meta as 'revocations', taken and raised in the same transaction.
CREATE TABLE revocation (
  kind       TEXT   NOT NULL,           -- session | user | route | all
  value      TEXT   NOT NULL,           -- the session's id, route/team/user_id, the route, '' for all
  not_before BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,           -- no session it could meet lives longer
  seq        BIGINT NOT NULL,
  PRIMARY KEY (kind, value)
);
CREATE INDEX revocation_new ON revocation (seq);

-- What is known of a person who has signed in to a route: from Slack, and how fresh it is.
CREATE TABLE person (
  route       TEXT    NOT NULL,
  team        TEXT    NOT NULL,
  user_id     TEXT    NOT NULL,
  email       TEXT    NOT NULL DEFAULT '', -- as Slack last said
  first_email TEXT    NOT NULL DEFAULT '', -- as at the first sign-in, or as an operator accepted: what pin_email holds to
  name        TEXT    NOT NULL DEFAULT '',
  guest       INTEGER NOT NULL DEFAULT 0,
  admin       INTEGER NOT NULL DEFAULT 0,
  deactivated INTEGER NOT NULL DEFAULT 0,
  user_groups TEXT,                       -- JSON object of usergroup ids and handles; NULL: not known, which is not "none"
  token       TEXT    NOT NULL DEFAULT '', -- the person's own access token, sealed; only routes without a bot token keep one
  checked_at  BIGINT  NOT NULL,           -- when Slack last said so
  ask_at      BIGINT,                     -- when Slack is to be asked again; NULL: nobody is signed in as this person
  changed_at  BIGINT  NOT NULL,           -- when anything here last became different, always growing; replicas read what is newer
  PRIMARY KEY (route, team, user_id)
);
CREATE INDEX person_changed ON person (changed_at);
CREATE INDEX person_email   ON person (lower(email), route);
CREATE INDEX person_ask     ON person (ask_at) WHERE ask_at IS NOT NULL;

-- What the replicas share about asking Slack for a route's people.
CREATE TABLE upkeep (
  route      TEXT   PRIMARY KEY,
  not_before BIGINT NOT NULL DEFAULT 0, -- nobody asks before: pacing, Retry-After, a listing under way
  groups_at  BIGINT NOT NULL DEFAULT 0  -- when Slack last said that usergroups changed: older listings of them are void
);

-- A form that was sent with an expired session, kept until its person has signed in again and sends it, once.
CREATE TABLE draft (
  id         TEXT   PRIMARY KEY,        -- hex of SHA-256 of its name and of the secret in the browser's cookie
  session    TEXT   NOT NULL,           -- hash of the expired session that it came with; each may have a few
  route      TEXT   NOT NULL,
  sealed     TEXT   NOT NULL,           -- person, path, type and body, sealed
  size       BIGINT NOT NULL,           -- bytes of sealed
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  sent_at    BIGINT                     -- NULL: not handed to the app
);
CREATE INDEX draft_session ON draft (session);
CREATE INDEX draft_prune   ON draft (expires_at);

-- Links that an operator hands out, each good once and for a time.
CREATE TABLE link (
  id         TEXT   PRIMARY KEY,        -- hex of SHA-256 of the secret in the link
  kind       TEXT   NOT NULL,           -- break_glass | setup
  route      TEXT   NOT NULL,
  detail     TEXT   NOT NULL DEFAULT '', -- JSON, by kind
  created_by TEXT   NOT NULL DEFAULT '',
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  used_at    BIGINT                     -- NULL: not used yet
);
CREATE INDEX link_prune ON link (expires_at);

-- Slack apps that workspaces' admins have set up, for routes whose configuration leaves it to them (slack_app: {managed: true}).
CREATE TABLE slack_app (
  route        TEXT   PRIMARY KEY,
  sealed       BINARY NOT NULL,         -- client id and secrets as JSON, sealed under the master key
  app_id       TEXT   NOT NULL DEFAULT '',
  team         TEXT   NOT NULL DEFAULT '', -- pinned when the app is installed; '': it is not yet
  team_name    TEXT   NOT NULL DEFAULT '',
  bot_user     TEXT   NOT NULL DEFAULT '',
  installed_by TEXT   NOT NULL DEFAULT '', -- Slack user id
  installed_at BIGINT,                  -- NULL: not installed
  changed_at   BIGINT NOT NULL          -- always growing over all rows; replicas read what is newer
);
CREATE INDEX slack_app_changed ON slack_app (changed_at);

-- What the ACME client keeps: accounts, keys, certificates, by the name it gives them; and who works on what.
CREATE TABLE certificate (
  name       TEXT   PRIMARY KEY,
  sealed     BINARY NOT NULL,           -- sealed under the master key
  changed_at BIGINT NOT NULL
);
CREATE TABLE certificate_lock (
  name       TEXT   PRIMARY KEY,
  owner      TEXT   NOT NULL,           -- random per lock
  expires_at BIGINT NOT NULL
);

-- What an application asked for, once per (route, idem_key).
CREATE TABLE notification (
  seq         IDENTITY,
  id          TEXT   NOT NULL UNIQUE,
  route       TEXT   NOT NULL,
  idem_key    TEXT,                     -- NULL: asked without a key, never a duplicate
  body_hash   TEXT   NOT NULL DEFAULT '', -- of the parsed fields: the same key with another hash is an error
  request     TEXT   NOT NULL,          -- canonical JSON of what was asked
  type        TEXT   NOT NULL DEFAULT '',
  status      TEXT   NOT NULL DEFAULT 'queued', -- queued, or once finished: sent | partial | failed | cancelled | suppressed
  credential  TEXT   NOT NULL DEFAULT '', -- by which it came: KIND:ID
  accepted_at BIGINT NOT NULL,
  expires_at  BIGINT NOT NULL,
  finished_at BIGINT,                   -- NULL: some delivery is still queued or being sent
  replay_of   TEXT,                     -- id of the notification this one repeats; that one may be pruned already
  trace       TEXT   NOT NULL DEFAULT '', -- traceparent of the request that was accepted; '': that was not traced
  UNIQUE (idem_key, route)              -- this way round it serves all routes together, too
);
CREATE INDEX notification_list   ON notification (route, seq);
CREATE INDEX notification_status ON notification (status, route, seq); -- this way round it serves all routes together, too
CREATE INDEX notification_replay ON notification (route, replay_of) WHERE replay_of IS NOT NULL;
CREATE INDEX notification_prune  ON notification (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX notification_expiry ON notification (expires_at) WHERE finished_at IS NULL;

-- One notification to one recipient. seq is the order within a lane.
CREATE TABLE delivery (
  seq             IDENTITY,
  id              TEXT    NOT NULL UNIQUE,
  notification_id TEXT    NOT NULL REFERENCES notification (id) ON DELETE CASCADE,
  route           TEXT    NOT NULL,
  recipient       TEXT    NOT NULL,     -- in its one spelling (classify)
  lane            TEXT    NOT NULL,
  state           TEXT    NOT NULL DEFAULT 'queued', -- queued | sending | sent | dead | cancelled | suppressed
  attempts        INTEGER NOT NULL DEFAULT 0,
  possible_duplicate INTEGER NOT NULL DEFAULT 0,     -- 1: Slack may have it twice
  last_error      TEXT    NOT NULL DEFAULT '',
  slack_channel   TEXT    NOT NULL DEFAULT '',
  slack_ts        TEXT    NOT NULL DEFAULT '',
  own_ts          TEXT    NOT NULL DEFAULT '', -- the ts that a caller of the Web API was given before Slack gave one
  instead_of      TEXT,                 -- id of the delivery that could not reach its recipient; this one is its fallback
  merged_into     TEXT,                 -- id of the delivery whose message holds, or until it is sent may hold, this one's text too
  accepted_at     BIGINT  NOT NULL,
  due_at          BIGINT  NOT NULL,     -- when it may first be sent: accepted_at, or what the caller asked for
  resolved_at     BIGINT,               -- when the recipient's conversation was known; NULL: not yet, or it came as one
  begun_at        BIGINT,               -- when the first attempt began
  finished_at     BIGINT
);
-- SQLite uses delivery_head only if the query repeats this very condition, with literals, not parameters.
CREATE INDEX delivery_head      ON delivery (lane, seq) WHERE state IN ('queued', 'sending');
CREATE INDEX delivery_sending   ON delivery (lane, seq) WHERE state = 'sending';
CREATE INDEX delivery_of        ON delivery (notification_id);
CREATE INDEX delivery_list      ON delivery (route, state, seq);
CREATE INDEX delivery_recipient ON delivery (recipient, route, seq); -- this way round it serves all routes together, too
CREATE INDEX delivery_scheduled ON delivery (route, notification_id) WHERE state = 'queued' AND due_at > accepted_at; -- what is sent at once is never in it
CREATE UNIQUE INDEX delivery_own_ts ON delivery (route, own_ts) WHERE own_ts <> '';

-- The ordered stream of one Slack app to one conversation. What is leased is the lane, never a delivery.
CREATE TABLE lane (
  lane         TEXT    PRIMARY KEY,
  app          TEXT    NOT NULL,        -- the Slack app, by the first host that uses it
  conversation TEXT,                    -- resolved Slack conversation id; NULL: not resolved yet
  due_at       BIGINT,                  -- when it is to be looked at, while leased the lease's end; NULL: nothing queued
  not_before   BIGINT  NOT NULL DEFAULT 0, -- pacing, backoff, Retry-After
  failures     INTEGER NOT NULL DEFAULT 0, -- in a row
  lease_owner  TEXT                     -- random per claim, the fence; NULL: nobody's
);
CREATE INDEX lane_due        ON lane (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX lane_app        ON lane (app, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX lane_idle       ON lane (not_before) WHERE due_at IS NULL;
CREATE INDEX lane_unresolved ON lane (app, conversation, due_at) WHERE conversation IS NULL AND due_at IS NOT NULL; -- all three, or SQLite prefers lane_app
CREATE INDEX lane_looking    ON lane (app) WHERE conversation IS NULL AND lease_owner IS NOT NULL;

-- Committed before each call to Slack, completed after it: a begun one without an end has an unknown outcome.
CREATE TABLE attempt (
  delivery_id TEXT    NOT NULL REFERENCES delivery (id) ON DELETE CASCADE,
  n           INTEGER NOT NULL,
  begun_at    BIGINT  NOT NULL,
  ended_at    BIGINT,
  method      TEXT    NOT NULL DEFAULT '', -- of the Web API
  outcome     TEXT    NOT NULL DEFAULT '',
  error       TEXT    NOT NULL DEFAULT '',
  again_at    BIGINT,                   -- when it is tried again; NULL: it is not
  PRIMARY KEY (delivery_id, n)
);

-- The message that stands for one thing of the application's in a conversation: replies go below it, updates into it.
CREATE TABLE entity (
  lane       TEXT   NOT NULL,
  route      TEXT   NOT NULL,
  entity     TEXT   NOT NULL,
  channel    TEXT   NOT NULL,           -- as Slack says it, where the lane may be for a user's id
  ts         TEXT   NOT NULL,
  changed_at BIGINT NOT NULL,
  PRIMARY KEY (lane, route, entity)
);
CREATE INDEX entity_prune ON entity (changed_at);

-- When a credential of the notification API was last used, to the minute.
CREATE TABLE credential_use (
  route      TEXT   NOT NULL,
  credential TEXT   NOT NULL,           -- KIND:ID
  used_at    BIGINT NOT NULL,
  PRIMARY KEY (route, credential)
);

-- What about a route needs a person, until it does not.
CREATE TABLE alarm (
  route  TEXT   NOT NULL,
  kind   TEXT   NOT NULL,
  reason TEXT   NOT NULL,               -- Slack's error name or a constant word
  since  BIGINT NOT NULL,
  PRIMARY KEY (route, kind)
);

-- Who did what, for operators.
CREATE TABLE audit (
  seq    IDENTITY,
  at     BIGINT NOT NULL,
  actor  TEXT   NOT NULL,
  action TEXT   NOT NULL,
  object TEXT   NOT NULL DEFAULT '',
  detail TEXT   NOT NULL DEFAULT ''
);
