/** Closed folders with everything in them, on a simulated disk: one of ours, and a broker's. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '../../../src/base/logger.ts'
import type { PocketMQOptions } from '../../../src/messaging/pocket-mq.ts'
import { PocketMQ } from '../../../src/messaging/pocket-mq.ts'
import type { Producer } from '../../../src/messaging/producer.ts'
import type { SimpleConsumer } from '../../../src/messaging/simple-consumer.ts'
import type { StoreOptions } from '../../../src/store/message-store.ts'
import { ManualClock, SimulatedDisk, seededRandom } from '../../../src/testing/testing.ts'

export const DIR = '/store'
/** When the folder of ours is made; a copy is opened right behind its end. */
const BORN_MS = 1_700_000_000_000
/** Where clocks stand when a copy is opened. */
export const OPENED_MS: number = BORN_MS + 600_000

export function optionsOn(fileSystem: SimulatedDisk, clock: ManualClock): PocketMQOptions {
  return {
    ...{ fileSystem, clock, logger: silentLogger, random: seededRandom(5).next, topicQueues: 2, lock: 'none' },
    ...{ commitLogSegmentBytes: 16_384, consumeQueueSegmentEntries: 30, indexSlots: 20, indexEntries: 60 },
    retention: { freeBytesMin: 0 },
  }
}

/** For opening a damaged copy as its owner: the sizes are found in the folder. */
export function ownerOptionsOn(fileSystem: SimulatedDisk): StoreOptions {
  const clock = new ManualClock(OPENED_MS)
  return { fileSystem, clock, logger: silentLogger, lock: 'none', retention: { freeBytesMin: 0 } }
}

/** Every feature that leaves something on the disk. */
export async function ownStore(): Promise<SimulatedDisk> {
  const clock = new ManualClock(BORN_MS)
  const disk = new SimulatedDisk({ clock, writeBackChance: 0 })
  const first = await PocketMQ.open(DIR, optionsOn(disk, clock))
  await fill(first, clock)
  await first.close({ drainMs: 0 })
  await clock.advance(1000)
  const second = await PocketMQ.open(DIR, optionsOn(disk, clock))
  await leaveOpenEnds(second, clock)
  await second.close({ drainMs: 0 })
  return disk.kill()
}

async function fill(mq: PocketMQ, clock: ManualClock): Promise<void> {
  const random = seededRandom(11)
  for (const topic of ['orders', 'alerts', 'gone']) await mq.admin.createTopic({ topic, queues: 2 })
  await mq.admin.createTopic({ topic: 'payments', queues: 1, type: 'FIFO' })
  const producer = mq.producer({ group: 'shop' })
  const billing = await simpleOf(mq, 'billing', { orders: '*' })
  const audit = await simpleOf(mq, 'audit', { alerts: 'red || green', payments: '*' })
  for (let i = 0; i < 4; i++) await producer.send({ topic: 'gone', body: `gone ${i}` })
  for (let i = 0; i < 60; i++) {
    await sendOne(producer, i, random.below(150))
    if (i % 12 === 11) await settleSome(billing, i)
    if (i % 18 === 17) await settleSome(audit, i)
    await clock.advance(random.below(1500))
  }
  await mq.admin.deleteTopic('gone')
}

async function sendOne(producer: Producer, i: number, bytes: number): Promise<void> {
  const body = `${i}: ${'żółć 商品 '.repeat(bytes / 20)}`
  const tag = ['red', 'green', 'blue'][i % 3]
  if (i % 15 === 14) await transact(producer, body, i % 2 === 0 ? 'commit' : 'rollback')
  else if (i % 11 === 10)
    await producer.sendBatch([1, 2, 3].map(part => ({ topic: 'orders', body: `${body}/${part}` })))
  else if (i % 7 === 6) await producer.send({ topic: 'orders', body, delay: 2000 + i })
  else if (i % 5 === 4) await producer.send({ topic: 'orders', body, delayLevel: 1 })
  else if (i % 4 === 3) await producer.send({ topic: 'payments', body, messageGroup: `customer-${i % 3}` })
  else
    await producer.send({
      topic: i % 2 === 0 ? 'orders' : 'alerts',
      body,
      tag,
      keys: [`key-${i}`],
      properties: { p: `${i}` },
    })
}

async function transact(producer: Producer, body: string, how: 'commit' | 'rollback' | 'leave'): Promise<void> {
  const transaction = producer.beginTransaction()
  await producer.send({ topic: 'orders', body }, transaction)
  if (how === 'commit') await transaction.commit()
  if (how === 'rollback') await transaction.rollback()
}

/** What waits when the folder is closed: delays of both kinds, an undecided transaction, messages nobody has consumed. */
async function leaveOpenEnds(mq: PocketMQ, clock: ManualClock): Promise<void> {
  const producer = mq.producer({ group: 'shop' })
  const billing = await simpleOf(mq, 'billing', { orders: '*' })
  for (let i = 0; i < 4; i++) await producer.send({ topic: 'orders', body: `parked ${i}`, delayLevel: 18 })
  for (let i = 0; i < 4; i++) await producer.send({ topic: 'orders', body: `timed ${i}`, delay: 3_600_000 + i * 1000 })
  await transact(producer, 'undecided', 'leave')
  await settleSome(billing, 1)
  for (let i = 0; i < 6; i++)
    await producer.send({ topic: 'alerts', body: `left ${i}`, tag: 'red', keys: [`left-${i}`] })
  await clock.advance(6000)
}

function simpleOf(mq: PocketMQ, group: string, subscriptions: Record<string, string>): Promise<SimpleConsumer> {
  return mq.simpleConsumer({ consumerGroup: group, subscriptions, awaitDuration: 0 })
}

async function settleSome(consumer: SimpleConsumer, i: number): Promise<void> {
  for (const [n, message] of (await consumer.receive(8)).entries()) {
    if ((n + i) % 13 === 12) await consumer.deadLetter(message)
    else if ((n + i) % 7 === 6) await message.nack()
    else await message.ack()
  }
}

/** A golden folder of RocketMQ's, as it left it. */
export function brokerStore(name: string): SimulatedDisk {
  const folder = mkdtempSync(join(tmpdir(), 'pocketmq-golden-'))
  const disk = new SimulatedDisk({ clock: new ManualClock(BORN_MS), writeBackChance: 0 })
  try {
    const archive = join(process.cwd(), 'data/golden/rocketmq-5.5.0', name, 'store.tar.gz')
    execFileSync('tar', ['-xzf', archive, '-C', folder])
    place(disk, join(folder, 'store'), DIR)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return disk
}

function place(disk: SimulatedDisk, from: string, to: string): void {
  for (const entry of readdirSync(from)) {
    const path = join(from, entry)
    if (statSync(path).isDirectory()) place(disk, path, `${to}/${entry}`)
    else disk.place(`${to}/${entry}`, readFileSync(path))
  }
}
