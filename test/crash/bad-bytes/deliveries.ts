/** Everything a folder of ours still owes its groups: opened hours later, it delivers what waits and what nobody has acknowledged. */
import { PocketMQ } from '../../../src/messaging/pocket-mq.ts'
import type { SimulatedDisk } from '../../../src/testing/testing.ts'
import { ManualClock } from '../../../src/testing/testing.ts'
import { DIR, OPENED_MS, optionsOn } from './full-store.ts'

const HOURS_LATER_MS = OPENED_MS + 4 * 3_600_000
const SUBSCRIPTIONS: Readonly<Record<string, Record<string, string>>> = {
  billing: { orders: '*' },
  audit: { alerts: 'red || green', payments: '*' },
}

/** How often each group gets each body. */
export async function deliveriesOf(disk: SimulatedDisk): Promise<Map<string, number>> {
  const clock = new ManualClock(HOURS_LATER_MS)
  const mq = await PocketMQ.open(DIR, optionsOn(disk, clock))
  try {
    mq.producer({ group: 'shop', checker: () => 'commit' })
    const taken = new Map<string, number>()
    const consumers = await Promise.all(
      Object.entries(SUBSCRIPTIONS).map(([consumerGroup, subscriptions]) =>
        mq.simpleConsumer({ consumerGroup, subscriptions, awaitDuration: 0 }),
      ),
    )
    for (let idle = 0; idle < 3; ) {
      let count = 0
      for (const consumer of consumers) {
        for (const message of await consumer.receive(32)) {
          count++
          const key = `${consumer.group} ${message.body}`
          taken.set(key, (taken.get(key) ?? 0) + 1)
          await message.ack()
        }
      }
      if (count > 0) continue
      idle++
      await clock.advance(11_000)
    }
    return taken
  } finally {
    await mq.close({ drainMs: 0 })
  }
}

/** What `golden` has and `actual` does not. */
export function skippedIn(golden: ReadonlyMap<string, number>, actual: ReadonlyMap<string, number>): string[] {
  return [...golden.keys()].filter(key => !actual.has(key))
}
