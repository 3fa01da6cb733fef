// Package store keeps what must survive a restart: notifications and their
// deliveries, sessions, revocations, sealed keys. It opens SQLite in a
// directory (one process) or PostgreSQL (any number of replicas), brings the
// tables up to date (migrations/, the one place that says what they are) and
// gives the rest of the program three things:
//
//   - [Store.Write]: a durable transaction,
//   - [Store.Read]: a bounded pool that cannot write,
//   - [Store.Ring]: keys sealed under the master key, rotated by themselves.
//
// SQL is written once for both engines: $1 placeholders, times as Unix
// milliseconds in BIGINT, no function that only one of them has.
//
// # What a write promises
//
// nil means committed and on disk: on SQLite the write-ahead log was synced
// (synchronous=FULL, asked of every connection before it is used), on
// PostgreSQL the server answered COMMIT with a synchronous_commit that is not
// off or local.
//
// On SQLite one goroutine owns the only connection that writes. It gathers the
// callers that wait while the last commit is being synced, gives each a
// savepoint and its turn, and commits once for all:
//
//	callers ──► queue ──► BEGIN IMMEDIATE
//	                        SAVEPOINT, caller 1's func, RELEASE
//	                        SAVEPOINT, caller 2's func fails, ROLLBACK TO
//	                        SAVEPOINT, caller 3's func, RELEASE
//	                      COMMIT (one fsync) ──► 1: nil  2: its error  3: nil
//
// Each func runs in its caller's own goroutine, so a panic goes up the caller's
// stack and rolls back nothing but its own savepoint.
package store
