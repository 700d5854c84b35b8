/** Memory that is held: per queue, per group, per message in flight, and what appending flat out adds with time. */
import { setTimeout as sleep } from 'node:timers/promises'
import { PocketMQ } from '../../../src/index.ts'
import { measureAppends, nextTurn } from '../../support/loops.ts'
import { medianOf } from '../../support/median.ts'
import { bodyOf, TOPIC } from '../../support/messages.ts'
import type { Answer, Request } from '../../support/protocol.ts'
import { Unsupported } from '../../support/protocol.ts'
import { configurationOf, openStore, Putting, storeOptionsOf } from './opened.ts'

const QUEUES = 10_000
const GROUPS = 1000
const IN_FLIGHT = 50_000
const RECEIVE_BATCH = 32
const SETTLING_MS = 1000
const TENTHS = 10

export async function memory(request: Request): Promise<Answer> {
  const kinds: Record<string, (request: Request) => Promise<number>> = { queue, group, 'in flight': inFlight, growth }
  const measure = kinds[String(request.settings.of)]
  if (measure === undefined) throw new Unsupported(`does not measure the memory of ${request.settings.of}`)
  const heldBytes = await measure(request)
  return { operations: 1, seconds: 1, bytes: 0, figures: { heldBytes }, configuration: configurationOf(request) }
}

/** A queue that has had a message, after the folder was opened again. */
async function queue(request: Request): Promise<number> {
  const filling = await openStore(request)
  await new Putting(filling, { ...request, settings: { ...request.settings, queues: QUEUES } }).fill(QUEUES)
  await filling.close()
  const before = await held()
  const store = await openStore(request)
  const after = await held()
  const { length } = store.queues()
  await store.close()
  return (after - before) / length
}

/** A group with a consumer that waits. */
async function group(request: Request): Promise<number> {
  const mq = await PocketMQ.open(request.folder, storeOptionsOf(request))
  await mq.producer().send({ topic: TOPIC, body: bodyOf(request.size) })
  const consumers = []
  const before = await held()
  for (let i = 0; i < GROUPS; i++) {
    consumers.push(await mq.simpleConsumer({ consumerGroup: `group-${i}`, subscriptions: { [TOPIC]: '*' } }))
  }
  const after = await held()
  await mq.close()
  return (after - before) / consumers.length
}

/** A message that was received and not yet acknowledged; nobody holds the message itself. */
async function inFlight(request: Request): Promise<number> {
  const mq = await PocketMQ.open(request.folder, { ...storeOptionsOf(request), topicQueues: 256 })
  const producer = mq.producer()
  const body = bodyOf(request.size)
  const sends = []
  for (let i = 0; i < IN_FLIGHT; i++) sends.push(producer.send({ topic: TOPIC, body }))
  await Promise.all(sends.splice(0))
  const consumer = await mq.simpleConsumer({ consumerGroup: 'bench', subscriptions: { [TOPIC]: '*' } })
  await consumer.receive(RECEIVE_BATCH, 600_000)
  const before = await held()
  let received = 0
  while (received < IN_FLIGHT - RECEIVE_BATCH) {
    const { length } = await consumer.receive(RECEIVE_BATCH, 600_000)
    if (length === 0) break
    received += length
  }
  const after = await held()
  await mq.close()
  if (received === 0) throw new Error('nothing was received')
  return (after - before) / received
}

/**
 * In bytes, what is held after each tenth of the time: the middle of the last three against that of the first three. What one moment
 * finds may have a buffer of four megabytes in it, or not.
 */
async function growth(request: Request): Promise<number> {
  const store = await openStore(request)
  const putting = new Putting(store, request)
  const samples: number[] = []
  while (samples.length < TENTHS) {
    await measureAppends(
      { ...request, seconds: request.seconds / TENTHS, warmUpSeconds: 0 },
      { put: i => putting.put(i) },
    )
    await store.flush()
    samples.push(await held())
  }
  await store.close()
  return medianOf(samples.slice(-3)) - medianOf(samples.slice(0, 3))
}

/** What is reachable, heap and buffers, once everything behind the scenes is at rest. */
async function held(): Promise<number> {
  if (globalThis.gc === undefined) throw new Error('needs --expose-gc')
  await sleep(SETTLING_MS)
  for (let i = 0; i < 3; i++) {
    globalThis.gc()
    await nextTurn()
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
