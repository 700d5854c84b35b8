/** A broker's record says its type, queue and slot without a checksum: a damaged one was shown in the place of a message that was whole. */
import { describe, expect, it } from 'vitest'
import type { MessageStore } from '../../src/store/message-store.ts'
import { MessageStore as Store } from '../../src/store/message-store.ts'
import type { SimulatedDisk } from '../../src/testing/testing.ts'
import type { Golden } from '../crash/bad-bytes/facts.ts'
import { factsOf, openReader, readQueue } from '../crash/bad-bytes/facts.ts'
import { brokerStore, DIR, ownerOptionsOn } from '../crash/bad-bytes/full-store.ts'

const SEGMENT = '00000000000000000000'
const LOG = `${DIR}/commitlog/${SEGMENT}`
const TYPE_BITS = 0x0c

/** Where records lie that are in no queue, with the bit that makes them say that they are. */
function unnumberedIn({ pieces, disk }: Golden): { readonly from: number; readonly bit: number }[] {
  const log = disk.contentOf(LOG)
  return pieces.flatMap(({ from, isFiller }) => {
    const type = isFiller ? 0 : log.readInt32BE(from + 36) & TYPE_BITS
    return type === 4 || type === 12 ? [{ from, bit: 2 }] : []
  })
}

async function shownIn(store: MessageStore, queue: string): Promise<[number, Buffer][]> {
  const slash = queue.lastIndexOf('/')
  const shown: [number, Buffer][] = []
  await readQueue(store, queue.slice(0, slash), Number(queue.slice(slash + 1)), 0, ({ queueOffset, record }) =>
    shown.push([queueOffset, Buffer.from(record)]),
  )
  return shown
}

const WAYS: readonly (readonly [string, (disk: SimulatedDisk) => Promise<MessageStore>])[] = [
  ['a reader', openReader],
  ['an owner', disk => Store.open(DIR, ownerOptionsOn(disk))],
]

describe.each(WAYS)(
  'a message that its queue names rightly keeps its slot from a damaged record, for %s',
  (_, open) => {
    it('whose type says that it is in a queue', async () => {
      const golden = await factsOf('g7', brokerStore('g7'), false)
      const [[queue = '', records = []] = []] = golden.messages
      const unnumbered = unnumberedIn(golden)
      expect(unnumbered.length).toBeGreaterThan(5)
      for (const { from, bit } of unnumbered) {
        const disk = golden.disk.kill()
        disk.flipBit(LOG, from + 39, bit)
        const store = await open(disk)
        expect(await shownIn(store, queue)).toEqual(records.map((record, slot) => [slot, record]))
        await store.close()
      }
    })

    it('whose slot says that it is the one before', async () => {
      const { disk, messages } = await factsOf('g7', brokerStore('g7'), false)
      const [[queue = '', records = []] = []] = messages
      disk.flipBit(LOG, Number((records[5] as Buffer).readBigInt64BE(28)) + 27, 0)
      const store = await open(disk)
      const whole = records.map((record, slot): [number, Buffer] => [slot, record]).filter(([slot]) => slot !== 5)
      // What is mended on the way holds for who reads next.
      for (let i = 0; i < 2; i++) expect(await shownIn(store, queue)).toEqual(whole)
      await store.close()
    })
  },
)

it('verify names the damaged record, not the queue', async () => {
  const golden = await factsOf('g7', brokerStore('g7'), false)
  const { from, bit } = unnumberedIn(golden).at(-1) ?? { from: 0, bit: 0 }
  golden.disk.flipBit(LOG, from + 39, bit)
  const store = await openReader(golden.disk)
  const { findings } = await store.verify()
  await store.close()
  expect(findings.map(({ file, offset }) => [file, offset])).toEqual([[`commitlog/${SEGMENT}`, from]])
})
