/**
 * Messaging's parts around one store: made, brought up to date from the log, started, and stopped in the order that loses
 * nothing. It only wires; the facade and other adapters stand on it.
 */
import { setMaxListeners } from 'node:events'
import type { ErrorName } from '../base/errors.ts'
import { asError, ERROR_CODES, PocketMQError } from '../base/errors.ts'
import { UniqueIds } from '../codec/message-id.ts'
import type { DispatchRequest, MessageStore } from '../store/message-store.ts'
import { Alarms } from './alarms.ts'
import { Clients } from './clients.ts'
import { DedupeWindows } from './dedupe-windows.ts'
import { DelayLevels } from './delay-levels.ts'
import { DelayedDelivery } from './delayed-delivery.ts'
import { DeliveryCore } from './delivery-core.ts'
import { Events } from './events.ts'
import { HealthWatch } from './health-watch.ts'
import { replayLog } from './log-replay.ts'
import { OffsetTable } from './offset-table.ts'
import { ProducingCore } from './producing-core.ts'
import type { MessagingSettings } from './settings.ts'
import { TimerMessages } from './timer-messages.ts'
import { Topics } from './topics.ts'
import { Transactions } from './transactions.ts'

/** What everything else stands on. */
type Ground = {
  readonly store: MessageStore
  readonly settings: MessagingSettings
  readonly events: Events
  readonly topics: Topics
  readonly wallAlarms: Alarms
  readonly alarms: Alarms
  readonly clients: Clients
  readonly offsets: OffsetTable
  /** Aborts, with STORE_CLOSED as its reason, when closing begins: for waits that nothing else would end. */
  readonly closing: AbortController
}

/** The loops around the store. */
type Loops = {
  readonly levels: DelayLevels
  readonly timers: TimerMessages
  readonly transactions: Transactions
}

/** All of messaging but the client objects. */
export type Engine = Ground &
  Loops & {
    readonly ids: UniqueIds
    /** The service's two halves. */
    readonly core: ProducingCore
    readonly delivery: DeliveryCore
    readonly dedupe: DedupeWindows
    readonly health: HealthWatch
  }

/** Address in new records unless `advertise` says another: where a broker would listen. */
const DEFAULT_ADDRESS = { host: '127.0.0.1', port: 10_911 } as const

/** Makes the parts and starts them. What cannot be read of messaging's own files is rebuilt; only the store's errors are thrown. */
export async function openEngine(
  store: MessageStore,
  settings: MessagingSettings,
  advertise: { readonly host: string; readonly port: number } = DEFAULT_ADDRESS,
): Promise<Engine> {
  const ground = await openGround(store, settings)
  const loops = await openLoops(ground)
  const { dedupeWindowMs: windowMs, dedupeKeysMax: keysMax } = settings
  const dedupe = await DedupeWindows.open(store, { windowMs, keysMax })
  await replayLog(store, [ground.offsets, loops.levels, loops.timers])
  ground.offsets.sawUpTo(store.watermarks.dispatched)
  await takeOver(store, loops)
  const { topics, events, alarms, offsets, clients } = ground
  const { brokerName } = settings
  const delivery = await DeliveryCore.open({ store, topics, events, alarms, offsets, clients, brokerName })
  const core = new ProducingCore({ store, topics, settings, advertise, dedupe, ...loops })
  const ids = new UniqueIds({
    nowMs: () => store.clock.nowMs(),
    random: settings.random,
    processId: process.pid,
  })
  const { healthDelayMs } = settings
  const health = new HealthWatch({ store, alarms, events, offsets, delivery, healthDelayMs })
  const engine = { ...ground, ...loops, dedupe, core, delivery, ids, health }
  listen(engine)
  if (!store.isReadOnly) startLoops(engine)
  return engine
}

/** What a broker did is in our own files before anything goes on from there: a crash would go back to what they said before. */
async function takeOver(store: MessageStore, { levels, timers }: Loops): Promise<void> {
  if (store.isReadOnly || store.opened.isCheckpointOurs) return
  await levels.save()
  await timers.save()
  await store.tookOver()
}

async function openGround(store: MessageStore, settings: MessagingSettings): Promise<Ground> {
  const events = new Events(store.clock, store.logger)
  const failed = (where: string) => (thrown: unknown) => events.emit('error', { where, error: asError(thrown) })
  const wallAlarms = new Alarms(store.clock, 'wall', failed('an alarm'))
  const alarms = new Alarms(store.clock, 'monotonic', failed('an alarm'))
  const topics = await Topics.open(store, {
    autoCreate: settings.autoCreateTopics,
    topicQueues: settings.topicQueues,
    onSaveFailed: failed('saving topics'),
  })
  const offsets = await OffsetTable.open({ store, alarms, events })
  const closing = new AbortController()
  // Any number of callers may wait at once: no leak that Node should warn of.
  setMaxListeners(0, closing.signal)
  return { store, settings, events, topics, wallAlarms, alarms, offsets, clients: new Clients(), closing }
}

async function openLoops({
  store,
  settings,
  events,
  topics,
  wallAlarms,
  alarms,
  offsets,
  clients,
}: Ground): Promise<Loops> {
  const delivery = new DelayedDelivery(store, topics)
  const levels = await DelayLevels.open({ store, wallAlarms, alarms, events, delivery })
  const { brokerName, pendingTimersMax: pendingMax } = settings
  const timers = await TimerMessages.open({ store, wallAlarms, events, delivery, brokerName, pendingMax })
  const transactions = await Transactions.open({ store, topics, wallAlarms, events, settings, offsets, clients })
  return { levels, timers, transactions }
}

function startLoops({ levels, timers, transactions, health }: Engine): void {
  health.start()
  levels.start()
  timers.start()
  transactions.start()
}

/** The store has one listener of each kind; here it is shared out. */
function listen({ store, events, levels, timers, transactions, delivery, health }: Engine): void {
  store.onDispatch((request: DispatchRequest) => {
    delivery.onDispatch(request)
    levels.onDispatch(request)
    timers.onDispatch(request)
    health.onDispatch(request)
  })
  store.onEvent((name, details) => tellStoreEvent(store, events, name, details))
  store.keepFrom(async () => {
    const [unconsumed, parked] = await Promise.all([delivery.keepFrom(), levels.keepFrom()])
    return Math.min(unconsumed, parked, timers.keepFrom(), transactions.keepFrom())
  })
}

/** Findings that nobody has to read of unless he asks. */
const QUIET_FINDINGS: ReadonlySet<string> = new Set(['segment-removed', 'key-search-in-log'])

/** What nobody listens for is logged, as the store itself would. */
function tellStoreEvent(
  store: MessageStore,
  events: Events,
  name: string,
  details: Readonly<Record<string, unknown>>,
): void {
  if (name === 'error') events.emit('error', { where: 'the store', error: storeError(details) })
  else if (name === 'disk-pressure' && events.has(name)) events.emit(name, details)
  else if (events.has('store')) events.emit('store', { name, details })
  else if (!QUIET_FINDINGS.has(name)) store.logger.warn(details, name)
}

/** What went wrong below, as the error a caller would get for it. */
function storeError({ code, message, ...details }: Readonly<Record<string, unknown>>): PocketMQError {
  const name = (ERROR_CODES.find(known => known === code) ?? 'POCKETMQ_IO').slice('POCKETMQ_'.length) as ErrorName
  const hint =
    name === 'STORE_FAILED'
      ? 'Close the queue and open it again: recovery finds what is safe.'
      : 'Look at the device; what could not be done is tried again.'
  return new PocketMQError(name, String(message ?? 'failed'), { hint, details })
}

/** Writes what a copy of the live folder should have, besides the log. */
export async function saveForSnapshot({ topics, offsets, levels, timers, transactions }: Engine): Promise<void> {
  await topics.saved()
  await transactions.saveOffsets()
  await levels.save()
  await timers.save()
  await offsets.saveJson()
}

/** Ends the loops and writes what a clean close promises. The store itself stays open. */
export async function closeEngine(engine: Engine): Promise<void> {
  const { store, levels, timers, transactions, delivery, offsets, topics, alarms, wallAlarms, clients } = engine
  engine.health.close()
  await Promise.all([transactions.stop(), levels.stop(), timers.stop()])
  await delivery.close()
  clients.close()
  if (!store.isReadOnly) {
    await transactions.saveOffsets()
    await topics.saved()
    await levels.saveAtClose()
    await timers.saveAtClose()
    // RocketMQ's offsets are written as far as the log is on the device: all of it now.
    await store.flush()
  }
  await offsets.close()
  alarms.close()
  wallAlarms.close()
}
