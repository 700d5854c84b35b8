/** What `verify` makes of small files that are not as they were when the folder was closed. */
import { expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { ManualClock, SimulatedDisk } from '../../src/testing/testing.ts'

const NAME = 'config/topics.json'
const textOf = (counter: number): Buffer =>
  Buffer.from(`{"dataVersion":{"counter":${counter},"stateVersion":0,"timestamp":1},"topicConfigTable":{}}`)

async function closedFolder(): Promise<{ disk: SimulatedDisk; clock: ManualClock; named: () => Promise<string[]> }> {
  const clock = new ManualClock()
  const disk = new SimulatedDisk({ clock })
  const options = { fileSystem: disk, clock, logger: silentLogger }
  const store = await MessageStore.open('/store', options)
  store.put({ topic: 'orders', queueId: 0, body: Buffer.from('one') })
  for (const counter of [1, 2]) await store.smallFiles.save(NAME, textOf(counter))
  await store.close()
  const named = async (): Promise<string[]> => {
    const reader = await MessageStore.openReadOnly('/store', options)
    const { findings } = await reader.verify()
    await reader.close()
    return findings.map(({ file }) => file)
  }
  return { disk, clock, named }
}

it('a wrong digit that nobody wrote is named', async () => {
  const { disk, named } = await closedFolder()
  expect(await named()).toEqual([])
  disk.flipBit(`/store/${NAME}`, textOf(2).indexOf('2'), 0)
  expect(await named()).toEqual([NAME])
})

it('what a broker wrote after the close is no damage, whatever its .bak holds', async () => {
  for (const names of [[NAME], [NAME, `${NAME}.bak`], [`${NAME}.bak`]]) {
    const { disk, clock, named } = await closedFolder()
    await clock.advance(5000)
    for (const name of names) disk.place(`/store/${name}`, textOf(3))
    expect(await named()).toEqual([])
  }
})

it('a file that a broker renamed to its .bak, and wrote anew as it was, is no damage', async () => {
  const { disk, named } = await closedFolder()
  disk.place(`/store/${NAME}.bak`, textOf(2))
  expect(await named()).toEqual([])
})
