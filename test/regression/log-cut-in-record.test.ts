/** What was missing of a broker's record at the end of a file that was cut short was taken for zeros: it was shown without its properties. */
import { expect, it } from 'vitest'
import { MessageStore } from '../../src/store/message-store.ts'
import type { SimulatedDisk } from '../../src/testing/testing.ts'
import { factsOf, openReader, readQueue } from '../crash/bad-bytes/facts.ts'
import { brokerStore, DIR, ownerOptionsOn } from '../crash/bad-bytes/full-store.ts'

const LOG = `${DIR}/commitlog/00000000000000000000`

it.each([
  ['a reader', openReader],
  ['an owner', (disk: SimulatedDisk) => MessageStore.open(DIR, ownerOptionsOn(disk))],
])("a broker's record that its file ends within is not shown, wherever in it that is: %s", async (_, open) => {
  const { disk, messages, pieces } = await factsOf('g7', brokerStore('g7'), false)
  const [[queue = '', records = []] = []] = messages
  const starts = records.map(record => Number(record.readBigInt64BE(28)))
  const first = pieces.find(({ from }) => from === starts[0])
  for (let length = starts[0] as number; length < (first?.to ?? 0); length += 23) {
    const cut = disk.kill()
    const file = await cut.open(LOG, 'write', 0)
    await file.setLength(length)
    await file.close()
    const store = await open(cut)
    const shown: number[] = []
    await readQueue(store, queue.slice(0, queue.lastIndexOf('/')), 0, 0, message => shown.push(message.queueOffset))
    await store.close()
    expect({ length, shown }).toEqual({ length, shown: [] })
  }
})
