/** A broker works in a folder that we closed, and closes it; then the power fails at every flush of our next opening. What it did holds. */
import { expect, it } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { decodeCheckpoint, encodeCheckpoint } from '../../src/codec/checkpoint.ts'
import { decodeConsumerOffsets, encodeConsumerOffsets } from '../../src/codec/consumer-offset-json.ts'
import { RecordEncoder } from '../../src/codec/record-encoder.ts'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'

const DIR = '/store'
const TOPIC = 'orders'
const GROUP = 'billing'
const SENT = 6
const ACKED = 2
const SIZES = { commitLogSegmentBytes: 64 * 1024, consumeQueueSegmentEntries: 100, indexSlots: 16, indexEntries: 64 }

async function open(disk: SimulatedDisk): Promise<PocketMQ> {
  const sizes = disk.paths().length === 0 ? SIZES : {}
  return await PocketMQ.open(DIR, {
    ...sizes,
    ...{ fileSystem: disk, clock: new ManualClock(), logger: silentLogger, topicQueues: 1 },
  })
}

/** Closed by us, after so many messages and acknowledgements. Answers where the log ends. */
async function closedByUs(disk: SimulatedDisk): Promise<number> {
  const mq = await open(disk)
  for (let i = 0; i < SENT; i++) await mq.producer().send({ topic: TOPIC, body: `ours ${i}` })
  const consumer = await mq.simpleConsumer({
    ...{ consumerGroup: GROUP, subscriptions: { [TOPIC]: '*' }, awaitDuration: 0 },
  })
  for (const message of await consumer.receive(ACKED)) await message.ack()
  const end = mq.store.watermarks.appended
  await mq.close()
  return end
}

/** One record behind ours, without a checksum of ours, and a checkpoint that says so. */
function brokerAppends(disk: SimulatedDisk, end: number): void {
  const encoder = new RecordEncoder({ storeHost: '127.0.0.1:10911', recordCrc: false, messageBytesMax: 1 << 20 })
  const bytes = Buffer.alloc(encoder.prepare({ topic: TOPIC, queueId: 0, body: Buffer.from('theirs') }))
  const nowMs = new ManualClock().nowMs()
  encoder.encode(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, SENT, end, nowMs)
  const log = `${DIR}/commitlog/00000000000000000000`
  const content = disk.contentOf(log)
  bytes.copy(content, end)
  disk.place(log, content)
  const checkpoint = decodeCheckpoint(disk.contentOf(`${DIR}/checkpoint`))
  disk.place(`${DIR}/checkpoint`, encodeCheckpoint({ ...checkpoint, physicMessageTimestamp: nowMs + 1 }))
}

function writeOffset(disk: SimulatedDisk, queueOffset: number): void {
  const path = `${DIR}/config/consumerOffset.json`
  const file = decodeConsumerOffsets(disk.contentOf(path).toString())
  const offsets = file.offsets.map(one => (one.group === GROUP && one.topic === TOPIC ? { ...one, queueOffset } : one))
  for (const name of [path, `${path}.bak`]) disk.place(name, Buffer.from(encodeConsumerOffsets({ ...file, offsets })))
}

/** What the folder says to whoever opens it next, and at every flush of that, after a power cut, to whoever comes then. */
async function saidBy(disk: SimulatedDisk): Promise<{ readonly bodies: string[]; readonly committed: number }[]> {
  const cuts: SimulatedDisk[] = []
  const opened = disk.kill()
  const stop = opened.onFlush(() => cuts.push(opened.powerCut(cuts.length)))
  const said = [await bodiesAndOffset(opened)]
  stop()
  for (const cut of cuts) said.push(await bodiesAndOffset(cut))
  expect(cuts.length).toBeGreaterThan(8)
  return said
}

async function bodiesAndOffset(disk: SimulatedDisk): Promise<{ bodies: string[]; committed: number }> {
  const mq = await open(disk)
  const { messages } = await mq.store.read({ topic: TOPIC, queueId: 0, queueOffset: 0, maxMessages: 32 })
  const { queues } = await mq.admin.groupProgress(GROUP)
  const committed = queues.find(queue => queue.topic === TOPIC)?.committed ?? -1
  await mq.close()
  return { bodies: messages.map(message => message.body.toString()), committed }
}

const OURS = Array.from({ length: SENT }, (_, i) => `ours ${i}`)

it('what a broker appended is there, and the offsets that it moved hold, at whatever flush of the next opening the power fails', async () => {
  const disk = new SimulatedDisk()
  brokerAppends(disk, await closedByUs(disk))
  writeOffset(disk, 5)
  for (const said of await saidBy(disk)) expect(said).toEqual({ bodies: [...OURS, 'theirs'], committed: 5 })
})

it('where no broker was, a smaller offset that somebody wrote repeats, and a greater one skips nothing', async () => {
  for (const [written, holds] of [
    [1, 1],
    [5, ACKED],
  ] as const) {
    const disk = new SimulatedDisk()
    await closedByUs(disk)
    writeOffset(disk, written)
    expect(await bodiesAndOffset(disk)).toEqual({ bodies: OURS, committed: holds })
  }
})
