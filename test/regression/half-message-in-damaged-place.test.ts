/** A record that RocketMQ keeps out of every queue says queueOffset 0: it was shown where the first record of its queue was damaged. */
import { expect, it } from 'vitest'
import { factsOf, openReader, readQueue } from '../crash/bad-bytes/facts.ts'
import { brokerStore, DIR } from '../crash/bad-bytes/full-store.ts'

it("a prepared or rolled-back record is never shown in a damaged record's place", async () => {
  const { disk, messages } = await factsOf('g7', brokerStore('g7'), false)
  const [[queue = '', records = []] = []] = messages
  const first = Number((records[0] as Buffer).readBigInt64BE(28))
  disk.flipBit(`${DIR}/commitlog/00000000000000000000`, first + 9, 2)
  const store = await openReader(disk)
  const shown: number[] = []
  await readQueue(store, queue.slice(0, queue.lastIndexOf('/')), 0, 0, message => shown.push(message.queueOffset))
  await store.close()
  expect(shown).toEqual(records.map((_, slot) => slot).slice(1))
})
