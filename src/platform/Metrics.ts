import { Effect, Metric, type Scope } from "effect"

/**
 * The metrics that `/metrics` serves: names follow Prometheus, times are in seconds. Labels have few values, all known
 * beforehand: never an id, a name, or a path with an id in it.
 */

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** Each combination of labels is a metric of its own. */
export const requests = (labels: { readonly method: string; readonly route: string; readonly status: string }) =>
  Metric.counter("xfchat_http_requests_total", {
    description: "Requests answered, by the template of their route; 499 if the client went away",
    attributes: labels,
    incremental: true
  })
export const requestTime = (labels: { readonly method: string; readonly route: string }) =>
  Metric.histogram("xfchat_http_request_seconds", {
    description: "Time from the head of a request to its answer, without streams and long polls",
    attributes: labels,
    boundaries: seconds
  })
export const requestsInFlight = Metric.gauge("xfchat_http_requests_in_flight", {
  description:
    "Requests in progress, until their answers are sent; not those whose bodies are still arriving, nor waiting long polls"
})

export const batchSize = Metric.histogram("xfchat_outbox_batch_size", {
  description: "Messages sent in one transaction",
  boundaries: [1, 2, 4, 8, 16, 32, 64, 128, 256]
})
export const commitTime = Metric.histogram("xfchat_outbox_commit_seconds", {
  description: "Time from the beginning to the commit of such a transaction",
  boundaries: seconds
})
export const batchesFailed = Metric.counter("xfchat_outbox_failures_total", {
  description: "Such transactions that failed",
  incremental: true
})
export const sendsWaiting = Metric.gauge("xfchat_outbox_waiting", {
  description: "Messages waiting for the transaction before theirs"
})

export const statementTime = Metric.histogram("xfchat_database_statement_seconds", {
  description: "Time that a statement takes on its connection",
  boundaries: seconds
})
export const databaseConnections = Metric.gauge("xfchat_database_connections", {
  description: "Open connections, not counting the one that listens"
})
export const databaseRunning = Metric.gauge("xfchat_database_statements_running", {
  description: "Statements that PostgreSQL has received and not answered"
})
export const databaseWaiting = Metric.gauge("xfchat_database_waiting", {
  description: "Statements and transactions waiting for a connection"
})

export const openStreams = Metric.gauge("xfchat_streams_open", {
  description: "Open subscriptions, long polls included"
})
export const followedConversations = Metric.gauge("xfchat_conversations_followed", {
  description: "Conversations whose logs this process follows for its subscribers"
})
export const deliveryDelay = Metric.histogram("xfchat_delivery_delay_seconds", {
  description: "Time from a message's timestamp in the database to its frame for the streams of this process",
  boundaries: seconds
})
export const ringBytes = Metric.gauge("xfchat_ring_bytes", {
  description: "Memory for changes that subscribers may still read, encoded forms included"
})
export const ringMisses = Metric.counter("xfchat_ring_misses_total", {
  description: "Database reads for subscribers that had fallen behind the changes kept in memory",
  incremental: true
})
export const changesDelay = Metric.gauge("xfchat_changes_delay_seconds", {
  description: "How long changes have been on their way to other processes; 0 while they arrive"
})

export const eventLoopDelay = Metric.histogram("xfchat_event_loop_delay_seconds", {
  description: "How late the event loop is, measured ten times a second",
  boundaries: seconds
})

/** A metric as a function, for frequent events: some 100 ns a call, where an effect would cost more than the event. */
export const recorder = <Input, State>(metric: Metric.Metric<Input, State>): Effect.Effect<(input: Input) => void> =>
  Effect.contextWith((context) =>
    Effect.sync(() => {
      // Registers it with the value 0.
      metric.valueUnsafe(context)
      return (input: Input) => metric.updateUnsafe(input, context)
    })
  )

const register = Effect.fnUntraced(function* <State>(metric: Metric.Metric<number, State>, get: () => State) {
  const context = yield* Effect.context()
  yield* Effect.acquireRelease(
    Effect.sync(() => Metric.registerUnsafe(metric, context, { get, update: () => {}, modify: () => {} })),
    (registration) => Effect.sync(() => registration.remove())
  )
})

/** Registers a gauge that is read whenever the metrics are, for as long as the scope is open. */
export const observe = (gauge: Metric.Gauge<number>, read: () => number): Effect.Effect<void, never, Scope.Scope> =>
  register(gauge, () => ({ value: read() }))

/** Registers a counter that is kept elsewhere, likewise. */
export const observeTotal = (counter: Metric.Counter<number>, read: () => number) =>
  register(counter, () => ({ count: read(), incremental: true }))
