import * as PgClient from "@effect/sql-pg/PgClient"
import type { PgConnection } from "@effect/sql-pg/PgConnection"
import * as PgPool from "@effect/sql-pg/PgPool"
import { Duration, Effect, Exit, identity, Predicate, Schedule, Semaphore, Stream, type Scope } from "effect"
import type { Reactivity } from "effect/reactivity"
import { SqlClient, SqlError, Statement, type SqlConnection } from "effect/sql"
import { isIP } from "node:net"
import type { ConnectionOptions } from "node:tls"
import { isLogged, logOf } from "../platform/Log.ts"
import * as Metrics from "../platform/Metrics.ts"
import { isConnectionLost } from "./DatabaseErrors.ts"
import type { Target } from "./DatabaseUrl.ts"
import { makeSockets } from "./Sockets.ts"

export interface PostgresClientOptions {
  readonly connection: PgClient.PgClientConfig
  /** The servers that it may connect to. */
  readonly targets: readonly [Target, ...ReadonlyArray<Target>]
  readonly maxConnections: number
  readonly idleTimeout: Duration.Duration
  readonly lifetime: Duration.Duration
  /** How long a statement waits for a connection when all are busy. */
  readonly acquireTimeout: Duration.Duration
  /** A statement that takes longer is on a dead connection: PostgreSQL would have ended it. `undefined` for never. */
  readonly patience: Duration.Duration | undefined
}

/** The most statements that the driver puts on a connection when they may share it: its own default. */
const statementsOfConnection = 32

/**
 * The part of the connections that transactions and writes may take. All of them may wait at their commits, for a slow disk or
 * for a standby, and reads still find a connection.
 */
const partOfWrites = 0.8

/** The time between looks at a backend whose commit hangs. */
const abandonedInterval = Duration.millis(500)

/** Does something around a statement. */
type Around = <A, E, R>(statement: Effect.Effect<A, E, R>, sql: string) => Effect.Effect<A, E, R>

const endsPart = /^(ROLLBACK|RELEASE)\b/

/** A connection as the SQL client expects it. The columns of rows keep the names that PostgreSQL gives them. */
class Connection implements SqlConnection.Connection {
  private readonly connection: PgConnection
  private readonly around: Around

  constructor(connection: PgConnection, around: Around) {
    this.connection = connection
    this.around = around
  }

  execute(sql: string, params: ReadonlyArray<unknown>) {
    const rows = Effect.map(this.executeRaw(sql, params), ({ rows }) => rows)
    // A transaction that loses its connection is rolled back, and its later statements fail.
    return endsPart.test(sql) ? Effect.catchIf(rows, isConnectionLost, () => Effect.succeed([])) : rows
  }
  executeUnprepared(sql: string, params: ReadonlyArray<unknown>) {
    return Effect.map(this.around(this.connection.query(sql, params, false), sql), ({ rows }) => rows)
  }
  executeRaw(sql: string, params: ReadonlyArray<unknown>) {
    return this.around(this.connection.query(sql, params), sql)
  }
  executeValues(sql: string, params: ReadonlyArray<unknown>) {
    return this.around(this.connection.queryValues(sql, params), sql)
  }
  executeValuesUnprepared(sql: string, params: ReadonlyArray<unknown>) {
    return this.around(this.connection.queryValues(sql, params, false), sql)
  }
  executeStream(sql: string, params: ReadonlyArray<unknown>) {
    return this.connection.stream(sql, params)
  }
}

const locks = /\b(?:INSERT INTO|UPDATE|DELETE FROM|MERGE INTO|FOR (?:KEY )?SHARE|LOCK|TRUNCATE|pg_advisory_\w+)\b/i

/** The most statements for which the result of {@link mayWaitForLock} is kept. The services have a few hundred. */
const maxRemembered = 1_000
const remembered = new Map<string, boolean>()

/** Whether a statement may wait for a lock that others hold for long. */
const mayWaitForLock = (sql: string): boolean => {
  let answer = remembered.get(sql)
  if (answer === undefined) {
    answer = locks.test(sql)
    if (remembered.size === maxRemembered) remembered.clear()
    remembered.set(sql, answer)
  }
  return answer
}

/**
 * Waits until the microtasks that are due now have run. The driver (@effect/sql-pg 4.0.5) flushes a shared connection in one,
 * also if a flush before it has left nothing to send, and marks the idle connection as unused. By then a transaction may have
 * it, and would wait for the answer to its BEGIN for ever.
 */
const dueMicrotasks = Effect.callback<void>((resume) => queueMicrotask(() => resume(Effect.void)))

const lost = (operation: "acquire" | "commit", message: string, cause: unknown) =>
  new SqlError.SqlError({ reason: new SqlError.ConnectionError({ cause, message, operation }) })

const isNotConnected = (error: unknown): boolean =>
  SqlError.isSqlError(error) && error.reason._tag === "ConnectionError" && error.reason.operation === "connect"

/** PostgreSQL answers COMMIT with ROLLBACK if a statement has failed before: nothing was kept. */
const commit = (connection: SqlConnection.Connection) =>
  Effect.matchEffect(connection.executeRaw("COMMIT", []), {
    onFailure: (error) =>
      Effect.fail(
        isConnectionLost(error) ? lost("commit", "The connection was lost during COMMIT", error.reason.cause) : error
      ),
    onSuccess: (result) =>
      Predicate.hasProperty(result, "command") && result.command === "ROLLBACK"
        ? Effect.die(new Error("A transaction was committed in which a statement had failed"))
        : Effect.void
  })

const module = "xfchat/database"
const log = logOf(module)

/** The statement as it was written, without the values. */
const logStatement: Around = (statement, sql) =>
  Effect.flatMap(Effect.timed(Effect.exit(statement)), ([time, exit]) =>
    log.debug(sql.trim().replaceAll(/\s+/g, " ")).pipe(
      Effect.annotateLogs({
        milliseconds: Math.round(Duration.toMillis(time)),
        ...(Exit.isFailure(exit) ? { failed: true } : {})
      }),
      Effect.andThen(exit)
    )
  )

/** The kind of fragment with which the driver's compiler writes JSON. */
const json = Statement.custom<Statement.Custom<"PgJson", unknown>>("PgJson")

/** TLS for the host that is connected to, which is known only when a connection is opened. */
const namedBy = (ssl: ConnectionOptions, host: () => string): ConnectionOptions => ({
  ...ssl,
  get servername() {
    return isIP(host()) === 0 ? host() : undefined
  },
  get host() {
    return host()
  }
})

/**
 * The driver's client, extended by a bound on the wait for a connection, by replacing connections that are silent or old, and
 * by gauges. In normal operation they cost next to nothing.
 */
export const makePostgresClient = Effect.fnUntraced(function* (
  options: PostgresClientOptions
): Effect.fn.Return<PgClient.PgClient, SqlError.SqlError, Scope.Scope | Reactivity.Reactivity> {
  const { acquireTimeout, connection: config, idleTimeout, lifetime, maxConnections, patience, targets } = options
  const scope = yield* Effect.scope
  const sockets = makeSockets(targets)
  const connectingBy = ({ host, open }: ReturnType<typeof makeSockets>) => ({
    ...config,
    // The certificate must be for the host that is connected to, not for the first one.
    ...(typeof config.ssl === "object" && targets.length > 1 ? { ssl: namedBy(config.ssl, host) } : {}),
    stream: open
  })
  const pool = yield* PgPool.make({ ...connectingBy(sockets), maxConnections, idleTimeout })

  // If there was no connection, the statement was not sent, so another server may get it.
  const elsewhere = <A, E, R>(use: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    targets.length === 1 ? use : Effect.retry(use, { times: targets.length, while: isNotConnected })
  const get = elsewhere(pool.get)

  // In the order of their start.
  const running = new Set<{ readonly since: number }>()
  const recordTime = yield* Metrics.recorder(Metrics.statementTime)
  const watch = <A, E, R>(statement: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.suspend(() => {
      const entry = { since: performance.now() }
      running.add(entry)
      return Effect.onExitPrimitive(statement, () => {
        running.delete(entry)
        recordTime((performance.now() - entry.since) / 1_000)
        return undefined
      })
    })

  const logged: Around = (yield* isLogged(module, "Debug")) ? logStatement : identity
  const watchAndLog: Around = (statement, sql) => watch(logged(statement, sql))

  const known = new Map<PgConnection, { readonly connection: Connection; readonly until: number }>()
  const know = (connection: PgConnection) => {
    let entry = known.get(connection)
    if (entry === undefined) {
      // Connections that were opened together do not end together.
      const age = Duration.toMillis(lifetime) * (0.9 + 0.2 * Math.random())
      // Without `watchAndLog`: when a connection is borrowed for one statement, `onShared` watches the whole use.
      entry = { connection: new Connection(connection, logged), until: performance.now() + age }
      known.set(connection, entry)
    }
    return entry.connection
  }

  // The connections in use, each counted as one, or as a part if statements share it. A wait is timed only if there may not be
  // enough connections, since timing costs as much as a small statement.
  const share = config.multiplex === true ? 1 / statementsOfConnection : 1
  let taken = 0
  let waiting = 0
  const mayWait = () => taken + (running.size + 1) * share > maxConnections
  const wait = <A>(acquire: Effect.Effect<A, SqlError.SqlError, Scope.Scope>) =>
    Effect.suspend(() => {
      waiting += 1
      return acquire.pipe(
        Effect.timeoutOrElse({
          duration: acquireTimeout,
          orElse: () => Effect.fail(lost("acquire", "No connection was free in time", new Error("No free connection")))
        }),
        Effect.onExit(() => Effect.sync(() => void (waiting -= 1)))
      )
    })
  const counted = (add: (count: number) => void) =>
    Effect.acquireRelease(
      Effect.sync(() => add(1)),
      () => Effect.sync(() => add(-1))
    )
  const lease = (
    acquire: Effect.Effect<PgConnection, SqlError.SqlError, Scope.Scope>,
    part: number,
    mayWait: () => boolean,
    aroundOf: (connection: PgConnection) => Around = () => watchAndLog
  ) =>
    counted((count) => void (taken += count * part)).pipe(
      Effect.andThen(Effect.suspend(() => (mayWait() ? wait(acquire) : acquire))),
      Effect.map((connection) => new Connection(connection, aroundOf(connection)))
    )
  const reserve = Effect.flatMap(get, (connection) => {
    know(connection)
    return Effect.tap(connection.pin, () => dueMicrotasks)
  })

  const mostWrites = Math.ceil(maxConnections * partOfWrites)
  const writes = Semaphore.makeUnsafe(mostWrites)
  let writing = 0

  // A commit that hangs outlives its connection: the backend stays until the commit ends. It keeps the place of its write
  // for as long, so that repeated writes do not add more and more backends. If PostgreSQL does not say, or the backend does
  // something else by now, nothing is kept.
  const awaitEnd = (backend: number) =>
    onShared((connection) =>
      connection.executeUnprepared(
        `SELECT FROM pg_stat_activity WHERE pid = $1 AND state = 'active' AND query_start < now() - $2 * interval '1 ms'`,
        [backend, patience === undefined ? 0 : Duration.toMillis(patience) / 2],
        undefined
      )
    ).pipe(
      Effect.repeat({ while: (found) => found.length > 0, schedule: Schedule.spaced(abandonedInterval) }),
      Effect.ignore
    )
  const keepUntilEnd = (backend: number) =>
    counted((count) => void (writing += count)).pipe(
      Effect.andThen(awaitEnd(backend)),
      Effect.scoped,
      Effect.andThen(writes.release(1)),
      Effect.forkIn(scope, { startImmediately: true })
    )

  const acquirer = lease(get, share, mayWait)
  const transactionAcquirer = Effect.suspend(() => {
    let abandoned: number | undefined
    const noteLoss =
      ({ processId }: PgConnection): Around =>
      (statement, sql) =>
        Effect.tapError(watchAndLog(statement, sql), (error) =>
          Effect.sync(() => {
            if (SqlError.isSqlError(error) && isConnectionLost(error)) abandoned = processId
          })
        )
    const release = Effect.suspend(() =>
      abandoned === undefined ? writes.release(1) : Effect.asVoid(keepUntilEnd(abandoned))
    )
    const write = Effect.acquireRelease(writes.take(1), () => release, { interruptible: true })
    return Effect.andThen(
      counted((count) => void (writing += count)),
      lease(Effect.andThen(write, reserve), 1, () => writing > mostWrites || mayWait(), noteLoss)
    )
  })
  const onShared: SqlConnection.Borrower = (use) =>
    Effect.suspend(() =>
      mayWait()
        ? Effect.scoped(Effect.flatMap(acquirer, use))
        : watch(elsewhere(pool.use((connection) => use(know(connection)))))
    )
  const onOwn: SqlConnection.Borrower = (use) => Effect.scoped(Effect.flatMap(transactionAcquirer, use))
  // On a shared connection, a statement that waits for a lock, or for the disk at its commit, would delay those behind it.
  const on = (sql: string): SqlConnection.Borrower => (mayWaitForLock(sql) ? onOwn : onShared)
  /** Chooses the connection of each statement once its text is known. */
  const unchosen: SqlConnection.Connection = {
    execute: (sql, params) => on(sql)((connection) => connection.execute(sql, params, undefined)),
    executeUnprepared: (sql, params) => on(sql)((connection) => connection.executeUnprepared(sql, params, undefined)),
    executeRaw: (sql, params) => on(sql)((connection) => connection.executeRaw(sql, params)),
    executeValues: (sql, params) => on(sql)((connection) => connection.executeValues(sql, params)),
    executeValuesUnprepared: (sql, params) => on(sql)((connection) => connection.executeValuesUnprepared(sql, params)),
    executeStream: (sql, params) =>
      Stream.unwrap(Effect.map(transactionAcquirer, (connection) => connection.executeStream(sql, params)))
  }

  const sql = yield* SqlClient.make({
    acquirer,
    borrower: (use) => use(unchosen),
    transactionAcquirer,
    compiler: PgClient.makeCompiler(),
    driver: "pg",
    prepareTransactionControls: true,
    commit,
    releaseSavepoint: (name) => `RELEASE SAVEPOINT ${name}`,
    spanAttributes: [["db.system.name", "postgresql"]]
  })

  yield* Metrics.observe(Metrics.databaseConnections, sockets.size)
  yield* Metrics.observe(Metrics.databaseRunning, () => running.size)
  yield* Metrics.observe(Metrics.databaseWaiting, () => waiting)

  const look = Effect.suspend(() => {
    sockets.look()
    const [oldest] = running
    if (patience !== undefined && oldest !== undefined) {
      const silence = Duration.toMillis(patience)
      if (performance.now() - oldest.since >= silence) sockets.destroySilent(silence)
    }
    const old = [...known].flatMap(([connection, { until }]) => (until < performance.now() ? [connection] : []))
    for (const connection of old) known.delete(connection)
    // It closes when its statements have ended.
    return Effect.forEach(old, pool.invalidate, { discard: true })
  })
  yield* look.pipe(Effect.repeat(Schedule.spaced("1 second")), Effect.forkScoped)

  return Object.assign(sql, {
    [PgClient.TypeId]: PgClient.TypeId,
    // For callers that open a connection of their own to the same servers.
    config: connectingBy(makeSockets(targets)),
    json: (value: unknown) => Statement.fragment([json(value, undefined, undefined)]),
    listen: (channel: string) => Effect.flatMap(reserve, (connection) => connection.listen(channel)),
    notify: (channel: string, payload: string) => Effect.asVoid(sql`SELECT pg_notify(${channel}, ${payload})`)
  })
})
