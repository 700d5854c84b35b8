/** The Java side of the interop tests, proved against stores whose content is known. */
import { describe, expect, it } from 'vitest'
import { expected, unpack } from '../golden/golden-stores.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { Broker, NO_BROKER } from './broker.ts'

const SIZES = {
  maxHashSlotNum: 100,
  maxIndexNum: 400,
  mappedFileSizeCommitLog: 1 << 20,
  mappedFileSizeConsumeQueue: 2000,
}

describe.skipIf(NO_BROKER !== undefined)("RocketMQ's own store", { timeout: 60_000 }, () => {
  it('reads from a golden store what was recorded of it, and goes on appending', async () => {
    const folder = unpack('g1', temporaryFolder())
    const broker = await Broker.open(folder, SIZES)
    expect(broker.opened).toMatchObject({ lastExit: 'normal', abortFile: false })
    const { queues, messages } = await broker.dump()
    const wanted = expected('g1')
    expect(queues).toEqual(wanted.queues)
    expect(messages.map(message => message.commitLogOffset)).toEqual(
      wanted.messages.map(message => message.commitLogOffset),
    )
    const [key] = wanted.keys
    expect(await broker.query(key?.topic ?? '', key?.key ?? '')).toEqual(key?.offsets)
    const [put] = await broker.append('Topic_A', 0, 3, 'later')
    expect(put?.commitLogOffset).toBe(broker.opened.maxPhyOffset)
    await broker.kill()
    const again = await Broker.open(folder, SIZES)
    expect(again.opened).toMatchObject({ lastExit: 'abnormal', abortFile: true })
    expect(await again.query('Topic_A', 'later-2')).toHaveLength(1)
    await again.close()
  })

  it('refuses a folder whose sizes it was not told', async () => {
    const folder = unpack('g2', temporaryFolder())
    await expect(Broker.open(folder, SIZES)).rejects.toMatchObject({ name: 'BrokerRefusal' })
  })
})
