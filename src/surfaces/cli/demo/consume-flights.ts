/**
 * A process of the demo: three consumers of one group, which print a line for each flight whose handling has ended.
 * The process may be killed at any time; the second consumer can be told to break down in the middle of a flight.
 *
 * Arguments: folder, after how many flights of its own the second consumer breaks down (0: never).
 */
import { PocketMQ } from '../../../messaging/pocket-mq.ts'
import type { ConsumedLine } from './demo-lines.ts'
import { FLIGHTS_GROUP, say } from './demo-lines.ts'
import { FLIGHTS_TOPIC, NUMBER_PROPERTY } from './flights.ts'

/** How many flights one consumer works on at once. */
const CONCURRENCY = 4
const BREAKING = 2
const [dir = '', breakAfter = '0'] = process.argv.slice(2)

await using mq = await PocketMQ.open(dir, { durability: 'disk', lockWaitMs: 10_000 })
let breakDown: (() => void) | undefined
const brokenDown = new Promise<void>(resolve => {
  breakDown = resolve
})
let handledByBreaking = 0
let isBroken = false

async function join(consumer: number): Promise<{ close(options?: { drainMs?: number }): Promise<void> }> {
  return await mq.pushConsumer({
    consumerGroup: FLIGHTS_GROUP,
    subscriptions: { [FLIGHTS_TOPIC]: '*' },
    instanceName: `consumer-${consumer}`,
    orderly: 'group',
    onExhausted: 'block',
    concurrency: CONCURRENCY,
    messageListener: async (message, { signal }) => {
      const flight = Number(message.properties[NUMBER_PROPERTY])
      if (consumer === BREAKING && Number(breakAfter) > 0 && handledByBreaking++ >= Number(breakAfter)) {
        // From here on this consumer finishes nothing: no acknowledgement, no goodbye to what it holds.
        if (!isBroken) say<ConsumedLine>({ broken: consumer, flight })
        isBroken = true
        breakDown?.()
        await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
        throw new Error('this consumer broke down')
      }
      say<ConsumedLine>({
        consumer,
        flight,
        airport: message.messageGroup ?? '',
        queueId: message.queueId,
        queueOffset: message.queueOffset,
        attempt: message.deliveryAttempt,
      })
    },
  })
}

const consumers = await Promise.all([1, BREAKING, 3].map(join))
const done = mq.admin.waitUntilEmpty(FLIGHTS_GROUP)
if (Number(breakAfter) > 0) {
  await Promise.race([brokenDown, done])
  // What it held is handed to the other two.
  await consumers[BREAKING - 1]?.close({ drainMs: 0 })
}
await done
