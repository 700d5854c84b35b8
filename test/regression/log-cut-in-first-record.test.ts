/** A broker's log that ended within the first eight bytes of its only record was taken for another program's, and refused. */
import { expect, it } from 'vitest'
import { MessageStore } from '../../src/store/message-store.ts'
import { brokerStore, DIR, ownerOptionsOn } from '../crash/bad-bytes/full-store.ts'

it('a log that ends anywhere in its first record opens, for reading and for writing', async () => {
  const golden = brokerStore('g7')
  for (let length = 0; length < 100; length++) {
    const disk = golden.kill()
    const log = await disk.open(`${DIR}/commitlog/00000000000000000000`, 'write', 0)
    await log.setLength(length)
    await log.close()
    const reader = await MessageStore.openReadOnly(DIR, ownerOptionsOn(disk))
    await reader.close()
    const owner = await MessageStore.open(DIR, { ...ownerOptionsOn(disk), commitLogSegmentBytes: 65_536 })
    const { queueOffset } = owner.put({ topic: 'after', queueId: 0, body: Buffer.from('goes on') })
    expect([length, queueOffset]).toEqual([length, 0])
    await owner.close()
  }
})
